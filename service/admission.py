"""The way of an event to its lane: the catalogue of its database, the guards, a proof.

Events of one database are admitted in their order: while one waits for the API, those behind it
wait too, and all do while nobody knows which database a name means. Nothing is written here.
"""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

import structlog

from service.catalogue import Field
from service.catalogues import Catalogues, Known
from service.conditions import EQUAL, Condition
from service.copernica import Copernica
from service.events import InvalidEvent
from service.guards import UnknownName, check_database, guard
from service.lanes import Work
from service.outcomes import Reason, Refused, Retry, listed
from service.profiles import probe_selection
from service.settings import Settings

log = structlog.get_logger()

_Missing = Literal["number", "catalogue"] | Field

_TRIES = 3  # to ask for a database by a name that the API answers oddly, while it answers others
_UNNUMBERED = ""  # the line of events whose database's id the API must be asked for


@dataclass(frozen=True, slots=True)
class Doors:
    """Where an event goes from here, and who is told what stands in its way.

    `put_off` takes the failure and its number in a row, and gives the seconds until the next try;
    `asks_in` gives the seconds until questions may be asked, None if that is unknown.
    """

    admit: Callable[[Work], None]
    reject: Callable[[Work, Reason, str], None]
    put_off: Callable[[Retry, int], float]
    asks_in: Callable[[], float | None]
    trip: Callable[[str, Work], None]


@dataclass(slots=True)
class _Line:
    """The events of one database that are not admitted yet; `asking` makes a call for the first.

    `number` is the database's id.
    """

    number: str
    waiting: deque[Work] = field(default_factory=deque)
    asking: asyncio.Task[None] | None = None


class Admission:
    """Checks events and lets them through to their lanes."""

    def __init__(
        self, settings: Settings, copernica: Copernica, catalogues: Catalogues, doors: Doors
    ) -> None:
        self._check = settings.field_check
        self._zone = settings.zone
        self._allowed = settings.allowed_databases
        self._copernica = copernica
        self._catalogues = catalogues
        self._doors = doors
        self._lines: dict[str, _Line] = {}
        self._closed = False
        self._woken = asyncio.Event()

    def __iter__(self) -> Iterator[Work]:
        """Go over all events that wait."""
        for line in self._lines.values():
            yield from line.waiting

    def take(self, work: Work) -> None:
        """Take an event; it is admitted or rejected at once if all is known, else later."""
        try:
            check_database(work.update, self._allowed)
        except InvalidEvent as error:
            self._doors.reject(work, error.reason, error.detail)
            return
        if self._check == "off":
            self._doors.admit(work)
        elif _UNNUMBERED in self._lines:
            self._queue(work, _UNNUMBERED)  # What is first there may be of the same database.
        else:
            self._queue(work, self._catalogues.number(work.update.database) or _UNNUMBERED)

    def wake(self) -> None:
        """Ask again at once what is put off."""
        self._woken.set()
        self._woken = asyncio.Event()

    async def close(self) -> None:
        """Admit no more: what waits returns to its queue. Questions to the API end."""
        self._closed = True
        asking = [line.asking for line in self._lines.values() if line.asking is not None]
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    def _queue(self, work: Work, number: str) -> None:
        line = self._lines.setdefault(number, _Line(number))
        line.waiting.append(work)
        if line.asking is None:
            self._advance(line)

    def _advance(self, line: _Line) -> None:
        """Let events through until one that the API must be asked for."""
        line.asking = None
        while line.waiting and not self._closed:
            missing = self._missing(line, line.waiting[0])
            if missing is not None:
                line.asking = asyncio.get_running_loop().create_task(self._ask(line, missing))
                line.asking.add_done_callback(lambda _: self._advance(line))
                return
            line.waiting.popleft()
        if not line.waiting:
            self._lines.pop(line.number, None)

    def _missing(self, line: _Line, work: Work) -> _Missing | None:
        """Say what must be asked before an event can go on; None when it has gone on."""
        if line.number == _UNNUMBERED:
            number = self._catalogues.number(work.update.database)
            if number is None:
                return "number"
            self._queue(work, number)
            return None
        known = self._catalogues.get(line.number)
        if known is None:
            return "catalogue"
        strict = self._check == "strict"
        try:
            update = guard(work.update, known.catalogue, self._zone, values=strict)
        except InvalidEvent as error:
            if isinstance(error, UnknownName) and known.may_be_new(error.name, work.received):
                return "catalogue"
            self._doors.reject(work, error.reason, error.detail)
            return None
        for condition in update.conditions:
            selected = known.catalogue.selectable(condition.field)
            if condition.operator == EQUAL and selected and known.unproven(selected):
                return selected
        work.update = update
        self._doors.admit(work)
        return None

    async def _ask(self, line: _Line, missing: _Missing) -> None:
        """Ask for what is missing until the API tells."""
        database, begun, failures = line.waiting[0].update.database, time.monotonic(), 0
        while not self._closed:
            if (seconds := self._doors.asks_in()) != 0:
                await self._rest(seconds)
                continue
            match await self._told(line, database, missing):
                case Retry("token" | "configuration") as retry if (
                    missing == "number" and failures >= _TRIES
                ):
                    # It is this name that the API does not take: the others must not wait for it.
                    self._refuse(line, missing, begun, "unknown-database", retry.detail)
                    return
                case Retry() as retry:
                    failures += 1
                    await self._rest(self._doors.put_off(retry, failures))
                case Refused(reason, detail):
                    self._refuse(line, missing, begun, reason, detail)
                    return
                case _:
                    return

    async def _rest(self, seconds: float | None) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()

    def _refuse(
        self, line: _Line, missing: _Missing, begun: float, reason: Reason, detail: str
    ) -> None:
        for work in self._blamed(line, missing, begun):
            line.waiting.remove(work)
            self._doors.reject(work, reason, detail)

    @staticmethod
    def _blamed(line: _Line, missing: _Missing, begun: float) -> list[Work]:
        """Say whom a refusal concerns: of a field the first, of a database all who waited."""
        first, *others = line.waiting
        if isinstance(missing, Field):
            return [first]
        name = first.update.database.casefold()
        same = (work for work in others if work.update.database.casefold() == name)
        return [first, *(work for work in same if work.received <= begun)]

    async def _told(
        self, line: _Line, database: str, missing: _Missing
    ) -> str | Known | Retry | Refused | None:
        known = self._catalogues.get(line.number)
        try:
            if missing == "number":
                return await self._catalogues.find(database)
            if missing == "catalogue" or known is None:
                return await self._catalogues.read(line.number)
            return await self._prove(known, missing, line.waiting[0])
        except Exception:
            # A fault of ours must not end the line, nor be met in a hot loop.
            log.exception("a question to the API failed", database=database)
            return Retry("outage", "internal error")

    async def _prove(self, known: Known, selected: Field, work: Work) -> Retry | Refused | None:
        """See that a condition on a field selects: nothing may have a value out of thin air.

        An API that does not heed the condition shows any profile, and would update all.
        """
        condition = Condition(selected.name, EQUAL, _out_of_thin_air(selected))
        answer = await self._copernica.send(probe_selection(known.catalogue.database, condition))
        match listed(known.catalogue.database, answer):
            case Retry() | Refused() as failure:
                return failure
            case ():
                known.proven.add(selected.name)
            case _:
                fresh = await self._catalogues.read(known.catalogue.database)
                if not isinstance(fresh, Known):
                    return fresh
                if fresh.catalogue != known.catalogue:
                    return None  # An unknown field is ignored: it may have been taken away.
                self._closed = True
                self._doors.trip(f"the API does not heed conditions on {selected.name}", work)
        return None


def _out_of_thin_air(selected: Field) -> str:
    if selected.type == "integer":
        return str(2**61 + secrets.randbits(60))
    return secrets.token_hex(16)
