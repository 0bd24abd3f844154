"""Whatever an event says: at most one profile changes, and it then holds what the event said.

Databases, profiles and events are generated. The stand-in is at its worst: what it does not
understand of a selection it leaves out, and without any condition left, every profile matches.
"""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from service.catalogues import Catalogues, Known
from service.copernica import Copernica
from service.events import InvalidEvent, ProfileUpdate, parse
from service.guards import guard, strange
from service.messages import Properties
from service.profiles import Call, Response, get_profiles, profiles_in, put_profiles
from tests.contract.clients import client
from tests.contract.standins import TOKEN, StandIn, running

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
MAX_BYTES = 2**18
KINDS = [
    *("integer", "float", "date", "empty_date", "datetime", "empty_datetime", "text", "email"),
    *("phone", "phone_fax", "phone_gsm", "select", "big", "foreign_key"),
]
ZEROS = ("", "0000-00-00", "0000-00-00 00:00:00")

Json = dict[str, Any]

bounded = settings(
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=120,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.fixture(scope="module")
def reckless() -> Iterator[StandIn]:
    """The API as it was in 2020, when it updated everything rather than refuse."""
    with running("--unknown-field", "ignore", "--blocked-domain", "none") as standin:
        yield standin


def cased(name: str) -> st.SearchStrategy[str]:
    """A name as a sender may write it."""
    spellings = {name, name.lower(), name.upper(), name.swapcase()}
    return st.sampled_from(sorted(each for each in spellings if each.lower() == name.lower()))


# Characters that have been cut off, folded or split somewhere.
ODD = "abcß éÉıK\u00a0\u2028\u0085\t;,*+&=%#<>😀0"

field_names = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: name.lower() not in {"id", "code", "modified", "customerid"}
)
choice_texts = st.text(ODD, min_size=1, max_size=6).filter(
    lambda text: not text.endswith("*") and text == text.rstrip(" \t")
)
interest_names = st.text(ODD, min_size=1, max_size=6).filter(
    lambda name: name.isprintable() and name == name.strip() and name != "0"
)


@st.composite
def fields_of_a_database(draw: st.DrawFn) -> list[Json]:
    """The fields of a database; the first is its key, a text."""
    names = draw(st.lists(field_names, min_size=4, max_size=7, unique_by=str.lower))
    fields: list[Json] = [{"name": "CustomerID", "type": "text", "index": True}]
    for name in names:
        field: Json = {"name": name, "type": draw(st.sampled_from(KINDS))}
        if field["type"] == "select":
            field["choices"] = draw(st.lists(choice_texts, min_size=4, max_size=6, unique=True))
            field["default"] = draw(st.sampled_from(["", *field["choices"]]))
        fields.append(field)
    return fields


def distinct(field: Json, number: int) -> str:
    """A value that no other profile has in this field."""
    match field["type"]:
        case "integer" | "float":
            return str(number)
        case "date" | "empty_date" | "datetime" | "empty_datetime":
            return f"2026-11-{number:02}"
        case "select":
            return str(field["choices"][number - 1])
        case "email":
            return f"Joe{number}@sample.org"
        case _:
            return f"Zoë {number}"


def seed(fields: list[Json], interests: list[str]) -> Json:
    """A database of three profiles with all fields, each unique, and three with none."""
    full = [
        {"fields": {field["name"]: distinct(field, number) for field in fields}}
        for number in (1, 2, 3)
    ]
    empty = [
        # A default is no value either.
        {"fields": {field["name"]: "" for field in fields}, "interests": interests[:1]}
        for _ in range(3)
    ]
    database = {"id": 1, "name": "Customers", "fields": fields, "interests": interests}
    return {"databases": [{**database, "profiles": full + empty}]}


# What senders write; much of it is another value for a careless reader.
NUMBERS = [0, -0.0, "0", "00", "-0", "0.0", False, "12abc", "abc", "1,5", "1e3", "2.99", "   3 "]
LONG_NUMBERS = [2**63, str(2**64), -(2**63) - 1, "0.123456789012345", "1." + "0" * 31 + "1"]
DATES = ["02/01/2020", "2020-02-30", "1596979546", "@0", "1959", "a", "now", "yesterday", *ZEROS]
PATTERNS = ["%", "_", "Zoë%", "=x", "==", "a&fields[]=b"]
OTHERS: list[Any] = [*PATTERNS, "", " ", "null", "true", None, [], "x" * 256]


def odd(field: Json) -> st.SearchStrategy[Any]:
    """Values that a field may not keep."""
    kind = field["type"]
    apt: st.SearchStrategy[Any] = st.sampled_from(OTHERS) | st.text(ODD, max_size=4)
    if kind in {"integer", "float"}:
        apt = st.sampled_from([*NUMBERS, *LONG_NUMBERS]) | st.floats() | st.floats().map(str)
    elif "date" in kind:
        apt = st.sampled_from(DATES) | st.sampled_from(["0000-01-01", "2026-03-29 02:30:00"])
    return apt | st.sampled_from([*NUMBERS, *DATES, *OTHERS])


def spellings(field: Json, number: int) -> st.SearchStrategy[Any]:
    """The value of a profile in the ways that senders may write it."""
    value = distinct(field, number)
    ways: list[Any] = [value, value.upper(), value.lower(), f"{value} ", f" {value}"]
    if field["type"] in {"integer", "float"}:
        ways += [number, float(number), f"0{value}", f"+{value}", f"{value}.0", f"{value}e0"]
    if value.startswith("2026"):
        ways += [f"{value} 00:00:00", f"2026-11-{number - 1:02}T23:00:00Z", f"{value}T00:00"]
    return st.sampled_from(ways)


@st.composite
def events(draw: st.DrawFn, fields: list[Json], interests: list[str]) -> Json:
    """An event for one profile: as it should be, or odd in one place."""
    place = draw(st.sampled_from(["", "value", "value", "name", "operator", "field"]))
    number = draw(st.integers(1, 3))
    where = {}
    for field in draw(st.lists(st.sampled_from(fields), min_size=1, max_size=2)):
        value = odd(field) if place == "value" else spellings(field, number)
        where[draw(cased(field["name"]))] = draw(value)
    if place == "name":
        where = {draw(st.sampled_from(["id", "ID", "code", "Nothing"])): draw(st.integers(1, 9))}
    conditions: object = where
    if place == "operator" or draw(st.booleans()):
        operators = ["=", "!=", "=~", " ==", "== ", ">="] if place == "operator" else ["=="]
        operator = draw(st.sampled_from(operators))
        conditions = [f"{name}{operator}{value}" for name, value in where.items()]
    changes = {}
    for field in draw(st.lists(st.sampled_from(fields), max_size=3)):
        value = odd(field) if place == "field" else spellings(field, 3) | st.just("")
        changes[draw(cased(field["name"]))] = draw(value)
    return {
        "database": draw(st.sampled_from([1, "1", "Customers", "customers"])),
        "where": conditions,
        "create": draw(st.booleans()),
        "fields": changes or {"customerid": "new"},
        "interests": {draw(cased(name)): draw(st.booleans()) for name in interests},
    }


def judged(content: Json, known: Known) -> ProfileUpdate | InvalidEvent:
    """Read and check an event; why it is refused, if it is."""
    try:
        update = parse(json.dumps(content).encode(), Properties(), MAX_BYTES)
        return guard(update, known.catalogue, AMSTERDAM)
    except InvalidEvent as error:
        return error


class Api:
    """The service's own client before a stand-in with new data."""

    def __init__(self, standin: StandIn, data: Json, copernica: Copernica) -> None:
        self._standin = standin
        self._data = data
        self._copernica = copernica

    def reset(self) -> None:
        answer = self._standin.send("PUT", "/__standin/seed", json=self._data)
        assert answer.status_code < 300, answer.text

    async def known(self) -> Known:
        known = await Catalogues(self._copernica, 1000).read("1")
        assert isinstance(known, Known)
        return known

    async def profiles(self, call: Call) -> tuple[Json, ...]:
        answer = await self._copernica.send(call)
        assert isinstance(answer, Response)
        assert answer.status == 200, answer.body
        found = profiles_in(answer.body)
        assert found is not None
        return tuple(map(dict, found))

    async def everybody(self) -> dict[str, Json]:
        found = await self.profiles(get_profiles("1", ()))
        return {profile["ID"]: profile for profile in found}


def clients(standin: StandIn) -> Copernica:
    return client(standin.address[1], access_token=TOKEN)


interests_of_a_database = st.lists(interest_names, max_size=3, unique_by=str.lower)


@bounded
@given(st.data())
async def test_an_event_for_one_profile_changes_one_at_the_most(
    reckless: StandIn, data: st.DataObject
) -> None:
    fields, interests = data.draw(fields_of_a_database()), data.draw(interests_of_a_database)
    async with clients(reckless) as copernica:
        api = Api(reckless, seed(fields, interests), copernica)
        api.reset()
        known = await api.known()
        for content in data.draw(st.lists(events(fields, interests), min_size=4, max_size=8)):
            update = judged(content, known)
            if isinstance(update, InvalidEvent):
                event(f"refused, {update.reason}")
                continue
            before = await api.everybody()
            touched = await api.profiles(put_profiles(update))
            after = await api.everybody()
            changed = [number for number in after if after[number] != before.get(number)]
            assert len(changed) <= 1
            assert len(touched) <= 1
            assert update.moves or strange(update, touched) is None
            event(f"sent, {len(touched)} touched, {len(changed)} changed")
            api.reset()


moments = st.datetimes(datetime(1900, 1, 1), datetime(9998, 1, 1)).map(
    lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
)
# Negative ones of 19 digits are no whole numbers to the stand-in.
whole_numbers = st.integers(1, 2**63 - 1) | st.integers(-(10**18), -1) | st.just(-(2**63))
short_floats = (
    st.integers(1, 10**13)
    .map(lambda number: Decimal(number).scaleb(-6))
    .flatmap(lambda number: st.sampled_from([number, -number]))
)


def fitting(field: Json) -> st.SearchStrategy[Any]:
    """Values that a field keeps, as senders may write them; none of them clears it."""
    match field["type"]:
        case "integer":
            whole = whole_numbers
            return whole | whole.map(str) | whole.map("{}.0".format) | st.just(True)
        case "float":
            as_text = short_floats.map("{:f}".format)
            return short_floats.map(float) | as_text | st.integers(1, 10**13)
        case "date" | "empty_date":
            return st.dates(date(1800, 1, 1)).map(str)
        case "datetime" | "empty_datetime":
            walls = moments.map(lambda moment: moment.astimezone(AMSTERDAM).replace(tzinfo=None))
            return (
                walls.map(str)
                | walls.map(datetime.isoformat)
                | moments.map(lambda moment: moment.isoformat().replace("+00:00", "Z"))
                | moments.map(lambda moment: moment.isoformat().replace("+00:00", ".731+00:00"))
                | moments.map(lambda m: m.astimezone(ZoneInfo("Asia/Kolkata")))
                .filter(lambda moment: moment.year > 1946)  # its offset had seconds before
                .map(datetime.isoformat)
            )
        case "select":
            return st.sampled_from(field["choices"])
        case "email":
            return st.from_regex(r"[a-z.+é]{1,9}@[a-z]{1,9}\.(nl|com)", fullmatch=True)
        case _:
            texts = st.text(min_size=1, max_size=255)
            return texts | st.text(ODD, min_size=1, max_size=9) | st.integers() | st.booleans()


def text_of(value: Any) -> str:
    if isinstance(value, bool):
        return str(int(value))
    return format(Decimal(repr(value)), "f") if isinstance(value, float) else str(value)


def meaning(kind: str, text: str) -> object:
    """What a text in a field means, to us and to the API alike."""
    match kind:
        case "integer":
            return Decimal(text or 0)
        case "float":
            return float(text or 0)
        case _ if "date" in kind and text in ZEROS:
            return None
        case "date" | "empty_date":
            return date.fromisoformat(text)
        case "datetime" | "empty_datetime":
            moment = datetime.fromisoformat(text.replace("Z", "+00:00")).replace(microsecond=0)
            return moment.astimezone(AMSTERDAM).replace(tzinfo=None) if moment.tzinfo else moment
        case _:
            return text


@bounded
@given(st.data())
async def test_what_the_api_keeps_is_what_the_event_said(
    reckless: StandIn, data: st.DataObject
) -> None:
    fields, interests = data.draw(fields_of_a_database()), data.draw(interests_of_a_database)
    values = {field["name"]: data.draw(fitting(field)) for field in fields[1:]}
    doubtful = data.draw(st.sampled_from([None, *fields[1:]]))
    if doubtful is not None:
        values[doubtful["name"]] = data.draw(odd(doubtful))
    switches = {data.draw(cased(name)): data.draw(st.booleans()) for name in interests}
    content = {
        "database": 1,
        "where": {"customerid": data.draw(st.sampled_from(["Zoë 1", "new"]))},
        "create": True,
        "fields": {data.draw(cased(name)): value for name, value in values.items()},
        "interests": switches,
    }
    async with clients(reckless) as copernica:
        api = Api(reckless, seed(fields, interests), copernica)
        api.reset()
        update = judged(content, await api.known())
        if isinstance(update, InvalidEvent):
            assert doubtful is not None, update.detail
            event(f"refused, {update.reason}, {doubtful['type']}")
            return
        (profile,) = await api.profiles(put_profiles(update))
        for field in fields[1:]:
            said, kept = text_of(values[field["name"]]), profile["fields"][field["name"]]
            assert meaning(field["type"], kept) == meaning(field["type"], said)
        on = {name.lower() for name, switch in switches.items() if switch}
        assert {name.lower() for name in profile["interests"]} == on


@bounded
@given(st.data())
async def test_a_create_finds_what_it_has_created(reckless: StandIn, data: st.DataObject) -> None:
    fields = data.draw(fields_of_a_database())
    field = data.draw(st.sampled_from(fields))
    value = data.draw(fitting(field))
    content = {
        "database": "customers",
        "where": {data.draw(cased(field["name"])): value},
        "create": True,
        "fields": {
            fields[1]["name"]: value if field is fields[1] else data.draw(fitting(fields[1]))
        },
    }
    async with clients(reckless) as copernica:
        api = Api(reckless, seed(fields, []), copernica)
        api.reset()
        before = await api.everybody()
        update = judged(content, await api.known())
        if isinstance(update, InvalidEvent):
            # A condition has no control characters, nor blanks around it.
            assert update.reason == "unsafe-selection", update.detail
            return
        for _ in range(2):
            (profile,) = await api.profiles(put_profiles(update))
            assert strange(update, (profile,)) is None
        assert await api.profiles(get_profiles("1", update.conditions)) == (profile,)
        assert len(await api.everybody()) <= len(before) + 1
