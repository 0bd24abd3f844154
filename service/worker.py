"""The shell around the core: takes the deliveries of one link and ends each as the core decides.

Per event: parse, wait for its lane, PUT, perhaps read back, publish, and acknowledge when RabbitMQ
has confirmed all of it. Only then may the next event of its lane start.
"""

import asyncio
import random
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypedDict, Unpack

import structlog

from service.broker import Link
from service.conditions import after_update
from service.copernica import Copernica
from service.endings import Ending, Endings
from service.events import InvalidEvent, ProfileUpdate, parse
from service.lanes import Lanes, Work
from service.messages import Delivery
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
from service.profiles import (
    Profile,
    Response,
    get_profile,
    get_profiles,
    present,
    put_profiles,
)
from service.results import Result, Source
from service.settings import Settings
from service.troubles import Troubles

log = structlog.get_logger()

_LOOKS_NEW = 10.0  # seconds; `decide` takes a profile for new for 5, give or take a second


class _Facts(TypedDict, total=False):
    """What a Result adds to its event."""

    profiles: tuple[Profile, ...]
    matched: int | None
    source: Source
    reason: Reason | None
    detail: str | None


class Worker:
    """Handles the deliveries of one link, and ends with it.

    `received` is True from the first delivery on, `proven` from the first acknowledgement on.
    """

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
        self._endings = Endings(settings, link, metrics, troubles, self._acknowledged)
        self._made: dict[str, float] = {}
        self._finishing = False
        self._quiet = asyncio.Event()
        self.received = False
        self.proven = False
        self._loop = asyncio.get_running_loop()
        metrics.watch_oldest_event(self._oldest_event_seconds)
        self._note_progress()

    def receive(self, delivery: Delivery) -> None:
        """Take a delivery: into its lane, or to its end at once if it is no event."""
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
        if delivery.redelivered and update.create:
            # Another process may have died with the call still running at the API.
            work.look_first = True
            work.not_before = self._loop.time() + self._settings.ambiguous_wait
        self._lanes.add(work)
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
        self._link.lost.add_done_callback(lambda _: self._note_progress())
        self._note_progress()
        await self._quiet.wait()

    @property
    def _over(self) -> bool:
        return self._finishing or self._link.lost.done()

    def _start_calls(self) -> None:
        while not self._over and len(self._calling) < self._settings.max_in_flight:
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
        if self._over:
            return
        update = work.update
        work.attempts += 1
        work.first_call_at = work.first_call_at or datetime.now(UTC)
        call = put_profiles(update, create=update.create and work.may_create)
        answer = await self._copernica.send(call)
        work.status = answer.status if isinstance(answer, Response) else None
        match decide(update, answer, self._zone):
            case Retry() as retry:
                self._sleep(work, retry)
            case Refused(reason, detail):
                self._api_answers()
                self._finish(work, "rejected", reason=reason, detail=detail)
            case Done() as done:
                self._api_answers()
                await self._complete(work, done)

    async def _look(self, work: Work) -> bool:
        """See whether a create that got no answer was carried out; False if nobody can tell yet."""
        update = work.update
        answer = await self._copernica.send(get_profiles(update.database, update.conditions))
        match found(update, answer):
            case Retry() as retry:
                self._sleep(work, retry)
                return False
            case Refused(reason, detail):
                self._finish(work, "rejected", reason=reason, detail=detail)
                return False
            case profiles:
                work.look_first = False
                if profiles:
                    work.may_create = False
                    since = work.first_call_at or work.received_at
                    work.created = appeared_since(profiles[0], since, self._zone)
                return True

    async def _complete(self, work: Work, done: Done) -> None:
        profiles, source, detail = await self._profiles_of(work.update, done)
        matched = None if source == "none" else len(profiles)
        outcome = self._outcome(work, done, profiles, matched)
        if outcome == "created":
            self._metrics.profiles_created.inc()
        if matched is not None:
            self._metrics.profiles_matched.observe(matched)
            if matched > 1 and work.update.expect == "one":
                self._metrics.multiple_matches.inc()
                log.warning("several profiles match one event", event_id=work.update.event_id)
        self._finish(
            work,
            outcome,
            detail=detail,
            profiles=profiles,
            matched=matched,
            source=source,
        )

    def _outcome(
        self, work: Work, done: Done, profiles: tuple[Profile, ...], matched: int | None
    ) -> Outcome:
        """Correct a verdict by what else is known: the read-back, the look, earlier creations."""
        if done.outcome == "updated" and matched == 0:
            return "unmatched"
        if done.unsure and len(profiles) == 1 and work.first_call_at is not None:
            new = profiles[0].get("created") == profiles[0].get("modified")
            if new and appeared_since(profiles[0], work.first_call_at, self._zone):
                done = replace(done, outcome="created")
        if done.outcome == "updated" and work.created:
            return "created"
        if done.outcome == "created" and self._made_before(done.created_id, profiles):
            return "updated"
        return done.outcome

    def _made_before(self, created_id: str | None, profiles: tuple[Profile, ...]) -> bool:
        """Tell whether a profile that looks new is one that an earlier event has made.

        The API's timestamps have whole seconds: a list answer shows a profile made and updated
        within one second as new each time.
        """
        now = time.monotonic()
        while self._made and now - next(iter(self._made.values())) > _LOOKS_NEW:
            del self._made[next(iter(self._made))]
        profile_id = created_id or (str(profiles[0]["ID"]) if profiles else None)
        if profile_id is None:
            return False
        before = created_id is None and profile_id in self._made
        self._made.setdefault(profile_id, now)
        return before

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
        match found(update, await self._copernica.send(call)):
            case Retry(detail=detail) | Refused(detail=detail):
                return (), "none", f"not read back: {detail}"
            case profiles:
                return present(profiles) if done.created_id else profiles, "read-back", None

    def _sleep(self, work: Work, retry: Retry) -> None:
        """Repeat an attempt later: its lane waits, its call slot does not."""
        settings = self._settings
        work.failures += 1
        delay = backoff(work.failures, settings.retry_base, settings.retry_max, random.random())  # noqa: S311
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
            status=work.status,
            received_at=work.received_at,
            finished_at=datetime.now(UTC),
            **facts,
        )
        self._endings.begin(Ending(work.delivery, result, work.received, work))

    def _acknowledged(self, ending: Ending) -> None:
        self.proven = True
        if ending.work is not None:
            self._lanes.done(ending.work)
        self._start_calls()

    def _oldest_event_seconds(self) -> float:
        received = [work.received for work in self._lanes]
        received += [ending.received for ending in self._endings.unfinished]
        return time.monotonic() - min(received) if received else 0.0
