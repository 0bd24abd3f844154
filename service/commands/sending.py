"""Events out of files into RabbitMQ, each confirmed."""

import asyncio
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic_core import from_json

from service import conditions
from service.commands.links import link_of
from service.events import InvalidEvent, parse
from service.limits import limiter
from service.messages import Message, Properties
from service.results import PERSISTENT
from service.settings import Settings

_UNCONFIRMED = 100  # messages on their way to RabbitMQ at a time
_ANY_KEY = "profile.update"  # of what is no event
_LINES = (".jsonl", ".ndjson")

STANDARD_INPUT = Path("-")


@dataclass(frozen=True, slots=True)
class Found:
    """An event out of a file, as it is, and in words where it stands there.

    `number` counts those of all files, from 1.
    """

    number: int
    body: bytes
    place: str


class Unsent(Exception):
    """The first event that RabbitMQ did not take, and in words why."""


def read(files: Sequence[Path]) -> Iterator[Found]:
    """Give the events of files, in their order; a file holds one, or one on each line.

    Raises:
        OSError: a file cannot be read.
    """
    for number, (body, place) in enumerate(_read(files), start=1):
        yield Found(number, body, place)


def remainder(events: Sequence[Found], taken: Collection[int]) -> str:
    """Say how many events are confirmed, by their numbers, and what sends the others."""
    said = f"{len(taken)} of {len(events)} confirmed"
    first = min((event.number for event in events if event.number not in taken), default=None)
    if first is None or first == 1:
        return said
    again = sum(number > first for number in taken)
    more = f", and {again} of the confirmed once more" if again else ""
    return f"{said}; `--from {first}` sends the rest{more}"


def _read(files: Sequence[Path]) -> Iterator[tuple[bytes, str]]:
    for file in files:
        content = sys.stdin.buffer.read() if file == STANDARD_INPUT else file.read_bytes()
        name = "standard input" if file == STANDARD_INPUT else str(file)
        if file.suffix in _LINES or _has_lines(content):
            for number, line in enumerate(content.split(b"\n"), start=1):
                if line.strip():
                    yield line.strip(), f"{name}, line {number}"
        elif content.strip():
            yield content, name


def _has_lines(content: bytes) -> bool:
    """Tell whether each line is JSON by itself; what is no JSON at all is one event as well."""
    first, _, rest = content.strip().partition(b"\n")
    return rest != b"" and _is_json(first) and not _is_json(content)


def _is_json(text: bytes) -> bool:
    with suppress(ValueError):
        from_json(text)
        return True
    return False


def key_of(body: bytes, max_bytes: int) -> str:
    """Make the routing key of an event's profile, as far as the event itself tells it."""
    try:
        return conditions.routing_key(parse(body, Properties(), max_bytes).key)
    except InvalidEvent:
        return _ANY_KEY


async def send(  # noqa: PLR0913 - none of them belongs to another
    settings: Settings,
    routing_key: str | None,
    events: Sequence[Found],
    rate: float | None,
    confirmed: Callable[[Found], None],
    *,
    on_blocked: Callable[[bool], None] = lambda _: None,
) -> None:
    """Publish events to EVENT_EXCHANGE, persistent; returns when RabbitMQ has them all.

    Args:
        settings: where RabbitMQ is.
        routing_key: of each message; None for that of its profile.
        events: in the order in which they are published.
        rate: events a second; None for as fast as it goes.
        confirmed: told each event that RabbitMQ has.
        on_blocked: told when RabbitMQ takes nothing more, and when it does again.

    Raises:
        LinkLost: there is no link to RabbitMQ.
        Unsent: RabbitMQ did not take an event; none after it was published, but for those that
            were on their way.
    """
    pace = limiter(rate) if rate else None
    slots = asyncio.Semaphore(_UNCONFIRMED)
    failed: dict[int, BaseException] = {}

    def done(number: int, future: asyncio.Future[None]) -> None:
        slots.release()
        if (error := future.exception()) is None:
            confirmed(events[number])
        else:
            failed[number] = error

    async with link_of(settings, on_blocked) as link:
        for number, event in enumerate(events):
            if pace is not None:
                await pace.acquire()
            await slots.acquire()
            if failed:
                slots.release()
                break
            properties = Properties(
                content_type="application/json",
                delivery_mode=PERSISTENT,
                timestamp=int(time.time()),
            )
            key = routing_key or key_of(event.body, settings.max_event_bytes)
            message = Message(settings.event_exchange, key, event.body, properties)
            link.publish(message).add_done_callback(partial(done, number))
        for _ in range(_UNCONFIRMED):
            await slots.acquire()
    if failed:
        first = min(failed)
        raise Unsent(f"{events[first].place}: {failed[first]}")
