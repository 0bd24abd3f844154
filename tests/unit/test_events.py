import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.events import InvalidEvent, ProfileUpdate, body_id, parse
from service.messages import Properties
from tests.unit.samples import MAX_BYTES, body, event, refused, update

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
values = st.recursive(
    scalars, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=5), v, max_size=3)
)
KEYS = ("id", "occurred_at", "database", "where", "expect", "create", "async", "coalesce")
names = st.sampled_from(["customerid", "email", "a b", "1st", "id", "é", ""])
odd_conditions = st.lists(
    st.builds(
        "{}{}{}".format,
        names,
        st.sampled_from(["==", "!=", "=", "<", "~"]),
        st.text(max_size=8),
    ),
    max_size=2,
)
nearly_events = st.fixed_dictionaries(
    {},
    optional={
        "database": st.integers(-1, 9) | values,
        "where": st.dictionaries(names, scalars, max_size=2) | odd_conditions | values,
        "fields": st.dictionaries(names, scalars, max_size=2) | values,
        "interests": st.lists(st.text(max_size=5)) | st.dictionaries(names, scalars) | values,
        "expect": st.sampled_from(["one", "many"]) | values,
        **{name: values for name in KEYS if name not in {"database", "where", "expect"}},
        "extra": values,
    },
)
texts = st.none() | st.text(max_size=30)
message_properties = st.builds(
    Properties,
    content_type=texts
    | st.sampled_from(["application/json; charset=latin-1", "application/cloudevents+json"]),
    content_encoding=texts | st.sampled_from(["gzip", "UTF-8"]),
    message_id=st.none() | st.text(),
    headers=st.dictionaries(
        st.text(max_size=10) | st.sampled_from(["ce-id", "cloudEvents:type", "cloudEvents_time"]),
        scalars | st.binary() | st.dictionaries(st.text(max_size=3), scalars),
        max_size=3,
    ),
)


def test_reads_the_example_of_the_contract() -> None:
    content = {
        "id": "evt-0001",
        "occurred_at": "2026-11-23T10:00:00Z",
        "database": 1234,
        "where": {"customerid": "4567"},
        "expect": "one",
        "create": True,
        "async": False,
        "fields": {
            "customerid": "4567",
            "firstname": "John",
            "email": "johndoe@example.com",
        },
        "interests": {"football": True, "baseball": False},
    }
    parsed = parse(body(content), Properties(), MAX_BYTES)
    assert parsed.event_id == "evt-0001"
    assert parsed.occurred_at == datetime(2026, 11, 23, 10, tzinfo=UTC)
    assert parsed.database == "1234"
    assert [str(condition) for condition in parsed.conditions] == ["customerid==4567"]
    assert (parsed.expect, parsed.create, parsed.asynchronous) == ("one", True, False)
    assert parsed.fields == content["fields"]
    assert parsed.interests == {"football": True, "baseball": False}
    assert parsed.coalesce
    assert not parsed.barrier


def test_needs_little() -> None:
    parsed = update()
    assert (parsed.occurred_at, parsed.expect, parsed.coalesce) == (None, "one", True)
    assert (parsed.create, parsed.asynchronous, parsed.interests) == (False, False, {})


class TestId:
    def test_is_the_events_own(self) -> None:
        properties = Properties(message_id="message")
        assert parse(body(event(id="own")), properties, MAX_BYTES).event_id == "own"

    def test_else_the_message_id(self) -> None:
        assert parse(body(event()), Properties(message_id="m"), MAX_BYTES).event_id == "m"

    def test_else_a_uuid5_of_the_body(self) -> None:
        assert update().event_id == update().event_id == body_id(body(event()))
        assert update().event_id != update(database=5).event_id
        assert re.fullmatch(
            r"[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[0-9a-f-]{17}", update().event_id
        )

    @pytest.mark.parametrize("value", ["", "a\nb", "x" * 256, "é" * 128, 7, True, []])
    def test_that_no_message_can_carry_is_refused(self, value: object) -> None:
        error = refused(event(id=value))
        assert (error.reason, error.detail.split(":")[0]) == ("invalid-event", "id")

    @pytest.mark.parametrize("value", ["x" * 256, "é" * 128, "a\nb", ""])
    def test_falls_back_if_the_message_id_cannot_be_used(self, value: str) -> None:
        parsed = parse(body(event()), Properties(message_id=value), MAX_BYTES)
        assert parsed.event_id == body_id(body(event()))

    def test_may_have_255_bytes(self) -> None:
        assert update(id="x" * 255).event_id == "x" * 255

    @pytest.mark.parametrize("content", [b"{", b"\xff", b"[]", event(id="own", where={})])
    def test_is_known_for_an_invalid_event_too(self, content: object) -> None:
        error = refused(content, Properties(message_id="m"))
        assert error.event_id == ("own" if isinstance(content, dict) else "m")

    def test_of_an_unreadable_body_is_that_of_its_bytes(self) -> None:
        assert refused(b"{").event_id == body_id(b"{")


class TestOccurredAt:
    @pytest.mark.parametrize(
        ("text", "instant"),
        [
            ("2026-11-23T10:00:00Z", datetime(2026, 11, 23, 10, tzinfo=UTC)),
            ("2026-11-23t10:00:00z", datetime(2026, 11, 23, 10, tzinfo=UTC)),
            ("2026-11-23 10:00:00.5Z", datetime(2026, 11, 23, 10, 0, 0, 500000, UTC)),
            (
                "2026-11-23T10:00:00.123456789+01:30",
                datetime(2026, 11, 23, 10, 0, 0, 123456, timezone(timedelta(hours=1, minutes=30))),
            ),
        ],
    )
    def test_is_an_instant_of_rfc_3339(self, text: str, instant: datetime) -> None:
        assert update(occurred_at=text).occurred_at == instant

    @pytest.mark.parametrize(
        "text",
        [
            "2025-10-01",
            "2025-10-01T12:30:00",
            "2025-02-30t12:30:00z",
            "2026-02-30T10:00:00Z",
            "2026-11-23T25:00:00Z",
            "2026-11-23T10:00:00+25:00",
            "0000-11-23T10:00:00Z",
            "20261123T100000Z",
            "yesterday",
            "٢٠٢٦-11-23T10:00:00Z",
            1763892000,
            "2025-10-01T12:30:00Z\n",
        ],
    )
    def test_is_nothing_else(self, text: object) -> None:
        error = refused(event(occurred_at=text))
        assert (error.reason, error.detail.split(":")[0]) == ("invalid-event", "occurred_at")
        assert str(text).strip() not in error.detail


class TestDatabase:
    @pytest.mark.parametrize(
        ("value", "name"),
        [(1234, "1234"), ("1234", "1234"), ("Customers", "Customers"), ("My Ünï 2", "My Ünï 2")],
    )
    def test_is_an_id_or_a_name(self, value: object, name: str) -> None:
        assert update(database=value).database == name

    @pytest.mark.parametrize(
        "value",
        [
            0,
            -1,
            10**18,
            1.0,
            True,
            [],
            {},
            "",
            "0",
            "0123",
            "-1",
            " a",
            "a ",
            "a/b",
            "..",
            "a\\b",
            "a\nb",
            "x" * 101,
            "१२",
        ],
        ids=repr,
    )
    def test_is_nothing_else(self, value: object) -> None:
        error = refused(event(database=value))
        assert (error.reason, error.detail.split(":")[0]) == ("invalid-event", "database")

    def test_is_required(self) -> None:
        assert refused(event(database=None)).detail.startswith("database:")

    def test_is_known_for_an_invalid_event_too(self) -> None:
        assert refused(event(where={})).database == "1234"


class TestWhere:
    def test_may_be_conditions_in_the_apis_notation(self) -> None:
        parsed = update(where=["age>=18", "country==nl"], expect="many")
        assert [str(condition) for condition in parsed.conditions] == ["age>=18", "country==nl"]

    @pytest.mark.parametrize(
        ("value", "text"),
        [("4567", "4567"), (4567, "4567"), (1.5, "1.5"), (True, "1"), (False, "0"), ("=x", "=x")],
        ids=repr,
    )
    def test_may_be_an_object_of_values(self, value: object, text: str) -> None:
        (condition,) = update(where={"customerid": value}).conditions
        assert str(condition) == f"customerid=={text}"

    @pytest.mark.parametrize(
        "where", [None, 7, "customerid==1", [7], [["a", "1"]], {"a": None}, {"a": [1]}], ids=repr
    )
    def test_is_nothing_else(self, where: object) -> None:
        error = refused(event(where=where))
        assert (error.reason, error.detail.split(":")[0]) == ("invalid-event", "where")

    @pytest.mark.parametrize(
        "where",
        [
            {},
            [],
            {"customerid": ""},
            ["customerid=="],
            ["age>=18"],
            ["email=~%"],
            ["customerid"],
            {"a b": "1"},
            {"age>": "=1"},
            {"": "1"},
            {"customerid": " 1"},
            {"customerid": "1\x00"},
        ],
        ids=repr,
    )
    def test_must_be_safe(self, where: object) -> None:
        assert refused(event(where=where)).reason == "unsafe-selection"

    def test_may_select_by_an_empty_value_if_many_are_meant(self) -> None:
        assert update(where=["customerid=="], expect="many").barrier

    def test_makes_one_key_however_often_it_says_a_condition(self) -> None:
        twice = update(where={"customerid": "4567", "CustomerID": "4567"})
        assert twice.key == update().key


class TestFields:
    WITH = '{"database":1,"where":{"a":"1"},"fields":{"b":7}}'

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            ("", ""),
            (" kept ", " kept "),
            ("Müller-Łęcki 😀", "Müller-Łęcki 😀"),
            (42, "42"),
            (-7, "-7"),
            (2**70, "1180591620717411303424"),
            (3.5, "3.5"),
            (1e22, "10000000000000000000000"),
            (1e-7, "0.0000001"),
            (True, "1"),
            (False, "0"),
        ],
        ids=repr,
    )
    def test_become_the_apis_strings(self, value: object, text: str) -> None:
        assert update(fields={"note": value}).fields == {"note": text}

    @pytest.mark.parametrize("value", [None, [], ["a"], {}, {"a": "b"}], ids=repr)
    def test_have_no_other_values(self, value: object) -> None:
        error = refused({**event(), "fields": {"note": value}})
        assert error.reason == "invalid-event"
        assert '"note"' in error.detail

    @pytest.mark.parametrize(
        "number",
        [
            "1e999",
            "-1e999",
            "1e-999",
            "1.00000000000000000001",
            "123456789.123456789",
            "9007199254740993.0",
            "0." + "1" * 5000,
            "1e" + "9" * 30,
        ],
        ids=lambda number: number[:24],
    )
    def test_have_no_numbers_that_lose_digits(self, number: str) -> None:
        error = refused(self.WITH.replace("7", number).encode())
        assert error.reason == "invalid-event"
        assert error.detail == (
            'fields: "b": has more digits than a JSON number keeps: write it as a string'
        )
        assert error.database == "1"

    @pytest.mark.parametrize(
        ("number", "text"),
        [
            ("0.1", "0.1"),
            ("1.50", "1.5"),
            ("1e3", "1000.0"),
            ("-0.0", "-0.0"),
            ("0.1234567890123456", "0.1234567890123456"),
            ("1234567890.12345", "1234567890.12345"),
            ("1.000000000000000000000000000", "1.0"),
            ("1e22", "10000000000000000000000"),
        ],
    )
    def test_have_numbers_in_their_digits(self, number: str, text: str) -> None:
        content = self.WITH.replace("7", number).encode()
        assert parse(content, Properties(), MAX_BYTES).fields == {"b": text}

    @pytest.mark.parametrize("name", ["", "1st", "a b", "a-b", "é", "_a", "fields[x]"])
    def test_have_names_that_a_field_can_have(self, name: str) -> None:
        error = refused(event(fields={name: "x"}))
        assert error.reason == "invalid-event"
        assert json.dumps(name) in error.detail

    def test_are_not_spelled_twice(self) -> None:
        error = refused(event(fields={"email": "a", "Email": "b"}))
        assert "email" in error.detail
        assert "Email" in error.detail

    @pytest.mark.parametrize("fields", [[], "x", 7, [["a", "b"]]], ids=repr)
    def test_are_an_object(self, fields: object) -> None:
        assert refused(event(fields=fields)).detail.startswith("fields:")


class TestInterests:
    @pytest.mark.parametrize(
        ("value", "switches"),
        [
            (["football", "tennis"], {"football": True, "tennis": True}),
            (["football", "football"], {"football": True}),
            ({"football": True, "baseball": False}, {"football": True, "baseball": False}),
            ({"football": 1, "baseball": 0}, {"football": True, "baseball": False}),
            (["0", "football"], {"0": True, "football": True}),
            (["2024"], {"2024": True}),
        ],
        ids=repr,
    )
    def test_are_names_or_switches(self, value: object, switches: dict[str, bool]) -> None:
        assert update(interests=value).interests == switches

    @pytest.mark.parametrize(
        "value",
        [
            "football",
            7,
            [7],
            [None],
            [["a"]],
            {"a": 2},
            {"a": "1"},
            {"a": None},
            {"a": 1.0},
            [""],
            [" a"],
            ["a\nb"],
            {"a": 1, "A": 0},
            ["a", "A"],
            ["0"],
            {"1": 0, "0": 1},
        ],
        ids=repr,
    )
    def test_are_nothing_else(self, value: object) -> None:
        error = refused(event(interests=value))
        assert (error.reason, error.detail.split(":")[0]) == ("invalid-event", "interests")

    def test_do_without_fields(self) -> None:
        assert update(fields=None, interests=["football"]).fields == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"fields": None},
        {"fields": {}},
        {"fields": {}, "interests": []},
        {"fields": {}, "create": 1},
    ],
    ids=repr,
)
def test_writes_something(changes: dict[str, Any]) -> None:
    assert refused(event(**changes)).reason == "invalid-event"


@pytest.mark.parametrize("name", ["create", "async", "coalesce"])
@pytest.mark.parametrize("value", [0, 1, "true", "yes", []], ids=repr)
def test_a_switch_is_true_or_false(name: str, value: object) -> None:
    error = refused(event(**{name: value}))
    assert (error.reason, error.detail.split(":")[0]) == ("invalid-event", name)


@pytest.mark.parametrize("value", ["two", "", "ONE", 1, True], ids=repr)
def test_expects_one_or_many(value: object) -> None:
    assert refused(event(expect=value)).detail.startswith("expect:")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Fields", "fields"),
        ("field", "fields"),
        ("async_", "async"),
        ("asynchronous", "async"),
        ("xyz", ""),
        ("", ""),
    ],
)
def test_names_an_unknown_key(name: str, meant: str) -> None:
    error = refused(event(**{name: "x"}))
    assert error.reason == "invalid-event"
    assert name in error.detail
    assert meant in error.detail.removeprefix(name)


def test_lists_all_that_is_wrong() -> None:
    detail = refused({"expect": "few", "fields": 7, "wher": {}}).detail
    for name in ("database", "where", "wher", "expect", "fields"):
        assert f"{name}: " in detail


def test_keeps_the_detail_short() -> None:
    error = refused({f"key{number}": 1 for number in range(2000)})
    assert len(error.detail) <= 2000


def test_keeps_the_detail_on_one_line() -> None:
    assert refused(event(**{"a\nb": 1})).detail.isprintable()


class TestCreate:
    def test_copies_the_selection_into_the_fields(self) -> None:
        parsed = update(create=True)
        assert parsed.fields == {"firstname": "John", "customerid": "4567"}
        assert not parsed.moves

    def test_keeps_the_spelling_of_a_field_that_is_there(self) -> None:
        parsed = update(create=True, fields={"CustomerID": "4567"})
        assert parsed.fields == {"CustomerID": "4567"}

    def test_leaves_the_fields_alone_without_create(self) -> None:
        assert update().fields == {"firstname": "John"}

    @pytest.mark.parametrize(
        "changes",
        [
            {"fields": {"customerid": "9"}},
            {"fields": {"CUSTOMERID": "9"}},
            {"fields": {"customerid": ""}},
            {"where": ["customerid==4567", "customerid==9"]},
            {"where": ["customerid==4567"], "expect": "many"},
        ],
        ids=repr,
    )
    def test_refuses_what_would_not_be_found_again(self, changes: dict[str, Any]) -> None:
        assert refused(event(create=True, **changes)).reason == "invalid-event"

    @pytest.mark.parametrize("name", ["id", "ID", "code", "modified"])
    def test_refuses_a_selection_that_no_new_profile_can_have(self, name: str) -> None:
        assert refused(event(create=True, where={name: "1"})).reason == "unsafe-selection"

    @pytest.mark.parametrize("operator", ["!=", "<", "=~"])
    def test_goes_with_equality_only(self, operator: str) -> None:
        conditions = ["customerid==4567", f"age{operator}1"]
        assert refused(event(create=True, where=conditions)).reason == "unsafe-selection"


@pytest.mark.parametrize(
    ("changes", "barrier"),
    [
        ({}, False),
        ({"fields": {"customerid": "4567"}}, False),
        ({"fields": {"customerid": "9"}}, True),
        ({"fields": {"CustomerId": "9"}}, True),
        ({"fields": {"customerid": ""}}, True),
        ({"expect": "many"}, True),
        ({"where": {"email": "A@x"}, "fields": {"email": "a@X"}}, False),
        ({"where": {"Modified": "2026-01-01"}}, True),
    ],
    ids=repr,
)
def test_knows_a_barrier(changes: dict[str, Any], barrier: bool) -> None:
    assert update(**changes).barrier is barrier


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "invalid-json"),
        (b"{", "invalid-json"),
        (b"{}x", "invalid-json"),
        (b'{"a": 1, "a": 2}', "invalid-json"),
        (b'{"fields": {"a": 1, "a": 2}}', "invalid-json"),
        (b'{"a": NaN}', "invalid-json"),
        (b'{"a": -Infinity}', "invalid-json"),
        (b'{"a": "\\ud800"}', "invalid-json"),
        (b'{"\\udc00": 1}', "invalid-json"),
        (b'{"a": "\n"}', "invalid-json"),
        (b'\xff{"a": 1}', "invalid-json"),
        (b'\xef\xbb\xbf{"a": 1}', "invalid-json"),
        ('{"a": 1}'.encode("utf-16"), "invalid-json"),
        (b'{"a":' + b"9" * 5000 + b"}", "invalid-json"),
        (b"[" * 100_000, "invalid-json"),
        (b"null", "invalid-event"),
        (b"[]", "invalid-event"),
        (b'"x"', "invalid-event"),
        (b"7", "invalid-event"),
        (b" " * (MAX_BYTES + 1), "too-large"),
    ],
    ids=lambda value: repr(value[:30]) if isinstance(value, bytes) else value,
)
def test_refuses_a_body_that_is_no_json_object(content: bytes, reason: str) -> None:
    assert refused(content).reason == reason


def test_takes_a_body_of_the_largest_size() -> None:
    content = body(event())
    parse(content, Properties(), len(content))
    with pytest.raises(InvalidEvent, match="too-large"):
        parse(content, Properties(), len(content) - 1)


def test_takes_a_character_written_as_a_surrogate_pair() -> None:
    assert update(fields={"note": "😀"}).fields == {"note": "😀"}


def test_refuses_deep_nesting_with_surrogate_pairs() -> None:
    # Which depth is one too many depends on the caller's own.
    for depth in range(700, 1000):
        nested = b"[" * depth + b"]" * depth
        error = refused(b'{"x": "\\ud83d\\ude00", "y": ' + nested + b"}")
        assert error.reason in {"invalid-json", "invalid-event"}


@pytest.mark.parametrize(
    "properties",
    [
        Properties(content_encoding="gzip"),
        Properties(content_encoding="utf-16"),
        Properties(content_type="application/json; charset=iso-8859-1"),
        Properties(content_type='application/json;charset="UTF-16"'),
    ],
    ids=["gzip", "utf-16", "charset", "charset in quotes"],
)
def test_refuses_other_encodings(properties: Properties) -> None:
    assert refused(event(), properties).reason == "unsupported-encoding"


@pytest.mark.parametrize(
    "properties",
    [
        Properties(content_encoding="UTF-8"),
        Properties(content_encoding=""),
        Properties(content_encoding="identity"),
        Properties(content_type='application/json; charset="UTF-8"'),
        Properties(content_type="text/plain"),
        Properties(content_type=""),
    ],
    ids=repr,
)
def test_takes_utf_8(properties: Properties) -> None:
    parse(body(event()), properties, MAX_BYTES)


def attempt(content: bytes, properties: Properties) -> ProfileUpdate | InvalidEvent:
    try:
        return parse(content, properties, MAX_BYTES)
    except InvalidEvent as error:
        return error


@given(st.binary(), message_properties)
def test_bytes_raise_nothing_but_invalid_event(content: bytes, properties: Properties) -> None:
    attempt(content, properties)


@given(values, message_properties)
def test_json_raises_nothing_but_invalid_event(content: object, properties: Properties) -> None:
    attempt(body(content), properties)


@given(nearly_events, message_properties)
def test_what_is_nearly_an_event_raises_nothing_but_invalid_event(
    content: dict[str, Any], properties: Properties
) -> None:
    outcome = attempt(body(content), properties)
    assert outcome.event_id.isprintable()
    assert 1 <= len(outcome.event_id.encode()) <= 255


words = st.text("qxzjv0123456789", min_size=8, max_size=20)
distinctive = (
    words
    | st.integers(10**9, 10**15)
    | st.floats(10**9, 10**15).map(lambda f: f + 0.125)
    | words.map(" {} ".format)
    | words.map("{}\x00".format)
    | words.map("{}\n".format)
    | st.from_regex(
        r"20\d\d-[01]\d-[0-3]\d[Tt][0-2]\d:[0-5]\d:\d\d([Zz]|\+\d\d:\d\d)", fullmatch=True
    )
)
hidden = distinctive | st.lists(distinctive, min_size=1, max_size=2)
value_events = st.fixed_dictionaries(
    {
        "where": st.dictionaries(names, hidden, min_size=1, max_size=2)
        | st.lists(
            st.builds("{}{}{}".format, names, st.sampled_from(["==", "=", "<", "~="]), words),
            min_size=1,
        )
        | hidden,
        "fields": st.dictionaries(names, hidden, min_size=1, max_size=3) | hidden,
    },
    optional={
        "database": st.just(7),
        "id": hidden,
        "occurred_at": hidden,
        "expect": hidden,
        "create": st.just(True) | hidden,
        "interests": st.dictionaries(names, hidden) | hidden,
        "extra": hidden,
    },
)


def leaves(value: object) -> Iterator[str]:
    match value:
        case dict():
            for item in value.values():
                yield from leaves(item)
        case list():
            for item in value:
                yield from leaves(item)
        case str():
            yield from re.findall(r"[^\s\x00]{8,}", re.sub(r"^\w*?[=<~]+", "", value))
        case int() | float() if not isinstance(value, bool):
            # A shorter one may be in what a detail always says, in an example or a limit.
            yield from re.findall(r"\S{5,}", str(value))
        case _:
            pass


def keys_in(value: object) -> Iterator[str]:
    match value:
        case dict():
            yield from value
            for item in value.values():
                yield from keys_in(item)
        case list():
            for item in value:
                yield from keys_in(item)


@given(value_events)
def test_a_detail_holds_no_value(content: dict[str, Any]) -> None:
    outcome = attempt(body(content), Properties())
    if isinstance(outcome, InvalidEvent):
        # Names may be told, whatever else has the same letters.
        known = " ".join(keys_in(content))
        if isinstance(content.get("interests"), list):
            known += f" {content.pop('interests')}"
        for value in leaves(content):
            assert value in known or value not in outcome.detail
            assert value in known or value not in str(outcome)


def test_a_detail_holds_no_text_around_a_json_fault() -> None:
    error = refused(b'{"fields": {"email": "jane.qx@example.com" "b": 1}}')
    assert "jane" not in error.detail
    assert "column" in error.detail


def test_tells_how_to_select_when_a_value_is_null() -> None:
    detail = refused(event(where={"customerid": None})).detail
    assert "null is not a value to select by" in detail
    assert "leave the field out" not in detail


@pytest.mark.parametrize("instant", ["2026-11-23T10:00:00+99:99", "2026-02-30T10:00:00Z"])
def test_an_instant_that_there_is_not_is_refused_in_our_own_words(instant: str) -> None:
    assert refused(event(occurred_at=instant)).detail == "occurred_at: there is no such instant"
