from datetime import UTC, datetime
from typing import Any

import pytest

from service.cloudevents import unwrap
from service.events import parse
from service.messages import Properties
from tests.unit.samples import MAX_BYTES, body, event, refused

ENVELOPE = {"specversion": "1.0", "id": "ce-1", "source": "/crm", "type": "profile.update"}
STRUCTURED = Properties(content_type="application/cloudevents+json; charset=utf-8")


def binary(prefix: str = "cloudEvents:", **attributes: Any) -> Properties:
    named = {**ENVELOPE, **attributes}
    return Properties(
        content_type="application/json",
        headers={f"{prefix}{name}": value for name, value in named.items()},
    )


def test_takes_the_event_out_of_a_structured_envelope() -> None:
    update = parse(body({**ENVELOPE, "data": event()}), STRUCTURED, MAX_BYTES)
    assert (update.event_id, update.database) == ("ce-1", "1234")


@pytest.mark.parametrize("content_type", [None, "application/json", "text/plain"])
def test_knows_an_envelope_without_its_content_type(content_type: str | None) -> None:
    properties = Properties(content_type=content_type)
    assert parse(body({**ENVELOPE, "data": event()}), properties, MAX_BYTES).event_id == "ce-1"


@pytest.mark.parametrize("prefix", ["cloudEvents:", "cloudEvents_", "ce-", "CE-", "cloudevents:"])
def test_takes_the_attributes_from_headers(prefix: str) -> None:
    update = parse(body(event()), binary(prefix), MAX_BYTES)
    assert (update.event_id, update.database) == ("ce-1", "1234")


def test_an_id_of_the_event_itself_goes_first() -> None:
    update = parse(body(event(id="own")), binary(), MAX_BYTES)
    assert update.event_id == "own"


def test_the_time_of_the_envelope_is_that_of_the_event() -> None:
    properties = binary(time="2026-11-23T10:00:00Z")
    assert parse(body(event()), properties, MAX_BYTES).occurred_at == datetime(
        2026, 11, 23, 10, tzinfo=UTC
    )


def test_a_time_of_the_event_itself_goes_first() -> None:
    properties = binary(time="2026-11-23T10:00:00Z")
    content = event(occurred_at="2026-11-23T11:00:00Z")
    assert parse(body(content), properties, MAX_BYTES).occurred_at == datetime(
        2026, 11, 23, 11, tzinfo=UTC
    )


def test_takes_a_time_that_comes_as_an_amqp_timestamp() -> None:
    instant = datetime(2026, 11, 23, 10, tzinfo=UTC)
    assert parse(body(event()), binary(time=instant), MAX_BYTES).occurred_at == instant


def test_leaves_an_event_without_envelope_alone() -> None:
    properties = Properties(headers={"x-tenant": "one"}, message_id="m-1")
    assert parse(body(event()), properties, MAX_BYTES).event_id == "m-1"


@pytest.mark.parametrize("name", ["id", "source", "type", "specversion"])
@pytest.mark.parametrize(
    "value",
    [None, "", 7, "x" * 256, "é" * 128, b"\xff"],
    ids=["missing", "empty", "a number", "256 bytes", "256 bytes in UTF-8", "not UTF-8"],
)
def test_names_a_wrong_attribute(name: str, value: Any) -> None:
    error = refused(event(), binary(**{name: value}))
    assert (error.reason, error.database) == ("invalid-event", "")
    assert name in error.detail


@pytest.mark.parametrize("version", ["0.3", "1", "2.0"])
def test_knows_version_one_only(version: str) -> None:
    error = refused(event(), binary(specversion=version))
    assert "specversion" in error.detail


@pytest.mark.parametrize(
    "data", [None, [], "{}", 7, [event()]], ids=lambda data: type(data).__name__
)
def test_a_structured_envelope_has_an_object_in_data(data: object) -> None:
    content = {**ENVELOPE, "data": data}
    error = refused(content, STRUCTURED)
    assert (error.reason, error.detail.split(":")[0]) == ("invalid-event", "data")


@pytest.mark.parametrize("name", ["a\nb", "a\x00b", "a\u202eb"], ids=ascii)
def test_an_id_has_no_control_characters(name: str) -> None:
    assert refused({**ENVELOPE, "id": name, "data": event()}, STRUCTURED).reason == "invalid-event"


def test_a_header_that_only_looks_like_an_attribute_changes_nothing() -> None:
    properties = Properties(headers={"ce-tenant": "blue"})
    assert unwrap({"database": 1}, properties, "own") == ({"database": 1}, "own")


def test_a_malformed_one_keeps_its_id_for_the_result() -> None:
    envelope = {"specversion": "2.0", "id": "ce-7", "source": "/a", "type": "t", "data": {}}
    assert refused(envelope, Properties(message_id="m")).event_id == "ce-7"
