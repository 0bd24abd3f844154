"""What the worker does while something stands in its way, and after it."""

import asyncio
import random
from collections import Counter
from typing import Any

import pytest
from structlog.testing import capture_logs

from service.broker import Unpublished, Unroutable
from service.carried import Carried
from service.messages import Delivery, Properties
from service.profiles import NoResponse
from tests.unit.doubles import FakeCopernica, error, profiles, response
from tests.unit.samples import body, event
from tests.unit.world import World

DOWN = response(503)
NO_ANSWER = NoResponse("no-answer", "timeout")
FINE = profiles({"ID": "1"})


def keys(*names: object) -> list[str]:
    return [str(name) for name in names]


class TestOutage:
    async def test_stops_calls_until_the_api_answers(self) -> None:
        world = World(hold_timeout=1000)
        world.api.seconds = 0
        world.api.reply("put-profiles", DOWN)
        world.api.reply("get-identity", DOWN)
        world.deliver_keys(*keys(*range(50)))
        await world.pass_time(100)
        # What was in flight when it began, and not one more.
        assert len(world.puts) == 32
        assert world.pauses.of_the_api == ["outage"]
        world.api.reply("get-identity", FINE)
        world.api.reply("put-profiles", FINE)
        await world.pass_time(5)
        assert len(world.results) == 50
        assert {result["outcome"] for result in world.results} == {"updated"}
        assert world.pauses.of_the_api == []

    async def test_is_followed_by_few_calls_at_first(self) -> None:
        world = World(hold_timeout=1000)
        world.api.reply("put-profiles", DOWN)
        world.api.reply("get-identity", DOWN)
        world.deliver_keys(*keys(*range(50)))
        await world.pass_time(50)
        world.api.reply("get-identity", FINE)
        world.api.reply("put-profiles", FINE)
        before = len(world.puts)
        while len(world.puts) == before:
            await world.pass_time(0.1)
        assert world.api.running == 1
        await world.pass_time(1.05)
        assert world.api.running == 2

    async def test_of_updates_alone_tries_one_now_and_then(self) -> None:
        world = World(hold_timeout=30)
        world.api.reply("put-profiles", DOWN)
        world.deliver_keys(*keys(*range(50)))
        await world.pass_time(600)
        assert not world.patience.given_up.done()
        # As seldom as other retries, in the end: up to a minute.
        assert 8 < len(world.puts) - 32 < 30
        assert world.results == []

    async def test_gives_the_link_up_when_it_lasts(self) -> None:
        world = World(hold_timeout=30)
        world.api.reply("put-profiles", DOWN)
        world.api.reply("get-identity", DOWN)
        world.deliver_keys(*keys(*range(5)))
        await world.pass_time(29)
        assert not world.patience.given_up.done()
        await world.pass_time(10)
        assert world.patience.given_up.result() == "outage"

    async def test_that_is_short_gives_up_nothing(self) -> None:
        world = World(hold_timeout=30)
        for _ in range(5):
            world.api.reply("put-profiles", DOWN)
            world.api.reply("get-identity", DOWN)
            world.deliver_keys(*keys(*range(5)))
            await world.pass_time(20)
            world.api.reply("get-identity", FINE)
            world.api.reply("put-profiles", FINE)
            await world.pass_time(20)
        assert not world.patience.given_up.done()
        assert len(world.results) == 25

    async def test_of_one_event_alone_is_none(self) -> None:
        world = World(retry_attempts=3)
        world.api.reply("put-profiles", DOWN)
        world.deliver_keys("1")
        await world.pass_time(10_000)
        assert world.results == []
        assert not world.patience.given_up.done()


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (error("Invalid access token"), "token"),
        (response(401), "token"),
        (response(404), "configuration"),
        (response(301, location="https://elsewhere.example/"), "configuration"),
    ],
)
async def test_gives_the_link_up_at_once_when_somebody_must_mend_something(
    answer: Any, cause: str
) -> None:
    world = World()
    world.api.reply("put-profiles", answer)
    world.api.reply("get-identity", answer)
    world.deliver_keys(*keys(*range(40)))
    await world.pass_time(3)
    assert world.patience.given_up.result() == cause
    assert world.pauses.why_not_ready() == cause
    await world.pass_time()
    assert len(world.puts) == 32
    assert world.results == []


async def test_gives_no_link_up_for_an_update_that_alone_is_refused_like_that() -> None:
    world = World(fake=Forbidden)
    world.deliver_keys("bad", *keys(*range(100)))
    await world.pass_time()
    assert not world.patience.given_up.done()
    assert len(world.results) == 100
    await world.pass_time(36_000)
    assert not world.patience.given_up.done()
    assert world.pauses.why_not_ready() in ("token", None)


class Poisoned(FakeCopernica):
    """Fails on updates of the key `bad` alone."""

    poison = DOWN

    def _answer(self, call: Any) -> Any:
        bad = call.query.startswith("fields%5B%5D=customerid%3D%3Dbad")
        return self.poison if bad else FINE


class Forbidden(Poisoned):
    """Refuses those as if the token were wrong."""

    poison = response(403)


class TestRefusals:
    async def test_of_many_keys_in_a_row_stop_the_calls(self) -> None:
        world = World(max_in_flight=1, hold_timeout=1000)
        world.api.seconds = 0.01
        world.api.reply("put-profiles", error("Failed"))
        world.deliver_keys(*keys(*range(60)))
        await world.pass_time(0.4)
        assert len(world.results) == 20
        assert world.pauses.of_the_api == ["refusals"]
        await world.pass_time(60)
        # One more now and then, at growing intervals.
        assert 20 < len(world.results) < 30

    async def test_are_over_when_an_update_succeeds(self) -> None:
        world = World(max_in_flight=1, hold_timeout=1000)
        world.api.reply("put-profiles", *[error("Failed")] * 22, FINE)
        world.deliver_keys(*keys(*range(60)))
        await world.pass_time()
        outcomes = [result["outcome"] for result in world.results]
        assert outcomes == ["rejected"] * 22 + ["updated"] * 38
        assert world.pauses.of_the_api == []


class TestAttempts:
    async def test_count_while_others_succeed(self) -> None:
        world = World(fake=Poisoned)
        world.deliver_keys("bad")
        for number in range(2000):
            world.deliver_keys(str(number))
            await world.pass_time(0.5)
        (failed,) = [result for result in world.results if result["outcome"] == "failed"]
        assert failed["reason"] == "attempts-exhausted"
        assert failed["attempts"] in (8, 9)
        assert "503" in failed["detail"]
        (letter,) = world.published_to("dead-letters")
        assert letter.properties.headers["profile-sync-reason"] == "attempts-exhausted"
        assert world.sample("dead_letters_total", reason="attempts-exhausted") == 1

    async def test_are_few_for_what_follows_in_its_lane(self) -> None:
        world = World(fake=Poisoned)
        world.deliver_keys("bad", "bad", "bad")
        for number in range(2000):
            world.deliver_keys(str(number))
            await world.pass_time(0.5)
        failed = [result for result in world.results if result["outcome"] == "failed"]
        assert [result["attempts"] <= 2 for result in failed] == [False, True, True]

    async def test_do_not_count_in_an_outage(self) -> None:
        world = World(hold_timeout=100_000, retry_attempts=2)
        world.deliver_keys(*keys(*range(10)))
        await world.pass_time(10)
        world.api.reply("put-profiles", DOWN)
        world.deliver_keys(*keys(*range(10)))
        await world.pass_time(10_000)
        assert len(world.results) == 10
        assert world.published_to("dead-letters") == []

    @pytest.mark.parametrize(("share", "ended", "failed"), [(0.15, 1900, 240), (0.3, 1500, 250)])
    async def test_of_many_events_do_not_hold_the_others_up(
        self, share: float, ended: int, failed: int
    ) -> None:
        world = World(fake=Poisoned, hold_timeout=100_000)
        random.seed(1)  # the jitter too: with another it goes on a little slower, once in a while
        dice = random.Random(1)  # noqa: S311
        for number in range(2000):
            world.deliver_keys(f"{'bad' if dice.random() < share else ''}{number}")
            await world.pass_time(0.2)
        assert len(world.results) > ended
        assert Counter(result["outcome"] for result in world.results)["failed"] > failed

    async def test_make_an_outage_once_no_others_succeed(self) -> None:
        world = World(fake=Poisoned, hold_timeout=100_000, retry_attempts=1000)
        world.deliver_keys(*(f"bad{number}" for number in range(3)), *keys(*range(20)))
        await world.pass_time(5)
        assert world.api.probes == []
        await world.pass_time(10_000)
        assert len(world.api.probes) > 10

    async def test_of_a_barrier_end_though_others_succeed_in_another_database(self) -> None:
        world = World(fake=Poisoned, hold_timeout=100_000)
        world.deliver(event(where=["customerid==bad"], expect="many"))
        world.deliver(event(database=99))
        await world.pass_time(2 * 3600)
        assert [result["outcome"] for result in world.results] == ["updated", "failed"]

    @pytest.mark.parametrize("seed", range(5))
    async def test_do_not_count_while_most_calls_fail(self, seed: int) -> None:
        world = World(hold_timeout=100_000, retry_attempts=6, retry_max=2)
        world.api.seconds = 0.05
        random.seed(seed)  # the jitter too: one in some thousands is exhausted all the same
        dice = random.Random(seed)  # noqa: S311
        answers = [DOWN if dice.random() < 0.7 else FINE for _ in range(1500)]
        world.api.reply("put-profiles", *answers, FINE)
        for number in range(300):
            world.deliver_keys(str(number % 60))
            await world.pass_time(0.1)
        await world.pass_time()
        assert [result["outcome"] for result in world.results] == ["updated"] * 300


async def test_an_event_that_runs_alone_does_not_fail_for_ever() -> None:
    world = World(hold_timeout=1000)
    world.api.reply("put-profiles", DOWN)
    world.deliver(event(where=["country==nl"], expect="many"))
    world.deliver_keys("1")
    await world.pass_time(3500)
    assert world.results == []
    await world.pass_time(200)
    assert world.results[0]["reason"] == "attempts-exhausted"


async def test_a_fault_of_ours_does_not_end_the_questions() -> None:
    world = World(fake=Faulty)
    world.api.reply("put-profiles", *[DOWN] * 40, FINE)
    world.deliver_keys(*keys(*range(40)))
    await world.pass_time()
    assert len(world.results) == 40


class Faulty(FakeCopernica):
    """Fails in a way that it should not at the first probe."""

    faults = 1

    async def send(self, call: Any, *, has_turn: bool = False) -> Any:
        if call.name == "get-identity" and self.faults:
            self.faults -= 1
            raise RuntimeError("a fault")
        return await super().send(call, has_turn=has_turn)


async def test_a_link_that_begins_in_a_pause_asks_until_it_ends() -> None:
    first = World()
    first.pauses.begin("outage")
    world = World(pauses=first.pauses)
    world.deliver_keys("1")
    await world.pass_time()
    assert len(world.results) == 1


async def test_no_call_that_waited_for_its_turn_starts_in_a_pause() -> None:
    world = World()
    world.api.turns = 5
    world.deliver_keys("1")
    await world.pass_time(1)
    world.pauses.begin("unroutable")
    await world.pass_time(100)
    assert world.puts == []
    world.pauses.end("unroutable")
    await world.pass_time()
    assert len(world.puts) == 1


class TestUnroutable:
    async def test_results_stop_the_calls_until_one_is_taken(self) -> None:
        world = World()
        world.link.refusals.extend([Unroutable("nobody")] * 6)
        world.deliver_keys("1")
        await world.pass_time(1.1)
        world.deliver_keys("2", "3")
        await world.pass_time(1.1)
        assert len(world.puts) == 1
        assert world.pauses.why_not_ready() == "unroutable"
        await world.pass_time()
        assert len(world.puts) == 3
        assert world.journal.count("ack") == 3

    async def test_results_are_tried_by_the_oldest(self) -> None:
        world = World()
        world.link.refusals.extend([Unroutable("nobody")] * 12)
        world.deliver_keys(*keys(*range(10)))
        await world.pass_time(1.1)
        assert len(world.link.published) == 10
        await world.pass_time()
        # The oldest alone until it is taken, then the other nine.
        assert len(world.link.published) == 10 + 3 + 9
        assert world.journal.count("ack") == 10

    async def test_results_are_dropped_where_that_is_wished(self) -> None:
        world = World(unroutable_results="drop")
        world.link.refusals.append(Unroutable("nobody"))
        world.deliver_keys("1")
        await world.pass_time()
        assert world.journal[-1] == "ack"
        assert world.sample("results_unroutable_total") == 1
        assert world.pauses.why_not_ready() is None

    async def test_results_are_dropped_also_when_a_queue_had_refused_them_before(self) -> None:
        world = World(unroutable_results="drop")
        world.link.refusals.extend([Unpublished("full"), Unpublished("full"), Unroutable("gone")])
        world.deliver_keys("1", "2")
        await world.pass_time()
        world.deliver_keys("3")
        await world.pass_time()
        assert world.pauses.why_not_ready() is None
        assert world.journal.count("ack") == 3

    async def test_dead_letters_are_never_dropped(self) -> None:
        world = World(unroutable_results="drop")
        world.link.refusals.extend([Unroutable("nobody"), Unroutable("nobody")])
        world.deliver(b"{")
        await world.pass_time(0.1)
        assert world.pauses.why_not_ready() == "unroutable"
        await world.pass_time()
        assert len(world.published_to("dead-letters")) == 2
        assert world.journal[-1] == "ack"

    async def test_results_that_a_queue_refuses_are_never_dropped(self) -> None:
        world = World(unroutable_results="drop")
        world.link.refusals.append(Unpublished("full"))
        world.deliver_keys("1")
        await world.pass_time()
        assert len(world.published_to("results")) == 2


def back(content: object, count: int = 1, **properties: Any) -> Delivery:
    """A delivery that RabbitMQ hands back."""
    return Delivery(
        body(content),
        Properties(headers={"x-delivery-count": count}, **properties),
        "profile-sync.events",
        "profile.update",
        True,
        lambda: None,
    )


def value(name: str, **more: Any) -> dict[str, Any]:
    return event(where={"customerid": "1"}, fields={"firstname": name}, **more)


async def links(*first: str, acknowledged: int, **more: Any) -> tuple[World, Carried]:
    """A worker that has made the calls of some events of one key, and lost its link."""
    world = World()
    world.link.holds = True
    for name in first:
        world.deliver(value(name, **more))
    for _ in range(acknowledged):
        await world.pass_time(2)
        world.link.confirm()
    await world.pass_time(2)
    world.link.lose()
    await world.worker.wind_up()
    return world, world.worker.carried()


class TestCarried:
    async def next_one(
        self, carried: Carried, *names: str, seconds: float = 0, **more: Any
    ) -> World:
        world = World(carried=carried)
        await world.pass_time(seconds)
        for name in names:
            world.worker.receive(back(value(name, **more)))
        await world.pass_time()
        return world

    async def test_an_update_is_not_made_again(self) -> None:
        _, carried = await links("a", acknowledged=0)
        world = await self.next_one(carried, "a")
        assert world.puts == []
        assert [result["outcome"] for result in world.results] == ["updated"]

    async def test_what_was_acknowledged_comes_before_what_was_not(self) -> None:
        _, carried = await links("a", "b", acknowledged=1, id="x")
        world = await self.next_one(carried, "a", "b", id="x")
        assert world.puts == []
        # The result of the first was confirmed; that of the second is published again.
        assert len(world.results) == 1

    async def test_the_last_value_of_three_stays(self) -> None:
        for acknowledged in range(3):
            first, carried = await links("a", "b", "a", acknowledged=acknowledged)
            # All that RabbitMQ may hand back: nothing acknowledged is lost, or all of it is.
            for lost in range(acknowledged + 1):
                world = await self.next_one(carried, *["a", "b", "a"][lost:])
                written = [call.body for call in (*first.api.calls, *world.api.calls)]
                assert b'"a"' in (written[-1] or b"")
                carried = first.worker.carried()

    async def test_what_has_no_id_is_rather_made_again_than_lost(self) -> None:
        _, carried = await links("a", "b", acknowledged=1)
        world = await self.next_one(carried, "a", "b")
        assert len(world.puts) == 2

    async def test_what_comes_later_is_another_one(self) -> None:
        for acknowledged in range(2):
            _, carried = await links("a", acknowledged=acknowledged, id="x")
            world = await self.next_one(carried, "a", seconds=60, id="x")
            assert len(world.puts) == 1
            assert len(world.results) == 1

    async def test_a_link_that_brings_nothing_hands_it_on(self) -> None:
        _, carried = await links("a", "b", acknowledged=1, id="x")
        for _ in range(2):
            idle = World(carried=carried)
            idle.link.lose()
            await idle.worker.wind_up()
            carried = idle.worker.carried()
        world = await self.next_one(carried, "a", "b", id="x")
        assert world.puts == []

    async def test_a_link_that_brings_a_part_hands_on_the_rest(self) -> None:
        first = World()
        first.link.holds = True
        for key in "12":
            first.deliver(event(where={"customerid": key}))
        await first.pass_time(3)
        first.link.lose()
        await first.worker.wind_up()
        second = World(carried=first.worker.carried())
        second.link.holds = True
        second.worker.receive(back(event(where={"customerid": "1"})))
        await second.pass_time(3)
        second.link.lose()
        await second.worker.wind_up()
        third = World(carried=second.worker.carried())
        third.worker.receive(back(event(where={"customerid": "1"}), count=2))
        third.worker.receive(back(event(where={"customerid": "2"})))
        await third.pass_time()
        assert second.puts == third.puts == []
        assert len(third.results) == 2

    async def test_a_link_lost_in_a_pause_hands_on_what_it_had_no_turn_for(self) -> None:
        _, carried = await links("a", acknowledged=0)
        second = World(carried=carried)
        second.pauses.begin("blocked")
        second.worker.receive(back(value("a")))
        await second.pass_time(3)
        second.link.lose()
        await second.worker.wind_up()
        third = World(carried=second.worker.carried())
        third.worker.receive(back(value("a"), count=2))
        await third.pass_time()
        assert third.puts == []

    async def test_many_ends_that_wait_for_a_pause_all_come_through(self) -> None:
        names = keys(*range(500))
        first = World()
        first.link.holds = True
        first.deliver_keys(*names)
        await first.pass_time(50)
        first.link.lose()
        await first.worker.wind_up()
        world = World(carried=first.worker.carried())
        world.pauses.begin("blocked")
        for name in names:
            world.worker.receive(back(event(where={"customerid": name})))
        world.pauses.end("blocked")
        await world.pass_time()
        assert world.puts == []
        assert len(world.results) == 500
        assert world.sample("lanes") == 0

    async def test_says_only_of_what_waits_that_it_does(self) -> None:
        _, carried = await links("a", acknowledged=0)
        with capture_logs() as lines:
            await self.next_one(carried, "a")
        assert not [line for line in lines if "wait" in line["event"]]

    async def test_an_event_that_was_never_begun_need_not_wait(self) -> None:
        _, carried = await links("a", "b", acknowledged=0)
        world = World(carried=carried)
        world.worker.receive(back(value("a")))
        world.worker.receive(back(value("b")))
        await world.pass_time(1.5)
        assert len(world.puts) == 1


class TestUnsettled:
    async def test_nothing_newer_follows_an_update_that_may_still_be_carried_out(self) -> None:
        world = World()
        world.api.answers.append(NO_ANSWER)
        world.deliver(value("old"))
        world.deliver(value("new"))
        await world.pass_time()
        first, second, third = world.api.times
        assert second < 3  # The same again: it does no harm.
        assert third >= first + 1 + world.settings.ambiguous_wait

    async def test_its_result_is_told_before_it_is_acknowledged(self) -> None:
        world = World()
        world.api.answers.append(NO_ANSWER)
        world.deliver(value("old"))
        await world.pass_time(5)
        assert len(world.results) == 1
        assert "ack" not in world.journal
        await world.pass_time()
        assert world.journal[-1] == "ack"

    async def test_the_end_does_not_wait_for_it(self) -> None:
        world = World()
        world.api.answers.append(NO_ANSWER)
        world.deliver(value("old"))
        await world.pass_time(1.1)
        begun = asyncio.get_running_loop().time()
        await world.pass_time(2)
        await world.worker.wind_up()
        assert asyncio.get_running_loop().time() - begun < 10
        assert "ack" not in world.journal  # so that the next process is careful

    async def test_nothing_newer_follows_on_a_later_link_either(self) -> None:
        first = World()
        first.api.answers.append(NO_ANSWER)
        first.deliver(value("old"))
        await first.pass_time(3)
        first.link.lose()
        await first.worker.wind_up()
        world = World(carried=first.worker.carried())
        world.worker.receive(back(value("old")))
        world.deliver(value("new"))
        await world.pass_time(10)
        assert world.puts == []
        await world.pass_time()
        assert len(world.puts) == 1
