"""What is fuzzed: functions of bytes, which raise if what they try breaks its word.

The first byte chooses what is around the rest, so that any bytes mean something.
"""

import asyncio
import atexit
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import cast
from urllib.parse import parse_qsl, unquote
from zoneinfo import ZoneInfo

from service.catalogue import Catalogue, catalogue
from service.events import InvalidEvent, ProfileUpdate, parse
from service.guards import crowd, guard, strange
from service.http1 import Connection, NoReply, Reply
from service.messages import Delivery, Properties
from service.outcomes import Done, Verdict, appeared_since, decide, found, listed, unanswered
from service.profiles import Response, put_profiles
from service.results import Result, dead_letter, result_message
from service.tokens import read_token

ZONE = ZoneInfo("Europe/Amsterdam")
_LONGEST_DETAIL = 1500  # characters
_NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)

_TYPES = ("text", "big", "email", "integer", "float", "date", "datetime", "empty_date", "phone")
DATABASE: Catalogue = catalogue(
    "1234",
    [
        *({"name": f"{kind}field", "type": kind} for kind in _TYPES),
        *({"name": name, "type": "text"} for name in ("customerid", "firstname")),
        {"name": "country", "type": "select", "value": "nl\nbe"},
    ],
    [{"name": name} for name in ("football", "tennis")],
)

_PROPERTIES = (
    Properties(),
    Properties(content_type="application/cloudevents+json"),
    Properties(content_type="application/json; charset=utf-8", message_id="m-1"),
    Properties(
        headers={f"ce-{name}": "1.0" for name in ("specversion", "id", "source", "type", "time")}
    ),
    Properties(headers={"cloudEvents:specversion": "1.0", "cloudEvents:id": 1}),
    Properties(message_id="a\nb", correlation_id="c" * 255, timestamp=2**40),
    Properties(undecodable_headers=True),
)

STATUSES = (200, 201, 204, 303, 301, 400, 401, 403, 404, 408, 413, 422, 429, 500, 503, 100, 599)

_PRIVATE = "Zq9private"
_SENT = parse(
    json.dumps(
        {
            "id": "e-1",
            "database": 1234,
            "where": {"customerid": _PRIVATE},
            "create": True,
            "fields": {"firstname": _PRIVATE},
        }
    ).encode(),
    Properties(),
    1000,
)


def event(data: bytes) -> None:
    """Read a message as an event: it is refused in words, or sent as it is meant."""
    properties, body = _PROPERTIES[data[0] % len(_PROPERTIES) if data else 0], data[1:]
    try:
        update = parse(body, properties, 65_536)
    except InvalidEvent as error:
        _check_refusal(error, Delivery(body, properties, "x", "y", False, lambda: None))
        return
    _check_call(update)
    try:
        guarded = guard(update, DATABASE, ZONE)
    except InvalidEvent as error:
        _check_detail(error.detail)
    else:
        _check_call(guarded)
        assert guard(guarded, DATABASE, ZONE) == guarded


def answer(data: bytes) -> None:
    """Judge an answer of the API: headers, an empty line, a body."""
    status, rest = STATUSES[data[0] % len(STATUSES) if data else 0], data[1:]
    head, found_end, body = rest.partition(b"\n\n")
    if not found_end:
        head, body = b"", rest
    lines = (line.partition(":") for line in head.decode("latin-1").splitlines())
    headers = {name.strip().lower(): value.strip() for name, _, value in lines}
    cut = "x-cut" in headers
    response = Response(status, headers, body, cut)
    _check_verdict(decide(_SENT, response, ZONE))
    _check_verdict(decide(replace(_SENT, create=False, asynchronous=True), response, ZONE))
    for told in (found(_SENT, response), listed("1234", response), unanswered(response)):
        if told is not None and not isinstance(told, tuple):
            _check_detail(told.detail)
    read_token(response, 0.0)


def reply(data: bytes) -> None:
    """Read an HTTP answer: it is one or none, and what is too much is nobody's."""
    _loop().run_until_complete(_exchange(data))


@cache  # a new one for each answer would take most of the time
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    atexit.register(loop.close)
    return loop


async def _exchange(data: bytes) -> None:
    at, data = (data[0], data[1:]) if data else (0, b"")
    wire = _Wire()
    connection = Connection(max_body=1024)
    connection.connection_made(wire)
    first = asyncio.ensure_future(connection.exchange(b"GET / HTTP/1.1\r\n\r\n", 5))
    await asyncio.sleep(0)
    for piece in (data[:at], data[at:]):
        if piece and not wire.closed:
            connection.data_received(piece)
    await asyncio.sleep(0)
    if first.done() and first.exception() is None:
        assert len(first.result().body) <= 1024
        if connection.usable:
            second = asyncio.ensure_future(connection.exchange(b"GET / HTTP/1.1\r\n\r\n", 5))
            await asyncio.sleep(0)
            assert not second.done(), "the answer to the first was taken for the second's"
            await _end(connection, second)
            return
    await _end(connection, first)


async def _end(connection: Connection, exchange: "asyncio.Future[Reply]") -> None:
    connection.connection_lost(None)
    try:
        await exchange
    except NoReply:
        return


class _Wire(asyncio.Transport):
    """Where a connection writes to; nothing reads there."""

    closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        pass

    def abort(self) -> None:
        self.closed = True

    close = abort

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return 0


def _check_refusal(error: InvalidEvent, delivery: Delivery) -> None:
    _check_detail(error.detail)
    assert error.event_id.isprintable()
    result = Result(
        event_id=error.event_id,
        outcome="rejected",
        database=error.database or "unknown",
        reason=error.reason,
        detail=error.detail,
        received_at=_NOW,
        finished_at=_NOW,
    )
    message = result_message(result, delivery.properties, "results", include_secret=False)
    assert json.loads(message.body)["reason"] == error.reason
    assert dead_letter(delivery, result, "letters").body == delivery.body


def _check_call(update: ProfileUpdate) -> None:
    """See that the call says what the update means, and goes where calls go."""
    call = put_profiles(update)
    query = parse_qsl(call.query, keep_blank_values=True, strict_parsing=True)
    conditions = [str(condition) for condition in update.conditions]
    assert [value for name, value in query if name == "fields[]"] == conditions
    assert conditions
    assert len(query) == len(conditions) + 2
    empty, database, name, last = call.path.split("/")
    assert (empty, database, unquote(name), last) == ("", "database", update.database, "profiles")
    assert name not in {".", ".."}
    written = json.loads(call.body or b"")
    assert written.get("fields", {}) == update.fields
    assert {k: bool(v) for k, v in written.get("interests", {}).items()} == update.interests


def _check_verdict(verdict: Verdict) -> None:
    if not isinstance(verdict, Done):
        _check_detail(verdict.detail)
        assert _PRIVATE not in verdict.detail
        after = getattr(verdict, "after", None)
        assert after is None or 0 <= after <= 300
        return
    profiles = verdict.profiles or ()
    for profile in profiles:
        appeared_since(profile, _NOW, ZONE)
    strange(_SENT, profiles)
    crowd(_SENT, profiles)
    properties = Properties()
    result = Result(
        event_id="e-1",
        outcome=verdict.outcome,
        database="1234",
        profiles=profiles,
        received_at=_NOW,
        finished_at=_NOW,
    )
    message = result_message(result, properties, "results", include_secret=False)
    kept = json.loads(message.body)["profiles"]
    assert not any("secret" in cast(Mapping[str, object], profile) for profile in kept)


def _check_detail(detail: str) -> None:
    """See that a text may stand in a header, a log line and a terminal."""
    assert 0 < len(detail) <= _LONGEST_DETAIL
    assert detail.isprintable()


TARGETS: dict[str, Callable[[bytes], None]] = {"event": event, "answer": answer, "reply": reply}
