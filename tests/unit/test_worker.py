import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from structlog.testing import capture_logs

from service.broker import Unpublished
from service.profiles import NoResponse, Response
from tests.unit.doubles import error, profiles, response
from tests.unit.samples import body, event, profile
from tests.unit.world import World

UNSENT = NoResponse("unreachable", "refused")
NO_ANSWER = NoResponse("no-answer", "timeout")
CREATE = {"create": True}


class TestOneEvent:
    async def test_ends_in_a_result_with_its_profiles(self) -> None:
        world = World()
        world.api.answers.append(profiles(profile()))
        result = await world.end(event(id="evt-1"), correlation_id="c-1")
        expected = profile()
        del expected["secret"]
        assert result["event_id"] == "evt-1"
        assert (result["outcome"], result["source"]) == ("updated", "put")
        assert result["profiles"] == [expected]
        assert (result["matched"], result["attempts"], result["status"]) == (1, 1, 200)
        assert (result["reason"], result["detail"]) == (None, None)
        (message,) = world.link.published
        assert message.routing_key == "profile.updated.1234"
        assert message.properties.correlation_id == "c-1"

    async def test_is_published_before_it_is_acked(self) -> None:
        world = World()
        await world.end(event())
        assert world.journal == ["PUT 4567", "answer 4567", "publish to results", "ack"]

    async def test_is_acked_only_after_the_confirm(self) -> None:
        world = World()
        world.link.holds = True
        await world.end(event())
        assert "ack" not in world.journal
        world.link.confirm()
        await world.pass_time(1)
        assert world.journal.count("ack") == 1

    async def test_is_counted(self) -> None:
        world = World()
        await world.end(event())
        assert world.sample("events_received_total") == 1
        assert world.sample("events_finished_total", outcome="updated", reason="") == 1
        assert world.sample("results_published_total", outcome="updated") == 1
        assert world.sample("event_seconds_count", outcome="updated") == 1
        assert world.sample("profiles_matched_sum") == 1
        assert world.sample("lanes") == 0
        assert world.sample("oldest_event_seconds") == 0

    async def test_shows_while_it_is_unfinished(self) -> None:
        world = World()
        world.link.holds = True
        await world.end(event())
        assert world.sample("lanes") == 1
        assert (world.sample("oldest_event_seconds") or 0) > 0
        assert world.sample("results_published_total", outcome="updated") == 0

    @pytest.mark.parametrize(
        ("said", "age"),
        [
            (lambda now: {"occurred_at": (now - timedelta(hours=2)).isoformat()}, 7200),
            (lambda now: {"timestamp": int(now.timestamp()) - 3600}, 3600),
            (lambda now: {"timestamp": now - timedelta(hours=1)}, 3600),
            (lambda _: {"occurred_at": "2999-01-01T00:00:00Z"}, 0),
        ],
        ids=["occurred_at", "timestamp", "timestamp as a datetime", "in the future"],
    )
    async def test_tells_its_age(
        self, said: Callable[[datetime], dict[str, Any]], age: float
    ) -> None:
        world, when = World(), said(datetime.now(UTC))
        timestamp = when.pop("timestamp", None)
        await world.end(event(**when), timestamp=timestamp)
        assert world.sample("event_age_seconds_count") == 1
        assert world.sample("event_age_seconds_sum") == pytest.approx(age, abs=600)

    @pytest.mark.parametrize(
        ("occurred_at", "timestamp"),
        [("0001-01-01T00:00:00+23:59", None), ("9999-12-31T23:59:59-23:59", None), (None, 2**63)],
    )
    async def test_ends_whatever_its_age(self, occurred_at: str | None, timestamp: Any) -> None:
        world = World()
        await world.end(event(occurred_at=occurred_at), timestamp=timestamp)
        assert world.journal[-1] == "ack"
        assert world.sample("lanes") == 0

    @pytest.mark.parametrize("included", [False, True])
    async def test_has_no_secret_unless_asked_for(self, included: bool) -> None:
        world = World(result_include_secret=included)
        world.api.answers.append(profiles(profile()))
        result = await world.end(event())
        assert ("secret" in result["profiles"][0]) is included

    async def test_that_matches_several_profiles_is_counted(self) -> None:
        world = World()
        world.api.answers.append(profiles(profile(1), profile(2)))
        assert (await world.end(event()))["matched"] == 2
        assert world.sample("multiple_matches_total") == 1

    async def test_that_means_many_profiles_is_not(self) -> None:
        world = World()
        world.api.answers.append(profiles(profile(1), profile(2)))
        assert (await world.end(event(expect="many")))["matched"] == 2
        assert world.sample("multiple_matches_total") == 0

    async def test_that_matches_none_is_unmatched(self) -> None:
        world = World()
        world.api.answers.append(profiles())
        result = await world.end(event())
        assert (result["outcome"], result["matched"], result["source"]) == ("unmatched", 0, "put")
        assert world.methods == ["PUT"]

    async def test_that_is_asynchronous_is_accepted_and_not_read_back(self) -> None:
        world = World()
        world.api.answers.append(response(200))
        result = await world.end({**event(), "async": True})
        assert (result["outcome"], result["profiles"], result["matched"]) == ("accepted", [], None)
        assert result["source"] == "none"
        assert world.methods == ["PUT"]


class TestReadBack:
    async def test_gives_the_profiles_of_the_selection(self) -> None:
        world = World()
        world.api.answers.extend([response(200), profiles(profile())])
        result = await world.end(event())
        assert (result["outcome"], result["source"], result["matched"]) == (
            "updated",
            "read-back",
            1,
        )
        assert world.api.calls[1].path == "/database/1234/profiles"
        assert world.api.calls[1].query.startswith("fields%5B%5D=customerid%3D%3D4567&")

    async def test_gives_the_created_profile(self) -> None:
        world = World()
        world.api.answers.extend([response(303, x_created="42"), profiles(profile(42))])
        result = await world.end(event(**CREATE))
        assert (result["outcome"], result["source"], result["status"]) == (
            "created",
            "read-back",
            303,
        )
        assert [p["ID"] for p in result["profiles"]] == ["42"]
        assert world.api.calls[1].query.startswith("fields%5B%5D=customerid%3D%3D4567&")
        assert world.sample("profiles_created_total") == 1

    async def test_shows_second_profiles_after_a_creation(self) -> None:
        world = World()
        world.api.answers.extend(
            [response(303, x_created="42"), profiles(profile(41), profile(42))]
        )
        result = await world.end(event(**CREATE))
        assert (result["outcome"], result["matched"]) == ("created", 2)
        assert world.sample("multiple_matches_total") == 1

    async def test_reads_the_profile_that_the_update_moves_by_its_id(self) -> None:
        world = World()
        there = profile(42, fields={"customerid": "9"})
        world.api.answers.extend([profiles(profile(42)), response(200), profiles(there)])
        result = await world.end(event(fields={"customerid": "9"}))
        assert (result["outcome"], result["matched"]) == ("updated", 1)
        assert world.api.calls[0].query.startswith("fields%5B%5D=customerid%3D%3D4567&")
        assert world.api.calls[2].path == "/profile/42"

    async def test_finds_that_none_matched(self) -> None:
        world = World()
        world.api.answers.extend([response(200), profiles()])
        result = await world.end(event())
        assert (result["outcome"], result["matched"]) == ("unmatched", 0)

    @pytest.mark.parametrize(
        ("changes", "put", "outcome"),
        [({}, response(200), "updated"), (CREATE, response(201, x_created="42"), "created")],
        ids=["update", "create"],
    )
    @pytest.mark.parametrize(
        "get",
        [NO_ANSWER, UNSENT, response(503), error("Invalid access token"), response(200)],
        ids=str,
    )
    async def test_that_fails_never_causes_another_put(
        self, changes: dict[str, Any], put: Any, outcome: str, get: Any
    ) -> None:
        world = World()
        world.api.answers.extend([put, get])
        result = await world.end(event(**changes))
        assert (result["outcome"], result["profiles"], result["matched"]) == (outcome, [], None)
        assert result["source"] == "none"
        assert result["detail"]
        assert result["reason"] is None
        assert len(world.puts) == 1

    async def test_can_be_switched_off(self) -> None:
        world = World(read_back="never")
        world.api.answers.append(response(200))
        result = await world.end(event())
        assert (result["outcome"], result["profiles"], result["matched"]) == ("updated", [], None)
        assert (result["source"], world.methods) == ("none", ["PUT"])
        assert "READ_BACK" in result["detail"]

    async def test_is_not_needed_for_profiles_that_came_with_the_put(self) -> None:
        world = World(read_back="never")
        world.api.answers.append(profiles(profile()))
        assert (await world.end(event()))["matched"] == 1

    async def test_is_left_out_if_nothing_can_be_found_again(self) -> None:
        world = World()
        world.api.answers.extend([profiles(*map(profile, range(1, 12))), response(200)])
        result = await world.end(event(fields={"customerid": ""}, expect="many"))
        assert (result["outcome"], result["matched"], result["source"]) == ("updated", None, "none")
        assert world.methods == ["GET", "PUT"]


class TestRejected:
    @pytest.mark.parametrize(
        ("content", "properties", "reason"),
        [
            (b"{", {}, "invalid-json"),
            (b"\xff", {}, "invalid-json"),
            (b"[]", {}, "invalid-event"),
            (event(where=None), {}, "invalid-event"),
            (event(where={}), {}, "unsafe-selection"),
            (event(), {"content_encoding": "gzip"}, "unsupported-encoding"),
            (b" " * 2000, {}, "too-large"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    async def test_an_invalid_event_makes_no_call(
        self, content: object, properties: dict[str, Any], reason: str
    ) -> None:
        world = World(max_event_bytes=1024)
        result = await world.end(content, **properties)
        assert (result["outcome"], result["reason"]) == ("rejected", reason)
        assert (result["attempts"], result["status"], result["profiles"]) == (0, None, [])
        assert result["matched"] is None
        (letter,) = world.published_to("dead-letters")
        assert letter.body == body(content)
        assert letter.properties.headers["profile-sync-reason"] == reason
        assert letter.properties.headers["profile-sync-detail"] == result["detail"]
        assert world.api.calls == []
        assert world.sample("dead_letters_total", reason=reason) == 1
        assert world.sample("events_finished_total", outcome="rejected", reason=reason) == 1

    @pytest.mark.parametrize(
        ("answer", "status", "reason"),
        [
            (error("Failed to create profile"), 400, "refused"),
            (error("No database with supplied ID"), 400, "unknown-database"),
            (response(413), 413, "refused"),
        ],
        ids=["refused", "unknown database", "too large"],
    )
    async def test_a_refusal_of_the_api_is_final(
        self, answer: Any, status: int, reason: str
    ) -> None:
        world = World()
        world.api.answers.append(answer)
        result = await world.end(event())
        assert (result["outcome"], result["reason"], result["status"]) == (
            "rejected",
            reason,
            status,
        )
        (letter,) = world.published_to("dead-letters")
        assert letter.properties.headers["profile-sync-status"] == status
        assert letter.properties.headers["profile-sync-attempts"] == 1
        assert len(world.puts) == 1

    async def test_names_the_database_if_it_can_be_read(self) -> None:
        world = World()
        world.deliver(event(where={}))
        world.deliver(b"{")
        await world.pass_time(1)
        assert [message.routing_key for message in world.published_to("results")] == [
            "profile.rejected.1234",
            "profile.rejected.unknown",
        ]

    @pytest.mark.parametrize("content", [b"{", event()], ids=["invalid", "refused"])
    async def test_is_acked_only_after_all_confirms(self, content: object) -> None:
        world = World()
        world.link.holds = True
        world.api.answers.append(error("Failed to create profile"))
        await world.end(content)
        assert len(world.link.published) == 2
        world.link.confirm()
        await world.pass_time()
        assert "ack" not in world.journal
        assert world.sample("dead_letters_total", reason="refused") == 0
        world.link.confirm()
        await world.pass_time(1)
        assert world.journal.count("ack") == 1


class TestUnpublished:
    async def test_is_published_again_until_it_is_confirmed(self) -> None:
        world = World()
        world.link.refusals.extend([Unpublished("no queue")] * 5)
        world.deliver(event())
        await world.pass_time()
        assert len(world.link.published) == 6
        assert len({message.body for message in world.link.published}) == 1
        assert len({message.properties.message_id for message in world.link.published}) == 1
        assert len(world.puts) == 1
        assert world.journal[-1] == "ack"
        assert world.journal.count("ack") == 1
        assert world.sample("results_unroutable_total") == 5

    async def test_waits_between_its_tries(self) -> None:
        world = World()
        world.link.refusals.extend([Unpublished("no queue")] * 1000)
        world.deliver(event())
        await world.pass_time(150)
        assert 10 <= len(world.link.published) <= 40

    async def test_is_a_trouble_until_it_is_confirmed(self) -> None:
        world = World()
        world.link.refusals.extend([Unpublished("no queue")] * 3)
        world.deliver(event())
        await world.pass_time(1.1)
        assert world.pauses.why_not_ready() == "unroutable"
        assert "ack" not in world.journal
        await world.pass_time()
        assert world.pauses.why_not_ready() is None

    async def test_takes_only_its_own_message_along(self) -> None:
        world = World()
        world.link.refusals.append(Unpublished("no queue"))
        world.deliver(b"{")
        await world.pass_time()
        assert len(world.published_to("results")) == 2
        assert len(world.published_to("dead-letters")) == 1
        assert world.journal.count("ack") == 1

    async def test_keeps_its_lane_waiting(self) -> None:
        world = World()
        world.link.refusals.append(Unpublished("no queue"))
        world.deliver_keys("1", "1")
        await world.pass_time()
        assert world.journal[2:5] == ["publish to results", "publish to results", "ack"]
        assert world.journal[5] == "PUT 1"


class TestOrder:
    async def test_one_key_is_called_one_at_a_time_in_order(self) -> None:
        world = World()
        for number in "123":
            world.deliver(event(fields={"n": number}))
        await world.pass_time()
        assert [json.loads(call.body or b"")["fields"]["n"] for call in world.api.calls] == [
            "1",
            "2",
            "3",
        ]
        assert world.api.most_running == 1
        assert world.journal == ["PUT 4567", "answer 4567", "publish to results", "ack"] * 3

    async def test_the_next_of_a_lane_waits_for_the_acknowledgement(self) -> None:
        world = World()
        world.link.holds = True
        world.deliver_keys("1", "1", "2")
        await world.pass_time()
        assert len(world.puts) == 2
        world.link.confirm()
        await world.pass_time()
        assert len(world.puts) == 3
        assert world.journal.index("ack") < len(world.journal) - world.journal[::-1].index("PUT 1")

    async def test_different_keys_run_in_parallel_up_to_the_limit(self) -> None:
        world = World(max_in_flight=3)
        world.deliver_keys(*"12345678")
        await world.pass_time(0.5)
        assert world.api.running == 3
        await world.pass_time()
        assert world.api.most_running == 3
        assert len(world.results) == 8
        assert world.journal.count("ack") == 8

    async def test_holds_across_retries(self) -> None:
        world = World()
        world.api.answers.extend([response(503), UNSENT, profiles(profile())])
        for number in "12":
            world.deliver(event(fields={"n": number}))
        await world.pass_time()
        sent = [json.loads(call.body or b"")["fields"]["n"] for call in world.api.calls]
        assert sent == ["1", "1", "1", "2"]

    async def test_an_event_for_many_profiles_runs_alone_in_its_database(self) -> None:
        world = World()
        world.deliver_keys("1", "2")
        world.deliver(event(where=["age>1"], expect="many"))
        world.deliver_keys("3", "4")
        world.deliver(event(database=5, where={"customerid": "9"}))
        await world.pass_time(0.5)
        assert [entry for entry in world.journal if entry.startswith("PUT")] == [
            "PUT 1",
            "PUT 2",
            "PUT 9",
        ]
        await world.pass_time(1)
        assert world.api.running == 1
        await world.pass_time(1)
        assert world.api.running == 2
        await world.pass_time()
        assert len(world.results) == 6

    async def test_an_event_that_moves_its_profile_runs_alone_in_its_database(self) -> None:
        world = World()
        world.deliver_keys("1")
        world.deliver_keys("2", fields={"customerid": "3"})
        world.deliver_keys("3")
        await world.pass_time()
        assert world.api.most_running == 1
        assert [e for e in world.journal if e.startswith("PUT")] == ["PUT 1", "PUT 2", "PUT 3"]


class TestRetry:
    @pytest.mark.parametrize(
        ("answer", "cause"),
        [
            (UNSENT, "outage"),
            (NO_ANSWER, "outage"),
            (response(503), "outage"),
            (response(429), "outage"),
            (response(200, b"<html>"), "outage"),
        ],
        ids=str,
    )
    async def test_goes_on_until_the_api_answers(self, answer: Any, cause: str) -> None:
        world = World()
        world.api.answers.extend([answer] * 20)
        world.deliver(event())
        await world.pass_time(10_000)
        (result,) = world.results
        assert (result["outcome"], result["attempts"]) == ("updated", 21)
        assert world.published_to("dead-letters") == []
        assert world.sample("retries_total", cause=cause) == 20
        assert world.journal.count("ack") == 1

    async def test_does_not_hold_a_call_slot(self) -> None:
        world = World(max_in_flight=1)
        world.api.answers.append(NO_ANSWER)
        world.deliver(event(where={"customerid": "1"}, create=True))
        world.deliver_keys("2", "3")
        await world.pass_time(3.5)
        assert world.journal.count("ack") == 2
        assert world.sample("sleeping_events") == 1
        await world.pass_time()
        assert world.journal.count("ack") == 3
        assert world.sample("sleeping_events") == 0

    @pytest.mark.parametrize("status", [429, 503])
    async def test_obeys_retry_after(self, status: int) -> None:
        world = World()
        world.api.answers.append(response(status, retry_after="100"))
        await world.end(event())
        assert world.api.times[1] >= world.api.times[0] + 1 + 100

    async def test_waits_no_longer_than_the_longest(self) -> None:
        world = World(retry_base=1000, retry_max=7)
        world.api.answers.extend([response(503)] * 10)
        await world.end(event())
        pauses = [b - a - 1 for a, b in zip(world.api.times, world.api.times[1:], strict=False)]
        assert max(pauses) <= 7 + 1  # and a probe

    async def test_a_fault_of_ours_takes_no_other_event_down(self) -> None:
        world = World()
        world.api.answers.append(RuntimeError("a fault"))
        world.deliver_keys("1", "2")
        await world.pass_time()
        assert len(world.results) == 2
        assert world.journal.count("ack") == 2


def created_at(moment: datetime) -> dict[str, Any]:
    wall = moment.astimezone(ZoneInfo("Europe/Amsterdam")).strftime("%Y-%m-%d %H:%M:%S")
    return profile(42, created=wall, modified=wall)


def just_now(moment: datetime) -> Response:
    return profiles(created_at(moment), date=format_datetime(moment.astimezone(UTC), usegmt=True))


class TestCreated:
    async def test_is_told_once_for_a_profile_that_still_looks_new(self) -> None:
        world = World()
        now = datetime.now(UTC)
        world.api.answers.extend([just_now(now), just_now(now)])
        world.deliver(event(**CREATE))
        world.deliver(event(**CREATE))
        await world.pass_time()
        assert [result["outcome"] for result in world.results] == ["created", "updated"]
        assert world.sample("profiles_created_total") == 1

    @pytest.mark.parametrize("headers", [{}, {"x_created": "42"}], ids=["no ID", "one ID"])
    async def test_is_told_each_time_the_api_says_so(self, headers: Any) -> None:
        world = World(read_back="never")
        world.api.answers.extend([response(201, **headers), response(201, **headers)])
        world.deliver_keys("1", "2", **CREATE)
        await world.pass_time()
        assert [result["outcome"] for result in world.results] == ["created", "created"]


class TestAmbiguousCreate:
    @pytest.mark.parametrize(
        "answer", [NO_ANSWER, response(500), response(504), response(200, b"<html>")], ids=str
    )
    async def test_is_looked_up_after_the_wait(self, answer: Any) -> None:
        world = World(ambiguous_wait=30)
        world.api.answers.extend([answer, profiles(created_at(datetime.now(UTC)))])
        await world.end(event(**CREATE))
        assert world.methods[:2] == ["PUT", "GET"]
        assert world.api.times[1] >= world.api.times[0] + 1 + 30
        assert world.api.calls[1].query.startswith("fields%5B%5D=customerid%3D%3D4567&")

    async def test_that_was_carried_out_is_not_created_again(self) -> None:
        world = World()
        new = created_at(datetime.now(UTC) + timedelta(seconds=2))
        world.api.answers.extend([NO_ANSWER, profiles(new), profiles(new)])
        result = await world.end(event(**CREATE))
        assert world.methods == ["PUT", "GET", "PUT"]
        assert "&create=1&" in world.puts[0]
        assert "&create=0&" in world.puts[1]
        assert (result["outcome"], result["attempts"]) == ("created", 2)
        assert world.sample("profiles_created_total") == 1

    @pytest.mark.parametrize(
        "spoilt",
        [response(200, b"[{"), Response(200, {}, b"[", cut=True), response(303)],
        ids=["broken", "cut", "nowhere"],
    )
    @pytest.mark.parametrize("outcome", ["created", "updated"])
    async def test_is_told_by_the_read_back_if_the_answer_was_spoilt(
        self, spoilt: Response, outcome: str
    ) -> None:
        world = World()
        made = created_at(datetime.now(UTC)) if outcome == "created" else profile()
        world.api.answers.extend([spoilt, profiles(made)])
        result = await world.end(event(**CREATE))
        assert (result["outcome"], result["source"]) == (outcome, "read-back")

    async def test_that_was_an_update_is_one(self) -> None:
        world = World()
        world.api.answers.extend([NO_ANSWER, profiles(profile()), profiles(profile())])
        result = await world.end(event(**CREATE))
        assert "&create=0&" in world.puts[1]
        assert result["outcome"] == "updated"

    async def test_that_was_not_carried_out_is_tried_again(self) -> None:
        world = World()
        world.api.answers.extend([NO_ANSWER, profiles(), profiles(profile())])
        await world.end(event(**CREATE))
        assert world.methods == ["PUT", "GET", "PUT"]
        assert "&create=1&" in world.puts[1]

    async def test_is_looked_up_each_time(self) -> None:
        world = World()
        world.api.answers.extend([NO_ANSWER, profiles(), NO_ANSWER, profiles()])
        await world.end(event(**CREATE))
        assert world.methods == ["PUT", "GET", "PUT", "GET", "PUT"]

    @pytest.mark.parametrize("look", [NO_ANSWER, response(503), response(200)], ids=str)
    async def test_is_not_tried_again_unseen(self, look: Any) -> None:
        world = World()
        world.api.answers.extend([NO_ANSWER, look, look, profiles()])
        await world.end(event(**CREATE))
        assert world.methods == ["PUT", "GET", "GET", "GET", "PUT"]

    async def test_by_a_fault_of_ours_is_looked_up_too(self) -> None:
        world = World()
        world.api.answers.extend([RuntimeError("a fault"), profiles()])
        await world.end(event(**CREATE))
        assert world.methods == ["PUT", "GET", "PUT"]

    async def test_keeps_its_lane_waiting_but_no_other(self) -> None:
        world = World(max_in_flight=1, ambiguous_wait=30)
        world.api.answers.append(NO_ANSWER)
        world.deliver_keys("1", "1", "2", **CREATE)
        await world.pass_time(29)
        assert [e for e in world.journal if e.startswith("PUT")] == ["PUT 1", "PUT 2"]

    @pytest.mark.parametrize(
        ("changes", "answer"),
        [(CREATE, UNSENT), (CREATE, response(429)), ({}, NO_ANSWER), ({}, response(500))],
        ids=["never sent", "429", "an update without answer", "an update with 500"],
    )
    async def test_is_nothing_else(self, changes: dict[str, Any], answer: Any) -> None:
        world = World()
        world.api.answers.append(answer)
        await world.end(event(**changes))
        assert world.methods == ["PUT", "PUT"]
        assert world.puts[0] == world.puts[1]


class TestWindUp:
    async def test_returns_at_once_if_there_is_nothing(self) -> None:
        await World().worker.wind_up()

    async def test_starts_no_more_calls(self) -> None:
        world = World(max_in_flight=1)
        world.deliver_keys("1", "1", "2", "3")
        await world.pass_time(0.5)
        await world.worker.wind_up()
        await world.pass_time()
        assert world.journal == ["PUT 1", "answer 1", "publish to results", "ack"]

    async def test_waits_for_the_acknowledgement_of_what_runs(self) -> None:
        world = World()
        world.link.holds = True
        world.deliver_keys("1", "2")
        await world.pass_time(0.5)
        ending = asyncio.create_task(world.worker.wind_up())
        await world.pass_time()
        assert not ending.done()
        world.link.confirm()
        await world.pass_time(1)
        assert not ending.done()
        world.link.confirm()
        await ending
        assert world.journal.count("ack") == 2

    async def test_takes_no_more_deliveries(self) -> None:
        world = World()
        await world.worker.wind_up()
        world.deliver(event())
        world.deliver(b"{")
        await world.pass_time()
        assert world.journal == []
        assert world.sample("events_received_total") == 0

    async def test_lets_sleeping_events_return_to_their_queue(self) -> None:
        world = World()
        world.api.answers.append(response(503, retry_after="100"))
        world.deliver(event())
        await world.pass_time(2)
        await world.worker.wind_up()
        await world.pass_time()
        assert len(world.puts) == 1
        assert world.journal == ["PUT 4567", "answer 4567"]

    async def test_repeats_nothing_that_fails_meanwhile(self) -> None:
        world = World()
        world.api.answers.append(response(503))
        world.deliver(event())
        await world.pass_time(0.5)
        await world.worker.wind_up()
        await world.pass_time()
        assert len(world.puts) == 1
        assert "ack" not in world.journal

    async def test_publishes_again_what_was_returned_meanwhile(self) -> None:
        world = World()
        world.link.refusals.append(Unpublished("no queue"))
        world.deliver(event())
        await world.pass_time(0.5)
        await world.worker.wind_up()
        assert world.journal[-1] == "ack"

    async def test_waits_for_calls_only_if_the_link_is_lost(self) -> None:
        world = World()
        world.link.holds = True
        world.deliver_keys("1")
        await world.pass_time(2)
        world.deliver_keys("2")
        await world.pass_time(0.5)
        world.link.lose()
        await world.worker.wind_up()
        assert world.api.running == 0
        assert world.journal == ["PUT 1", "answer 1", "publish to results", "PUT 2", "answer 2"]
        await world.pass_time()
        assert "ack" not in world.journal

    async def test_drops_what_waits_to_be_published_again_if_the_link_is_lost(self) -> None:
        world = World()
        world.link.refusals.extend([Unpublished("no queue")] * 1000)
        world.deliver(event())
        await world.pass_time(100)
        world.link.lose()
        before = asyncio.get_running_loop().time()
        await world.worker.wind_up()
        assert asyncio.get_running_loop().time() - before < 1
        published = len(world.link.published)
        await world.pass_time()
        assert len(world.link.published) == published

    async def test_returns_when_the_link_is_lost_meanwhile(self) -> None:
        world = World()
        world.link.refusals.extend([Unpublished("no queue")] * 1000)
        world.deliver(event())
        await world.pass_time(100)
        ending = asyncio.create_task(world.worker.wind_up())
        published = len(world.link.published)
        while len(world.link.published) == published:
            await world.pass_time(0.1)
        world.link.lose()
        await world.pass_time(1)
        assert ending.done()

    async def test_a_lost_link_starts_nothing_new(self) -> None:
        world = World()
        world.link.holds = True
        world.deliver_keys("1", "1")
        await world.pass_time()
        world.link.lose()
        await world.worker.wind_up()
        await world.pass_time()
        assert len(world.puts) == 1


@pytest.mark.parametrize(
    "answers",
    [
        [profiles(profile(fields={"email": "jane.qx@example.com"}))],
        [response(503), NO_ANSWER, profiles(profile())],
        [error("Field 'email': jane.qx@example.com is spam")],
        [RuntimeError("a fault"), profiles()],
    ],
    ids=["success", "retries", "refusal", "fault"],
)
async def test_logs_no_value(answers: list[Any]) -> None:
    world = World()
    world.api.answers.extend(answers)
    world.link.refusals.append(Unpublished("no queue"))
    value = "jane.qx@example.com"
    with capture_logs() as lines:
        world.deliver(event(where={"email": value}, fields={"email": value}, **CREATE))
        world.deliver(event(where={"email": f" {value}"}))
        await world.pass_time(10_000)
    assert world.journal.count("ack") == 2
    assert lines
    assert "jane.qx" not in repr(lines)


async def test_a_dead_letter_has_the_value_in_its_body_only() -> None:
    world = World()
    world.api.answers.append(error("Field 'email': jane.qx@example.com is spam"))
    result = await world.end(event(fields={"email": "jane.qx@example.com"}))
    (letter,) = world.published_to("dead-letters")
    assert b"jane.qx" in letter.body
    assert "jane.qx" not in repr(letter.properties)
    assert "jane.qx" not in json.dumps(result)


async def test_a_redelivered_create_waits_and_is_looked_up_first() -> None:
    world = World()
    world.deliver(event(create=True), redelivered=True)
    await world.pass_time(world.settings.ambiguous_wait - 1)
    assert world.methods == []
    await world.pass_time(5)
    assert world.methods == ["GET", "PUT"]


async def test_redelivered_creates_of_one_key_wait_together() -> None:
    world = World()
    for _ in range(5):
        world.deliver(event(create=True), redelivered=True)
    await world.pass_time(world.settings.ambiguous_wait + 5 * 2 + 1)
    assert world.methods == ["GET", "PUT"] * 5


async def test_no_put_follows_a_look_that_ends_after_wind_up_began() -> None:
    world = World()
    world.deliver(event(create=True), redelivered=True)
    await world.pass_time(world.settings.ambiguous_wait + 0.5)
    ending = asyncio.create_task(world.worker.wind_up())
    await world.pass_time(5)
    assert ending.done()
    assert world.methods == ["GET"]


async def test_failed_looks_are_repeated_at_growing_intervals() -> None:
    world = World(retry_max=1000)
    world.api.answers.extend([NoResponse("no-answer", "timeout"), *[response(503)] * 12])
    world.deliver(event(create=True))
    await world.pass_time(100_000)
    gaps = [later - earlier for earlier, later in pairwise(world.api.times)]
    assert world.methods.count("GET") == 13
    assert max(gaps[8:]) > max(gaps[1:4])


async def test_a_look_that_the_token_is_refused_for_gives_the_link_up() -> None:
    world = World()
    world.api.answers.extend([NoResponse("no-answer", "timeout"), error("Invalid access token")])
    world.api.reply("get-identity", error("Invalid access token"))
    world.deliver(event(create=True))
    await world.pass_time()
    assert world.patience.given_up.result() == "token"
    assert world.methods == ["PUT", "GET"]


async def test_one_message_taken_does_not_end_the_trouble_of_another() -> None:
    world = World()
    world.link.refusals.append(Unpublished("no queue"))
    world.deliver(b"{")
    await world.pass_time(0.01)
    assert world.pauses.why_not_ready() == "unroutable"
    await world.pass_time()
    assert world.pauses.why_not_ready() is None


async def test_a_confirm_that_comes_with_the_end_of_the_link_acknowledges_nothing() -> None:
    world = World()
    world.link.holds = True
    world.deliver_keys("1", "1")
    await world.pass_time()
    world.link.confirm()
    world.link.lost.set_result("cut")
    await world.pass_time()
    assert "ack" not in world.journal
    assert not world.worker.proven
    assert len(world.puts) == 1


async def test_a_look_that_is_refused_keeps_the_status_of_the_put() -> None:
    world = World()
    world.api.answers.extend([response(503), error("Field x does not exist")])
    result = await world.end(event(create=True))
    assert (result["outcome"], result["attempts"], result["status"]) == ("rejected", 1, 503)
