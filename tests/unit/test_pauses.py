import pytest

from service.outcomes import Cause, Retry
from service.pauses import PAUSES, Pause, Pauses


def test_a_pause_is_news_once() -> None:
    pauses = Pauses(32)
    assert pauses.begin("outage")
    assert not pauses.begin("outage")
    assert pauses.end("outage") == ["outage"]
    assert pauses.begin("outage")


def test_ends_only_what_had_begun() -> None:
    pauses = Pauses(32)
    pauses.begin("token")
    assert pauses.end("outage", "token") == ["token"]
    assert pauses.end("outage", "token") == []


@pytest.mark.parametrize("pause", ["token", "configuration", "unroutable"])
def test_is_not_ready_while_somebody_must_mend_something(pause: Pause) -> None:
    pauses = Pauses(32)
    pauses.begin(pause)
    assert pauses.why_not_ready() == pause
    pauses.end(pause)
    assert pauses.why_not_ready() is None


@pytest.mark.parametrize("pause", ["outage", "blocked"])
def test_is_ready_while_it_waits_for_what_passes_by_itself(pause: Pause) -> None:
    pauses = Pauses(32)
    pauses.begin(pause)
    assert pauses.why_not_ready() is None


OUTAGE = Retry("outage", "status 503")


def failing(pauses: Pauses, times: int = 5) -> list[bool]:
    return [pauses.failed(OUTAGE, 0) for _ in range(times)]


class TestOutage:
    def test_begins_when_calls_fail_in_a_row(self) -> None:
        pauses = Pauses(32)
        assert failing(pauses) == [False, False, False, False, True]
        assert "outage" in pauses
        assert not pauses.may_call(0, 0)

    def test_does_not_begin_while_some_succeed(self) -> None:
        pauses = Pauses(32)
        for _ in range(10):
            failing(pauses, 4)
            pauses.succeeded(0)
        assert pauses.may_call(0, 0)

    def test_does_not_begin_while_the_api_refuses(self) -> None:
        pauses = Pauses(32)
        failing(pauses, 4)
        pauses.refused(("1", "a"))
        failing(pauses, 4)
        assert "outage" not in pauses

    def test_ends_with_a_trial_of_one_call(self) -> None:
        pauses = Pauses(32)
        failing(pauses)
        assert pauses.try_again(0) == ["outage"]
        assert (pauses.may_call(0, 0), pauses.may_call(1, 0)) == (True, False)

    def test_begins_again_when_the_trial_fails(self) -> None:
        pauses = Pauses(32)
        failing(pauses)
        pauses.try_again(0)
        assert pauses.failed(OUTAGE, 0)

    def test_is_followed_by_ever_more_calls(self) -> None:
        pauses = Pauses(4)
        failing(pauses)
        pauses.try_again(0)
        slots = []
        for _ in range(5):
            pauses.succeeded(0)
            slots.append(max(n + 1 for n in range(10) if pauses.may_call(n, 0)))
        assert slots == [2, 3, 4, 4, 4]
        assert failing(pauses, 1) == [False]

    def test_ends_with_a_success(self) -> None:
        pauses = Pauses(32)
        failing(pauses)
        assert pauses.succeeded(0) == ["outage"]


@pytest.mark.parametrize("cause", ["token", "configuration"])
def test_an_answer_that_concerns_every_call_pauses_at_once(cause: Cause) -> None:
    pauses = Pauses(32)
    assert pauses.failed(Retry(cause, "401"), 0)
    assert pauses.of_the_api == [cause]
    assert not pauses.failed(Retry(cause, "401"), 0)


class TestRefusals:
    def test_pause_when_many_keys_are_refused_in_a_row(self) -> None:
        pauses = Pauses(32)
        assert [pauses.refused(("1", str(n))) for n in range(20)] == [False] * 19 + [True]

    def test_of_one_key_do_not(self) -> None:
        pauses = Pauses(32)
        assert not any(pauses.refused(("1", "a")) for _ in range(50))

    def test_with_a_success_among_them_do_not(self) -> None:
        pauses = Pauses(32)
        for n in range(19):
            pauses.refused(("1", str(n)))
        pauses.succeeded(0)
        assert not any(pauses.refused(("1", str(n))) for n in range(19))

    def test_go_on_with_one_call_that_is_refused(self) -> None:
        pauses = Pauses(32)
        for n in range(20):
            pauses.refused(("1", str(n)))
        assert pauses.try_again(0) == ["refusals"]
        assert pauses.refused(("1", "x"))


class TestRetryAfter:
    def test_keeps_all_calls_back(self) -> None:
        pauses = Pauses(32)
        pauses.failed(Retry("outage", "429", after=7), now=100)
        assert pauses.not_before == 107
        assert (pauses.may_call(0, 106), pauses.may_call(0, 107)) == (False, True)

    def test_is_not_shortened_by_another(self) -> None:
        pauses = Pauses(32)
        pauses.failed(Retry("outage", "429", after=7), now=100)
        pauses.failed(Retry("outage", "429", after=1), now=100)
        assert pauses.not_before == 107


@pytest.mark.parametrize("pause", PAUSES)
def test_no_call_starts_in_any_pause(pause: Pause) -> None:
    pauses = Pauses(32)
    assert pauses.may_call(31, 0)
    assert not pauses.may_call(32, 0)
    pauses.begin(pause)
    assert not pauses.may_call(0, 0)
    pauses.end(pause)
    assert pauses.may_call(0, 0)


def test_tells_its_listeners_of_each_beginning_and_end() -> None:
    pauses, told, also = Pauses(32), [], []
    pauses.listeners.append(lambda: told.append(list(pauses.of_the_api)))
    pauses.listeners.append(lambda: also.append(list(pauses.of_the_api)))
    failing(pauses, 7)
    pauses.try_again(0)
    pauses.try_again(0)
    pauses.end("token")
    assert told == also == [["outage"], []]
