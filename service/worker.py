"""The shell around the core: takes the deliveries of one queue and ends each as the core decides.

Per event: parse, admit, wait for its lane, PUT, perhaps read back, publish, and acknowledge when
RabbitMQ has confirmed all of it. Only then may the next event of its lane start.
"""

import asyncio
import logging
import math
import random
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

import structlog

from service import groups
from service.admission import Admission, Doors
from service.attempts import Attempts, Later, Strange, Written
from service.broker import Link
from service.calls import Calls, Handlers
from service.carried import Carried
from service.catalogues import Catalogues
from service.copernica import Copernica
from service.endings import Ending, Endings, ending
from service.events import InvalidEvent, parse
from service.lanes import Lanes, Work, held_by
from service.logs import about
from service.messages import Delivery
from service.metrics import Metrics
from service.outcomes import Reason, Refused, Retry, backoff
from service.pauses import Pauses
from service.results import Result
from service.routes import Routes
from service.settings import Settings
from service.slots import Slots
from service.stale import Replays, is_guarded
from service.tracing import Tracing

log = structlog.get_logger()

_AGAIN = 0.25  # seconds until a call that was forbidden at the last moment is tried again

_HANDED_BACK = 10.0  # seconds in which a link brings what the last one held, if it does at all
_ALONE = 3600.0  # seconds an event that runs alone may fail while the API answers probes


@dataclass(frozen=True, slots=True)
class Shared:
    """What the workers of a process share: it outlives their links."""

    settings: Settings
    copernica: Copernica
    catalogues: Catalogues
    metrics: Metrics
    pauses: Pauses
    routes: Routes
    tracing: Tracing | None = None
    slots: Slots = field(default_factory=Slots)
    replays: Replays = field(default_factory=Replays)


class Worker:
    """Handles the deliveries of one subscription to a queue, and ends with it.

    `received` is True from the first delivery on, `proven` from the first acknowledgement on.
    """

    def __init__(self, shared: Shared, link: Link, queue: str, carried: Carried) -> None:
        self._queue = queue
        self._settings = settings = shared.settings
        self._link = link
        self._metrics = metrics = shared.metrics
        self._pauses = pauses = shared.pauses
        self._routes = shared.routes
        self._carried = carried
        self._loop = asyncio.get_running_loop()
        self._handed_back_until = math.inf
        self._lanes = Lanes()
        handlers = Handlers(self._call, self._end_again, self._note_progress)
        self._calls = Calls(pauses, shared.slots, link, self._lanes, handlers)
        self._tracing = shared.tracing
        make = Attempts(settings, shared.copernica, shared.replays).make
        self._make = self._tracing.around(make) if self._tracing else make
        doors = Doors(self._admit, self._reject, self._put_off, self._asks_in, self._trip)
        self._admission = Admission(settings, shared.copernica, shared.catalogues, doors)
        self._endings = Endings(settings, link, metrics, pauses, self._acknowledged)
        self._endings.tracing = shared.tracing
        self._finishing = False
        self._cautious = False
        self._quiet = asyncio.Event()
        self.received = False
        self.proven = False
        self._endings.on_settling = self._note_progress
        pauses.listeners.append(self._go_on)

    @property
    def lanes(self) -> int:
        """How many keys have unfinished events."""
        return len(self._lanes)

    @property
    def sleeping(self) -> int:
        """How many events wait for their next attempt."""
        return self._calls.sleeping

    @property
    def oldest_event_seconds(self) -> float:
        """Seconds since the oldest unfinished event came, or 0."""
        received = [work.received for work in (*self._lanes, *self._admission)]
        received += [ending.received for ending in self._endings.unfinished]
        return time.monotonic() - min(received) if received else 0.0

    def consuming(self) -> None:
        """Note that the queue is consumed: what comes back, comes now."""
        self._handed_back_until = self._loop.time() + _HANDED_BACK

    def receive(self, delivery: Delivery) -> None:
        """Take a delivery: to its admission, or to its end at once if it is no event."""
        if self._finishing:
            return
        self.received = True
        self._metrics.events_received.inc()
        received, received_at = time.monotonic(), datetime.now(UTC)
        span = self._tracing.received(delivery, self._queue) if self._tracing else None
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
            self._endings.begin(Ending(delivery, result, received, span=span))
            return
        work = Work(delivery, update, received, received_at, span=span)
        work.guarded = is_guarded(delivery)
        if self._loop.time() > self._handed_back_until:
            self._carried = Carried()
        if delivery.redelivered:
            held = self._carried.held(delivery)
            # Else another process may have died with the call still running at the API.
            work.look_first = update.create and (held is None or held.look_first)
            settled_at = self._loop.time() + self._settings.ambiguous_wait
            work.not_before = settled_at if held is None else held.settled_at
        self._admission.take(work)

    async def wind_up(self) -> None:
        """Start no more calls; return when those running have ended and are acknowledged.

        On a lost link nothing can be acknowledged: then only the calls are waited for, because an
        abandoned PUT could land after a newer one.
        """
        self._finishing = True
        self._calls.stop()
        await self._admission.close()
        self._link.lost.add_done_callback(self._note_progress)
        self._note_progress()
        await self._quiet.wait()

    def close(self) -> None:
        """Do nothing any more: the link may go on, and all that waits here goes to another one."""
        self._pauses.listeners.remove(self._go_on)
        self._link.lost.remove_done_callback(self._note_progress)
        self._endings.close()

    def carried(self) -> Carried:
        """Give what the next worker of this queue shall know of this one."""
        self._end_spans()
        now = self._loop.time()
        soon = now <= self._handed_back_until
        if not self.received:
            return self._carried if soon else Carried()
        left = [*self._admission, *(work for work in self._lanes if work.ended is None)]
        begun = {ending.work for ending in self._endings.unfinished}
        again = [
            (work.update.key, replace(work.ended, count=work.delivery.count))
            for work in self._lanes
            if work.ended is not None and work not in begun
        ]
        return Carried(
            [*self._endings.ended(), *again, *(self._carried if soon else ())],
            [work.delivery for work in left],
            held_by(left),
        )

    def _end_spans(self) -> None:
        if self._tracing is not None:
            left = (*self._admission, *self._lanes, *self._endings.unfinished)
            for span in {id(unfinished.span): unfinished.span for unfinished in left}.values():
                self._tracing.ended(span, "handed-back")

    def _note_progress(self, _: object = None) -> None:
        if not self._finishing or self._calls.running:
            return
        if not self._endings.pending or self._link.lost.done():
            self._quiet.set()

    def _asks_in(self) -> float | None:
        """Seconds until questions may be asked; None if that is unknown."""
        if self._calls.over or self._pauses.of_the_api:
            return None
        return max(self._pauses.not_before - self._loop.time(), 0)

    def _admit(self, work: Work) -> None:
        work.admitted = True
        work.ended = self._carried.end(work.update.key, work.delivery)
        if work.ended is not None:
            work.unsettled_until = work.ended.unsettled_until
        elif work.not_before > self._loop.time() and not self._cautious:
            self._cautious = True
            log.info(
                "events come back: another process may still be calling for them, so they wait",
                queue=self._queue,
                seconds=self._settings.ambiguous_wait,
            )
        self._routes.check(work)
        self._calls.add(work)

    def _gather_and_write(self, work: Work) -> bool:
        """Tell right before a PUT whether it may be sent; then it takes along who waits."""
        may_write = self._calls.may_write()
        if may_write:
            most, max_bytes = self._settings.coalesce_max, self._settings.max_event_bytes
            groups.gather(self._lanes, work, most=most, max_bytes=max_bytes)
        return may_write

    async def _call(self, work: Work) -> None:
        """Make one attempt for an event, and those that go with it, and act on what came of it."""
        work.tally = work.tally or self._pauses.tally
        gathers = self._settings.coalesce != "off"
        go = partial(self._gather_and_write, work) if gathers else self._calls.may_write
        try:
            ended = await self._make(work, go)
        except Exception:
            # A fault of ours must not take the other events down; this one is tried again.
            log.exception("an attempt failed", **_about(work))
            ended = Retry("outage", "internal error", ambiguous=True)
        groups.tell(work)
        match ended:
            case Written():
                self._succeeded(work)
                self._complete(work, ended)
            case Refused() if work.mates:
                groups.part(work)
                self._calls.sleep(work, 0)
            case Refused(reason, detail):
                if reason == "refused" and self._pauses.refused(work.update.key):
                    said = "it refuses one update after the other"
                    log.warning("calls are paused", cause="refusals", detail=said)
                if reason == "stale":
                    self._metrics.stale_replays.inc()
                self._reject(work, reason, detail)
            case Retry():
                self._sleep(work, ended)
            case Later(seconds):
                self._calls.sleep(work, seconds)
            case Strange(detail, written):
                # What is written is written: left to the queue, it would be written again for ever.
                if written is not None:
                    self._complete(work, written)
                self._trip(detail, work)
            case None:
                # It was forbidden in the last moment: by the end of the link, or a doubtful lease.
                self._calls.sleep(work, _AGAIN)

    def _succeeded(self, work: Work) -> None:
        self._lanes.exhausted.discard(work.update.key)
        for pause in self._pauses.succeeded(self._loop.time(), first=not work.failures):
            log.info("the API takes updates again", cause=pause)

    def _complete(self, work: Work, written: Written) -> None:
        if written.outcome == "created":
            self._metrics.profiles_created.inc()
        if work.attempts > 1 and written.outcome in ("created", "updated"):
            groups.found_together(self._lanes, work)
        coalesced = 1 + len(work.mates)
        endings = [self._written(work, written, coalesced)]
        if work.mates:
            self._metrics.coalesced.inc(len(work.mates))
            if written.outcome == "created":
                written = replace(written, outcome="updated")
            endings += [self._written(mate, written, coalesced) for mate in work.mates]
        self._endings.begin(*endings)

    def _written(self, work: Work, written: Written, coalesced: int) -> Ending:
        if written.matched is not None:
            self._metrics.profiles_matched.observe(written.matched)
            if written.matched > 1 and work.update.expect == "one":
                self._metrics.multiple_matches.inc()
                log.warning("several profiles match one event", **_about(work))
        return ending(
            work,
            written.outcome,
            detail=written.detail,
            profiles=written.profiles,
            matched=written.matched,
            source=written.source,
            coalesced=coalesced,
        )

    def _sleep(self, work: Work, retry: Retry) -> None:
        """Repeat an attempt later: its lane waits, its call slot does not."""
        update, now = work.update, self._loop.time()
        work.failures += 1
        work.failing_since = work.failing_since or now
        delay = self._put_off(retry, work.failures, blamed=work.counted > 0)
        unsettled = now + self._settings.ambiguous_wait
        if retry.ambiguous and work.status in (None, 504):
            work.unsettled_until = unsettled  # Nothing newer of this key may come before it.
        if retry.ambiguous and ((update.create and work.may_create) or update.moves):
            # Until the API's slowest answer is through, nobody can tell whether it was done.
            work.look_first = True
            work.not_before = unsettled
        groups.tell(work)
        if retry.cause == "outage" and self._is_exhausted(work):
            self._lanes.exhausted.add(update.key)
            if not work.mates:
                self._endings.begin(_exhausted(work, retry.detail))
                return
            groups.part(work)
        if log.is_enabled_for(logging.DEBUG):
            log.debug(
                "an attempt will be repeated",
                **_about(work),
                attempt=work.attempts,
                detail=retry.detail,
                seconds=round(delay, 3),
            )
        self._calls.sleep(work, delay)

    def _is_exhausted(self, work: Work) -> bool:
        """Count a failed attempt, unless most others have failed too since the one before."""
        before, work.tally = work.tally, self._pauses.tally
        if before is not None:
            succeeded = work.tally.successes - before.successes
            failed = work.tally.failures - before.failures - (work.failures == 1)  # but for its own
            work.counted += succeeded > 0 and succeeded >= failed
        after_another = work.update.key in self._lanes.exhausted
        if work.counted >= (1 if after_another else self._settings.retry_attempts):
            return True
        # Behind a barrier no other can succeed, and nothing of its database would for ever.
        alone = work.update.barrier and self._pauses.answered_at > work.failing_since
        return alone and self._loop.time() - work.failing_since > _ALONE

    def _put_off(self, retry: Retry, failures: int, *, blamed: bool = False) -> float:
        """Note a failure, the so manyth in a row; give the seconds to wait."""
        settings = self._settings
        delay = backoff(failures, settings.retry_base, settings.retry_max, random.random())  # noqa: S311
        self._metrics.retries(retry.cause).inc()
        if self._pauses.failed(retry, self._loop.time(), first=failures == 1, blamed=blamed):
            log.warning("calls are paused", cause=retry.cause, detail=retry.detail)
        return max(delay, retry.after or 0)

    def _go_on(self) -> None:
        """Go on when the last pause has ended."""
        if not self._pauses and not self._calls.over:
            self._admission.wake()
            self._calls.go_on()

    def _trip(self, detail: str, work: Work) -> None:
        """Stop: what is not acknowledged returns to the queue, until an operator has looked."""
        if self._pauses.begin("selection-guard"):
            log.critical(
                "intake has stopped: a selection does not select",
                **_about(work),
                database=work.update.database,
                detail=detail,
            )

    def _end_again(self, work: Work) -> None:
        """End an event as it ended on the link before, which could not acknowledge it."""
        ended = work.ended
        assert ended is not None  # noqa: S101
        again = Ending(work.delivery, ended.result, work.received, work, span=work.span)
        again.published = ended.published
        self._endings.begin(again)

    def _reject(self, work: Work, reason: Reason, detail: str) -> None:
        self._endings.begin(ending(work, "rejected", reason=reason, detail=detail))

    def _acknowledged(self, ended: Ending) -> None:
        self.proven = True
        if ended.work is not None and ended.work.admitted:
            self._calls.done(ended.work)
        self._calls.start()


def _exhausted(work: Work, detail: str) -> Ending:
    detail = f"{work.failures} attempts failed while the API answered others: {detail}"
    return ending(work, "failed", reason="attempts-exhausted", detail=detail)


def _about(work: Work) -> dict[str, str]:
    return about(work.update.event_id, work.delivery, work.update.key)
