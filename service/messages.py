"""What travels through RabbitMQ, in our own types: no pika here."""

import hashlib
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

Headers = Mapping[str, Any]
Kind = Literal["event", "result", "dead-letter"]


def short_text(value: object) -> str:
    """Return a text that AMQP can carry as a short string and a log line can show, else ''."""
    if isinstance(value, str) and value.isprintable() and len(value.encode()) <= 255:
        return value
    return ""


def name_id(namespace: uuid.UUID, name: bytes) -> str:
    """Make a UUID5, as text: the same name has the same."""
    digest = bytearray(hashlib.sha1(namespace.bytes + name, usedforsecurity=False).digest()[:16])
    # By hand, as RFC 9562 has it: Python's own class costs five times as much.
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


@dataclass(frozen=True, slots=True)
class Properties:
    """The basic properties of AMQP 0-9-1; `timestamp` in seconds since 1970.

    With `undecodable_headers` there were headers, which the AMQP library cannot read.
    """

    content_type: str | None = None
    content_encoding: str | None = None
    headers: Headers = field(default_factory=dict)
    delivery_mode: int | None = None
    priority: int | None = None
    correlation_id: str | None = None
    reply_to: str | None = None
    expiration: str | None = None
    message_id: str | None = None
    timestamp: int | datetime | None = None
    type: str | None = None
    user_id: str | None = None
    app_id: str | None = None
    cluster_id: str | None = None
    undecodable_headers: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """One hand-over of a message; `ack` reaches only the channel it came by."""

    body: bytes
    properties: Properties
    exchange: str
    routing_key: str
    redelivered: bool
    ack: Callable[[], None]

    @property
    def count(self) -> int:
        """How often a quorum queue has taken the message back; none counts as 0."""
        count = self.properties.headers.get("x-delivery-count")
        return count if isinstance(count, int) else 0

    @property
    def published_at(self) -> datetime | None:
        """The message's timestamp, if its publisher has set one."""
        match self.properties.timestamp:
            case int() as seconds if 0 < seconds < 2**33:
                return datetime.fromtimestamp(seconds, UTC)
            case datetime() as instant:
                return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
            case _:
                return None

    @property
    def fingerprint(self) -> bytes:
        """What tells the message from others, whichever way it is delivered."""
        known = self.properties
        parts = (known.message_id, known.correlation_id, known.timestamp, self.routing_key)
        return hashlib.blake2b(repr(parts).encode() + self.body, digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class Message:
    """A message to publish, with the exchange that routes it."""

    exchange: str
    routing_key: str
    body: bytes
    properties: Properties
