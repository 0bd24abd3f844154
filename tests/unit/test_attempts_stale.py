"""What is played back is not written over what is newer."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from service.attempts import Written
from service.lanes import Work
from service.outcomes import Refused, Retry
from service.profiles import NoResponse, Response
from service.stale import TOO_MANY
from tests.unit.doubles import error, listing, profiles, response
from tests.unit.samples import profile
from tests.unit.test_attempts import MOVED, Api, many
from tests.unit.test_attempts import work as usual

OLD: dict[str, Any] = {"modified": "2020-02-03 10:00:00"}
NEW: dict[str, Any] = {"modified": "2026-11-23 12:00:01"}
OURS: dict[str, Any] = {"fields": {"customerid": "4567", "firstname": "Jan"}, **NEW}
OCCURRED = "2026-11-23T11:00:00Z"
CREATE = {"create": True}
KINDS = pytest.mark.parametrize("changes", [{}, CREATE, MOVED], ids=["update", "create", "move"])


def work(**changes: Any) -> Work:
    one = usual(**{"occurred_at": OCCURRED, "fields": {"firstname": "Jan"}, **changes})
    return replace(one, guarded=True)


def stale(ended: object) -> bool:
    return isinstance(ended, Refused) and ended.reason == "stale"


def methods(api: Api) -> list[str]:
    return [call.method for call in api.calls]


@KINDS
async def test_nothing_is_written_if_its_profile_is_newer(changes: Any) -> None:
    api = Api(profiles(profile(**NEW)))
    assert stale(await api.make(work(**changes)))
    assert methods(api) == ["GET"]


@KINDS
async def test_it_is_written_if_its_profile_is_older(changes: Any) -> None:
    written = profile(fields={"customerid": "4568"}) if changes == MOVED else profile()
    api = Api(profiles(profile(**OLD)), profiles(written), profiles(written))
    assert isinstance(await api.make(work(**changes)), Written)
    assert methods(api)[:2] == ["GET", "PUT"]


async def test_a_create_makes_its_profile_if_there_is_none() -> None:
    api = Api(listing(), response(303, x_created="7"), profiles(profile(7)))
    ended = await api.make(work(**CREATE))
    assert isinstance(ended, Written)
    assert ended.outcome == "created"


async def test_a_look_before_the_first_attempt_makes_no_creation_of_an_update() -> None:
    now = datetime.now(ZoneInfo("Europe/Amsterdam")).strftime("%Y-%m-%d %H:%M:%S")
    new = profile(created=now, modified=now)
    api = Api(profiles(new), response(200), profiles(new))
    ended = await api.make(work(occurred_at="2099-02-03T10:00:00Z"))
    assert isinstance(ended, Written)
    assert ended.outcome == "updated"


@pytest.mark.parametrize("changes", [{}, CREATE], ids=["update", "create"])
async def test_what_it_has_written_itself_may_be_written_again(changes: Any) -> None:
    # By an attempt without an answer, or by a process that is dead.
    answers = (profiles(profile(**OLD)), response(503), profiles(profile(**OURS)))
    api, one = Api(*answers, profiles(profile(**OURS))), work(**changes)
    assert isinstance(await api.make(one), Retry)
    assert isinstance(await api.make(one), Written)


@KINDS
@pytest.mark.parametrize("unsent", [NoResponse("unreachable", "refused"), response(429)])
async def test_each_attempt_looks_again_while_none_was_carried_out(
    changes: Any, unsent: Response | NoResponse
) -> None:
    api, one = Api(profiles(profile(**OLD)), unsent, profiles(profile(**NEW))), work(**changes)
    assert isinstance(await api.make(one), Retry)
    assert stale(await api.make(one))
    assert methods(api) == ["GET", "PUT", "GET"]


@KINDS
async def test_a_look_counts_for_the_write_that_follows_only(changes: Any) -> None:
    api, one = Api(profiles(profile(**OLD)), profiles(profile(**NEW))), work(**changes)
    assert await api.make(one, lambda: False) is None
    assert stale(await api.make(one))


async def test_a_newer_replay_of_a_profile_may_follow_an_older_one() -> None:
    written = profiles(profile(**OURS))
    api = Api(profiles(profile(**OLD)), written, profiles(profile(**OURS)), written)
    later = work(occurred_at="2026-11-23T11:05:00Z", fields={"lastname": "Doe"})
    assert isinstance(await api.make(work()), Written)
    assert isinstance(await api.make(later), Written)
    earlier = work(occurred_at="2026-11-23T10:55:00Z", fields={"lastname": "Dough"})
    api.answers.append(profiles(profile(**OURS)))
    assert stale(await api.make(earlier))


async def test_one_that_changes_nothing_makes_no_newer_profile_old() -> None:
    nothing = work(occurred_at="2026-11-23T10:00:00Z", fields={"firstname": "John"})
    api = Api(profiles(profile(**NEW)), profiles(profile(**NEW)), profiles(profile(**NEW)))
    assert isinstance(await api.make(nothing), Written)
    assert stale(await api.make(work(occurred_at="2026-11-23T10:30:00Z")))


async def test_nor_does_one_that_is_forced_or_no_replay() -> None:
    forced = replace(work(), guarded=False)
    api = Api(profiles(profile(**OLD)), profiles(profile(**OURS)), profiles(profile(**OURS)))
    assert isinstance(await api.make(work()), Written)
    api.answers.append(profiles(profile(**OURS)))
    assert isinstance(await api.make(forced), Written)
    later = work(occurred_at="2026-11-23T11:00:00.5Z", fields={"lastname": "Doe"})
    assert stale(await api.make(later))


async def test_a_look_that_fails_is_made_again() -> None:
    api, one = Api(response(503), profiles(profile(**NEW))), work()
    assert isinstance(await api.make(one), Retry)
    assert stale(await api.make(one))


async def test_the_message_tells_when_an_event_occurred_that_does_not_say_so() -> None:
    one = work(occurred_at=None)
    properties = replace(one.delivery.properties, timestamp=datetime(2026, 11, 24, tzinfo=UTC))
    one.delivery = replace(one.delivery, properties=properties)
    api = Api(profiles(profile(**NEW)), profiles(profile(**NEW)))
    assert isinstance(await api.make(one), Written)
    assert stale(await Api(profiles(profile(**OLD))).make(work(occurred_at=None)))


MANY_KINDS = pytest.mark.parametrize(
    "changes", [{}, {"fields": {"age": "1"}}], ids=["update", "move"]
)
TOO_LARGE = Response(200, {}, b"[" + b" " * 1023, cut=True)


@MANY_KINDS
@pytest.mark.parametrize("answer", [many(1000), TOO_LARGE], ids=["a page", "cut"])
async def test_of_too_many_profiles_nobody_can_tell(changes: Any, answer: Response) -> None:
    one = work(expect="many", where=["age<3"], **changes)
    api = Api(answer, max_response_bytes=1024)
    assert await api.make(one) == Refused("stale", TOO_MANY)


@MANY_KINDS
@pytest.mark.parametrize(
    "answer", [Response(503, {}, b"", cut=True), Response(200, {}, b"[", True)]
)
async def test_an_answer_that_breaks_off_is_no_reason(changes: Any, answer: Response) -> None:
    one = work(expect="many", where=["age<3"], **changes)
    assert isinstance(await Api(answer).make(one), Retry)


async def test_what_follows_a_replay_is_not_overtaken_by_it_in_the_background() -> None:
    api = Api(profiles(profile(**OLD)), profiles(profile(**OLD)))
    ended = await api.make(work(async_=True))
    assert isinstance(ended, Written)
    assert (ended.outcome, ended.source) == ("updated", "put")
    assert "async=0" in api.calls[-1].query


async def test_an_event_that_is_not_played_back_makes_one_call() -> None:
    api = Api(profiles(profile(**NEW)))
    assert isinstance(await api.make(usual(occurred_at=OCCURRED)), Written)


async def test_a_look_that_the_api_refuses_is_the_end() -> None:
    ended = await Api(error("Some fields are unknown")).make(work())
    assert isinstance(ended, Refused)
    assert ended.reason == "refused"
