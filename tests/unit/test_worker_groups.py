"""What becomes of events that share a call."""

import json
from collections.abc import Iterable
from datetime import datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from service.broker import Unroutable
from service.profiles import NoResponse
from tests.unit.doubles import CatalogueCopernica, FakeCopernica, error, listing, profiles, response
from tests.unit.samples import event, profile
from tests.unit.world import World

DOWN = response(503)
FINE = profiles({"ID": "1"})
NO_ANSWER = NoResponse("no-answer", "timeout")
OTHER = profiles(profile(fields={"customerid": "9999"}))
CROWD = profiles(*(profile(number, fields={"customerid": "1"}) for number in range(11)))
CREATE: dict[str, Any] = {"create": True}
IN_BACKGROUND: dict[str, Any] = {"async": True}
SLOW = 20  # AMBIGUOUS_WAIT, seconds


def world(**values: Any) -> World:
    return World(**{"coalesce": "in-flight", "retry_base": 0.01, **values})


def deliver(
    to: World,
    *names: str,
    key: str = "1",
    redelivered: bool = False,
    count: int = 1,
    **more: Any,
) -> None:
    """Deliver events of one key, each of which writes a field of its own name.

    RabbitMQ has taken those back `count` times that are `redelivered`.
    """
    headers = {"x-delivery-count": count} if redelivered else {}
    for name in names:
        written = {"where": {"customerid": key}, "fields": {name: name}, "id": name, **more}
        to.deliver(event(**written), redelivered=redelivered, headers=headers)


def bodies(of: World) -> list[list[str]]:
    """The fields of each PUT so far, without the key that a create brings."""
    calls = [call for call in of.api.calls if call.method == "PUT"]
    written = [json.loads(call.body or b"{}").get("fields", {}) for call in calls]
    return [[name for name in fields if name != "customerid"] for fields in written]


def told(of: World, *facts: str) -> list[tuple[Any, ...]]:
    """Some facts of each result, in the order in which they were published."""
    return [tuple(result[fact] for fact in facts) for result in of.results]


def each(of: World, fact: str) -> list[Any]:
    return [result[fact] for result in of.results]


def new() -> dict[str, Any]:
    """A profile that was made just now."""
    wall = datetime.now(ZoneInfo("Europe/Amsterdam")).isoformat(" ", "seconds")[:19]
    return profile(42, fields={"customerid": "1"}, created=wall, modified=wall)


class Picky(FakeCopernica):
    """Refuses updates of the field `bad`, and fails on those of the field `poison`."""

    def _answer(self, call: Any) -> Any:
        if call.method == "PUT":
            written = json.loads(call.body)["fields"]
            if "bad" in written:
                return error("Invalid field")
            if "poison" in written:
                return DOWN
        return super()._answer(call)


class Narrow(FakeCopernica):
    """Refuses updates of more than one field."""

    def _answer(self, call: Any) -> Any:
        return error("Too much") if len(json.loads(call.body)["fields"]) > 1 else FINE


class TestCall:
    async def test_carries_all_that_waits_when_its_turn_comes(self) -> None:
        shared = world()
        deliver(shared, "a", "b", "c")
        await shared.pass_time()
        assert bodies(shared) == [["a", "b", "c"]]
        assert told(shared, "event_id", "coalesced", "attempts", "status", "outcome") == [
            (name, 3, 1, 200, "updated") for name in "abc"
        ]
        assert shared.journal[2:] == ["publish to results"] * 3 + ["ack"] * 3

    async def test_carries_one_event_unless_it_is_asked_to(self) -> None:
        apart = World()
        deliver(apart, "a", "b")
        await apart.pass_time()
        assert bodies(apart) == [["a"], ["b"]]
        assert each(apart, "coalesced") == [1, 1]
        assert apart.sample("coalesced_total") == 0

    async def test_waits_for_nobody(self) -> None:
        shared = world()
        began = shared.worker._loop.time()
        deliver(shared, "a")
        await shared.pass_time(0.5)
        deliver(shared, "b", "c")
        await shared.pass_time()
        assert bodies(shared) == [["a"], ["b", "c"]]
        assert shared.api.times == [began, began + 1]
        assert told(shared, "event_id", "coalesced") == [("a", 1), ("b", 2), ("c", 2)]

    async def test_carries_who_comes_while_it_waits_for_its_turn(self) -> None:
        shared = world()
        shared.api.turns = 5
        deliver(shared, "a")
        await shared.pass_time(2)
        deliver(shared, "b")
        await shared.pass_time()
        assert bodies(shared) == [["a", "b"]]

    async def test_carries_no_more_than_coalesce_max(self) -> None:
        shared = world(coalesce_max=2)
        deliver(shared, *"abcde")
        await shared.pass_time()
        assert bodies(shared) == [["a", "b"], ["c", "d"], ["e"]]

    async def test_carries_one_key(self) -> None:
        shared = world()
        deliver(shared, "a", "b")
        deliver(shared, "c", "d", key="2")
        await shared.pass_time()
        assert sorted(bodies(shared)) == [["a", "b"], ["c", "d"]]

    async def test_carries_no_event_that_is_played_back(self) -> None:
        shared = world()
        shared.api.reply("get-profiles", listing())
        for name in "ab":
            content = event(where={"customerid": "1"}, fields={name: name}, id=name)
            shared.deliver(content, headers={"profile-sync-replay": "unless-stale"})
        await shared.pass_time()
        assert bodies(shared) == [["a"], ["b"]]

    async def test_is_told_by_each_event_in_its_own_words(self) -> None:
        shared = world()
        for name in "ab":
            content = event(id=name, occurred_at="2026-01-01T00:00:00Z")
            shared.deliver(content, correlation_id=f"of {name}")
            await shared.pass_time(0)
        await shared.pass_time()
        messages = shared.published_to("results")
        assert [one.properties.correlation_id for one in messages] == ["of a", "of b"]
        assert len({one.properties.message_id for one in messages}) == 2

    async def test_is_counted_for_each_event_and_once_as_a_call(self) -> None:
        shared = world()
        deliver(shared, "a", "b", "c", occurred_at="2026-01-01T00:00:00Z")
        await shared.pass_time()
        assert shared.sample("coalesced_total") == 2
        assert shared.sample("events_finished_total", outcome="updated", reason="") == 3
        assert shared.sample("results_published_total", outcome="updated") == 3
        assert shared.sample("event_seconds_count", outcome="updated") == 3
        assert shared.sample("event_age_seconds_count") == 3
        assert shared.sample("profiles_matched_count") == 3
        assert shared.pauses.successes == 1
        assert shared.sample("lanes") == 0

    async def test_counts_several_profiles_for_each_event(self) -> None:
        shared = world()
        shared.api.answers.append(profiles(profile(1), profile(2)))
        deliver(shared, "a", "b")
        await shared.pass_time()
        assert each(shared, "matched") == [2, 2]
        assert shared.sample("multiple_matches_total") == 2


class TestOutcome:
    async def test_of_a_creation_is_created_for_the_first_alone(self) -> None:
        shared = world(read_back="never")
        shared.api.answers.append(response(201, x_created="42"))
        deliver(shared, "a", "b", "c", **CREATE)
        await shared.pass_time()
        assert each(shared, "outcome") == ["created", "updated", "updated"]
        assert shared.sample("profiles_created_total") == 1

    async def test_is_unmatched_for_all(self) -> None:
        shared = world()
        shared.api.answers.append(profiles())
        deliver(shared, "a", "b")
        await shared.pass_time()
        assert told(shared, "outcome", "matched") == [("unmatched", 0)] * 2

    async def test_is_accepted_for_all(self) -> None:
        shared = world()
        shared.api.answers.append(response(200))
        deliver(shared, "a", "b", **IN_BACKGROUND)
        await shared.pass_time()
        assert told(shared, "outcome", "coalesced") == [("accepted", 2)] * 2

    async def test_of_a_create_in_the_background_is_accepted_for_all_once_it_is_there(self) -> None:
        shared = world()
        shared.api.answers.extend([response(200), listing(), profiles(new())])
        deliver(shared, "a", "b", **CREATE, **IN_BACKGROUND)
        await shared.pass_time()
        assert shared.methods == ["PUT", "GET", "GET"]
        assert told(shared, "outcome", "coalesced") == [("accepted", 2)] * 2

    async def test_is_that_of_the_one_read_back(self) -> None:
        shared = world()
        shared.api.answers.extend([response(200), profiles(profile(fields={"customerid": "1"}))])
        deliver(shared, "a", "b")
        await shared.pass_time()
        assert shared.methods == ["PUT", "GET"]
        assert each(shared, "source") == ["read-back"] * 2

    async def test_of_a_strange_answer_is_that_of_each_alone(self) -> None:
        alone, shared = World(), world()
        for one, names in ((alone, "a"), (shared, "ab")):
            one.api.answers.append(CROWD)
            deliver(one, *names)
            await one.pass_time()
            assert one.pauses.serious == "selection-guard"
        facts = ("outcome", "profiles", "matched", "source", "detail")
        assert told(shared, *facts) == told(alone, *facts) * 2
        assert shared.journal.count("ack") == 2

    async def test_of_strange_profiles_before_a_put_is_none(self) -> None:
        shared = world(fake=CatalogueCopernica, field_check="strict")
        shared.api.answers.extend([NO_ANSWER, OTHER])
        deliver(shared, "a", "b", fields={"firstname": "John"}, **CREATE)
        await shared.pass_time()
        assert shared.pauses.serious == "selection-guard"
        assert shared.results == []
        assert sum(1 for _ in shared.worker._lanes) == 2


class TestAcknowledgement:
    async def test_of_all_comes_before_the_next_call(self) -> None:
        shared = world()
        shared.link.holds = True
        deliver(shared, "a", "b")
        await shared.pass_time(0.5)
        deliver(shared, "c")
        for calls in (1, 1, 2):
            await shared.pass_time(5)
            assert len(shared.puts) == calls
            shared.link.confirm()
        await shared.pass_time(5)
        assert shared.journal.count("ack") == 3

    async def test_comes_in_the_order_of_the_lane(self) -> None:
        shared = world()
        shared.link.refusals.append(Unroutable("no queue"))
        deliver(shared, "a", "b")
        await shared.pass_time(1.05)
        assert shared.journal[2:] == ["publish to results"] * 2
        await shared.pass_time()
        assert shared.journal[4:] == ["publish to results", "ack", "ack"]

    async def test_lets_an_event_leave_its_lane_alone(self) -> None:
        shared = world()
        shared.link.holds = True
        deliver(shared, "a", "b", "c")
        await shared.pass_time(5)
        shared.link.confirm()
        await shared.pass_time(1)
        assert [work.update.event_id for work in shared.worker._lanes] == ["b", "c"]
        shared.link.lose()
        await shared.worker.wind_up()
        again = world(carried=shared.worker.carried())
        deliver(again, "b", "c", redelivered=True)
        await again.pass_time()
        assert again.puts == []
        assert told(again, "event_id", "coalesced") == [("b", 3), ("c", 3)]

    async def test_that_only_the_link_has_lost_writes_nothing_again(self) -> None:
        shared = world()
        deliver(shared, "a", "b")
        await shared.pass_time(5)
        shared.link.lose()
        await shared.worker.wind_up()
        again = world(carried=shared.worker.carried())
        deliver(again, "a", "b", redelivered=True)
        await again.pass_time()
        assert (again.puts, again.results) == ([], [])
        assert again.journal == ["ack", "ack"]

    @pytest.mark.parametrize("come", ["abc", "a", ""], ids=["all come", "one comes", "none comes"])
    async def test_that_two_links_have_lost_writes_nothing_again(self, come: str) -> None:
        shared = world()
        shared.api.answers.append(NO_ANSWER)
        deliver(shared, *"abc")
        await shared.pass_time(5)  # They may not be acknowledged yet.
        shared.link.lose()
        await shared.worker.wind_up()
        second = world(carried=shared.worker.carried())
        deliver(second, *come, redelivered=True)
        await second.pass_time(1)
        second.link.lose()
        await second.worker.wind_up()
        third = world(carried=second.worker.carried())
        for name in "abc":
            deliver(third, name, redelivered=True, count=1 + (name in come))
        await third.pass_time()
        assert second.api.calls == third.api.calls == []
        assert len(shared.results) == 3
        assert second.results == third.results == []
        assert third.journal == ["ack"] * 3

    async def test_waits_for_all_until_no_attempt_may_be_carried_out_any_more(self) -> None:
        shared = world()
        shared.api.answers.append(NO_ANSWER)
        deliver(shared, "a", "b")
        await shared.pass_time(SLOW - 1)
        assert len(shared.results) == 2
        assert "ack" not in shared.journal
        await shared.pass_time(5)
        assert shared.journal.count("ack") == 2

    async def test_that_waits_does_not_hold_up_the_end(self) -> None:
        shared = world()
        shared.api.answers.append(NO_ANSWER)
        deliver(shared, "a", "b")
        await shared.pass_time(5)
        began = shared.worker._loop.time()
        await shared.worker.wind_up()
        assert shared.worker._loop.time() < began + 1
        assert "ack" not in shared.journal

    async def test_of_a_running_call_comes_before_a_hand_over(self) -> None:
        shared = world()
        deliver(shared, "a", "b")
        await shared.pass_time(0.5)
        deliver(shared, "c")
        await shared.worker.wind_up()
        assert shared.journal.count("ack") == 2
        assert [work.update.event_id for work in shared.worker._lanes] == ["c"]


class TestRetry:
    async def test_writes_the_same_for_the_same(self) -> None:
        shared = world(retry_base=1)
        shared.api.answers.extend([DOWN, DOWN])
        deliver(shared, "a", "b")
        await shared.pass_time(1.01)
        deliver(shared, "c")
        await shared.pass_time()
        assert bodies(shared) == [["a", "b"]] * 3 + [["c"]]
        assert told(shared, "coalesced", "attempts") == [(2, 3), (2, 3), (1, 1)]

    async def test_of_one_that_was_alone_stays_alone(self) -> None:
        shared = world(retry_base=1)
        shared.api.answers.append(DOWN)
        deliver(shared, "a")
        await shared.pass_time(1.01)
        deliver(shared, "b", "c")
        await shared.pass_time()
        assert bodies(shared) == [["a"], ["a"], ["b", "c"]]

    async def test_after_a_fault_of_ours_is_the_same(self) -> None:
        shared = world()
        shared.api.answers.append(RuntimeError("a fault"))
        deliver(shared, "a", "b")
        await shared.pass_time()
        assert bodies(shared) == [["a", "b"]] * 2
        assert each(shared, "coalesced") == [2, 2]

    async def test_of_a_create_without_an_answer_is_looked_up_once_for_all(self) -> None:
        shared = world()
        found = profiles(new())
        shared.api.answers.extend([NO_ANSWER, found, found])
        deliver(shared, "a", "b", **CREATE)
        await shared.pass_time()
        assert shared.methods == ["PUT", "GET", "PUT"]
        assert shared.api.times[1] >= shared.api.times[0] + 1 + SLOW
        assert each(shared, "outcome") == ["created", "updated"]

    @pytest.mark.parametrize(("more", "looks"), [({}, 0), (CREATE, 2)], ids=["update", "create"])
    async def test_on_the_next_link_waits_for_each_that_may_have_been_sent(
        self, more: Any, looks: int
    ) -> None:
        shared = world(hold_timeout=1000)
        shared.api.answers.append(NO_ANSWER)
        shared.api.seconds = 1
        deliver(shared, "a", "b", **more)
        await shared.pass_time(0.5)
        deliver(shared, "c", **more)
        shared.link.lose()
        await shared.worker.wind_up()
        lost_at = shared.worker._loop.time()
        again = world(carried=shared.worker.carried())
        deliver(again, "a", "b", "c", redelivered=True, **more)
        await again.pass_time(SLOW - 2)
        assert again.api.calls == []
        await again.pass_time()
        assert again.api.times[0] >= lost_at + SLOW - 0.1
        assert again.methods.count("GET") == looks
        assert bodies(again) == [["a"], ["b"], ["c"]]
        assert len(again.results) == 3


class TestRefusal:
    async def test_is_that_of_the_bad_one_alone(self) -> None:
        shared = world(fake=Picky)
        deliver(shared, "a", "bad", "c")
        await shared.pass_time()
        assert bodies(shared) == [["a", "bad", "c"], ["a"], ["bad"], ["c"]]
        assert told(shared, "event_id", "outcome", "coalesced", "attempts") == [
            ("a", "updated", 1, 2),
            ("bad", "rejected", 1, 2),
            ("c", "updated", 1, 2),
        ]
        (letter,) = shared.published_to("dead-letters")
        assert json.loads(letter.body)["id"] == "bad"
        assert shared.sample("coalesced_total") == 0

    async def test_makes_nobody_join_another_call(self) -> None:
        shared = world(fake=Picky)
        deliver(shared, "bad", "b")
        await shared.pass_time(1.5)
        deliver(shared, "c", "d")
        await shared.pass_time()
        assert bodies(shared) == [["bad", "b"], ["bad"], ["b"], ["c", "d"]]

    async def test_of_shared_calls_stops_nothing(self) -> None:
        shared = world(fake=Narrow, max_in_flight=100)
        paused: list[int] = []
        shared.pauses.listeners.append(lambda: paused.append(len(shared.pauses)))
        for key in map(str, range(60)):
            deliver(shared, f"a{key}", f"b{key}", key=key)
        await shared.pass_time()
        assert each(shared, "outcome") == ["updated"] * 120
        assert shared.published_to("dead-letters") == []
        assert paused == []

    async def test_that_comes_from_a_look_is_that_of_each(self) -> None:
        shared = world()
        shared.api.answers.append(NO_ANSWER)
        shared.api.reply("get-profiles", CROWD)
        deliver(shared, "a", "b", **CREATE)
        await shared.pass_time()
        assert told(shared, "outcome", "reason") == [("rejected", "unsafe-selection")] * 2

    async def test_of_a_look_does_not_make_two_say_created(self) -> None:
        shared = world()
        found = profiles(new())
        shared.api.answers.extend([NO_ANSWER, error("Not now"), found, found, found])
        deliver(shared, "a", "b", **CREATE)
        await shared.pass_time()
        assert shared.methods == ["PUT", "GET", "GET", "PUT", "PUT"]
        assert each(shared, "outcome") == ["created", "updated"]

    async def test_keeps_what_may_still_be_carried_out_before_the_next_of_them(self) -> None:
        shared = world()
        shared.api.answers.extend([NO_ANSWER, error("Not both")])
        deliver(shared, "a", "b")
        await shared.pass_time()
        assert bodies(shared) == [["a", "b"], ["a", "b"], ["a"], ["b"]]
        assert shared.api.times[3] >= shared.api.times[0] + 1 + SLOW


class TestExhaustion:
    async def after(self, names: Iterable[str]) -> World:
        """Let events of one key fail together while others succeed."""
        shared = world(fake=Picky, retry_base=0.5)
        deliver(shared, *names)
        for number in range(1000):
            deliver(shared, f"x{number}", key=f"x{number}")
            await shared.pass_time(0.5)
        return shared

    def outcomes(self, shared: World) -> dict[str, str]:
        facts = told(shared, "event_id", "outcome")
        return {name: outcome for name, outcome in facts if not name.startswith("x")}

    async def test_fails_the_bad_one_alone(self) -> None:
        shared = await self.after(["a", "poison", "c"])
        assert self.outcomes(shared) == {"a": "updated", "poison": "failed", "c": "updated"}
        assert bodies(shared).count(["a", "poison", "c"]) in (8, 9)
        assert bodies(shared).count(["a"]) == bodies(shared).count(["c"]) == 1

    async def test_leaves_each_one_attempt(self) -> None:
        shared = await self.after(["poison", "b"])
        alone = [each for each in bodies(shared) if each == ["poison"]]
        assert 1 <= len(alone) <= 2  # The second where others failed too since the first.
        assert self.outcomes(shared) == {"poison": "failed", "b": "updated"}


async def test_events_that_share_calls_keep_the_order_of_their_lane() -> None:
    shared = world(coalesce_max=7)
    for number in range(60):
        deliver(shared, f"f{number}", coalesce=number % 9 != 5)
        await shared.pass_time(0.17)
    await shared.pass_time()
    names = each(shared, "event_id")
    assert names == [f"f{number}" for number in range(60)]
    assert [name for written in bodies(shared) for name in written] == names
    ends = [line for line in shared.journal if line[:3] in ("PUT", "ans")]
    assert all(one[:3] != other[:3] for one, other in pairwise(ends))
    assert len(shared.puts) < 40
