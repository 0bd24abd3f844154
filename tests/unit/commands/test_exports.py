import json
from dataclasses import replace
from datetime import UTC
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.commands.dead_letters import Letter
from service.commands.exports import NoExport, letters, line
from service.messages import Properties
from tests.unit.commands.test_dead_letters import BROKERS, letter
from tests.unit.samples import MAX_BYTES, event


def again(exported: str) -> Letter:
    (found,) = letters([exported.encode()], MAX_BYTES)
    return found[0]


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary()
    | st.datetimes(timezones=st.just(UTC)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "$base64", "$time", "$table"]), inner, max_size=2)
    ),
    max_leaves=6,
)


@given(st.binary(), st.dictionaries(st.sampled_from(["a", "b", "$time"]), VALUES, max_size=2))
def test_a_letter_comes_back_as_it_was_exported(body: bytes, headers: dict[str, Any]) -> None:
    found = letter(body, headers, message_id="m", timestamp=7, priority=3)
    exported = line(found)
    assert len(exported.splitlines()) == 1
    assert again(exported) == found


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
STYLES: tuple[dict[str, Any], ...] = (
    {},
    {"separators": (",", ":")},
    {"ensure_ascii": False},
    {"indent": 2},
)


@given(JSON, st.sampled_from(STYLES), st.sampled_from(["", " ", "\n"]))
def test_whatever_its_style_a_body_comes_back_as_the_same_event(
    content: object, style: dict[str, Any], around: str
) -> None:
    text = around + json.dumps(content, **style) + around
    found = letter(text.encode(errors="surrogatepass"))
    exported = line(found)
    assert len(exported.splitlines()) == 1
    back = again(exported)
    assert back.event_id == found.event_id
    assert json.loads(back.body) == content
    if "indent" not in style and not around:
        assert back.body == found.body or "\x85" in text or "\u2028" in text or "\u2029" in text


@pytest.mark.parametrize(
    "body",
    [
        b'{"id": "e", "fields": {"a": 1.00, "a": 1e2, "b": 12345678901234567890123}}',
        b'{"id":"e","fields":{"a":"\\u00e9\\/"}}',
        b'[{"a": []}]',
    ],
    ids=repr,
)
def test_a_body_that_is_json_is_json_and_not_one_byte_of_it_changes(body: bytes) -> None:
    exported = line(letter(body))
    assert json.loads(exported)["body"] == json.loads(body)
    assert again(exported).body == body


def test_a_body_of_many_lines_becomes_one_line_unless_its_id_is_made_of_its_bytes() -> None:
    named, unnamed = (
        letter(json.dumps(each, indent=2).encode()) for each in (event(id="evt-1"), event())
    )
    assert json.loads(line(named))["body"] == event(id="evt-1")
    assert isinstance(json.loads(line(unnamed))["body"], str)
    for found in (named, unnamed):
        back = again(line(found))
        assert (back.event_id, json.loads(back.body)) == (found.event_id, json.loads(found.body))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b'"text"',
        b"7",
        b'{"a": NaN}',
        b'{"$base64": "AA=="}',
        b"{}, {}",
        b"1], [2",
        b"[" * 940 + b"]" * 940,
        b"[" * 100_000,
        b"\xef\xbb\xbf{}",
    ],
    ids=lambda body: repr(body)[:30],
)
def test_what_would_be_read_as_something_else_is_a_text(body: bytes) -> None:
    exported = line(letter(body))
    assert json.loads(exported)["body"] == body.decode()
    assert again(exported).body == body


def test_a_mended_body_is_taken_as_it_was_typed() -> None:
    exported = line(letter(event(id="evt-1", fields={"fristname": "Jo"})))
    mended = again(exported.replace("fristname", "firstname").replace('"body": {', '"body" :\t{ '))
    assert json.loads(mended.body) == event(id="evt-1", fields={"firstname": "Jo"})


@pytest.mark.parametrize("stamp", [0, 2**63, 2**64 - 1])
def test_every_timestamp_that_a_message_can_have_comes_back(stamp: int) -> None:
    found = letter(timestamp=stamp)
    assert again(line(found)) == found


def test_an_editor_may_leave_a_byte_order_mark() -> None:
    ((found, _),) = letters([b"\xef\xbb\xbf" + line(letter()).encode()], MAX_BYTES)
    assert found == letter()


def test_a_letter_of_rabbitmq_comes_back_as_it_was_exported() -> None:
    found = letter(headers={"x-death": BROKERS})
    assert again(line(found)) == found


def test_headers_that_could_not_be_read_are_remembered() -> None:
    found = letter()
    found = replace(found, properties=replace(found.properties, undecodable_headers=True))
    assert again(line(found)) == found


def test_a_body_is_a_text_that_can_be_mended_or_an_object_in_its_place() -> None:
    exported = json.loads(line(letter(event(id="evt-1"))))
    assert exported["body"] == event(id="evt-1")
    for body in (json.dumps(event(id="evt-1", database=7)), event(id="evt-1", database=7)):
        mended = again(json.dumps({**exported, "body": body}))
        assert (mended.event_id, mended.database) == ("evt-1", "7")
        assert json.loads(mended.body) == event(id="evt-1", database=7)


def test_a_mended_letter_leaves_the_trace_of_the_one_exported() -> None:
    found = letter()
    mended = {**json.loads(line(found)), "body": event(id="another", fields={"age": 1})}
    ((changed, trace),) = letters([json.dumps(mended).encode()], MAX_BYTES)
    assert changed.event_id == "another"
    assert trace == found.trace
    assert trace != letter(headers={"profile-sync-reason": "stale"}).trace


def test_empty_lines_are_skipped() -> None:
    exported = line(letter()).encode()
    assert len(list(letters([exported, b"", b" \r", exported], MAX_BYTES))) == 2


GOOD = {"id": "e", "reason": "refused", "body": "{}", "properties": {}, "headers": {}}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "line 2 is no JSON, column 2"),
        (b"\xff", "line 2 is not UTF-8"),
        (b"[" * 100_000, "line 2 is nested too deeply"),
        ([], "line 2: an exported letter is a JSON object"),
        ({}, "line 2: body must be"),
        ({**GOOD, "body": 7}, "body must be"),
        ({**GOOD, "body": {"$base64": "%"}}, "no base64"),
        ({**GOOD, "boddy": 1}, "unknown key boddy"),
        ({**GOOD, "reason": 7}, "reason must be a string"),
        ({**GOOD, "routing_key": "k" * 256}, "routing_key has more than 255 bytes"),
        ({**GOOD, "headers": []}, "must be objects"),
        ({**GOOD, "headers": {"n" * 256: 1}}, "name has more than 255 bytes"),
        ({**GOOD, "headers": {"a": "\ud800"}}, "surrogate"),
        ({**GOOD, "headers": {"a": {"$time": "soon"}}}, "line 2: "),
        ({**GOOD, "properties": {"prio": 1}}, "unknown property prio"),
        ({**GOOD, "properties": {"priority": 256}}, "property priority"),
        ({**GOOD, "properties": {"priority": "1"}}, "property priority"),
        ({**GOOD, "properties": {"timestamp": -1}}, "property timestamp"),
        ({**GOOD, "properties": {"message_id": "m" * 256}}, "property message_id"),
        ({**GOOD, "properties": {"undecodable_headers": "no"}}, "property undecodable_headers"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_line_that_is_no_letter_is_named_with_its_fault(content: object, words: str) -> None:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    with pytest.raises(NoExport, match="line 2") as caught:
        list(letters([json.dumps(GOOD).encode(), text], MAX_BYTES))
    assert words in str(caught.value)


def test_a_letter_without_a_time_has_none_when_it_comes_back() -> None:
    found = Letter("m", "unknown", "", "", None, "k", b"\x00", Properties(message_id="m"))
    assert again(line(found)) == found
