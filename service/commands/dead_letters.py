"""Dead letters: what each tells of its event, which are meant, and the event played back."""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from service.events import InvalidEvent, parse
from service.messages import Delivery, Headers, Message, Properties
from service.results import PERSISTENT, carried_headers
from service.stale import HEADER, Replay

OURS = "profile-sync-"
BROKERS_REASONS = ("delivery_limit", "expired", "maxlen", "rejected")  # RabbitMQ's own
UNKNOWN = "unknown"  # the reason of a letter that tells none

Trace = tuple[str, str, str, str]

_BROKERS = ("x-death", "x-delivery-count", "x-acquired-count", "x-first-death-", "x-last-death-")
_AGE = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LONGEST_ID = 255  # bytes


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter; `failed_at` is None if it does not tell, `database` then "".

    `routing_key` is that of the event, `headers` and `properties` are those of the letter.
    """

    event_id: str
    reason: str
    detail: str
    database: str
    failed_at: datetime | None
    routing_key: str
    body: bytes
    properties: Properties

    @property
    def trace(self) -> "Trace":
        """What tells the letter from others, whatever has been mended in its body."""
        at = self.failed_at and self.failed_at.isoformat()
        return self.event_id, self.reason, at or "", self.routing_key

    @property
    def fingerprint(self) -> bytes:
        """What tells the letter from all others but its copies."""
        return hashlib.blake2b(repr(self.trace).encode() + self.body, digest_size=16).digest()


def read(delivery: Delivery, max_bytes: int) -> Letter:
    """Read a delivery as a dead letter: ours, or one that RabbitMQ made; nothing is raised."""
    properties = delivery.properties
    death = _last_death(properties.headers)
    told = {name: _text(properties.headers.get(f"{OURS}{name}")) for name in _TOLD}
    keys = death.get("routing-keys")
    key = _text(keys[0]) if isinstance(keys, list) and keys else delivery.routing_key
    event_id, database = identity(delivery.body, properties, max_bytes)
    return Letter(
        event_id,
        told["reason"] or _text(death.get("reason")) or UNKNOWN,
        told["detail"] or _words(death),
        database,
        instant(told["failed-at"] or death.get("time")),
        told["routing-key"] or key,
        delivery.body,
        properties,
    )


_TOLD = ("reason", "detail", "failed-at", "routing-key")


def identity(body: bytes, properties: Properties, max_bytes: int) -> tuple[str, str]:
    """Tell an event's id and its database, "" if it names none, as the service reads them."""
    try:
        update = parse(body, properties, max_bytes)
    except InvalidEvent as error:
        return error.event_id, error.database
    return update.event_id, update.database


def _last_death(headers: Headers) -> Mapping[str, Any]:
    """Give RabbitMQ's own account of the last time the message died; it lists that first."""
    match headers.get("x-death"):
        case [dict(death), *_]:
            return death
    return {}


def _words(death: Mapping[str, Any]) -> str:
    if death.get("reason") == "delivery_limit":
        return f"RabbitMQ gave it up after too many deliveries from {_text(death.get('queue'))}"
    return f"dead-lettered by RabbitMQ from {_text(death.get('queue'))}" if death else ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def instant(value: object) -> datetime | None:
    """Read when something was, if it tells."""
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(_text(value))
    except ValueError:
        return None
    # RabbitMQ's own times have no zone; they are in UTC.
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def read_age(text: str) -> timedelta:
    """Read an age such as 30s, 15m, 2h or 3d.

    Raises:
        ValueError: it is none; the text says how to write it.
    """
    parts = _AGE.fullmatch(text.strip())
    if parts is None:
        raise ValueError("write an age as 30s, 15m, 2h or 3d")
    return timedelta(**{_UNITS[parts[2]]: int(parts[1])})


@dataclass(frozen=True, slots=True)
class Selection:
    """Which letters are meant: those to which all that is given applies.

    A letter that does not tell when its event failed has no age, and none of a certain age means
    it.
    """

    reasons: Collection[str] = ()
    databases: Collection[str] = ()
    ids: Collection[str] = ()
    older_than: timedelta | None = None
    newer_than: timedelta | None = None

    @property
    def everything(self) -> bool:
        """True if nothing is given."""
        ages = (self.older_than, self.newer_than)
        return not (self.reasons or self.databases or self.ids) and ages == (None, None)

    def means(self, letter: Letter, now: datetime) -> bool:
        """Tell whether a letter is meant."""
        if self.reasons and letter.reason not in self.reasons:
            return False
        if self.databases and letter.database.casefold() not in self.databases:
            return False
        if self.ids and letter.event_id not in self.ids:
            return False
        if self.older_than is None and self.newer_than is None:
            return True
        if letter.failed_at is None:
            return False
        age = now - letter.failed_at
        return (self.older_than is None or age >= self.older_than) and (
            self.newer_than is None or age <= self.newer_than
        )


@dataclass(slots=True)
class Group:
    """Letters that died for one reason, of one database, in one hour of UTC."""

    reason: str
    database: str
    hour: str
    sample: str
    count: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None

    def add(self, letter: Letter) -> None:
        """Count a letter in."""
        self.count += 1
        if letter.failed_at is not None:
            self.oldest = min(self.oldest or letter.failed_at, letter.failed_at)
            self.newest = max(self.newest or letter.failed_at, letter.failed_at)


class Groups:
    """Counts letters by reason, database and hour, and forgets them."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str, str], Group] = {}

    def add(self, letter: Letter) -> None:
        """Count a letter."""
        at = letter.failed_at
        hour = "" if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:00")
        key = (letter.reason, letter.database, hour)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group(*key, letter.event_id)
        group.add(letter)

    def sorted(self) -> list[Group]:
        """Give the groups: the reason with most letters first, each from its oldest hour on."""
        totals: dict[str, int] = {}
        for group in self._groups.values():
            totals[group.reason] = totals.get(group.reason, 0) + group.count
        return sorted(
            self._groups.values(), key=lambda g: (-totals[g.reason], g.reason, g.database, g.hour)
        )


def age_words(at: datetime | None, now: datetime) -> str:
    """Say how long ago something was, in its largest unit."""
    if at is None:
        return "?"
    seconds = max(0, int((now - at).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def event_message(letter: Letter, exchange: str, how: Replay) -> Message:
    """Make the event again that a letter was: its body, its properties, and how it is replayed.

    What the service and RabbitMQ have added is taken off, and so are headers that a message cannot
    carry; the user and the expiration too, with which RabbitMQ might not take it or drop it.
    """
    kept = {name: value for name, value in letter.properties.headers.items() if not _added(name)}
    headers, _ = carried_headers(kept)
    properties = replace(
        letter.properties,
        headers={**headers, HEADER: how},
        delivery_mode=PERSISTENT,
        user_id=None,
        expiration=None,
    )
    return Message(exchange, letter.routing_key, letter.body, properties)


def _added(name: str) -> bool:
    return name.lower().startswith((OURS, *_BROKERS))


def renamed(letter: Letter, suffix: str) -> Letter:
    """Give a letter's event a new id: the old one and a suffix; others stay as they are.

    Only a body that can be read has an id to change.
    """
    try:
        event = json.loads(letter.body)
    except (ValueError, RecursionError):
        return letter
    if not isinstance(event, dict):
        return letter
    room = _LONGEST_ID - len(suffix)
    new = letter.event_id.encode()[:room].decode(errors="ignore") + suffix
    event["id"] = new
    inner = event.get("data")
    if "specversion" in event and isinstance(inner, dict) and "id" in inner:
        inner["id"] = new
    body = json.dumps(event, ensure_ascii=False).encode(errors="surrogatepass")
    return replace(letter, event_id=new, body=body)
