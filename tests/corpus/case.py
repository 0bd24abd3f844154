"""One case of the corpus: a message, and how it must end."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PRIVATE = "Zq9private"
"""Stands in values that may show up at the API and in dead letters' bodies, and nowhere else."""


@dataclass(frozen=True, slots=True)
class Case:
    """A message that somebody sends, and how it must end.

    `ends` is the outcome, or of a rejected one the reason. The profile then
    has the fields `keeps`. With `raw_header` the message has one header field, as bytes, that no
    AMQP library would write.
    """

    name: str
    body: bytes
    ends: str
    properties: Mapping[str, Any] = field(default_factory=dict)
    keeps: Mapping[str, str] = field(default_factory=dict)
    raw_header: bytes | None = None

    @property
    def mark(self) -> str:
        """The correlation id of its result."""
        return str(self.properties.get("correlation_id", self.name))


def document(name: str, changes: Mapping[str, Any], without: str | None = None) -> dict[str, Any]:
    """Make an event that creates a profile of its own, but for changes, and `without` one key."""
    usual = {
        "id": name,
        "database": 1234,
        "where": {"customerid": f"c-{name}"[:120]},
        "create": True,
        "fields": {"firstname": PRIVATE},
    }
    return {key: value for key, value in {**usual, **changes}.items() if key != without}


def event(
    name: str,
    ends: str,
    odd: Mapping[str, Any] | None = None,
    *,
    without: str | None = None,
    keeps: Mapping[str, str] | None = None,
    properties: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Case:
    """Make a case of a JSON document; keys that are no words of Python are in `odd`."""
    body = json.dumps(document(name, {**changes, **(odd or {})}, without)).encode()
    return Case(name, body, ends, properties or {}, keeps or {})


def text(name: str, ends: str, body: str | bytes, **properties: Any) -> Case:
    """Make a case of a body as it is."""
    return Case(name, body.encode() if isinstance(body, str) else body, ends, properties)
