"""Events played back: judged as the service would, published, and then taken out of their queue.

A dead letter is acknowledged only once RabbitMQ has confirmed its event. So whatever ends a replay
loses none, and only those published and not yet confirmed can come twice.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import islice

from service.catalogue import Catalogue
from service.catalogues import Catalogues
from service.commands.dead_letters import Letter, Selection, event_message, read, renamed
from service.commands.look import Look
from service.commands.render import NoCatalogue
from service.connection import LinkLost
from service.events import InvalidEvent, parse
from service.guards import check_database, guard
from service.limits import limiter
from service.messages import Delivery, Message
from service.outcomes import Refused, Retry
from service.settings import Settings
from service.stale import Replay

WINDOW = 100  # events published and not yet confirmed
_LARGEST_ROUND = 20_000  # letters, which are all in memory
_LONGEST_ROUND = 600.0  # seconds; RabbitMQ takes back what is held for 30 minutes
_SHORT = 5.0  # seconds for what is on its way when all must end

Refusal = tuple[str, str]  # reason and detail


@dataclass(frozen=True, slots=True)
class Plan:
    """What to replay, and how.

    `rate` is in events a second; `suffix` makes new ids; `offline` asks no API; `careless` looks at
    letters that RabbitMQ might drop.
    """

    selection: Selection
    now: datetime
    how: Replay
    limit: int | None
    rate: float | None
    dry: bool
    suffix: str
    offline: bool
    careless: bool

    @property
    def round(self) -> int:
        """Letters to hold at once."""
        size = _LARGEST_ROUND if self.rate is None else max(1, int(self.rate * _LONGEST_ROUND))
        return min(size, _LARGEST_ROUND)


@dataclass(slots=True)
class Tally:
    """What has become of the letters so far.

    `unsure` are events that may be published while their letters are still in the queue; `refused`
    has a count and an id for each reason and detail.
    """

    selected: int = 0
    published: int = 0
    unsure: int = 0
    refused: dict[Refusal, tuple[int, str]] = field(default_factory=dict)

    def refuse(self, refusal: Refusal, event_id: str) -> None:
        """Count a refused event."""
        count, sample = self.refused.get(refusal, (0, event_id))
        self.refused[refusal] = (count + 1, sample)

    @property
    def refusals(self) -> int:
        """How many were refused."""
        return sum(count for count, _ in self.refused.values())


class Judge:
    """Says whether the service would refuse an event at once; without catalogues, by itself."""

    def __init__(self, settings: Settings, catalogues: Catalogues | None) -> None:
        self.settings = settings
        self._catalogues = catalogues if settings.field_check != "off" else None
        self._known: dict[str, Catalogue | Refusal] = {}

    async def refusal(self, event: Message) -> Refusal | None:
        """Give the reason and the detail if an event would be refused.

        Raises:
            NoCatalogue: the API does not tell.
        """
        settings = self.settings
        try:
            update = parse(event.body, event.properties, settings.max_event_bytes)
            check_database(update, settings.allowed_databases)
            if self._catalogues is None:
                return None
            known = self._known.get(update.database)
            if known is None:
                known = await self._ask(update.database, self._catalogues)
            if isinstance(known, tuple):
                return known
            guard(update, known, settings.zone, values=settings.field_check == "strict")
        except InvalidEvent as error:
            return error.reason, error.detail
        return None

    async def _ask(self, database: str, catalogues: Catalogues) -> Catalogue | Refusal:
        known: Catalogue | Refusal
        match await catalogues.read(database):
            case Retry(detail=detail):
                raise NoCatalogue(
                    f"the API does not tell the fields of {database}: {detail}; "
                    "--offline does not ask it"
                )
            case Refused(reason=reason, detail=detail):
                known = (reason, detail)
            case found:
                known = found.catalogue
        self._known[database] = known
        return known


@dataclass(frozen=True, slots=True)
class _Held:
    """A letter, and what takes it out of its queue."""

    letter: Letter
    done: Callable[[], None]


class Replayer:
    """Replays letters; `tally` is right at any moment, also if it is interrupted.

    `publish` gives what is done when RabbitMQ has confirmed, as a link's does.
    """

    def __init__(
        self,
        plan: Plan,
        judge: Judge,
        tally: Tally,
        publish: Callable[[Message], asyncio.Future[None]],
        advance: Callable[[int], None],
    ) -> None:
        self._settings = judge.settings
        self._plan = plan
        self._judge = judge
        self._tally = tally
        self._publish = publish
        self._advance = advance
        self._left = plan.limit
        self._refused = Counter[bytes]()

    async def from_queue(self, look: Callable[[], Look]) -> None:
        """Replay letters out of their queue: those that were there when it began, no later ones.

        Raises:
            LinkLost, Unpublished, NoCatalogue, Worn: what was not published is still in the queue.
        """
        waiting: int | None = None
        first = True
        while True:
            before = self._tally.published
            try:
                async with look() as looking:
                    if first:
                        waiting = await looking.waiting()
                    more = await self._round(looking, waiting)
            except LinkLost:
                # The last acknowledgements may have been lost too.
                self._tally.unsure = max(self._tally.unsure, min(WINDOW, self._tally.published))
                raise
            if waiting is None or not more:
                break
            # What is refused again comes back as a new letter, behind those there were.
            waiting -= self._tally.published - before
            first = False

    async def from_letters(self, letters: Iterable[Letter]) -> None:
        """Replay letters that are not in the queue, or not only.

        Raises:
            LinkLost, Unpublished, NoCatalogue: the tally has what was published.
        """
        meant = (each for each in letters if self._plan.selection.means(each, self._plan.now))
        while held := [_Held(letter, _nothing) for letter in islice(meant, self._size())]:
            await self._replay(held)

    async def _round(self, look: Look, most: int | None) -> bool:
        """Replay as many letters as may be held; False if there are no more."""
        held: list[_Held] = []
        # After an earlier round those refused are first in the queue.
        known = Counter(self._refused)
        size = self._size() if most is not None else self._plan.limit

        def take(delivery: Delivery) -> bool:
            letter = read(delivery, self._settings.max_event_bytes)
            if known[letter.fingerprint]:
                known[letter.fingerprint] -= 1
            elif self._plan.selection.means(letter, self._plan.now):
                held.append(_Held(letter, delivery.ack))
            return size is None or len(held) < size

        if size is None or size > 0:
            await look.read(take, most)
        await self._replay(held)
        return bool(held) and len(held) == size and self._size() > 0

    def _size(self) -> int:
        size = self._plan.limit if self._plan.dry else self._plan.round
        room = [each for each in (size, self._left) if each is not None]
        return min(room, default=10**9)

    async def _replay(self, held: Sequence[_Held]) -> None:
        if self._left is not None:
            self._left -= len(held)
        self._tally.selected += len(held)
        good = []
        for each in held:
            event = self._event(each.letter)
            refusal = await self._judge.refusal(event)
            if refusal is None and self._plan.suffix:
                # Only now: to write it anew would hide what is wrong with it.
                event = self._event(renamed(each.letter, self._plan.suffix))
                refusal = await self._judge.refusal(event)
            if refusal is None:
                good.append((event, each.done))
            else:
                self._refused[each.letter.fingerprint] += 1
                self._tally.refuse(refusal, each.letter.event_id)
                self._advance(1)
            await asyncio.sleep(0)  # heartbeats go on
        if not self._plan.dry:
            await self._publish_all(good)

    def _event(self, letter: Letter) -> Message:
        return event_message(letter, self._settings.event_exchange, self._plan.how)

    async def _publish_all(self, events: Sequence[tuple[Message, Callable[[], None]]]) -> None:
        rate = self._plan.rate
        pace = limiter(rate) if rate else None
        room = asyncio.Semaphore(WINDOW)
        on_the_way: set[asyncio.Future[None]] = set()
        failures: list[BaseException] = []

        def ended(done: Callable[[], None], confirmed: asyncio.Future[None]) -> None:
            on_the_way.discard(confirmed)
            room.release()
            if error := confirmed.exception():
                failures.append(error)
                self._tally.unsure += isinstance(error, LinkLost)
                return
            done()
            self._tally.published += 1
            self._advance(1)

        try:
            for event, done in events:
                if pace is not None:
                    await pace.acquire()
                await room.acquire()
                if failures:
                    break
                confirmed = self._publish(event)
                on_the_way.add(confirmed)
                confirmed.add_done_callback(partial(ended, done))
            while on_the_way:
                await asyncio.wait(on_the_way)
        finally:
            if on_the_way:
                # What nobody has confirmed by then counts as unsure when the link is given up.
                await asyncio.wait(on_the_way, timeout=_SHORT)
        if failures:
            raise failures[0]


def _nothing() -> None:
    pass
