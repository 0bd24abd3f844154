"""The messages that end an event: its result, and its dead letter if it was rejected."""

import re
import uuid
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from pydantic_core import to_json

from service.messages import Delivery, Headers, Message, Properties, name_id
from service.outcomes import Outcome, Reason
from service.profiles import Profile

Source = Literal["put", "read-back", "none"]

PERSISTENT = 2
TRACE_HEADERS = ("traceparent", "tracestate")
LONGEST_TRACE = 1024

_NAMESPACE = uuid.UUID("0a4c7c55-5f25-5f0f-8a5e-6d7c1c9b2f04")
_NUMBER = re.compile(r"\d+", re.ASCII)
# Carried over they would change where the dead letter goes, how long it stays, or have it refused.
_ROUTING_HEADERS = frozenset({"cc", "bcc", "x-delivery-count", "x-acquired-count"})
_LARGEST_HEADER = 4096
_LARGEST_HEADERS = 65536  # a header frame over the connection's frame_max closes it
_DEEPEST_HEADER = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a result message tells; `matched` is None if nobody knows how many there are."""

    event_id: str
    outcome: Outcome
    database: str
    profiles: tuple[Profile, ...] = ()
    matched: int | None = None
    source: Source = "none"
    coalesced: int = 1
    attempts: int = 0
    status: int | None = None
    reason: Reason | None = None
    detail: str | None = None
    received_at: datetime
    finished_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What the headers of a dead letter tell; None stays away."""

    reason: Reason | None
    detail: str
    status: int | None = None
    attempts: int
    failed_at: str
    exchange: str
    routing_key: str
    dropped_headers: str | None = None


def header(mark: str) -> str:
    """Name the header of a dead letter that has one of its marks."""
    return f"profile-sync-{mark.replace('_', '-')}"


def result_message(
    result: Result, cause: Properties, exchange: str, *, include_secret: bool
) -> Message:
    """Make the result message; equal events get equal message ids, so that copies can be dropped.

    Args:
        result: what happened.
        cause: the properties of the event's message; its correlation id and trace are passed on.
        exchange: where results go.
        include_secret: leave the profiles' `secret` in.
    """
    content = {name: getattr(result, name) for name in Result.__slots__}
    content["profiles"] = (
        result.profiles if include_secret else [_without_secret(p) for p in result.profiles]
    )
    content["received_at"] = result.received_at.isoformat()
    content["finished_at"] = result.finished_at.isoformat()
    kind = f"profile.{result.outcome}"
    return Message(
        exchange,
        f"{kind}.{_routing_database(result)}",
        to_json(content, inf_nan_mode="null"),
        Properties(
            content_type="application/json",
            delivery_mode=PERSISTENT,
            message_id=name_id(_NAMESPACE, result.event_id.encode()),
            correlation_id=cause.correlation_id or result.event_id,
            type=kind,
            headers=_trace(cause.headers),
        ),
    )


def dead_letter(delivery: Delivery, result: Result, exchange: str) -> Message:
    """Make the dead letter: the original body byte for byte, its properties, and the reason."""
    headers, dropped = carried_headers(delivery.properties.headers)
    for name in ("user_id", "expiration"):
        if getattr(delivery.properties, name) is not None:
            dropped.append(name)
    if delivery.properties.undecodable_headers:
        dropped = ["*"]
    marks = Marks(
        reason=result.reason,
        detail=(result.detail or "")[:1000],
        status=result.status,
        attempts=result.attempts,
        failed_at=result.finished_at.isoformat(),
        exchange=delivery.exchange,
        routing_key=delivery.routing_key,
        dropped_headers=", ".join(dropped)[:_LARGEST_HEADER] or None,
    )
    headers |= {header(name): getattr(marks, name) for name in Marks.__slots__}
    headers = {name: value for name, value in headers.items() if value is not None}
    properties = replace(
        delivery.properties,
        headers=headers,
        delivery_mode=PERSISTENT,
        user_id=None,
        expiration=None,
    )
    return Message(exchange, delivery.routing_key, delivery.body, properties)


def _trace(headers: Headers) -> dict[str, str]:
    return {
        name: value
        for name in TRACE_HEADERS
        if isinstance(value := headers.get(name), str) and len(value) <= LONGEST_TRACE
    }


def _without_secret(profile: Profile) -> Profile:
    return {name: value for name, value in profile.items() if name != "secret"}


def _routing_database(result: Result) -> str:
    """Give the numeric id: the event's own, or the one its profiles carry."""
    for value in (result.database, *(profile.get("database") for profile in result.profiles[:1])):
        if _NUMBER.fullmatch(str(value)):
            return str(value)
    return "unknown"


def carried_headers(headers: Headers) -> tuple[dict[str, Any], list[str]]:
    """Split headers into those a new message can carry and the names of the others."""
    carried: dict[str, Any] = {}
    dropped: list[str] = []
    room = _LARGEST_HEADERS
    for name, value in headers.items():
        size = len(f"{name}{value!r}".encode(errors="surrogatepass"))
        carry = name.lower() not in _ROUTING_HEADERS and size <= min(room, _LARGEST_HEADER)
        if carry and _encodable(value, _DEEPEST_HEADER):
            carried[name] = value
            room -= size
        else:
            dropped.append(name)
    return carried, dropped


def _encodable(value: object, depth: int) -> bool:
    """Tell whether a value comes back the same from AMQP's field table."""
    match value:
        case None | bool() | str() | bytes() | datetime():
            return True
        case int():
            return -(2**63) <= value < 2**63
        case list():
            return depth > 0 and all(_encodable(item, depth - 1) for item in value)
        case dict():
            return depth > 0 and all(_encodable(item, depth - 1) for item in value.values())
        case _:
            return False
