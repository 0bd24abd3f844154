"""How events end: their messages published until RabbitMQ has them, then acknowledged."""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import structlog

from service.broker import Link, LinkLost
from service.lanes import Work
from service.messages import Delivery, Message
from service.metrics import Metrics
from service.outcomes import backoff
from service.results import Result, dead_letter, result_message
from service.settings import Settings
from service.troubles import Troubles

log = structlog.get_logger()

_AGAIN_BASE, _AGAIN_MAX = 0.5, 15.0  # seconds until a message that no queue took is tried again


@dataclass(slots=True, eq=False)
class Ending:
    """A decided event whose messages are on their way; `work` is None if it never had a lane.

    `received` is monotonic, in seconds.
    """

    delivery: Delivery
    result: Result
    received: float
    work: Work | None = None
    unconfirmed: int = 0


class Endings:
    """The endings of one link; `on_acknowledged` is told of each that is complete."""

    def __init__(
        self,
        settings: Settings,
        link: Link,
        metrics: Metrics,
        troubles: Troubles,
        on_acknowledged: Callable[[Ending], None],
    ) -> None:
        self.unfinished: set[Ending] = set()
        self._settings = settings
        self._link = link
        self._metrics = metrics
        self._troubles = troubles
        self._on_acknowledged = on_acknowledged
        self._untaken = 0
        self._loop = asyncio.get_running_loop()

    def begin(self, ending: Ending) -> None:
        """Publish what an event ends with; its acknowledgement follows the last confirm."""
        settings, result = self._settings, ending.result
        messages = [
            result_message(
                result,
                ending.delivery.properties,
                settings.result_exchange,
                include_secret=settings.result_include_secret,
            )
        ]
        if result.outcome == "rejected":
            messages.append(dead_letter(ending.delivery, result, settings.dead_letter_exchange))
            log.info(
                "event rejected",
                event_id=result.event_id,
                reason=result.reason,
                detail=result.detail,
            )
        ending.unconfirmed = len(messages)
        self.unfinished.add(ending)
        for message in messages:
            self._publish(ending, message, 1)

    def _publish(self, ending: Ending, message: Message, attempt: int) -> None:
        confirmed = self._link.publish(message)
        confirmed.add_done_callback(partial(self._published, ending, message, attempt))

    def _published(
        self, ending: Ending, message: Message, attempt: int, confirmed: asyncio.Future[None]
    ) -> None:
        match confirmed.exception():
            case None if self._link.lost.done():
                # It came too late to acknowledge the event, which is on its way back.
                self.unfinished.discard(ending)
            case None:
                if attempt > 1:
                    self._untaken -= 1
                if not self._untaken and self._troubles.end("unroutable"):
                    log.info("RabbitMQ takes all messages again")
                ending.unconfirmed -= 1
                if ending.unconfirmed == 0:
                    self._acknowledge(ending)
            case LinkLost():
                # The event returns to its queue, and everything is repeated on the next link.
                self.unfinished.discard(ending)
            case error:
                self._metrics.results_unroutable.inc()
                if attempt == 1:
                    self._untaken += 1
                if self._troubles.begin("unroutable"):
                    log.error(
                        "RabbitMQ takes not all messages; events wait",
                        exchange=message.exchange,
                        routing_key=message.routing_key,
                        detail=str(error),
                    )
                delay = backoff(attempt, _AGAIN_BASE, _AGAIN_MAX, 0.5 + random.random() / 2)  # noqa: S311
                self._loop.call_later(delay, self._publish, ending, message, attempt + 1)

    def _acknowledge(self, ending: Ending) -> None:
        ending.delivery.ack()
        self.unfinished.discard(ending)
        self._count(ending)
        self._on_acknowledged(ending)

    def _count(self, ending: Ending) -> None:
        result, metrics = ending.result, self._metrics
        reason = result.reason or ""
        metrics.results_published.labels(result.outcome).inc()
        if reason:
            metrics.dead_letters.labels(reason).inc()
        metrics.events_finished.labels(result.outcome, reason).inc()
        metrics.event_seconds.labels(result.outcome).observe(time.monotonic() - ending.received)
        occurred_at = ending.work.update.occurred_at if ending.work else None
        occurred_at = occurred_at or _published_at(ending.delivery)
        if occurred_at is not None:
            age = (datetime.now(UTC) - occurred_at).total_seconds()
            metrics.event_age_seconds.observe(max(age, 0))
        log.debug("event finished", event_id=result.event_id, outcome=result.outcome)


def _published_at(delivery: Delivery) -> datetime | None:
    """Read the message's timestamp property, if its publisher set one."""
    match delivery.properties.timestamp:
        case int() as seconds if 0 < seconds < 2**33:
            return datetime.fromtimestamp(seconds, UTC)
        case datetime() as instant:
            return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
        case _:
            return None
