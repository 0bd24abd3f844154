import itertools
import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.demo.cases import Case, read
from service.commands import examples
from service.commands.asyncapi import asyncapi
from service.commands.cli_events import send
from service.commands.contract import document
from service.events import InvalidReason, parse
from service.messages import Kind, Properties
from service.outcomes import Outcome, Reason
from service.results import dead_letter, result_message
from tests.documents import FOLDER, documents
from tests.readme import README
from tests.schemas import Validator, faults, validator
from tests.unit.agreement import verdict
from tests.unit.samples import MAX_BYTES, body, delivery, event, profile
from tests.unit.samples import settings as defaults
from tests.unit.test_cloudevents import ENVELOPE
from tests.unit.test_results import rejected, result

DEMO = README.parent / "deploy" / "demo" / "events"


def json_blocks() -> list[Any]:
    blocks = re.findall(r"^```json\n(.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE)
    return [json.loads(block) for block in blocks]


def test_the_documents_are_those_that_the_command_prints() -> None:
    written = {file.name: file.read_text() for file in FOLDER.iterdir()}
    assert written == documents(), "run python -m tests.documents"


def test_one_document_has_all_three() -> None:
    everything = document()["$defs"]
    for kind in get_args(Kind):
        alone = document(kind)
        assert everything[kind].items() <= alone.items()
        assert alone["$defs"].items() <= everything.items()


def mostly(good: st.SearchStrategy[Any], odd: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(1, 16).flatmap(lambda dice: odd if dice == 7 else good)


texts = st.text(st.sampled_from("a1 =<>~!\t\n\x00\x7f\xa0\xad\u2003é"), max_size=4)
numbers = st.integers(-2, 10**19) | st.floats(allow_nan=False, allow_infinity=False)
scalars = texts | numbers | st.booleans() | st.none()
names = mostly(
    st.sampled_from(["a", "A", "age", "city"]),
    st.sampled_from(["ID", "modified", "a b", "1st", "é", "", "a\n"]),
)
values = mostly(st.sampled_from(["x", "a b", "1", 7, 1.5, True]), scalars)
operators = mostly(
    st.just("=="), st.sampled_from(["!=", "<>", "<=", ">=", "=~", "!~", "<", ">", "=", ""])
)
interests = mostly(
    st.sampled_from(["football", "Football", "tennis"]),
    st.sampled_from(["0", "1", "٣", " a", "a\n", ""]),
)
instants = mostly(
    st.sampled_from(["2026-11-23T10:00:00Z", "2026-11-23 10:00:00.5+01:00"]),
    st.sampled_from(["2026-02-30T10:00:00Z", "2026-11-23"]),
)
bodies = st.fixed_dictionaries(
    {
        "database": mostly(st.sampled_from([1, "1", "Customers"]), scalars),
        "where": st.just({"customerid": "4567"})
        | st.dictionaries(names, values, max_size=2)
        | st.lists(st.builds("{}{}{}".format, names, operators, values), max_size=2),
        "fields": mostly(st.dictionaries(names, values, max_size=3), scalars),
    },
    optional={
        "id": mostly(st.just("evt-1"), scalars),
        "occurred_at": mostly(instants, scalars),
        "expect": mostly(st.sampled_from(["one", "many"]), scalars),
        "create": mostly(st.booleans(), scalars),
        "async": mostly(st.booleans(), scalars),
        "coalesce": mostly(st.booleans(), scalars),
        "interests": st.lists(interests, max_size=2)
        | st.dictionaries(interests, mostly(st.sampled_from([True, False, 1, 0]), scalars)),
    },
)
extras = mostly(st.just({}), st.just({"extra": 1}))
plain = st.builds(lambda one, more: {**one, **more}, bodies, extras)
enveloped = st.builds(
    lambda data, attributes: {**ENVELOPE, "data": data, **attributes},
    plain,
    mostly(st.just({}), st.fixed_dictionaries({}, optional=dict.fromkeys(ENVELOPE, scalars)))
    | st.fixed_dictionaries({"time": mostly(instants, scalars)}),
)
near_events = plain | plain | enveloped


# What follows from the rules themselves; chance has its say besides.
SAMPLES: list[tuple[object, str]] = [
    (event(), "taken"),
    (event(id=7), "refused"),
    (event(id="x" * 256), "refused"),
    (event(database=0), "refused"),
    (event(database="x" * 101), "refused"),
    (event(database="0123-4"), "refused"),
    (event(database="été 1"), "taken"),
    ({**event(), "id": None}, "taken"),
    ({**event(), "occurred_at": None}, "refused"),
    (event(occurred_at="2026-02-30T10:00:00Z"), "beyond a schema"),
    (event(database=1.0), "beyond a schema"),
    (event(database=10**18 - 1), "taken"),
    (event(where={"a": "1"}, create=True), "taken"),
    (event(where={"ID": "1"}, create=True), "refused"),
    (event(where=["Modified==1"], create=True), "refused"),
    (event(where={"identity": "1"}, create=True), "taken"),
    (event(where=["a==1"], expect="many", create=True), "refused"),
    (event(where=["a==1"], expect="many", create=False), "taken"),
    (event(where={"a": "9"}, fields={"A": "1"}, create=True), "beyond a schema"),
    (event(where={"a": ""}), "refused"),
    (event(where={"a": ""}, expect="many"), "taken"),
    (event(where=["a=="]), "refused"),
    (event(where=["a==", "b<>", "c>"], expect="many"), "taken"),
    (event(where=["a<b"]), "refused"),
    (event(where=["a<<b"], expect="many"), "refused"),
    (event(where=["a<=b", "a==<b", "a=~~"], expect="many"), "taken"),
    (event(where=["a=b"], expect="many"), "refused"),
    (event(where={"a": " b"}), "refused"),
    (event(where={"a": "b c"}), "taken"),
    (event(where={"a": "b\x7fc"}), "refused"),
    (event(where={"a": "b\xa0"}), "refused"),
    (event(where={"a": "\u2003b"}), "beyond a schema"),
    (event(fields={"a": 1, "A": 2}), "beyond a schema"),
    (event(fields={"a\n": 1}), "refused"),
    (event(fields={}, interests=["a"]), "taken"),
    (event(fields={}, interests={}), "refused"),
    (event(interests={"0": 1, "1": 0}), "refused"),
    (event(interests=["0", "1"]), "refused"),
    (event(interests=["0", "٣"]), "beyond a schema"),
    (event(interests={"a": 1.0}), "beyond a schema"),
    ({**ENVELOPE, "data": event()}, "taken"),
    ({**ENVELOPE, "data": event(), "subject": 7}, "taken"),
    ({**ENVELOPE, "data": event(), "time": 7}, "refused"),
    ({**ENVELOPE, "data": event(), "time": None}, "taken"),
    (
        {**ENVELOPE, "data": event(occurred_at="2026-11-23T10:00:00Z"), "time": 7},
        "taken",
    ),
    ({**ENVELOPE, "data": event(where={})}, "refused"),
    ({**ENVELOPE, "specversion": "0.3", "data": event()}, "refused"),
    ({**ENVELOPE, "id": "", "data": event()}, "refused"),
    ({"specversion": "1.0", "id": "ce-1", "type": "t", "data": event()}, "refused"),
    ({**ENVELOPE, **event()}, "refused"),
    ([], "refused"),
    (b'{"database": 1, "database": 1}', "refused"),
]


class TestEvent:
    @pytest.mark.parametrize(("content", "expected"), SAMPLES, ids=repr)
    def test_is_read_as_its_schema_has_it(self, content: object, expected: str) -> None:
        assert verdict(body(content)) == expected

    def test_is_read_as_its_schema_has_it_whatever_it_is(self) -> None:
        seen: Counter[str] = Counter()

        @settings(max_examples=600)
        @given(near_events)
        def hold(content: dict[str, Any]) -> None:
            seen[verdict(body(content))] += 1

        hold()
        # If nearly all were taken, or refused, little would have been tried.
        assert all(seen[each] >= 30 for each in ("taken", "refused", "beyond a schema")), seen

    @pytest.mark.parametrize("case", [*itertools.chain(*read(DEMO))], ids=lambda case: case.name)
    def test_of_the_demo_is_read_as_its_schema_has_it(self, case: Case) -> None:
        at_sight = {*get_args(InvalidReason)} - {"unknown-field", "invalid-value"}
        assert (verdict(case.body) == "taken") is (case.reason not in at_sight)

    def test_examples_are_those_of_readme(self) -> None:
        blocks = [block for block in json_blocks() if "where" in block]
        assert blocks == [examples.EVENTS[0]]
        assert json.dumps(examples.EVENTS[1]["where"]) in README.read_text()

    @pytest.mark.parametrize("example", [*examples.EVENTS, examples.CLOUD_EVENT], ids=repr)
    def test_examples_are_events(self, example: Mapping[str, Any]) -> None:
        assert verdict(body(example)) == "taken"

    def test_may_have_its_envelope_in_the_headers_that_are_described(self) -> None:
        described = asyncapi(defaults(), "1")["components"]["messages"]["BinaryCloudEvent"]
        names = described["headers"]["required"]
        headers = {name: ENVELOPE[name.removeprefix("cloudEvents:")] for name in names}
        assert faults(Validator(described["headers"]), headers) == []
        assert parse(body(event()), Properties(headers=headers), MAX_BYTES).event_id == "ce-1"

    def test_of_the_help_of_send_is_one(self) -> None:
        (written,) = re.findall(r"echo '(.*)'", send.__doc__ or "")
        assert verdict(written.encode()) == "taken"


class TestChannels:
    def test_each_partition_has_a_queue_of_its_own(self) -> None:
        described = asyncapi(defaults(partitions=2), "1")
        queues = {name: one for name, one in described["channels"].items() if "Queue" in name}
        assert {name: one["address"] for name, one in queues.items()} == {
            "eventsQueue0": "profile-sync.events.0",
            "eventsQueue1": "profile-sync.events.1",
            "resultsQueue": "profile-sync.results",
            "deadLettersQueue": "profile-sync.dead-letters",
        }
        assert (
            "to the exchange profile-sync.events.partitions"
            in (queues["eventsQueue1"]["description"])
        )
        taken = described["operations"]["takeEvents"]["description"]
        assert "the queues profile-sync.events.0 to profile-sync.events.1" in taken

    def test_a_single_one_has_no_number(self) -> None:
        described = asyncapi(defaults(), "1")
        assert described["channels"]["eventsQueue"]["address"] == "profile-sync.events"
        taken = described["operations"]["takeEvents"]["description"]
        assert taken.startswith("They come through the queue profile-sync.events. ")


class TestResult:
    @pytest.mark.parametrize("outcome", get_args(Outcome))
    def test_is_as_its_schema_has_it(self, outcome: Outcome) -> None:
        bad = {"reason": "refused", "status": 400} if outcome in ("rejected", "failed") else {}
        told = result(outcome=outcome, profiles=(profile(),), matched=1, source="put", **bad)
        for secret in (False, True):
            message = result_message(told, Properties(), "results", include_secret=secret)
            assert faults(validator("result"), json.loads(message.body)) == []

    def test_has_the_properties_that_are_described(self) -> None:
        message = result_message(result(), Properties(), "results", include_secret=False)
        described = asyncapi(defaults(), "1")["components"]["messages"]["Result"]
        written = {name: getattr(message.properties, name) for name in Properties.__slots__}
        present = {name: value for name, value in written.items() if value and name != "headers"}
        assert set(present) == set(described["x-amqp-properties"]["required"])
        assert faults(Validator(described["x-amqp-properties"]), present) == []

    def test_has_the_reasons_that_there_are(self) -> None:
        told = document("result")["$defs"]["Result"]["properties"]["reason"]["enum"]
        reasons = {reason for part in get_args(Reason) for reason in get_args(part) or (part,)}
        assert set(told) == {*reasons, None}

    @pytest.mark.parametrize(
        "changes",
        [
            {"outcome": "lost"},
            {"outcome": "rejected"},
            {"reason": "refused"},
            {"reason": "because"},
            {"matched": "1"},
            {"event_id": ""},
            {"profiles": [{}]},
            {"received_at": None},
        ],
        ids=repr,
    )
    def test_is_nothing_else(self, changes: dict[str, Any]) -> None:
        assert faults(validator("result"), {**examples.RESULTS[0], **changes}) != []

    @pytest.mark.parametrize("name", examples.RESULTS[0])
    def test_has_every_key(self, name: str) -> None:
        content = {key: value for key, value in examples.RESULTS[0].items() if key != name}
        assert faults(validator("result"), content) != []

    def test_examples_are_those_of_readme(self) -> None:
        whole, rejection = [block for block in json_blocks() if "outcome" in block]
        assert whole == examples.RESULTS[0]
        assert rejection.items() <= examples.RESULTS[1].items()

    @pytest.mark.parametrize("example", examples.RESULTS, ids=repr)
    def test_examples_are_results(self, example: Mapping[str, Any]) -> None:
        assert faults(validator("result"), example) == []
        assert list(example) == list(document("result")["$defs"]["Result"]["properties"])


class TestDeadLetter:
    @pytest.mark.parametrize("dropped", [{}, {"headers": {"x": 1.5}, "user_id": "guest"}])
    def test_has_headers_as_their_schema_has_them(self, dropped: dict[str, Any]) -> None:
        headers = dead_letter(delivery(**dropped), rejected(), "x").properties.headers
        assert faults(validator("dead-letter", "DeadLetterHeaders"), headers) == []

    def test_has_no_header_that_the_schema_does_not_name(self) -> None:
        headers = dead_letter(delivery(user_id="guest"), rejected(), "x").properties.headers
        schema = document("dead-letter")["$defs"]["DeadLetterHeaders"]
        assert set(headers) == set(schema["properties"])

    @pytest.mark.parametrize(
        "changes",
        [{"reason": "because"}, {"reason": None}, {"attempts": "1"}, {"status": None}],
        ids=repr,
    )
    def test_has_nothing_else(self, changes: dict[str, Any]) -> None:
        marks = {f"profile-sync-{name}": value for name, value in changes.items()}
        assert faults(validator("dead-letter"), {**examples.DEAD_LETTER, **marks}) != []

    @pytest.mark.parametrize("example", [examples.DEAD_LETTER, examples.BROKER_DEAD_LETTER])
    def test_examples_are_headers_of_dead_letters(self, example: Mapping[str, Any]) -> None:
        assert faults(validator("dead-letter"), example) == []
        assert faults(validator("dead-letter"), {}) != []
