"""An event's body to show to people: names stay, values become their kind and length."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from service.cloudevents import PREFIXES
from service.conditions import UnsafeSelection, parse_condition
from service.messages import short_text
from service.values import read_database, read_instant

_ENVELOPE = ("id", "source", "specversion", "type")  # of a CloudEvent
_SHOWN_HEADERS = (
    "profile-sync-",
    "traceparent",
    "x-acquired-count",
    "x-death",
    "x-delivery-count",
    "x-first-death-",
    "x-last-death-",
    *(f"{prefix}{name}" for prefix in PREFIXES for name in _ENVELOPE),
)


def masked(value: object) -> str:
    """Say of what kind a value is, and how long."""
    match value:
        case None | bool():
            return f"<{'null' if value is None else 'boolean'}>"
        case str():
            return f"<string of {len(value)}>"
        case int() | float():
            return f"<number of {len(str(value))}>"
        case bytes():
            return f"<{len(value)} bytes>"
        case list():
            return f"<list of {len(value)}>"
        case dict():
            return f"<object of {len(value)}>"
        case _:
            return f"<{type(value).__name__}>"


def masked_body(body: bytes) -> str:
    """Write a body with its values masked; one that is no JSON object shows only its length."""
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        return f"<{len(body)} bytes that are no JSON>"
    if not isinstance(event, dict):
        return masked(event)
    return json.dumps(_event(event), indent=2, ensure_ascii=False)


def plain_body(body: bytes) -> str:
    """Write a body as it is, if it is text."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return repr(body)[2:-1]


def shown_headers(headers: Mapping[str, Any], *, values: bool) -> dict[str, str]:
    """Write headers; those that are the sender's own are masked unless `values` are wanted."""
    return {
        name: str(value) if values or name.lower().startswith(_SHOWN_HEADERS) else masked(value)
        for name, value in headers.items()
    }


def _event(event: Mapping[str, Any]) -> dict[str, Any]:
    if "specversion" in event:
        shown = {
            name: value if name in _ENVELOPE and short_text(value) else masked(value)
            for name, value in event.items()
        }
        inner = event.get("data")
        return {**shown, "data": _event(inner)} if isinstance(inner, dict) else shown
    return {name: _SHOWN.get(name, masked)(value) for name, value in event.items()}


def _if_read(read: Callable[[Any], object]) -> Callable[[object], object]:
    """Show what can be read as what it should be; mask anything else."""

    def shown(value: object) -> object:
        try:
            read(value)
        except ValueError:
            return masked(value)
        return value

    return shown


def _word(value: object) -> object:
    return value if value in ("one", "many") else masked(value)


def _flag(value: object) -> object:
    return value if isinstance(value, bool) else masked(value)


def _id(value: object) -> object:
    return value if short_text(value) else masked(value)


def _names(value: object) -> object:
    if isinstance(value, dict):
        return {name: masked(each) for name, each in value.items()}
    return masked(value)


def _where(value: object) -> object:
    return [_condition(each) for each in value] if isinstance(value, list) else _names(value)


def _condition(text: object) -> object:
    try:
        read = parse_condition(text) if isinstance(text, str) else None
    except UnsafeSelection:
        read = None
    return masked(text) if read is None else f"{read.field}{read.operator}{masked(read.value)}"


def _interests(value: object) -> object:
    if isinstance(value, list):
        return [each if isinstance(each, str) else masked(each) for each in value]
    return _names(value)


_SHOWN: dict[str, Callable[[Any], object]] = {
    "id": _id,
    "occurred_at": _if_read(read_instant),
    "database": _if_read(read_database),
    "where": _where,
    "expect": _word,
    "create": _flag,
    "async": _flag,
    "coalesce": _flag,
    "fields": _names,
    "interests": _interests,
}
