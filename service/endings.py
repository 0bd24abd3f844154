"""How events end: their messages published until RabbitMQ has them, then acknowledged."""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypedDict, Unpack

import structlog

from service.broker import Link, Unroutable
from service.carried import Ended
from service.conditions import Key
from service.connection import LinkLost
from service.lanes import Work
from service.logs import about
from service.messages import Delivery, Message
from service.metrics import Metrics
from service.outcomes import Outcome, Reason, backoff
from service.pauses import Pauses
from service.profiles import Profile
from service.results import Result, Source, dead_letter, result_message
from service.settings import Settings
from service.tracing import Tracing

log = structlog.get_logger()

_AGAIN_BASE, _AGAIN_MAX = 0.5, 15.0  # seconds until a message that no queue took is tried again


@dataclass(slots=True, eq=False)
class Ending:
    """A decided event whose messages are on their way; `work` is None if it never had a lane.

    `received` is monotonic, in seconds. With `published` RabbitMQ has its messages from an earlier
    link; without a `result` the event was even acknowledged there. `turns` are the endings of its
    call, oldest first, in whose order they are acknowledged; None if it had one of its own.
    """

    delivery: Delivery
    result: Result | None
    received: float
    work: Work | None = None
    published: bool = False
    unconfirmed: int = 0
    span: Any = None
    turns: deque["Ending"] | None = None


class Facts(TypedDict, total=False):
    """What a Result adds to its event."""

    profiles: tuple[Profile, ...]
    matched: int | None
    source: Source
    coalesced: int
    reason: Reason | None
    detail: str | None


def ending(work: Work, outcome: Outcome, **facts: Unpack[Facts]) -> Ending:
    """Decide an event."""
    result = Result(
        event_id=work.update.event_id,
        outcome=outcome,
        database=work.update.database,
        attempts=work.attempts,
        status=work.status,
        received_at=work.received_at,
        finished_at=datetime.now(UTC),
        **facts,
    )
    return Ending(work.delivery, result, work.received, work, span=work.span)


class Endings:
    """The endings of one link; `on_acknowledged` is told of each that is complete.

    `on_settling` is told when one is complete but for an attempt without an answer, which may still
    be carried out.
    """

    def __init__(
        self,
        settings: Settings,
        link: Link,
        metrics: Metrics,
        pauses: Pauses,
        on_acknowledged: Callable[[Ending], None],
    ) -> None:
        self.unfinished: dict[Ending, None] = {}
        self._settings = settings
        self._link = link
        self._metrics = metrics
        self._pauses = pauses
        self._on_acknowledged = on_acknowledged
        self.tracing: Tracing | None = None
        self._untaken: deque[tuple[Ending, Message]] = deque()
        self._trying = False
        self._closed = False
        self._unsettled: set[Ending] = set()
        self._doubt = 2 * (settings.heartbeat + 5) + 5.0  # seconds a link may be dead unknown
        self.on_settling: Callable[[], None] = lambda: None
        # RabbitMQ has given no more than these while their acknowledgements had not reached it.
        self._recent: deque[tuple[float, Key, Ended]] = deque(maxlen=settings.window)
        self._loop = asyncio.get_running_loop()

    def begin(self, *endings: Ending) -> None:
        """Publish what the events of a call end with.

        Each is acknowledged after the last confirm of its own, and after those before it.
        """
        turns = deque(endings) if len(endings) > 1 else None
        for ending in endings:
            ending.turns = turns
            self._begin(ending)

    def _begin(self, ending: Ending) -> None:
        self.unfinished[ending] = None
        messages = self._messages(ending)
        ending.unconfirmed = len(messages)
        for message in messages:
            self._publish(ending, message, 1)
        if not messages:
            self._acknowledge(ending)

    def close(self) -> None:
        """Leave what is unfinished to whoever gets its event next; the link may go on."""
        self._closed = True
        if self._trying:
            self._pauses.end("unroutable")  # Nobody would.

    @property
    def pending(self) -> bool:
        """True while there is something to publish or to acknowledge at once."""
        return len(self.unfinished) > len(self._unsettled)

    def ended(self) -> list[tuple[Key, Ended]]:
        """Tell what has ended here and may be handed back all the same, oldest first."""
        oldest = self._loop.time() - self._doubt
        recent = [(key, ended) for at, key, ended in self._recent if at >= oldest]
        undone = [
            (ending.work.update.key, _ended(ending))
            for ending in self.unfinished
            if ending.work is not None and ending.work.admitted
        ]
        return recent + undone

    def _messages(self, ending: Ending) -> list[Message]:
        settings, result = self._settings, ending.result
        if result is None or ending.published:
            return []
        messages = [
            result_message(
                result,
                ending.delivery.properties,
                settings.result_exchange,
                include_secret=settings.result_include_secret,
            )
        ]
        if result.reason is not None:
            messages.append(dead_letter(ending.delivery, result, settings.dead_letter_exchange))
            log.info(
                f"event {result.outcome}",
                **_about(ending, result),
                reason=result.reason,
                detail=result.detail,
            )
        return messages

    def _publish(self, ending: Ending, message: Message, attempt: int) -> None:
        if self.tracing is None:
            confirmed = self._link.publish(message)
        else:
            of_results = message.exchange == self._settings.result_exchange
            named, span = self.tracing.publishing(message, ending.span, names_it=of_results)
            confirmed = self._link.publish(named)
            confirmed.add_done_callback(partial(self.tracing.published, span))
        confirmed.add_done_callback(partial(self._published, ending, message, attempt))

    def _published(
        self, ending: Ending, message: Message, attempt: int, confirmed: asyncio.Future[None]
    ) -> None:
        error = confirmed.exception()
        if self._closed:
            return
        match error:
            case None:
                self._take_on(attempt)
            case LinkLost():
                return  # It is carried over to the next link.
            case Unroutable() if self._dropped(message):
                self._take_on(attempt)
                self._metrics.results_unroutable.inc()
                log.debug("a result was dropped", **_about(ending, ending.result))
            case error:
                self._metrics.results_unroutable.inc()
                self._put_off(ending, message, attempt, str(error))
                return
        ending.unconfirmed -= 1
        if ending.unconfirmed == 0:
            self._acknowledge(ending)

    def _dropped(self, message: Message) -> bool:
        settings = self._settings
        of_results = message.exchange == settings.result_exchange
        return of_results and settings.unroutable_results == "drop"

    def _put_off(self, ending: Ending, message: Message, attempt: int, detail: str) -> None:
        """Keep a message that no queue took; the oldest of them is published again and again."""
        if attempt > 1:
            self._untaken.appendleft((ending, message))
        else:
            self._untaken.append((ending, message))
        if self._pauses.begin("unroutable"):
            log.error(
                "RabbitMQ takes not all messages; events wait",
                exchange=message.exchange,
                routing_key=message.routing_key,
                detail=detail,
            )
        if attempt > 1 or not self._trying:
            self._trying = True
            delay = backoff(attempt, _AGAIN_BASE, _AGAIN_MAX, 0.5 + random.random() / 2)  # noqa: S311
            self._loop.call_later(delay, self._try_oldest, attempt + 1)

    def _try_oldest(self, attempt: int) -> None:
        if self._closed:
            return
        self._publish(*self._untaken.popleft(), attempt)

    def _take_on(self, attempt: int) -> None:
        """Publish all others too once the oldest has found a queue."""
        if attempt == 1:
            return
        self._trying = False
        untaken, self._untaken = self._untaken, deque()
        for ending, message in untaken:
            self._publish(ending, message, 1)
        if self._pauses.end("unroutable"):
            log.info("RabbitMQ takes messages again")

    def _acknowledge(self, ending: Ending) -> None:
        if self._link.lost.done() or self._closed:
            return  # It came too late: the event is on its way back, and its end is carried over.
        settled_in = ending.work.unsettled_until - self._loop.time() if ending.work else 0
        if settled_in > 0:
            # Whoever gets its queue before must know that an attempt may still be carried out.
            self._unsettled.add(ending)
            self._loop.call_later(settled_in, self._acknowledge, ending)
            self.on_settling()
            return
        if ending.turns is None:
            self._complete(ending)
            return
        while ending.turns and ending.turns[0].unconfirmed == 0:
            self._complete(ending.turns.popleft())

    def _complete(self, ending: Ending) -> None:
        self._unsettled.discard(ending)
        ending.delivery.ack()
        del self.unfinished[ending]
        self._remember(ending)
        result = ending.result
        if self.tracing is not None:
            name, reason = (result.outcome, result.reason) if result else ("ended-before", None)
            self.tracing.ended(ending.span, name, reason)
        if result is not None:
            self._count(ending, result)
        self._on_acknowledged(ending)

    def _remember(self, ending: Ending) -> None:
        """Note an acknowledgement: while nobody knows a link for dead, it may be lost."""
        if ending.work is None or not ending.work.admitted or not ending.work.update.named:
            return  # One without an id could be another one that looks the same.
        delivery = ending.delivery
        ended = Ended(delivery.fingerprint, delivery.count, None, published=True)
        self._recent.append((self._loop.time(), ending.work.update.key, ended))

    def _count(self, ending: Ending, result: Result) -> None:
        metrics = self._metrics
        reason = result.reason or ""
        metrics.results_published(result.outcome).inc()
        if reason:
            metrics.dead_letters(reason).inc()
        metrics.events_finished(result.outcome, reason).inc()
        metrics.event_seconds(result.outcome).observe(time.monotonic() - ending.received)
        work = ending.work
        occurred_at = work.occurred_at if work else ending.delivery.published_at
        if occurred_at is not None:
            age = (datetime.now(UTC) - occurred_at).total_seconds()
            metrics.event_age_seconds.observe(max(age, 0))
        if log.is_enabled_for(logging.DEBUG):
            log.debug("event finished", **_about(ending, result), outcome=result.outcome)


def _about(ending: Ending, result: Result | None) -> dict[str, str]:
    key = ending.work.update.key if ending.work else None
    return about("" if result is None else result.event_id, ending.delivery, key)


def _ended(ending: Ending) -> Ended:
    delivery = ending.delivery
    return Ended(
        delivery.fingerprint,
        delivery.count,
        ending.result,
        ending.unconfirmed == 0,
        ending.work.unsettled_until if ending.work else 0,
    )
