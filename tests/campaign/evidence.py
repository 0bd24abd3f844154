"""What a campaign leaves behind, as plain data: all that the accountant may look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MANY = "*"
"""The key of the events that touch every profile."""


@dataclass(frozen=True, slots=True)
class Sent:
    """An event as it was published; `uid` is its correlation_id.

    `number` counts the events of a key from 1. `reason` is why it must be refused, if it must.
    """

    uid: str
    key: str
    number: int
    body: bytes
    event_id: str | None
    create: bool = False
    reason: str | None = None
    confirmed: bool = True
    routing_key: str = ""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message out of the result or the dead-letter queue."""

    uid: str | None
    message_id: str | None
    kind: str | None
    routing_key: str
    headers: Mapping[str, Any]
    body: bytes


@dataclass(frozen=True, slots=True)
class Happened:
    """A fault that was made, with the times of its begin and end, in seconds since 1970."""

    kind: str
    begun: float
    ended: float


@dataclass(frozen=True, slots=True)
class Ending:
    """How a process of the service ended: `asked` by a signal of ours or not."""

    name: str
    asked: str
    code: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Handed:
    """A delivery, seen on the wire in seconds since 1970; its message came back `count` times."""

    uid: str | None
    count: int
    at: float


@dataclass(frozen=True, slots=True)
class Vitals:
    """What a process takes up at a moment, in seconds since 1970, and what its /metrics tell.

    `memory` is resident, in bytes; `page` is empty if there was no answer.
    """

    name: str
    at: float
    memory: int
    files: int
    threads: int
    page: str = ""


@dataclass(slots=True)
class Evidence:
    """All of it. `left` are the uids still in the event queue.

    `window` is the prefetch of all partitions together, and `slots` how many calls may run at a
    time. `coalescing` if one call may carry several events.
    """

    sent: Sequence[Sent] = ()
    results: Sequence[Arrived] = ()
    dead_letters: Sequence[Arrived] = ()
    left: Sequence[str] = ()
    journal: Sequence[Mapping[str, Any]] = ()
    profiles: Sequence[Mapping[str, Any]] = ()
    happened: Sequence[Happened] = ()
    endings: Sequence[Ending] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)
    handed: Sequence[Handed] = ()
    vitals: Sequence[Vitals] = ()
    """Of all processes, oldest first."""
    survivors: Sequence[str] = ()
    """The processes that were there in the end, when the work was done."""
    tokens: Sequence[str] = ()
    window: int = 50
    slots: int = 8
    partitions: int = 1
    coalescing: bool = False
    partition_of: Mapping[str, str] = field(default_factory=dict)
    """The queue of each routing key, if there are several."""
    shares: Mapping[str, int | None] = field(default_factory=dict)
    """The partitions that each process said to work on, half a minute after the last fault at the
    latest; None if it did not answer."""
    destroyed: int = 0
    """Results that were in the result queue when it was deleted."""
    unread: Sequence[str] = ()
    """The queues that did not answer when all was over: what was in them is not known."""
    drained: bool = True
    """Whether the event queue was empty in time once all faults were over."""
    taken: bool = True
    """Whether RabbitMQ took events again once all faults were over."""


def some(texts: Sequence[str]) -> str:
    """Write the first of many."""
    return "; ".join(texts[:5]) + (" ..." if len(texts) > 5 else "")
