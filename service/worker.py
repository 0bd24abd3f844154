"""The shell around the core: takes the deliveries of one link and ends each as the core decides.

Per event: parse, wait for its lane, PUT, perhaps read back, publish, and acknowledge when RabbitMQ
has confirmed all of it. Only then may the next event of its lane start.
"""

import asyncio
import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TypedDict, Unpack

import structlog

from service.broker import Link, LinkLost
from service.conditions import after_update
from service.copernica import Copernica
from service.events import InvalidEvent, ProfileUpdate, parse
from service.lanes import Lanes, Work
from service.messages import Delivery, Message
from service.metrics import Metrics
from service.outcomes import (
    Done,
    Outcome,
    Reason,
    Refused,
    Retry,
    appeared_since,
    backoff,
    decide,
    found,
)
from service.profiles import Profile, Response, get_profile, get_profiles, put_profiles
from service.results import Result, Source, dead_letter, result_message
from service.settings import Settings
from service.troubles import Troubles

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class _Ending:
    """A decided event whose messages are on their way to RabbitMQ."""

    delivery: Delivery
    result: Result
    received: float
    work: Work | None
    unconfirmed: int = 0


class _Facts(TypedDict, total=False):
    """What a Result adds to its event."""

    profiles: tuple[Profile, ...]
    matched: int | None
    source: Source
    status: int | None
    reason: Reason | None
    detail: str | None


class Worker:
    """Handles the deliveries of one link, and ends with it."""

    def __init__(
        self,
        settings: Settings,
        link: Link,
        copernica: Copernica,
        metrics: Metrics,
        troubles: Troubles,
    ) -> None:
        self._settings = settings
        self._zone = settings.zone
        self._link = link
        self._copernica = copernica
        self._metrics = metrics
        self._troubles = troubles
        self._lanes = Lanes()
        self._calling: set[asyncio.Task[None]] = set()
        self._sleeping: dict[Work, asyncio.TimerHandle] = {}
        self._endings: set[_Ending] = set()
        self._finishing = False
        self._quiet = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        metrics.watch_oldest_event(self._oldest_event_seconds)
        self._note_progress()

    def receive(self, delivery: Delivery) -> None:
        """Take a delivery: into its lane, or to its end at once if it is no event."""
        if self._finishing:
            return
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
            self._end(_Ending(delivery, result, received, None))
            return
        self._lanes.add(Work(delivery, update, received, received_at))
        self._start_calls()

    async def wind_up(self) -> None:
        """Start no more calls; return when those running have ended and are acknowledged.

        On a lost link nothing can be acknowledged: then only the calls are waited for, because an
        abandoned PUT could land after a newer one.
        """
        self._finishing = True
        for timer in self._sleeping.values():
            timer.cancel()
        self._sleeping.clear()
        self._note_progress()
        await self._quiet.wait()

    def _start_calls(self) -> None:
        while not self._finishing and len(self._calling) < self._settings.max_in_flight:
            work = self._lanes.next()
            if work is None:
                break
            task = self._loop.create_task(self._call(work))
            self._calling.add(task)
            task.add_done_callback(self._called)
        self._note_progress()

    def _called(self, task: asyncio.Task[None]) -> None:
        self._calling.discard(task)
        self._start_calls()

    def _note_progress(self) -> None:
        self._metrics.lanes.set(len(self._lanes))
        self._metrics.sleeping_events.set(len(self._sleeping))
        acknowledged = not self._endings or self._link.lost.done()
        if self._finishing and not self._calling and acknowledged:
            self._quiet.set()

    async def _call(self, work: Work) -> None:
        """Make one attempt for an event and act on the verdict."""
        try:
            await self._attempt(work)
        except Exception:
            # A fault of ours must not take the other events down; this one is tried again.
            log.exception("an attempt failed", event_id=work.update.event_id)
            self._sleep(work, Retry("outage", "internal error", ambiguous=True))

    async def _attempt(self, work: Work) -> None:
        if work.look_first and not await self._look(work):
            return
        update = work.update
        work.attempts += 1
        work.first_call_at = work.first_call_at or datetime.now(UTC)
        call = put_profiles(update, create=update.create and work.may_create)
        answer = await self._copernica.send(call)
        status = answer.status if isinstance(answer, Response) else None
        match decide(update, answer, self._zone):
            case Retry() as retry:
                self._sleep(work, retry)
            case Refused(reason, detail):
                self._api_answers()
                self._finish(work, "rejected", status=status, reason=reason, detail=detail)
            case Done() as done:
                self._api_answers()
                await self._complete(work, done, status)

    async def _look(self, work: Work) -> bool:
        """See whether a create that got no answer was carried out; False if nobody can tell yet."""
        update = work.update
        answer = await self._copernica.send(get_profiles(update.database, update.conditions))
        profiles = found(answer)
        if isinstance(profiles, str):
            self._sleep(work, Retry("outage", profiles))
            return False
        work.look_first = False
        if profiles:
            work.may_create = False
            since = work.first_call_at or work.received_at
            work.created = appeared_since(profiles[0], since, self._zone)
        return True

    async def _complete(self, work: Work, done: Done, status: int | None) -> None:
        profiles, source, detail = await self._profiles_of(work.update, done)
        matched = None if source == "none" else len(profiles)
        outcome: Outcome = done.outcome
        if outcome == "updated" and matched == 0:
            outcome = "unmatched"
        elif outcome == "updated" and work.created:
            outcome = "created"
        if matched is not None:
            self._metrics.profiles_matched.observe(matched)
            if matched > 1 and work.update.expect == "one":
                self._metrics.multiple_matches.inc()
                log.warning("several profiles match one event", event_id=work.update.event_id)
        if outcome == "created":
            self._metrics.profiles_created.inc()
        self._finish(
            work,
            outcome,
            status=status,
            detail=detail,
            profiles=profiles,
            matched=matched,
            source=source,
        )

    async def _profiles_of(
        self, update: ProfileUpdate, done: Done
    ) -> tuple[tuple[Profile, ...], Source, str | None]:
        """Give the written profiles, where they come from, and in words why there are none."""
        if done.outcome == "accepted":
            return (), "none", None
        if done.profiles is not None:
            return done.profiles, "put", None
        if self._settings.read_back == "never":
            return (), "none", "the answer had no profiles, and READ_BACK is never"
        if done.created_id is not None:
            call = get_profile(done.created_id)
        elif (conditions := after_update(update.conditions, update.fields)) is not None:
            call = get_profiles(update.database, conditions)
        else:
            return (), "none", "not read back: the update changed what its selection looks for"
        profiles = found(await self._copernica.send(call))
        if isinstance(profiles, str):
            return (), "none", f"not read back: {profiles}"
        return profiles, "read-back", None

    def _sleep(self, work: Work, retry: Retry) -> None:
        """Repeat an attempt later: its lane waits, its call slot does not."""
        settings = self._settings
        delay = backoff(work.attempts, settings.retry_base, settings.retry_max, random.random())  # noqa: S311
        delay = max(delay, retry.after or 0)
        if retry.ambiguous and work.update.create and work.may_create:
            # Until the API's slowest answer is through, nobody can tell whether it created.
            work.look_first = True
            delay = max(delay, settings.ambiguous_wait)
        self._metrics.retries.labels(retry.cause).inc()
        if self._troubles.begin(retry.cause):
            log.warning("events wait for the API", cause=retry.cause, detail=retry.detail)
        log.debug(
            "an attempt will be repeated",
            event_id=work.update.event_id,
            attempt=work.attempts,
            detail=retry.detail,
            seconds=round(delay, 3),
        )
        if not self._finishing:
            self._sleeping[work] = self._loop.call_later(delay, self._wake, work)

    def _wake(self, work: Work) -> None:
        del self._sleeping[work]
        self._lanes.again(work)
        self._start_calls()

    def _api_answers(self) -> None:
        for trouble in self._troubles.end("outage", "token", "configuration"):
            log.info("the API answers again", cause=trouble)

    def _finish(self, work: Work, outcome: Outcome, **facts: Unpack[_Facts]) -> None:
        result = Result(
            event_id=work.update.event_id,
            outcome=outcome,
            database=work.update.database,
            attempts=work.attempts,
            received_at=work.received_at,
            finished_at=datetime.now(UTC),
            **facts,
        )
        self._end(_Ending(work.delivery, result, work.received, work))

    def _end(self, ending: _Ending) -> None:
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
            log.info("event rejected", event_id=result.event_id, reason=result.reason)
        ending.unconfirmed = len(messages)
        self._endings.add(ending)
        for message in messages:
            self._publish(ending, message, 1)

    def _publish(self, ending: _Ending, message: Message, attempt: int) -> None:
        confirmed = self._link.publish(message)
        confirmed.add_done_callback(partial(self._published, ending, message, attempt))

    def _published(
        self, ending: _Ending, message: Message, attempt: int, confirmed: asyncio.Future[None]
    ) -> None:
        match confirmed.exception():
            case None:
                for trouble in self._troubles.end("unroutable"):
                    log.info("results are taken again", cause=trouble)
                ending.unconfirmed -= 1
                if ending.unconfirmed == 0:
                    self._acknowledge(ending)
            case LinkLost():
                # The event returns to its queue, and everything is repeated on the next link.
                self._endings.discard(ending)
                self._note_progress()
            case error:
                self._metrics.results_unroutable.inc()
                if self._troubles.begin("unroutable"):
                    log.error(
                        "RabbitMQ takes no results; events wait",
                        exchange=message.exchange,
                        routing_key=message.routing_key,
                        detail=str(error),
                    )
                delay = backoff(attempt, 0.5, 15, 0.5 + random.random() / 2)  # noqa: S311
                self._loop.call_later(delay, self._publish, ending, message, attempt + 1)

    def _acknowledge(self, ending: _Ending) -> None:
        ending.delivery.ack()
        self._endings.discard(ending)
        self._count(ending)
        if ending.work is not None:
            self._lanes.done(ending.work)
        self._start_calls()

    def _count(self, ending: _Ending) -> None:
        result, metrics = ending.result, self._metrics
        reason = result.reason or ""
        metrics.results_published.labels(result.outcome).inc()
        if reason:
            metrics.dead_letters.labels(reason).inc()
        metrics.events_finished.labels(result.outcome, reason).inc()
        metrics.event_seconds.labels(result.outcome).observe(time.monotonic() - ending.received)
        occurred = (ending.work and ending.work.update.occurred_at) or _published_at(
            ending.delivery
        )
        if occurred is not None:
            age = (datetime.now(UTC) - occurred).total_seconds()
            metrics.event_age_seconds.observe(max(age, 0))
        log.debug("event finished", event_id=result.event_id, outcome=result.outcome)

    def _oldest_event_seconds(self) -> float:
        received = [work.received for work in self._lanes]
        received += [ending.received for ending in self._endings]
        return time.monotonic() - min(received) if received else 0.0


def _published_at(delivery: Delivery) -> datetime | None:
    """Read the message's timestamp property, if its publisher set one."""
    match delivery.properties.timestamp:
        case int() as seconds if 0 < seconds < 2**33:
            return datetime.fromtimestamp(seconds, UTC)
        case datetime() as instant:
            return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
        case _:
            return None
