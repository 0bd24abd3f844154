"""What the worker does not do: write too soon, twice, or on another's queue."""

import asyncio
from typing import Any, ClassVar

import pytest
from structlog.testing import capture_logs

from service.carried import Carried
from service.profiles import NoResponse, Response
from tests.unit.doubles import CatalogueCopernica, error, listing, profiles, response
from tests.unit.samples import event, profile
from tests.unit.world import World

NO_ANSWER = NoResponse("no-answer", "timeout")
NONE = listing()
CREATE = {"create": True}
IN_BACKGROUND = {"create": True, "async": True}
CROWD = profiles(*(profile(number) for number in range(11)))
OTHER = profiles(profile(fields={"customerid": "9999"}))
SLOW = 20  # AMBIGUOUS_WAIT, seconds


def counted(count: int | None) -> dict[str, Any]:
    """The properties of a message that a quorum queue has taken back so many times."""
    return {"headers": {} if count is None else {"x-delivery-count": count}}


async def held_by(world: World) -> Carried:
    """End a world; what it leaves to the next."""
    await world.worker.wind_up()
    return world.worker.carried()


def in_doubt(carried: Carried) -> list[bool]:
    """Tell of what was held whether an attempt may have been, or be, carried out."""
    now = asyncio.get_running_loop().time()
    return [held.look_first or held.settled_at > now for held in carried._held.values()]


async def held_after(seconds: float, *answers: Response | NoResponse, **changes: Any) -> Carried:
    """What a worker leaves undone that had an event for some seconds."""
    world = World()
    world.api.answers.extend(answers)
    world.link.holds = True  # nothing is acknowledged
    world.deliver(event(**changes))
    await world.pass_time(seconds)
    world.link.lose()
    return await held_by(world)


class TestRedelivered:
    @pytest.mark.parametrize("changes", [{}, CREATE, {"fields": {"customerid": "9"}}], ids=str)
    async def test_events_wait_before_their_first_call(self, changes: Any) -> None:
        world = World()
        world.deliver(event(**changes), redelivered=True)
        await world.pass_time(SLOW - 0.5)
        assert world.api.calls == []
        await world.pass_time()
        assert world.api.times[0] >= SLOW
        assert len(world.results) == 1

    async def test_updates_are_not_looked_up(self) -> None:
        world = World()
        world.deliver(event(), redelivered=True)
        await world.pass_time()
        assert world.methods == ["PUT"]

    async def test_events_hold_up_their_own_lane_only(self) -> None:
        world = World()
        world.deliver(event(where={"customerid": "1"}), redelivered=True)
        world.deliver_keys("1", "2")
        await world.pass_time(SLOW - 0.5)
        assert world.journal.count("ack") == 1
        assert world.sample("sleeping_events") == 1
        await world.pass_time()
        assert [e for e in world.journal if e.startswith("PUT")] == ["PUT 2", "PUT 1", "PUT 1"]

    async def test_events_need_no_wait_if_this_process_alone_has_held_them(self) -> None:
        first = World(max_in_flight=1)
        first.deliver_keys("1", "2", **CREATE)
        await first.pass_time(0.5)
        first.link.lose()
        world = World(carried=await held_by(first))
        world.deliver(event(where={"customerid": "2"}, **CREATE), redelivered=True, **counted(1))
        await world.pass_time(1)
        assert world.methods == ["PUT"]

    @pytest.mark.parametrize(
        ("before", "now", "waits"),
        [
            (None, 1, False),
            (0, 1, False),
            (3, 4, False),
            (None, None, True),
            (None, 2, True),
            (3, 3, True),
            (3, 5, True),
        ],
    )
    async def test_events_wait_if_anybody_else_may_have_held_them(
        self, before: int | None, now: int | None, waits: bool
    ) -> None:
        first = World()
        first.deliver(event(), **counted(before))
        held = await held_by(first)
        world = World(carried=held)
        world.deliver(event(), redelivered=True, **counted(now))
        await world.pass_time(1.5)
        assert (world.api.calls == []) is waits

    @pytest.mark.parametrize(("seconds", "waits"), [(5, True), (40, False)])
    async def test_events_wait_no_longer_than_their_doubt_lasts(
        self, seconds: float, waits: bool
    ) -> None:
        # Sent after a second, without an answer; then the API is down for long.
        held = await held_after(seconds, NO_ANSWER, *[response(503)] * 100)
        world = World(carried=held)
        world.deliver(event(), redelivered=True, **counted(1))
        await world.pass_time(1.5)
        assert (world.api.calls == []) is waits
        await world.pass_time(SLOW)
        assert len(world.puts) == 1

    async def test_a_create_in_doubt_is_looked_up_on_the_next_link(self) -> None:
        held = await held_after(40, NO_ANSWER, *[response(503)] * 100, **CREATE)
        world = World(carried=held)
        world.deliver(event(**CREATE), redelivered=True, **counted(1))
        await world.pass_time()
        assert world.methods[0] == "GET"

    async def test_events_of_another_message_are_not_known(self) -> None:
        held = await held_after(0)
        world = World(carried=held)
        world.deliver(event(fields={"x": "2"}), redelivered=True, **counted(1))
        await world.pass_time(1.5)
        assert world.api.calls == []


class TestHeld:
    async def test_is_what_waits_for_its_lane_or_its_admission(self) -> None:
        world = World(fake=CatalogueCopernica, field_check="strict")
        world.api.reply("get-fields", response(503))
        world.deliver(event())
        assert in_doubt(await held_by(world)) == [False]

    async def test_is_what_waits_to_be_tried_again(self) -> None:
        assert in_doubt(await held_after(1.1, response(503, retry_after="100"))) == [False]

    async def test_is_not_what_has_been_acknowledged(self) -> None:
        world = World()
        world.deliver(event())
        await world.pass_time()
        assert in_doubt(await held_by(world)) == []

    async def test_remembers_no_more_ends_than_rabbitmq_can_have_lost(self) -> None:
        world = World(prefetch=3)
        for number in range(5):
            world.deliver(event(id=f"{number}", where={"customerid": f"{number}"}))
            await world.pass_time(1)
        keys = [key for key, _ in await held_by(world)]
        assert keys == [("1234", f"customerid=={number}") for number in (2, 3, 4)]

    async def test_is_not_what_another_process_may_still_write(self) -> None:
        world = World()
        world.deliver(event(), redelivered=True)
        await world.pass_time(19)
        assert in_doubt(await held_by(world)) == [True]

    async def test_is_no_create_that_may_have_been_carried_out(self) -> None:
        assert in_doubt(await held_after(1.1, NO_ANSWER, **CREATE)) == [True]

    @pytest.mark.parametrize("seconds", [1.1, 5.0])
    async def test_is_no_create_that_the_api_may_still_carry_out(self, seconds: float) -> None:
        answers = (response(200), NONE, NONE, NONE, NONE)
        assert in_doubt(await held_after(seconds, *answers, **IN_BACKGROUND)) == [True]


class TestCreateInTheBackground:
    async def test_holds_its_lane_until_its_profile_is_there(self) -> None:
        world = World()
        world.api.answers.extend([response(200), NONE, NONE, profiles(profile())])
        world.deliver(event(**IN_BACKGROUND))
        world.deliver(event(fields={"firstname": "Jane"}))
        await world.pass_time()
        assert world.methods == ["PUT", "GET", "GET", "GET", "PUT"]
        assert [result["outcome"] for result in world.results] == ["accepted", "updated"]
        assert world.results[0]["attempts"] == 1

    async def test_holds_its_lane_no_longer_than_the_wait(self) -> None:
        world = World()
        world.api.answers.extend([response(200), *[NONE] * 100])
        world.deliver(event(**IN_BACKGROUND))
        await world.pass_time(SLOW)
        assert world.results == []
        await world.pass_time(5)
        assert [result["outcome"] for result in world.results] == ["accepted"]
        assert world.methods.count("PUT") == 1

    async def test_makes_no_second_profile_while_the_api_works(self) -> None:
        world = World()
        world.api.answers.extend([response(200), NONE, profiles(profile()), response(200)])
        for _ in range(2):
            world.deliver(event(**IN_BACKGROUND))
        await world.pass_time()
        assert world.methods == ["PUT", "GET", "GET", "PUT", "GET"]

    async def test_is_no_trouble(self) -> None:
        world = World()
        world.api.answers.extend([response(200), error("Invalid access token"), NONE])
        world.deliver(event(**IN_BACKGROUND))
        await world.pass_time()
        assert world.pauses.why_not_ready() is None


class TestMove:
    MOVE: ClassVar = {"fields": {"customerid": "9"}}
    THERE = profiles(profile(42, fields={"customerid": "9"}))

    async def test_without_an_answer_is_looked_up_by_its_ids_after_the_wait(self) -> None:
        world = World()
        world.api.answers.extend([profiles(profile(42)), NO_ANSWER, self.THERE])
        result = await world.end(event(**self.MOVE))
        assert (result["outcome"], result["matched"], result["attempts"]) == ("updated", 1, 1)
        assert [call.path for call in world.api.calls] == [
            "/database/1234/profiles",
            "/database/1234/profiles",
            "/profile/42",
        ]
        assert world.api.times[2] >= world.api.times[1] + 1 + SLOW

    async def test_that_was_not_carried_out_is_made_again(self) -> None:
        world = World()
        here = profiles(profile(42))
        world.api.answers.extend([here, response(500), here, self.THERE])
        result = await world.end(event(**self.MOVE))
        assert (result["outcome"], result["attempts"]) == ("updated", 2)
        assert world.methods == ["GET", "PUT", "GET", "PUT"]

    async def test_to_nowhere_ends_too(self) -> None:
        world = World()
        world.api.answers.extend([profiles(*map(profile, range(1, 12))), NO_ANSWER, response(200)])
        result = await world.end(event(fields={"customerid": ""}, expect="many"))
        assert (result["outcome"], result["attempts"]) == ("updated", 2)


class TestLease:
    async def test_that_is_in_doubt_starts_nothing(self) -> None:
        world = World()
        world.link.in_doubt = True
        world.deliver_keys("1", "2")
        await world.pass_time()
        assert world.api.calls == []
        world.link.in_doubt = False
        await world.pass_time(1)
        assert world.api.running + len(world.results) == 2
        await world.pass_time()
        assert len(world.results) == 2

    async def test_that_is_in_doubt_lets_running_calls_end(self) -> None:
        world = World()
        world.deliver_keys("1", "1")
        await world.pass_time(0.5)
        world.link.in_doubt = True
        await world.pass_time()
        assert world.journal == ["PUT 1", "answer 1", "publish to results", "ack"]

    async def test_that_comes_into_doubt_during_a_look_stops_the_put(self) -> None:
        world = World()
        world.api.answers.extend([NO_ANSWER, NONE])
        world.deliver(event(**CREATE))
        await world.pass_time(SLOW + 1.5)
        assert world.methods == ["PUT", "GET"]
        world.link.in_doubt = True
        await world.pass_time()
        assert world.methods == ["PUT", "GET"]
        world.link.in_doubt = False
        await world.pass_time()
        assert world.methods == ["PUT", "GET", "PUT"]
        assert len(world.results) == 1

    async def test_that_is_in_doubt_does_not_hold_up_the_end(self) -> None:
        world = World()
        world.link.in_doubt = True
        world.deliver_keys("1")
        await world.pass_time(0.1)
        assert in_doubt(await held_by(world)) == [False]
        world.link.in_doubt = False
        await world.pass_time()
        assert world.api.calls == []


class TestTrip:
    async def test_is_an_answer_that_nobody_asked_for(self) -> None:
        world = World(fake=CatalogueCopernica, field_check="strict")
        world.api.answers.append(OTHER)
        world.deliver(event())
        await world.pass_time()
        assert world.patience.given_up.result() == "selection-guard"
        assert world.pauses.why_not_ready() == "selection-guard"
        (result,) = world.results  # it was written: left to the queue, it would be again
        assert (result["outcome"], result["profiles"]) == ("updated", [])
        assert "CustomerID" in result["detail"]
        assert "ack" in world.journal

    @pytest.mark.parametrize("check", ["off", "names"])
    async def test_is_no_value_that_nobody_has_checked(self, check: str) -> None:
        world = World(fake=CatalogueCopernica, field_check=check)
        world.api.answers.append(OTHER)
        assert (await world.end(event()))["outcome"] == "updated"

    @pytest.mark.parametrize("in_flight", [1, 4])
    async def test_is_followed_by_no_call(self, in_flight: int) -> None:
        world = World(max_in_flight=in_flight)
        world.api.answers.append(CROWD)
        world.deliver_keys("1", *"234567", "1")
        await world.pass_time()
        assert len(world.puts) == in_flight
        assert len(world.results) == in_flight

    async def test_is_followed_by_no_put_after_a_look(self) -> None:
        world = World()
        world.api.answers.extend([NO_ANSWER, CROWD])
        world.deliver(event(where={"customerid": "1"}, **CREATE))
        await world.pass_time(SLOW + 0.5)
        world.deliver_keys("2")
        await world.pass_time()
        assert len([put for put in world.puts if "%3D1&" in put]) == 1

    async def test_leaves_the_events_behind_it_to_the_queue(self) -> None:
        world = World(max_in_flight=1)
        world.api.answers.append(CROWD)
        world.deliver_keys("1", "2")
        await world.pass_time()
        assert in_doubt(await held_by(world)) == [False]

    async def test_happens_once(self) -> None:
        world = World()
        world.api.answers.extend([CROWD, CROWD])
        world.deliver_keys("1", "2")
        with capture_logs() as lines:
            await world.pass_time()
        (line,) = [line for line in lines if line["log_level"] == "critical"]
        assert (line["event_id"], line["database"]) == (world.results[0]["event_id"], "1234")

    async def test_comes_before_any_put_if_the_api_heeds_no_selection(self) -> None:
        world = World(fake=CatalogueCopernica, field_check="strict")
        world.api.reply("probe-selection", profiles(profile()))
        world.deliver_keys("1", "2")
        world.deliver(event(database=5, where={"birthday": "2020-01-01"}))
        await world.pass_time()
        assert world.patience.given_up.result() == "selection-guard"
        assert len(world.puts) <= 1  # the other database's, which came through before


class TestAdmission:
    @staticmethod
    def world(**values: Any) -> World:
        return World(fake=CatalogueCopernica, field_check="strict", **values)

    async def test_comes_before_the_first_put(self) -> None:
        world = self.world()
        result = await world.end(event(where={"CUSTOMERID": 4567}, fields={"AGE": "007"}))
        assert result["outcome"] == "updated"
        assert world.api.names() == [
            "get-fields",
            "get-interests",
            "probe-selection",
            "put-profiles",
        ]
        assert world.api.calls[-1].body == b'{"fields":{"age":"7"}}'
        assert world.puts[0].startswith("fields%5B%5D=CustomerID%3D%3D4567&")

    @pytest.mark.parametrize(
        ("changes", "reason", "detail"),
        [
            ({"fields": {"fristname": "x"}}, "unknown-field", "did you mean firstname?"),
            ({"fields": {"age": "12abc"}}, "invalid-value", "fields.age (integer): is no whole"),
            ({"where": {"age": 0}}, "unsafe-selection", "every profile without a number"),
        ],
    )
    async def test_that_is_refused_is_a_rejected_result(
        self, changes: Any, reason: str, detail: str
    ) -> None:
        world = self.world()
        result = await world.end(event(**changes))
        assert (result["outcome"], result["reason"], result["attempts"]) == ("rejected", reason, 0)
        assert detail in result["detail"]
        (letter,) = world.published_to("dead-letters")
        assert letter.properties.headers["profile-sync-reason"] == reason
        assert world.puts == []
        assert world.journal[-1] == "ack"
        assert world.sample("lanes") == 0

    async def test_makes_one_lane_of_one_key(self) -> None:
        world = self.world()
        for where in ({"customerid": 4567}, {"CustomerID": "4567"}, ["customerid==4567"]):
            world.deliver(event(where=where))
            world.deliver(event(database="Customers", where=where))
        await world.pass_time()
        assert world.api.most_running <= 2  # the questions by id and by name
        assert len(world.puts) == 6
        puts = [n for n, entry in enumerate(world.journal) if entry.startswith("PUT")]
        acks = [n for n, entry in enumerate(world.journal) if entry == "ack"]
        assert sorted(puts + acks) == [n for pair in zip(puts, acks, strict=True) for n in pair]

    async def test_that_waits_is_shown(self) -> None:
        world = self.world()
        world.api.reply("get-fields", response(503))
        world.deliver(event())
        await world.pass_time(5)
        assert (world.sample("oldest_event_seconds") or 0) > 0
        assert world.sample("retries_total", cause="outage")
        assert world.results == []
        await held_by(world)

    async def test_that_fails_for_the_token_gives_the_link_up(self) -> None:
        world = self.world()
        world.api.reply("get-fields", error("Invalid access token"))
        world.api.reply("get-identity", error("Invalid access token"))
        world.deliver(event(fields={"age": "12abc"}))
        await world.pass_time(3)
        assert world.pauses.why_not_ready() == "token"
        assert world.patience.given_up.result() == "token"
        await world.pass_time()
        assert world.results == []

    async def test_ends_with_the_worker(self) -> None:
        world = self.world()
        world.deliver(event())
        await world.pass_time(0.5)
        await asyncio.wait_for(held_by(world), 1)
        await world.pass_time()
        assert world.api.names() == ["get-fields"]


async def test_says_once_why_events_that_come_back_wait() -> None:
    world = World()
    with capture_logs() as lines:
        for key in "123":
            world.deliver(event(where={"customerid": key}), redelivered=True)
    (line,) = [line for line in lines if "events come back" in line["event"]]
    assert (line["log_level"], line["seconds"]) == ("info", world.settings.ambiguous_wait)


async def test_a_twin_of_a_doubtful_event_is_doubtful_too() -> None:
    world = World()
    world.api.answers.append(NO_ANSWER)
    for _ in range(2):
        world.deliver(event(**CREATE), message_id="twin")
    await world.pass_time(1.5)
    world.link.lose()
    assert in_doubt(await held_by(world)) == [True]


async def test_a_mass_update_that_moves_more_than_can_be_read_goes_on() -> None:
    world = World(fake=CatalogueCopernica, max_response_bytes=1024)
    world.api.reply("get-profiles", Response(200, {}, b'{"data": [' + b" " * 1014, cut=True))
    moving = event(where=["firstname==a"], expect="many", fields={"firstname": "b"})
    world.api.answers.append(response(200))
    result = await world.end(moving)
    assert (result["outcome"], result["matched"]) == ("updated", None)
    assert "too many" in result["detail"]
