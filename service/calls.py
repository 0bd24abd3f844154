"""When calls start: as lanes, free slots, the lease and the pauses allow. Who sleeps is woken."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from service.broker import Link
from service.lanes import Lanes, Work
from service.pauses import Pauses
from service.slots import Slots

_LEASE_PAUSE = 0.25  # seconds until a lease that does not hold is looked at again


@dataclass(frozen=True, slots=True)
class Handlers:
    """What happens to an event whose turn has come.

    `call` makes one attempt for it, and in the end has it `done` or lets it `sleep`; `repeat` ends
    one that has ended before. `progress` is told after every change.
    """

    call: Callable[[Work], Coroutine[Any, Any, None]]
    repeat: Callable[[Work], None]
    progress: Callable[[], None]


class Calls:
    """Starts the calls of one partition's events, each in its turn, until it is stopped."""

    def __init__(
        self, pauses: Pauses, slots: Slots, link: Link, lanes: Lanes, handlers: Handlers
    ) -> None:
        self._pauses = pauses
        self._slots = slots
        self._link = link
        self._lanes = lanes
        self._handlers = handlers
        self._loop = asyncio.get_running_loop()
        self._sleeping: dict[Work, asyncio.TimerHandle] = {}
        self._soon: asyncio.TimerHandle | None = None
        self._starting = False
        self._stopped = False
        self.running: set[asyncio.Task[None]] = set()

    @property
    def sleeping(self) -> int:
        """How many events wait for their time."""
        return len(self._sleeping)

    @property
    def over(self) -> bool:
        """True if no call will start any more."""
        return self._stopped or self._link.lost.done()

    def may_write(self) -> bool:
        """Tell whether a PUT may be sent: its event is surely still ours, and nothing pauses."""
        return not self.over and self._link.leased and not self._pauses

    def add(self, work: Work) -> None:
        """Put an event into its lane."""
        self._lanes.add(work)
        self.start()

    def done(self, work: Work) -> None:
        """Take an event out of its lane: the next may call."""
        self._lanes.done(work)

    def start(self) -> None:
        """Start the calls that may start now."""
        if self._starting:
            return  # What ends at once comes here again, and again.
        self._starting = True
        try:
            self._start()
        finally:
            self._starting = False
        self._handlers.progress()

    def _start(self) -> None:
        while not self.over and self._may_start():
            work = self._lanes.next()
            if work is None:
                break
            if work.ended is not None:
                self._handlers.repeat(work)
            elif work.not_before > self._loop.time():
                self._sleeping[work] = self._loop.call_at(work.not_before, self._wake, work)
            else:
                task = self._loop.create_task(self._handlers.call(work))
                self.running.add(task)
                self._slots.taken += 1
                task.add_done_callback(self._ended)

    def sleep(self, work: Work, seconds: float) -> None:
        """Let an event call again later, but not before its time."""
        if not self._stopped:
            until = max(self._loop.time() + seconds, work.not_before)
            self._sleeping[work] = self._loop.call_at(until, self._wake, work)

    def go_on(self) -> None:
        """After a pause: let call at once what has only been put off.

        In a trial that is one event at the most: those that have not been tried come first, also
        those of the other partitions.
        """
        if not self._pauses.trial:
            self._wake_put_off(len(self._sleeping))
        elif not self._lanes.ready:
            self._loop.call_soon(self._try_one)
        self.start()

    def _try_one(self) -> None:
        if not (self.over or self._pauses or self._slots.taken):
            self._wake_put_off(1)
            self.start()

    def _wake_put_off(self, most: int) -> None:
        now = self._loop.time()
        for work in [work for work in self._sleeping if work.not_before <= now][:most]:
            self._sleeping.pop(work).cancel()
            self._lanes.again(work)

    def stop(self) -> None:
        """Start no more calls; those that run go on."""
        self._stopped = True
        self._slots.leave(self.start)
        for timer in self._sleeping.values():
            timer.cancel()
        self._sleeping.clear()
        if self._soon is not None:
            self._soon.cancel()

    def _may_start(self) -> bool:
        """Tell whether one more call may start; if only time keeps it, look again in time."""
        now = self._loop.time()
        if not self._link.leased:
            # The queue may be another replica's by now: nothing starts until that is clear.
            self._look_again(now + _LEASE_PAUSE)
            return False
        if self._pauses.may_call(self._slots.taken, now):
            return True
        if self._pauses.not_before > now:
            self._look_again(self._pauses.not_before)
        elif not self._pauses and self._lanes.ready:
            self._slots.wait(self.start)
        return False

    def _look_again(self, at: float) -> None:
        if self._soon is None:
            self._soon = self._loop.call_at(at, self._looked)

    def _looked(self) -> None:
        self._soon = None
        self.start()

    def _wake(self, work: Work) -> None:
        del self._sleeping[work]
        self._lanes.again(work)
        self.start()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.running.discard(task)
        self._slots.release(self.start)
        self._handlers.progress()
