import asyncio
import time
from collections import deque
from datetime import UTC, datetime
from typing import Any

import pytest
from structlog.testing import capture_logs

from service.admission import Admission, Doors
from service.catalogues import Catalogues
from service.lanes import Work
from service.outcomes import Retry
from service.profiles import CallName, NoResponse
from tests.unit.doubles import CatalogueCopernica, Script, error, listing, profiles, response
from tests.unit.samples import delivery, settings, update

NO_ANSWER = NoResponse("no-answer", "timeout")
SOMEBODY = profiles({"ID": "1"})
NO_DATABASE = error("No database with supplied ID")
QUESTIONS: list[CallName] = ["get-fields", "get-interests", "probe-selection"]


class House:
    """An admission between an API of lists and doors that note who came out."""

    def __init__(self, seconds: float = 1000, **values: Any) -> None:
        self.settings = settings(**values)
        self.api = CatalogueCopernica([])
        self.catalogues = Catalogues(self.api, seconds)
        self.admitted: list[Work] = []
        self.rejected: list[tuple[Work, str, str]] = []
        self.put_off: list[tuple[Retry, int]] = []
        self.delays: deque[float] = deque()
        self.asleep = False
        self.not_before = 0.0
        self.trips: list[str] = []
        doors = Doors(self.admitted.append, self._reject, self._put_off, self._asks_in, self._trip)
        self.admission = Admission(self.settings, self.api, self.catalogues, doors)

    def _reject(self, work: Work, reason: str, detail: str) -> None:
        self.rejected.append((work, reason, detail))

    def _put_off(self, retry: Retry, failures: int) -> float:
        self.put_off.append((retry, failures))
        return self.delays.popleft() if self.delays else 1.0

    def _asks_in(self) -> float | None:
        return None if self.asleep else max(self.not_before - asyncio.get_running_loop().time(), 0)

    def _trip(self, detail: str, _work: Work) -> None:
        self.trips.append(detail)

    def take(self, **changes: Any) -> Work:
        """Hand in an event that has just been received."""
        now = datetime.now(UTC)
        work = Work(delivery(), update(**changes), time.monotonic(), now)
        self.admission.take(work)
        return work

    def reasons(self) -> list[tuple[Work, str]]:
        return [(work, reason) for work, reason, _ in self.rejected]


async def settle(seconds: float = 100) -> None:
    """Let the loop's clock go on; nothing waits for it."""
    await asyncio.sleep(seconds)


def after(moment: float) -> None:
    """Let the real clock pass a moment."""
    while time.monotonic() <= moment:
        pass


async def known() -> House:
    """A house in which an event has been admitted before."""
    house = House()
    house.take()
    await settle()
    assert len(house.admitted) == 1
    house.admitted.clear()
    house.api.calls.clear()
    found = house.catalogues.get("1234")
    assert found
    after(found.since)
    return house


class TestAdmits:
    async def test_when_all_is_known_of_the_database(self) -> None:
        house = House()
        work = house.take(where={"customerid": 4567}, fields={"AGE": "007"})
        assert list(house.admission) == [work]
        await settle()
        assert house.admitted == [work]
        assert list(house.admission) == []
        assert house.api.names() == QUESTIONS

    async def test_what_the_guards_made_of_it(self) -> None:
        house = House(timezone="Europe/Amsterdam")
        work = house.take(
            database="Customers", where={"customerid": 4567}, fields={"AGE": "007"}, create=True
        )
        await settle()
        assert work.update.database == "1234"
        assert work.update.key == ("1234", "customerid==4567")
        assert work.update.fields == {"age": "7", "CustomerID": "4567"}

    async def test_at_once_what_needs_no_question(self) -> None:
        house = await known()
        work = house.take()
        assert house.admitted == [work]
        await settle()
        assert house.api.calls == []

    async def test_without_any_question_if_nothing_is_to_be_checked(self) -> None:
        house = House(field_check="off")
        work = house.take(fields={"zzz": "1"})
        assert house.admitted == [work]
        assert work.update.fields == {"zzz": "1"}
        assert house.api.calls == []

    async def test_any_value_if_names_alone_are_checked(self) -> None:
        house = House(field_check="names")
        work = house.take(fields={"AGE": "12abc"})
        bad = house.take(fields={"zzz": "1"})
        await settle()
        assert house.admitted == [work]
        assert work.update.fields == {"age": "12abc"}
        assert house.reasons() == [(bad, "unknown-field")]


class TestOrder:
    async def test_is_kept_while_the_catalogue_is_read(self) -> None:
        house = House()
        works = [house.take(where={"customerid": str(n % 3)}) for n in range(20)]
        assert list(house.admission) == works
        await settle()
        assert house.admitted == works
        assert house.api.names() == QUESTIONS

    async def test_is_kept_by_what_comes_meanwhile(self) -> None:
        house = House()
        first = house.take(where={"age": 7})
        await settle(2.5)  # the catalogue is known, the field not yet proven
        second = house.take(where={"birthday": "2020-01-01"})
        assert house.admitted == []
        await settle()
        assert house.admitted == [first, second]

    async def test_holds_up_no_other_database(self) -> None:
        house = House()
        house.api.reply("get-fields", NO_ANSWER, listing(*CatalogueCopernica.FIELDS))
        house.delays.append(1000)
        slow = house.take()
        quick = house.take(database=5)
        await settle(100)
        assert house.admitted == [quick]
        assert list(house.admission) == [slow]
        await settle(1000)
        assert house.admitted == [quick, slow]

    async def test_is_kept_between_a_rejected_event_and_the_others(self) -> None:
        house = House()
        first, bad, last = house.take(), house.take(fields={"age": "12abc"}), house.take()
        await settle()
        assert house.admitted == [first, last]
        assert house.reasons() == [(bad, "invalid-value")]

    async def test_is_that_of_the_name_in_any_case(self) -> None:
        house = House()
        works = [house.take(database=name) for name in ("Customers", "CUSTOMERS")]
        await settle()
        assert house.admitted == works
        assert house.api.names() == ["get-database", *QUESTIONS]

    async def test_is_that_of_a_name_and_an_id_of_one_database(self) -> None:
        house = House()
        names = ("Customers", 1234, "customers", "1234", 1234, "CUSTOMERS")
        works = [house.take(database=name) for name in names]
        assert list(house.admission) == works
        await settle()
        assert house.admitted == works
        assert house.api.names() == ["get-database", *QUESTIONS]

    async def test_is_kept_behind_a_name_while_the_api_does_not_tell_its_id(self) -> None:
        house = House()
        house.api.reply("get-database", NO_ANSWER, response(200, b'{"ID": "1234"}'))
        house.delays.append(1000)
        first, second = house.take(database="Customers"), house.take(database=1234)
        await settle(100)
        assert house.admitted == []
        await settle(1000)
        assert house.admitted == [first, second]


class TestCatalogue:
    async def test_that_is_too_old_is_read_again(self) -> None:
        house = House(seconds=-1)
        house.take()
        await settle(5.5)
        await house.admission.close()
        assert house.admitted == []
        assert house.api.names()[:4] == ["get-fields", "get-interests"] * 2

    @pytest.mark.parametrize(
        ("changes", "detail"),
        [
            ({"fields": {"fristname": "x"}}, "fields.fristname"),
            ({"where": {"custmerid": "x"}}, "where.custmerid"),
            ({"interests": ["footbal"]}, "interests.footbal"),
        ],
    )
    async def test_is_read_once_more_for_a_name_that_it_lacks(
        self, changes: Any, detail: str
    ) -> None:
        house = await known()
        bad, good = house.take(**changes), house.take()
        await settle()
        assert house.api.names() == ["get-fields", "get-interests"]
        assert house.reasons() == [(bad, "unknown-field")]
        assert house.rejected[0][2].startswith(detail)
        assert "did you mean" in house.rejected[0][2]
        assert house.admitted == [good]

    async def test_is_read_once_for_many_names_that_it_lacks(self) -> None:
        house = await known()
        works = [house.take(fields={f"zzz{n}": "1"}) for n in range(10)]
        await settle()
        assert house.api.names() == ["get-fields", "get-interests"]
        assert house.reasons() == [(work, "unknown-field") for work in works]

    async def test_is_not_read_again_for_a_name_that_it_has_just_lacked(self) -> None:
        house = await known()
        works = []
        for name in ("aaa", "bbb") * 5:
            works.append(house.take(fields={name: "1"}))
            await settle()
        assert house.api.names() == ["get-fields", "get-interests"] * 2
        assert house.reasons() == [(work, "unknown-field") for work in works]

    async def test_that_is_new_is_not_read_again(self) -> None:
        house = House()
        bad = house.take(fields={"zzz": "1"})
        await settle()
        assert house.api.names() == ["get-fields", "get-interests"]
        assert house.reasons() == [(bad, "unknown-field")]

    async def test_may_have_the_name_by_then(self) -> None:
        house = await known()
        newer = {"ID": "9", "name": "Shoesize", "type": "float"}
        house.api.reply("get-fields", listing(*CatalogueCopernica.FIELDS, newer))
        work = house.take(fields={"shoesize": "42.50"})
        await settle()
        assert house.admitted == [work]
        assert work.update.fields == {"Shoesize": "42.5"}

    async def test_is_not_read_again_for_a_value(self) -> None:
        house = await known()
        bad = house.take(fields={"age": "12abc"})
        assert house.reasons() == [(bad, "invalid-value")]
        await settle()
        assert house.api.calls == []

    @pytest.mark.parametrize(
        ("failure", "cause"),
        [
            (NO_ANSWER, "outage"),
            (response(503), "outage"),
            (error("Invalid access token"), "token"),
            (response(404), "configuration"),
            (error("Failed"), "outage"),
        ],
        ids=str,
    )
    async def test_that_is_not_to_be_had_rejects_nothing(self, failure: Script, cause: str) -> None:
        house = House()
        house.api.reply("get-interests", *[failure] * 5, listing())
        works = [house.take(), house.take(where={"customerid": "2"})]
        await settle()
        assert [(retry.cause, failures) for retry, failures in house.put_off] == [
            (cause, n) for n in range(1, 6)
        ]
        assert (house.admitted, house.rejected) == (works, [])

    async def test_is_asked_for_again_after_a_fault_of_ours(self) -> None:
        house = House()
        house.api.reply("get-interests", RuntimeError("a fault"), listing())
        work = house.take()
        with capture_logs() as lines:
            await settle()
        assert house.admitted == [work]
        assert house.put_off == [(Retry("outage", "internal error"), 1)]
        assert [line["event"] for line in lines] == ["a question to the API failed"]

    async def test_is_asked_for_again_no_sooner_than_told(self) -> None:
        house = House()
        house.api.reply("get-fields", response(503), listing(*CatalogueCopernica.FIELDS))
        house.delays.append(30)
        house.take()
        await settle()
        assert house.api.times[1] >= house.api.times[0] + 1 + 30


class TestUnknownDatabase:
    async def test_rejects_what_waited(self) -> None:
        house = House()
        house.api.reply("get-database", NO_DATABASE)
        works = [house.take(database="Customers") for _ in range(3)]
        other = house.take(database=1234)
        await settle()
        assert house.reasons() == [(work, "unknown-database") for work in works]
        assert "Customers" in house.rejected[0][2]
        assert house.admitted == [other]
        assert house.api.names().count("get-database") == 1
        assert list(house.admission) == []

    async def test_rejects_none_of_another_name(self) -> None:
        house = House()
        house.api.reply("get-database", NO_DATABASE, response(200, b'{"ID": "1234"}'))
        bad, good = house.take(database="Custmers"), house.take(database="Customers")
        again = house.take(database="custmers")
        await settle()
        assert house.reasons() == [(bad, "unknown-database"), (again, "unknown-database")]
        assert house.admitted == [good]

    async def test_is_asked_for_again_by_what_comes_later(self) -> None:
        house = House()
        house.api.reply("get-database", NO_DATABASE, response(200, b'{"ID": "1234"}'))
        bad = house.take(database="Customers")
        await settle(0.5)  # the answer is on its way
        after(time.monotonic())
        good = house.take(database="Customers")
        await settle()
        assert house.reasons() == [(bad, "unknown-database")]
        assert house.admitted == [good]

    async def test_by_a_name_that_the_api_does_not_take_holds_up_nobody(self) -> None:
        house = House()
        house.api.reply("get-database", error("Invalid name"))
        bad, good = house.take(database="Customers (old)"), house.take()
        await settle()
        assert house.reasons() == [(bad, "refused")]
        assert house.admitted == [good]


class TestName:
    @pytest.mark.parametrize("answer", [response(404), response(403)], ids=str)
    async def test_that_the_api_answers_oddly_holds_up_others_for_a_while(
        self, answer: Script
    ) -> None:
        house = House()
        house.api.reply("get-database", answer)
        odd, other = house.take(database="Ne-xt"), house.take(database=1234)
        await settle()
        assert house.reasons() == [(odd, "unknown-database")]
        assert house.admitted == [other]
        assert len(house.put_off) == 3

    async def test_is_never_refused_in_an_outage(self) -> None:
        house = House()
        house.api.reply("get-database", response(503))
        house.take(database="Ne-xt")
        await settle()
        assert house.rejected == []


class TestQuestions:
    async def test_wait_until_somebody_wakes_them(self) -> None:
        house = House()
        house.asleep = True
        work = house.take()
        await settle()
        assert house.api.calls == []
        house.asleep = False
        house.admission.wake()
        await settle()
        assert house.admitted == [work]

    async def test_that_are_put_off_are_asked_at_once_when_woken(self) -> None:
        house = House()
        house.delays.append(1000)
        house.api.reply("get-fields", response(503), listing(*CatalogueCopernica.FIELDS))
        house.take()
        await settle(5)
        house.admission.wake()
        await settle(5)
        assert len(house.admitted) == 1

    async def test_wait_as_long_as_all_calls(self) -> None:
        house = House()
        house.not_before = 200
        house.take()
        await settle(199)
        assert house.api.calls == []
        await settle()
        assert house.api.times[0] == 200


class TestNotAllowed:
    async def test_asks_nothing(self) -> None:
        house = House(databases="5, My Customers")
        bad = house.take()
        allowed = house.take(database="MY CUSTOMERS")
        assert house.reasons() == [(bad, "database-not-allowed")]
        assert "DATABASES" in house.rejected[0][2]
        await settle()
        assert house.admitted == [allowed]

    @pytest.mark.parametrize("check", ["strict", "names", "off"])
    async def test_is_looked_at_whatever_is_checked(self, check: str) -> None:
        house = House(databases="5", field_check=check)
        bad = house.take()
        assert house.reasons() == [(bad, "database-not-allowed")]


class TestProof:
    async def test_is_a_value_out_of_thin_air(self) -> None:
        house = House()
        house.take(where={"customerid": "4567"})
        house.take(where={"age": 7})
        await settle()
        text, number = (call for call in house.api.calls if call.name == "probe-selection")
        assert text.path == number.path == "/database/1234/profiles"
        assert text.query.startswith("fields%5B%5D=CustomerID%3D%3D")
        value = number.query.partition("&")[0].removeprefix("fields%5B%5D=age%3D%3D")
        assert 2**60 < int(value) < 2**63
        assert "4567" not in text.query.partition("&")[0]

    async def test_is_another_value_each_time(self) -> None:
        queries = set()
        for _ in range(2):
            house = House()
            house.take()
            await settle()
            queries.add(house.api.calls[-1].query)
        assert len(queries) == 2

    async def test_is_asked_for_once_for_a_field(self) -> None:
        house = House()
        for n in range(1, 4):
            house.take(where={"customerid": str(n)})
            house.take(where={"age": n, "CUSTOMERID": "1"})
        await settle()
        assert house.api.names("get-fields", "get-interests") == ["probe-selection"] * 2
        assert len(house.admitted) == 6

    async def test_is_asked_for_again_when_the_catalogue_has_changed(self) -> None:
        house = await known()
        house.api.reply("get-interests", listing())
        bad = house.take(fields={"zzz": "1"})
        work = house.take()
        await settle()
        assert house.reasons() == [(bad, "unknown-field")]
        assert house.api.names() == QUESTIONS
        assert house.admitted == [work]

    @pytest.mark.parametrize(
        "changes",
        [
            {"where": {"birthday": "2020-01-01"}},
            {"where": {"modified": "2020-01-01"}},
            {"where": ["age>7", "customerid=~a%"], "expect": "many"},
        ],
        ids=str,
    )
    async def test_is_not_asked_for_where_none_can_be_had(self, changes: Any) -> None:
        house = House()
        work = house.take(**changes)
        await settle()
        assert house.admitted == [work]
        assert "probe-selection" not in house.api.names()

    @pytest.mark.parametrize("where", [{"id": 7}, {"code": "x"}], ids=str)
    async def test_is_asked_for_special_fields_too(self, where: Any) -> None:
        house = House()
        house.take(where=where)
        await settle()
        assert "probe-selection" in house.api.names()

    @pytest.mark.parametrize("failure", [NO_ANSWER, response(503)], ids=str)
    async def test_that_is_not_to_be_had_rejects_nothing(self, failure: Script) -> None:
        house = House()
        house.api.reply("probe-selection", failure, failure, listing())
        work = house.take()
        await settle()
        assert house.admitted == [work]
        assert [failures for _, failures in house.put_off] == [1, 2]

    async def test_that_is_refused_rejects_the_event_that_needs_it_alone(self) -> None:
        house = House()
        house.api.reply("probe-selection", error("Field age is no good"), listing())
        bad, good = house.take(where={"age": 7}), house.take(where={"customerid": "1"})
        await settle()
        assert house.reasons() == [(bad, "refused")]
        assert house.admitted == [good]

    async def test_that_fails_stops_everything(self) -> None:
        house = House()
        house.api.reply("probe-selection", SOMEBODY)
        works = [house.take(), house.take(where={"birthday": "2020-01-01"})]
        await settle()
        assert (house.admitted, house.rejected) == ([], [])
        assert house.trips == ["the API does not heed conditions on CustomerID"]
        late = house.take()
        other = house.take(database=5)
        await settle()
        assert (house.admitted, house.rejected) == ([], [])
        assert list(house.admission) == [*works, late, other]
        assert house.api.names() == [*QUESTIONS, "get-fields", "get-interests"]

    async def test_that_fails_for_a_field_that_is_gone_stops_nothing(self) -> None:
        house = House()
        gone = [field for field in CatalogueCopernica.FIELDS if field["name"] != "CustomerID"]
        house.api.reply("get-fields", listing(*CatalogueCopernica.FIELDS), listing(*gone))
        house.api.reply("probe-selection", SOMEBODY, listing())
        work = house.take()
        await settle()
        assert house.trips == []
        assert house.reasons() == [(work, "unknown-field")]

    async def test_that_fails_waits_for_the_newest_fields(self) -> None:
        house = House()
        fields = listing(*CatalogueCopernica.FIELDS)
        house.api.reply("get-fields", fields, response(503), fields)
        house.api.reply("probe-selection", SOMEBODY)
        house.take()
        await settle()
        assert len(house.trips) == 1
        assert [retry.cause for retry, _ in house.put_off] == ["outage"]

    async def test_that_fails_stops_questions_about_other_databases(self) -> None:
        house = House()
        house.api.reply("get-fields", response(503), listing(*CatalogueCopernica.FIELDS))
        house.api.reply("probe-selection", SOMEBODY)
        house.delays.append(200)
        house.take(database=5)
        house.take()
        await settle(10)
        assert house.trips
        calls = len(house.api.calls)
        await settle(1000)
        assert len(house.api.calls) == calls
        assert house.admitted == []


class TestClose:
    async def test_leaves_what_waits(self) -> None:
        house = House()
        works = [house.take(), house.take()]
        await settle(0.5)
        await house.admission.close()
        await settle()
        assert (house.admitted, house.rejected) == ([], [])
        assert list(house.admission) == works
        assert house.api.names() == ["get-fields"]

    async def test_of_an_empty_house_is_nothing(self) -> None:
        house = await known()
        await house.admission.close()
        await settle()
        assert list(house.admission) == []

    async def test_leaves_alone_what_is_not_asked_about(self) -> None:
        house = House()
        house.api.reply("probe-selection", SOMEBODY)
        work = house.take()
        await settle()
        await house.admission.close()
        assert list(house.admission) == [work]

    async def test_ends_what_waits_to_be_asked_again(self) -> None:
        house = House()
        house.api.reply("get-fields", response(503))
        house.take()
        await settle(1.5)
        await house.admission.close()
        await settle()
        assert house.api.names() == ["get-fields"]
