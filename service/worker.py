"""The shell around the core: takes the deliveries of one link and ends each as the core decides.

Per event: parse, admit, wait for its lane, PUT, perhaps read back, publish, and acknowledge when
RabbitMQ has confirmed all of it. Only then may the next event of its lane start.
"""

import asyncio
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypedDict, Unpack

import structlog

from service.admission import Admission, Doors
from service.attempts import Attempts, Later, Strange, Written
from service.broker import Link
from service.catalogues import Catalogues
from service.copernica import Copernica
from service.endings import Ending, Endings
from service.events import InvalidEvent, parse
from service.lanes import Lanes, Work
from service.messages import Delivery
from service.metrics import Metrics
from service.outcomes import Outcome, Reason, Refused, Retry, backoff
from service.profiles import Profile
from service.results import Result, Source
from service.settings import Settings
from service.troubles import Troubles

log = structlog.get_logger()

_LEASE_PAUSE = 0.25  # seconds until a lease that does not hold is looked at again

Held = Mapping[bytes, int]
"""Delivery counts, by fingerprint, of what a process itself held and left undone."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What the workers of a process share: it outlives their links."""

    settings: Settings
    copernica: Copernica
    catalogues: Catalogues
    metrics: Metrics
    troubles: Troubles


class _Facts(TypedDict, total=False):
    """What a Result adds to its event."""

    profiles: tuple[Profile, ...]
    matched: int | None
    source: Source
    reason: Reason | None
    detail: str | None


class Worker:
    """Handles the deliveries of one link, and ends with it.

    `received` is True from the first delivery on, `proven` from the first acknowledgement on, and
    `tripped` is done, with the reason, when a selection turned out not to select.
    """

    def __init__(self, shared: Shared, link: Link, held: Held) -> None:
        self._settings = settings = shared.settings
        self._link = link
        self._metrics = metrics = shared.metrics
        self._troubles = troubles = shared.troubles
        self._held = held
        self._loop = asyncio.get_running_loop()
        self._lanes = Lanes()
        self._attempts = Attempts(settings, shared.copernica)
        doors = Doors(self._admit, self._reject, self._put_off, self._api_answers, self._trip)
        self._admission = Admission(settings, shared.copernica, shared.catalogues, doors)
        self._calling: set[asyncio.Task[None]] = set()
        self._sleeping: dict[Work, asyncio.TimerHandle] = {}
        self._doubtful: asyncio.TimerHandle | None = None
        self._endings = Endings(settings, link, metrics, troubles, self._acknowledged)
        self._finishing = False
        self._cautious = False
        self._quiet = asyncio.Event()
        self.received = False
        self.proven = False
        self.tripped: asyncio.Future[str] = self._loop.create_future()
        metrics.watch_oldest_event(self._oldest_event_seconds)
        self._note_progress()

    def receive(self, delivery: Delivery) -> None:
        """Take a delivery: to its admission, or to its end at once if it is no event."""
        if self._finishing:
            return
        self.received = True
        self._metrics.events_received.inc()
        received, received_at = time.monotonic(), datetime.now(UTC)
        try:
            update = parse(delivery.body, delivery.properties, self._settings.max_event_bytes)
        except InvalidEvent as error:
            result = Result(
                event_id=error.event_id,
                outcome="rejected",
                database=error.database or "unknown",
                reason=error.reason,
                detail=error.detail,
                received_at=received_at,
                finished_at=received_at,
            )
            self._endings.begin(Ending(delivery, result, received))
            return
        work = Work(delivery, update, received, received_at)
        if delivery.redelivered and not self._was_ours(delivery):
            # Another process may have died with the call still running at the API.
            work.look_first = update.create
            work.not_before = self._loop.time() + self._settings.ambiguous_wait
            if not self._cautious:
                self._cautious = True
                log.info(
                    "events come back: another process may still be calling for them, so they wait",
                    seconds=self._settings.ambiguous_wait,
                )
        self._admission.take(work)

    def _was_ours(self, delivery: Delivery) -> bool:
        """Tell whether nobody but this process has held a delivery since it held it last."""
        return self._held.get(delivery.fingerprint) == delivery.count - 1

    async def wind_up(self) -> Held:
        """Start no more calls; return when those running have ended and are acknowledged.

        On a lost link nothing can be acknowledged: then only the calls are waited for, because an
        abandoned PUT could land after a newer one. What is left undone without a doubt is returned.
        """
        self._finishing = True
        for timer in self._sleeping.values():
            timer.cancel()
        if self._doubtful is not None:
            self._doubtful.cancel()
        self._sleeping.clear()
        await self._admission.close()
        self._link.lost.add_done_callback(lambda _: self._note_progress())
        self._note_progress()
        await self._quiet.wait()
        return _undoubted([*self._admission, *self._lanes], self._loop.time())

    @property
    def _over(self) -> bool:
        return self._finishing or self._link.lost.done() or self.tripped.done()

    def _may_write(self) -> bool:
        return not self._over and self._link.leased

    def _admit(self, work: Work) -> None:
        work.admitted = True
        self._lanes.add(work)
        self._start_calls()

    def _start_calls(self) -> None:
        while not self._over and len(self._calling) < self._settings.max_in_flight:
            if not self._link.leased:
                # The queue may be another replica's by now: nothing starts until that is clear.
                if self._doubtful is None:
                    self._doubtful = self._loop.call_later(_LEASE_PAUSE, self._look_at_lease)
                break
            work = self._lanes.next()
            if work is None:
                break
            if work.not_before > self._loop.time():
                self._sleeping[work] = self._loop.call_at(work.not_before, self._wake, work)
                continue
            task = self._loop.create_task(self._call(work))
            self._calling.add(task)
            task.add_done_callback(self._called)
        self._note_progress()

    def _look_at_lease(self) -> None:
        self._doubtful = None
        self._start_calls()

    def _called(self, task: asyncio.Task[None]) -> None:
        self._calling.discard(task)
        self._start_calls()

    def _note_progress(self) -> None:
        self._metrics.lanes.set(len(self._lanes))
        self._metrics.sleeping_events.set(len(self._sleeping))
        acknowledged = not self._endings.unfinished or self._link.lost.done()
        if self._finishing and not self._calling and acknowledged:
            self._quiet.set()

    async def _call(self, work: Work) -> None:
        """Make one attempt for an event and act on what came of it."""
        try:
            ended = await self._attempts.make(work, self._may_write)
        except Exception:
            # A fault of ours must not take the other events down; this one is tried again.
            log.exception("an attempt failed", event_id=work.update.event_id)
            ended = Retry("outage", "internal error", ambiguous=True)
        match ended:
            case Written():
                self._api_answers()
                self._complete(work, ended)
            case Refused(reason, detail):
                self._api_answers()
                self._finish(work, "rejected", reason=reason, detail=detail)
            case Retry():
                self._sleep(work, ended)
            case Later(seconds):
                self._api_answers()
                self._wake_in(work, seconds)
            case Strange(detail, written):
                # What is written is written: left to the queue, it would be written again for ever.
                if written is not None:
                    self._complete(work, written)
                self._trip(detail, work)
            case None:
                # It was forbidden in the last moment: by the end of the link, or a doubtful lease.
                self._wake_in(work, _LEASE_PAUSE)

    def _complete(self, work: Work, written: Written) -> None:
        if written.outcome == "created":
            self._metrics.profiles_created.inc()
        if written.matched is not None:
            self._metrics.profiles_matched.observe(written.matched)
            if written.matched > 1 and work.update.expect == "one":
                self._metrics.multiple_matches.inc()
                log.warning("several profiles match one event", event_id=work.update.event_id)
        self._finish(
            work,
            written.outcome,
            detail=written.detail,
            profiles=written.profiles,
            matched=written.matched,
            source=written.source,
        )

    def _sleep(self, work: Work, retry: Retry) -> None:
        """Repeat an attempt later: its lane waits, its call slot does not."""
        work.failures += 1
        delay = self._put_off(retry, work.failures)
        if retry.ambiguous and ((work.update.create and work.may_create) or work.update.moves):
            # Until the API's slowest answer is through, nobody can tell whether it was done.
            work.look_first = True
            delay = max(delay, self._settings.ambiguous_wait)
        log.debug(
            "an attempt will be repeated",
            event_id=work.update.event_id,
            attempt=work.attempts,
            detail=retry.detail,
            seconds=round(delay, 3),
        )
        self._wake_in(work, delay)

    def _put_off(self, retry: Retry, failures: int) -> float:
        """Note a failure, the so manyth in a row; give the seconds to wait."""
        settings = self._settings
        delay = backoff(failures, settings.retry_base, settings.retry_max, random.random())  # noqa: S311
        self._metrics.retries.labels(retry.cause).inc()
        if self._troubles.begin(retry.cause):
            log.warning("events wait for the API", cause=retry.cause, detail=retry.detail)
        return max(delay, retry.after or 0)

    def _wake_in(self, work: Work, seconds: float) -> None:
        if not self._finishing:
            self._sleeping[work] = self._loop.call_later(seconds, self._wake, work)

    def _wake(self, work: Work) -> None:
        del self._sleeping[work]
        self._lanes.again(work)
        self._start_calls()

    def _trip(self, detail: str, work: Work) -> None:
        """Stop: what is not acknowledged returns to the queue, until an operator has looked."""
        if self._troubles.begin("selection-guard"):
            log.critical(
                "intake has stopped: a selection does not select",
                event_id=work.update.event_id,
                database=work.update.database,
                detail=detail,
            )
        if not self.tripped.done():
            self.tripped.set_result(detail)

    def _api_answers(self) -> None:
        for trouble in self._troubles.end("outage", "token", "configuration"):
            log.info("the API answers again", cause=trouble)

    def _reject(self, work: Work, reason: Reason, detail: str) -> None:
        self._finish(work, "rejected", reason=reason, detail=detail)

    def _finish(self, work: Work, outcome: Outcome, **facts: Unpack[_Facts]) -> None:
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
        self._endings.begin(Ending(work.delivery, result, work.received, work))

    def _acknowledged(self, ending: Ending) -> None:
        self.proven = True
        if ending.work is not None and ending.work.admitted:
            self._lanes.done(ending.work)
        self._start_calls()

    def _oldest_event_seconds(self) -> float:
        received = [work.received for work in (*self._lanes, *self._admission)]
        received += [ending.received for ending in self._endings.unfinished]
        return time.monotonic() - min(received) if received else 0.0


def _undoubted(left: list[Work], now: float) -> Held:
    """Give what was left undone and surely not begun; equal messages must all be so."""
    held: dict[bytes, int] = {}
    doubtful = set()
    for work in left:
        fingerprint, count = work.delivery.fingerprint, work.delivery.count
        if work.look_first or work.not_before > now or held.setdefault(fingerprint, count) != count:
            doubtful.add(fingerprint)
    return {
        fingerprint: count for fingerprint, count in held.items() if fingerprint not in doubtful
    }
