import json
import time

import pytest

from service.catalogue import Catalogue, Field
from service.catalogues import Catalogues, Known
from service.outcomes import Refused, Retry
from service.profiles import NoResponse, Response
from tests.unit.doubles import CatalogueCopernica, Script, error, listing, response

NO_ANSWER = NoResponse("no-answer", "timeout")
LONG = 1000  # seconds


@pytest.fixture
def api() -> CatalogueCopernica:
    return CatalogueCopernica([])


@pytest.fixture
def catalogues(api: CatalogueCopernica) -> Catalogues:
    return Catalogues(api, LONG)


async def read(catalogues: Catalogues, database: str = "1234") -> Known:
    known = await catalogues.read(database)
    assert isinstance(known, Known)
    return known


def numbered(first: int, last: int, width: int = 4) -> list[dict[str, str]]:
    return [{"ID": str(n), "name": f"f{n:0{width}}", "type": "text"} for n in range(first, last)]


class TestRead:
    async def test_gives_fields_and_interests(
        self, api: CatalogueCopernica, catalogues: Catalogues
    ) -> None:
        known = await read(catalogues)
        assert known.catalogue.database == "1234"
        assert known.catalogue.field("CUSTOMERID") == Field("CustomerID", "text")
        assert known.catalogue.interest("Football") == "football"
        assert api.names() == ["get-fields", "get-interests"]
        assert [(call.path, call.query) for call in api.calls] == [
            ("/database/1234/fields", "limit=1000"),
            ("/database/1234/interests", "limit=1000"),
        ]

    async def test_gives_the_id_of_a_name(
        self, api: CatalogueCopernica, catalogues: Catalogues
    ) -> None:
        known = await read(catalogues, "My Customers")
        assert known.catalogue.database == "1234"
        assert [call.path for call in api.calls] == [
            "/database/My%20Customers",
            "/database/1234/fields",
            "/database/1234/interests",
        ]

    async def test_gives_every_page(self, api: CatalogueCopernica, catalogues: Catalogues) -> None:
        api.reply(
            "get-fields",
            listing(*numbered(0, 1000)),
            listing(*numbered(1000, 2000)),
            listing(*numbered(2000, 2001)),
        )
        api.reply("get-interests", listing(*numbered(0, 1000)), listing())
        known = await read(catalogues)
        assert len(known.catalogue.fields) == 2001
        assert len(known.catalogue.interests) == 1000
        queries = [call.query for call in api.calls]
        assert queries == [
            "limit=1000",
            "limit=1000&start=1000",
            "limit=1000&start=2000",
            "limit=1000",
            "limit=1000&start=1000",
        ]

    async def test_gives_an_empty_database(
        self, api: CatalogueCopernica, catalogues: Catalogues
    ) -> None:
        api.reply("get-fields", listing())
        api.reply("get-interests", listing())
        assert (await read(catalogues)).catalogue == Catalogue("1234", {}, {})

    @pytest.mark.parametrize("call", ["get-database", "get-fields", "get-interests"])
    @pytest.mark.parametrize(
        ("answer", "cause"),
        [
            (NO_ANSWER, "outage"),
            (response(503), "outage"),
            (response(200, b"<html>"), "outage"),
            (response(200, b"[]x"), "outage"),
            (Response(200, {}, b"[]", cut=True), "outage"),
            (error("Invalid access token"), "token"),
            (response(404), "configuration"),
        ],
        ids=str,
    )
    async def test_is_to_be_repeated_whatever_the_failure(
        self, api: CatalogueCopernica, catalogues: Catalogues, call: str, answer: Script, cause: str
    ) -> None:
        api.reply(call, answer)  # type: ignore[arg-type]
        failure = await catalogues.read("Customers")
        assert isinstance(failure, Retry)
        assert failure.cause == cause
        assert failure.detail
        assert catalogues.get("Customers") is None

    @pytest.mark.parametrize("call", ["get-fields", "get-interests"])
    @pytest.mark.parametrize("answer", [error("Something went wrong"), response(422)], ids=str)
    async def test_is_to_be_repeated_if_the_api_refuses_a_question_of_ours(
        self, api: CatalogueCopernica, catalogues: Catalogues, call: str, answer: Script
    ) -> None:
        api.reply(call, answer)  # type: ignore[arg-type]
        failure = await catalogues.read("1234")
        assert isinstance(failure, Retry)
        assert failure.cause == "outage"

    async def test_is_refused_if_the_api_takes_no_such_name(
        self, api: CatalogueCopernica, catalogues: Catalogues
    ) -> None:
        api.reply("get-database", error("Invalid name"))
        assert await catalogues.read("Customers") == Refused("refused", "Invalid name")

    @pytest.mark.parametrize("call", ["get-database", "get-fields", "get-interests"])
    async def test_is_refused_where_there_is_no_such_database(
        self, api: CatalogueCopernica, catalogues: Catalogues, call: str
    ) -> None:
        api.reply(call, error("No database with supplied ID"))  # type: ignore[arg-type]
        refused = await catalogues.read("Customers")
        assert isinstance(refused, Refused)
        assert refused.reason == "unknown-database"
        assert "Customers" in refused.detail

    @pytest.mark.parametrize("content", [[], {"ID": None}, {"ID": "x/y"}, {"ID": ""}], ids=str)
    async def test_needs_an_id(
        self, api: CatalogueCopernica, catalogues: Catalogues, content: object
    ) -> None:
        api.reply("get-database", response(200, json.dumps(content).encode()))
        failure = await catalogues.read("Customers")
        assert isinstance(failure, Retry)
        assert "id" in failure.detail
        assert api.names() == ["get-database"]


class TestKept:
    async def test_is_what_was_read(self, catalogues: Catalogues) -> None:
        assert catalogues.get("1234") is None
        known = await read(catalogues)
        assert catalogues.get("1234") is known
        assert catalogues.get("5") is None

    async def test_is_known_by_the_name_in_any_case(self, catalogues: Catalogues) -> None:
        known = await read(catalogues, "My Customers")
        assert catalogues.get("MY CUSTOMERS") is known

    async def test_is_nothing_too_old(self, api: CatalogueCopernica) -> None:
        catalogues = Catalogues(api, -1)
        await read(catalogues)
        assert catalogues.get("1234") is None

    async def test_is_the_newest(self, api: CatalogueCopernica, catalogues: Catalogues) -> None:
        await read(catalogues)
        api.reply("get-fields", listing({"ID": "9", "name": "other", "type": "text"}))
        newer = await read(catalogues)
        assert catalogues.get("1234") is newer
        assert newer.catalogue.field("other")
        assert not newer.catalogue.field("CustomerID")

    async def test_stays_while_the_api_fails(
        self, api: CatalogueCopernica, catalogues: Catalogues
    ) -> None:
        known = await read(catalogues)
        api.reply("get-interests", response(503))
        await catalogues.read("1234")
        assert catalogues.get("1234") is known


class TestProven:
    @pytest.mark.parametrize(
        ("kind", "provable"),
        [
            ("integer", True),
            ("text", True),
            ("email", True),
            ("big", True),
            ("select", False),
            ("date", False),
            ("datetime", False),
            ("float", False),
            ("phone", False),
        ],
    )
    def test_are_types_that_keep_a_random_value(self, kind: str, provable: bool) -> None:
        assert (
            Known(Catalogue("1", {}, {}), since=0, until=0).unproven(Field("f", kind)) is provable
        )

    def test_is_a_field_once(self) -> None:
        known = Known(Catalogue("1", {}, {}), since=0, until=0, proven={"f"})
        assert not known.unproven(Field("f", "text"))
        assert known.unproven(Field("g", "text"))

    async def test_stays_proven_while_the_catalogue_is_the_same(
        self, catalogues: Catalogues
    ) -> None:
        (await read(catalogues)).proven.add("CustomerID")
        assert (await read(catalogues)).proven == {"CustomerID"}

    async def test_must_be_proven_again_when_it_has_changed(
        self, api: CatalogueCopernica, catalogues: Catalogues
    ) -> None:
        (await read(catalogues)).proven.add("CustomerID")
        api.reply("get-interests", listing())
        assert (await read(catalogues)).proven == set()


async def test_a_list_that_never_ends_is_an_outage() -> None:
    api = CatalogueCopernica([])
    page = listing(*({"ID": str(n), "name": f"f{n}", "type": "text"} for n in range(1000)))
    api.reply("get-fields", page)
    told = await Catalogues(api, 1000).read("1234")
    assert isinstance(told, Retry)
    assert "same page" in told.detail


class TestANameThatIsNotThere:
    def known(self, age: float) -> Known:
        now = time.monotonic()
        return Known(Catalogue("1234", {}, {}), since=now - age, until=now + LONG)

    def test_may_be_new_to_an_event_that_is_newer_than_the_catalogue(self) -> None:
        assert self.known(age=60).may_be_new("x", time.monotonic())

    def test_is_not_new_to_an_event_that_is_older(self) -> None:
        assert not self.known(age=60).may_be_new("x", time.monotonic() - 61)

    def test_is_not_looked_for_again_at_once(self) -> None:
        known = self.known(age=5)
        assert not known.may_be_new("x", known.since)
        assert not known.may_be_new("x", time.monotonic())
        assert known.may_be_new("y", time.monotonic())

    def test_is_looked_for_again_later(self) -> None:
        known = self.known(age=60)
        assert not known.may_be_new("x", known.since)
        assert known.may_be_new("x", time.monotonic())

    def test_is_forgotten_before_there_are_too_many(self) -> None:
        known = self.known(age=0)
        for number in range(1001):
            known.may_be_new(str(number), known.since)
        assert known.lacked == {"1000"}

    async def test_is_remembered_when_nothing_has_changed(self, catalogues: Catalogues) -> None:
        first = await read(catalogues)
        assert not first.may_be_new("x", first.since)
        assert "x" in (await read(catalogues)).lacked

    async def test_is_forgotten_when_something_has_changed(
        self, api: CatalogueCopernica, catalogues: Catalogues
    ) -> None:
        first = await read(catalogues)
        assert not first.may_be_new("x", first.since)
        api.reply("get-interests", listing())
        assert not (await read(catalogues)).lacked
