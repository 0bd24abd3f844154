import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import pytest

from service.attempts import Attempts, Ended, Later, Strange, Written
from service.lanes import Work
from service.outcomes import Refused, Retry
from service.profiles import NoResponse, Response
from tests.unit.doubles import FakeCopernica, error, listing, profiles, response
from tests.unit.samples import delivery, profile, settings, update

NO_ANSWER = NoResponse("no-answer", "timeout")
NONE = listing()
MOVED = {"fields": {"customerid": "4568"}}


def work(**changes: Any) -> Work:
    return Work(delivery(), update(**changes), 0.0, datetime.now(UTC))


def many(count: int, **fields: str) -> Response:
    """A list of that many profiles, with these fields."""
    return profiles(*(profile(n, fields=fields) for n in range(1, count + 1)))


def yes() -> bool:
    return True


class Api(FakeCopernica):
    """Attempts before an API of lists: `make` gives what came of one, and the calls it took."""

    def __init__(self, *answers: Response | NoResponse, **values: Any) -> None:
        super().__init__([])
        self.seconds = 0
        self.answers.extend(answers)
        self.attempts = Attempts(settings(**values), self)

    async def make(self, one: Work, may_write: Callable[[], bool] = yes) -> Ended | None:
        return await self.attempts.make(one, may_write)

    @property
    def targets(self) -> list[str]:
        """Method and path of each call, with what it selects."""
        return [
            f"{call.method} {call.path} {call.query.partition('&')[0].rpartition('D')[2]}".strip()
            for call in self.calls
        ]


class TestWrites:
    async def test_with_one_call(self) -> None:
        api, one = Api(profiles(profile())), work()
        assert await api.make(one) == Written("updated", (profile(),), 1, "put")
        assert api.targets == ["PUT /database/1234/profiles 4567"]
        assert (one.attempts, one.status) == (1, 200)
        assert one.first_call_at

    @pytest.mark.parametrize(
        ("answer", "failure", "status"),
        [
            (NO_ANSWER, Retry("outage", "timeout", None, ambiguous=True), None),
            (error("Failed"), Refused("refused", "Failed"), 400),
        ],
        ids=["retry", "refusal"],
    )
    async def test_or_tells_why_not(self, answer: Any, failure: Ended, status: int | None) -> None:
        api, one = Api(answer), work()
        assert await api.make(one) == failure
        assert (one.attempts, one.status) == (1, status)

    async def test_counts_every_put(self) -> None:
        api, one = Api(NO_ANSWER, response(503), profiles(profile())), work()
        moments = []
        for _ in range(3):
            await api.make(one)
            moments.append(one.first_call_at)
        assert (one.attempts, len(set(moments))) == (3, 1)

    @pytest.mark.parametrize(
        "changes", [{}, {"create": True}, MOVED, {"create": True, "async_": True}], ids=str
    )
    async def test_nothing_that_is_forbidden_in_the_end(self, changes: Any) -> None:
        api, one = Api(NONE), work(**changes)
        one.look_first = True
        assert await api.make(one, lambda: False) is None
        assert "PUT" not in {call.method for call in api.calls}
        assert one.attempts == 0

    async def test_a_thousand_profiles_and_says_that_there_may_be_more(self) -> None:
        api = Api(many(1000, age="20"))
        written = await api.make(work(where=["age>18"], expect="many"))
        assert isinstance(written, Written)
        assert written.matched == 1000
        assert written.detail == "1000 profiles are shown; there may be more"


class TestReadBack:
    async def test_goes_by_the_selection_after_a_creation_too(self) -> None:
        api = Api(response(303, x_created="7"), profiles(profile(6), profile(7)))
        written = await api.make(work(create=True))
        assert isinstance(written, Written)
        assert (written.outcome, written.matched, written.source) == ("created", 2, "read-back")
        assert api.targets[1:] == ["GET /database/1234/profiles 4567"]

    async def test_goes_by_the_id_if_the_selection_shows_nobody(self) -> None:
        api = Api(response(303, x_created="7"), NONE, profiles(profile(7)))
        written = await api.make(work(create=True))
        assert isinstance(written, Written)
        assert (written.outcome, written.matched) == ("created", 1)
        assert api.targets[1:] == ["GET /database/1234/profiles 4567", "GET /profile/7"]

    async def test_that_fails_is_not_followed_by_another(self) -> None:
        api = Api(response(303, x_created="7"), response(503))
        written = await api.make(work(create=True))
        assert isinstance(written, Written)
        assert (written.outcome, written.matched, written.source) == ("created", None, "none")
        assert written.detail
        assert len(api.calls) == 2

    async def test_finds_nobody_where_nobody_matched(self) -> None:
        api = Api(response(200), NONE)
        assert await api.make(work()) == Written("unmatched", (), 0, "read-back")

    async def test_leaves_a_removed_profile_out_that_was_read_by_its_id(self) -> None:
        gone = profiles(profile(7, removed="2026-01-01 10:00:00"))
        api = Api(response(303, x_created="7"), NONE, gone)
        assert await api.make(work(create=True)) == Written("created", (), 0, "read-back")

    LOST: ClassVar = {"where": ["a=~x%"], "fields": {"a": "X%"}, "expect": "many"}

    async def test_is_left_out_where_nothing_can_be_found_again(self) -> None:
        api = Api(response(200))
        written = await api.make(work(**self.LOST))
        assert isinstance(written, Written)
        assert (written.outcome, written.matched, written.source) == ("updated", None, "none")
        assert "not read back" in (written.detail or "")
        assert len(api.calls) == 1

    async def test_goes_by_the_id_where_nothing_else_can_be_found_again(self) -> None:
        api = Api(response(201, x_created="7"), profiles(profile(7)))
        written = await api.make(work(**self.LOST))
        assert isinstance(written, Written)
        assert (written.outcome, written.matched) == ("created", 1)
        assert api.targets[1:] == ["GET /profile/7"]

    async def test_can_be_switched_off(self) -> None:
        api = Api(response(200), read_back="never")
        written = await api.make(work())
        assert isinstance(written, Written)
        assert (written.outcome, written.matched, written.source) == ("updated", None, "none")
        assert "READ_BACK" in (written.detail or "")


class TestStrange:
    OTHER = profiles(profile(fields={"customerid": "9999"}))

    @pytest.mark.parametrize(
        "answers", [[OTHER], [response(200), OTHER], [response(303, x_created="7"), OTHER]], ids=str
    )
    async def test_is_an_answer_with_a_profile_that_nobody_asked_for(self, answers: Any) -> None:
        ended = await Api(*answers).make(work(create=True))
        assert isinstance(ended, Strange)
        assert "customerid" in ended.detail

    async def test_is_an_answer_with_far_too_many(self) -> None:
        assert isinstance(await Api(many(11, customerid="4567")).make(work()), Strange)
        few = await Api(many(10, customerid="4567")).make(work())
        assert isinstance(few, Written)
        assert few.matched == 10

    @pytest.mark.parametrize("changes", [{"create": True}, MOVED], ids=str)
    async def test_in_a_look_is_followed_by_no_put(self, changes: Any) -> None:
        api, one = Api(self.OTHER), work(**changes)
        one.look_first = True
        assert isinstance(await api.make(one), Strange)
        assert [call.method for call in api.calls] == ["GET"]

    @pytest.mark.parametrize("changes", [{"create": True}, MOVED], ids=str)
    async def test_is_no_crowd_that_the_sender_asked_for(self, changes: Any) -> None:
        api, one = Api(many(11, customerid="4567")), work(**changes)
        one.look_first = True
        refused = await api.make(one)
        assert isinstance(refused, Refused)
        assert refused.reason == "unsafe-selection"
        assert "where.customerid: over 10 profiles" in refused.detail
        assert "4567" not in refused.detail
        assert [call.method for call in api.calls] == ["GET"]
        assert "limit=11&" in api.calls[0].query

    async def test_lets_no_large_answer_pass_where_one_is_expected(self) -> None:
        api, one = Api(Response(200, {}, b'{"data": [', cut=True)), work(**MOVED)
        assert isinstance(await api.make(one), Retry)
        assert [call.method for call in api.calls] == ["GET"]


class TestMoves:
    async def test_are_read_by_their_ids(self) -> None:
        there = profiles(profile(7, fields={"customerid": "4568"}))
        api = Api(profiles(profile(7)), response(200), there)
        written = await api.make(work(**MOVED))
        assert isinstance(written, Written)
        assert (written.outcome, written.matched, written.source) == ("updated", 1, "read-back")
        assert api.targets == [
            "GET /database/1234/profiles 4567",
            "PUT /database/1234/profiles 4567",
            "GET /profile/7",
        ]

    async def test_that_find_nobody_are_unmatched(self) -> None:
        api = Api(NONE, response(200))
        assert await api.make(work(**MOVED)) == Written("unmatched", (), 0, "read-back")
        assert len(api.calls) == 2

    async def test_need_no_read_back_if_the_put_answers(self) -> None:
        there = profiles(profile(7, fields={"customerid": "4568"}))
        api = Api(profiles(profile(7)), there)
        written = await api.make(work(**MOVED))
        assert isinstance(written, Written)
        assert (written.matched, written.source) == (1, "put")

    @pytest.mark.parametrize("failure", [NO_ANSWER, response(503), error("Failed")], ids=str)
    async def test_write_nothing_before_the_ids_are_known(self, failure: Any) -> None:
        api, one = Api(failure, profiles(profile(7))), work(**MOVED)
        assert isinstance(await api.make(one), Retry | Refused)
        assert one.ids is None
        assert [call.method for call in api.calls] == ["GET"]

    async def test_note_the_ids_once(self) -> None:
        api, one = Api(profiles(profile(7)), response(429), response(200)), work(**MOVED)
        await api.make(one)
        assert one.ids == ("7",)
        await api.make(one)
        assert api.targets[:3] == [
            "GET /database/1234/profiles 4567",
            "PUT /database/1234/profiles 4567",
            "PUT /database/1234/profiles 4567",
        ]

    async def test_of_some_profiles_are_read_one_by_one(self) -> None:
        api = Api(many(10), response(200), *[profiles(profile(n)) for n in range(1, 11)])
        written = await api.make(work(**MOVED))
        assert isinstance(written, Written)
        assert written.matched == 10
        assert api.targets[2:] == [f"GET /profile/{n}" for n in range(1, 11)]

    async def test_of_many_profiles_are_read_where_they_are_now(self) -> None:
        api = Api(many(11), response(200), profiles(*map(profile, range(5, 20))))
        written = await api.make(work(expect="many", **MOVED))
        assert isinstance(written, Written)
        assert [found["ID"] for found in written.profiles] == [str(n) for n in range(5, 12)]
        assert api.targets[2:] == ["GET /database/1234/profiles 4568"]

    async def test_of_many_profiles_to_nowhere_are_not_read(self) -> None:
        api = Api(many(11), response(200))
        written = await api.make(work(fields={"customerid": ""}, expect="many"))
        assert isinstance(written, Written)
        assert (written.outcome, written.matched, written.source) == ("updated", None, "none")
        assert "11 profiles" in (written.detail or "")

    async def test_of_profiles_that_cannot_be_read_say_so(self) -> None:
        api = Api(many(2), response(200), profiles(profile(1)), response(503))
        written = await api.make(work(**MOVED))
        assert isinstance(written, Written)
        assert (written.outcome, written.profiles, written.source) == ("updated", (), "none")
        assert "503" in (written.detail or "")

    async def test_by_when_profiles_were_changed_are_read_by_their_ids(self) -> None:
        api = Api(profiles(profile(7)), response(200), profiles(profile(7)))
        written = await api.make(work(where=["id==7", "modified<2026-01-01"], expect="many"))
        assert isinstance(written, Written)
        assert (written.outcome, written.matched) == ("updated", 1)
        assert api.targets[2] == "GET /profile/7"


class TestCreated:
    """An API that answers with a bare list shows a profile as new for some seconds."""

    @staticmethod
    def new(number: int = 7) -> Response:
        now = datetime.now(UTC)
        wall = now.astimezone(ZoneInfo("Europe/Amsterdam")).strftime("%Y-%m-%d %H:%M:%S")
        made = profile(number, created=wall, modified=wall)
        return profiles(made, date=format_datetime(now, usegmt=True))

    async def outcome(self, api: Api) -> str:
        written = await api.make(work(create=True))
        assert isinstance(written, Written)
        return written.outcome

    async def test_is_told_once_for_a_profile(self) -> None:
        api = Api(self.new(7), self.new(7), self.new(8))
        assert [await self.outcome(api) for _ in range(3)] == ["created", "updated", "created"]

    async def test_is_told_each_time_the_api_says_so(self) -> None:
        api = Api(*[response(201, x_created="7"), NONE, profiles(profile(7))] * 2)
        assert [await self.outcome(api) for _ in range(2)] == ["created", "created"]

    async def test_is_told_by_the_status_alone(self) -> None:
        api = Api(*[response(201), NONE] * 2)
        assert [await self.outcome(api) for _ in range(2)] == ["created", "created"]

    async def test_is_told_of_an_attempt_that_got_no_answer(self) -> None:
        api, one = Api(self.new(7), profiles(profile(7))), work(create=True)
        one.look_first = True
        written = await api.make(one)
        assert isinstance(written, Written)
        assert written.outcome == "created"

    async def test_is_forgotten_after_a_while(self) -> None:
        api = Api(self.new(8), self.new(7))
        await self.outcome(api)
        api.attempts._made = {"7": time.monotonic() - 100, **api.attempts._made}
        assert await self.outcome(api) == "created"


def left(*ids: str, **changes: Any) -> Work:
    """An update of these profiles whose PUT got no answer."""
    one = work(**{**MOVED, **changes})
    one.ids, one.look_first, one.attempts = ids, True, 1
    return one


class TestMovesWithoutAnswer:
    THERE = profiles(profile(7, fields={"customerid": "4568"}))
    HERE = profiles(profile(7, fields={"customerid": "4567"}))

    async def test_are_done_if_their_profiles_have_moved(self) -> None:
        api, one = Api(self.THERE), left("7")
        written = await api.make(one)
        assert isinstance(written, Written)
        assert (written.outcome, written.matched, written.source) == ("updated", 1, "read-back")
        assert api.targets == ["GET /profile/7"]
        assert one.attempts == 1

    async def test_are_repeated_if_they_have_not(self) -> None:
        api, one = Api(self.HERE, response(200), self.THERE), left("7")
        written = await api.make(one)
        assert isinstance(written, Written)
        assert (written.outcome, written.matched) == ("updated", 1)
        assert api.targets == [
            "GET /profile/7",
            "PUT /database/1234/profiles 4567",
            "GET /profile/7",
        ]
        assert not one.look_first

    async def test_are_repeated_if_some_have_not(self) -> None:
        api, one = Api(self.THERE, self.HERE, response(429)), left("7", "8")
        await api.make(one)
        assert api.targets[2] == "PUT /database/1234/profiles 4567"

    async def test_of_nobody_are_repeated(self) -> None:
        api = Api(response(200))
        assert await api.make(left()) == Written("unmatched", (), 0, "read-back")
        assert api.targets == ["PUT /database/1234/profiles 4567"]

    async def test_before_any_id_was_known_begin_anew(self) -> None:
        api, one = Api(profiles(profile(7)), response(429)), left()
        one.ids = None
        await api.make(one)
        assert [call.method for call in api.calls] == ["GET", "PUT"]

    @pytest.mark.parametrize(
        ("answer", "cause", "after"),
        [
            (NO_ANSWER, "outage", None),
            (response(503, retry_after="70"), "outage", 70),
            (error("Invalid access token"), "token", None),
        ],
        ids=["no answer", "503", "token"],
    )
    async def test_are_not_repeated_unseen(
        self, answer: Any, cause: str, after: float | None
    ) -> None:
        api, one = Api(answer), left("7")
        retry = await api.make(one)
        assert isinstance(retry, Retry)
        assert (retry.cause, retry.after) == (cause, after)
        assert one.look_first
        assert len(api.calls) == 1

    async def test_of_a_profile_that_is_gone_are_repeated(self) -> None:
        api, one = Api(error("No entity with supplied ID"), response(429)), left("7")
        await api.make(one)
        assert [call.method for call in api.calls] == ["GET", "PUT"]

    @pytest.mark.parametrize("count", [1, 11])
    async def test_to_nowhere_are_repeated(self, count: int) -> None:
        ids = map(str, range(1, count + 1))
        api, one = Api(response(429)), left(*ids, fields={"customerid": ""})
        retry = await api.make(one)
        assert isinstance(retry, Retry)
        assert one.attempts == 2
        assert api.targets == ["PUT /database/1234/profiles 4567"]


class TestLook:
    @pytest.mark.parametrize(
        ("seen", "create"), [(NONE, "create=1"), (profiles(profile()), "create=0")], ids=str
    )
    async def test_decides_whether_a_create_may_create(self, seen: Any, create: str) -> None:
        api, one = Api(seen, profiles(profile())), work(create=True)
        one.look_first = True
        await api.make(one)
        assert api.targets[0] == "GET /database/1234/profiles 4567"
        assert f"&{create}&" in api.calls[1].query
        assert not one.look_first

    @pytest.mark.parametrize("failure", [NO_ANSWER, response(503), error("Failed")], ids=str)
    async def test_that_fails_is_followed_by_no_put(self, failure: Any) -> None:
        api, one = Api(failure), work(create=True)
        one.look_first = True
        assert isinstance(await api.make(one), Retry | Refused)
        assert one.look_first
        assert [call.method for call in api.calls] == ["GET"]

    @pytest.mark.parametrize(("seconds", "outcome"), [(1, "created"), (-3600, "updated")])
    async def test_knows_a_profile_that_was_made_meanwhile(
        self, seconds: float, outcome: str
    ) -> None:
        moment = datetime.now(ZoneInfo("Europe/Amsterdam")) + timedelta(seconds=seconds)
        seen = profiles(profile(created=moment.strftime("%Y-%m-%d %H:%M:%S")))
        api, one = Api(seen, profiles(profile())), work(create=True)
        one.look_first = True
        written = await api.make(one)
        assert isinstance(written, Written)
        assert written.outcome == outcome


class TestInTheBackground:
    CREATE: ClassVar = {"create": True, "async_": True}

    async def test_an_update_is_accepted(self) -> None:
        api = Api(response(200))
        assert await api.make(work(async_=True)) == Written("accepted")

    async def test_a_create_holds_its_lane_until_its_profile_is_there(self) -> None:
        api, one = Api(response(200), NONE, NONE, profiles(profile())), work(**self.CREATE)
        for _ in range(3):
            assert isinstance(await api.make(one), Later)
        assert await api.make(one) == Written("accepted")
        assert [call.method for call in api.calls] == ["PUT", "GET", "GET", "GET"]
        assert one.attempts == 1

    async def test_a_create_is_looked_at_ever_more_seldom(self) -> None:
        api, one = Api(response(200), NONE), work(**self.CREATE)
        api.reply("get-profiles", NONE)
        ended, waits = await api.make(one), []
        while isinstance(ended, Later):
            waits.append(ended.seconds)
            await asyncio.sleep(ended.seconds)
            ended = await api.make(one)
        assert ended == Written("accepted")
        assert waits == [0.5, 0.5, 1, 2, 4, 8, 4]

    async def test_a_create_holds_its_lane_no_longer_than_the_wait(self) -> None:
        api, one = Api(response(200), NONE, NONE), work(**self.CREATE)
        await api.make(one)
        await asyncio.sleep(19)
        assert isinstance(await api.make(one), Later)
        await asyncio.sleep(1)
        assert await api.make(one) == Written("accepted")

    @pytest.mark.parametrize(
        ("failure", "seconds"),
        [
            (NO_ANSWER, 0.5),
            (response(503, retry_after="7"), 7),
            (response(503, retry_after="0"), 0.5),
            (error("Failed"), 0.5),
        ],
        ids=["no answer", "7 seconds", "at once", "refused"],
    )
    async def test_a_create_whose_look_fails_is_looked_at_later(
        self, failure: Any, seconds: float
    ) -> None:
        api, one = Api(response(200), failure), work(**self.CREATE)
        await api.make(one)
        assert await api.make(one) == Later(seconds)

    async def test_a_create_is_known_to_need_a_look(self) -> None:
        api, one = Api(response(200)), work(**self.CREATE)
        await api.make(one)
        assert one.look_first

    async def test_a_create_that_may_not_create_any_more_is_an_update(self) -> None:
        api, one = Api(response(200), profiles(profile())), work(**self.CREATE)
        one.may_create = False
        ended = await api.make(one)
        assert isinstance(ended, Written)
        assert (ended.outcome, ended.source) == ("updated", "read-back")
        # What follows it in its lane must not be overtaken by it.
        assert api.calls[0].query.endswith("&create=0&async=0")

    async def test_a_create_is_not_told_again_of_the_update_that_follows(self) -> None:
        now = datetime.now(ZoneInfo("Europe/Amsterdam")).strftime("%Y-%m-%d %H:%M:%S")
        made = profile(created=now, modified=now)
        date = format_datetime(datetime.now(UTC), usegmt=True)
        api = Api(response(200), profiles(made), profiles(made, date=date))
        one = work(**self.CREATE)
        await api.make(one)
        assert await api.make(one) == Written("accepted")
        written = await api.make(work(create=True))
        assert isinstance(written, Written)
        assert written.outcome == "updated"
