"""Events played back: judged as the service would, published, and then taken out of their queue.

A dead letter is acknowledged only once RabbitMQ has confirmed its event. So whatever ends a replay
loses none. Only those can come twice whose event is not yet confirmed, or whose acknowledgement
may not have reached RabbitMQ: a window of each at the most.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from service.catalogue import Catalogue
from service.catalogues import Catalogues
from service.commands.dead_letters import Letter, Selection, event_message, read, renamed
from service.commands.look import Look
from service.commands.render import NoCatalogue
from service.commands.tally import Ending, Outcome, Refusal, Tally
from service.conditions import routing_key
from service.connection import LinkLost
from service.events import InvalidEvent, parse
from service.guards import check_database, guard
from service.limits import limiter
from service.messages import Delivery, Message
from service.outcomes import Refused, Retry
from service.settings import Settings
from service.stale import Replay

WINDOW = 100  # events published and not yet confirmed; letters acknowledged, maybe in vain
_LARGEST_ROUND = 20_000  # letters
_IN_MEMORY = 32 * 2**20  # bytes of letters
_OVERHEAD = 1000  # bytes that a letter takes beside its body and headers, more or less
_LONGEST_ROUND = 600.0  # seconds; RabbitMQ takes back what is held for 30 minutes
_SHORT = 5.0  # seconds for what is on its way when all must end


@dataclass(frozen=True, slots=True)
class Plan:
    """What to replay, and how.

    `rate` is in events a second; `suffix` makes new ids; `offline` asks no API; `careless` looks at
    letters that RabbitMQ might drop. `portion` bytes of letters, and one more letter, may be in
    memory at once.
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
    portion: int = _IN_MEMORY

    @property
    def round(self) -> int:
        """Letters to hold at once."""
        size = _LARGEST_ROUND if self.rate is None else max(1, int(self.rate * _LONGEST_ROUND))
        return min(size, _LARGEST_ROUND)


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

    def routed(self, event: Message) -> Message:
        """Give an event that is not refused the routing key of its profile, if that matters."""
        settings = self.settings
        if settings.partitions == 1:
            return event
        update = parse(event.body, event.properties, settings.max_event_bytes)
        known = self._known.get(update.database)
        if isinstance(known, Catalogue):
            update = guard(update, known, settings.zone, values=False)
        return replace(event, routing_key=routing_key(update.key))

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


class _Portion(list[_Held]):
    """Letters that are in memory at once; `full` if no more should be."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size
        self._bytes = 0

    def hold(self, letter: Letter, done: Callable[[], None]) -> None:
        self.append(_Held(letter, done))
        self._bytes += len(letter.body) + len(repr(letter.properties.headers)) + _OVERHEAD

    @property
    def full(self) -> bool:
        return self._bytes >= self._size


class Replayer:
    """Replays letters; `tally` is right at any moment, also if it is interrupted.

    `publish` gives what is done when RabbitMQ has confirmed, as a link's does; `ended` is told of
    each letter.
    """

    def __init__(
        self,
        plan: Plan,
        judge: Judge,
        tally: Tally,
        publish: Callable[[Message], asyncio.Future[None]],
        ended: Callable[[Ending], None],
    ) -> None:
        self._settings = judge.settings
        self._plan = plan
        self._judge = judge
        self._tally = tally
        self._publish = publish
        self._ended = ended
        self._left = plan.limit
        self._refused = Counter[bytes]()
        self._settled = 0  # published, and their letters surely out of the queue

    async def from_queue(self, look: Callable[[], Look]) -> None:
        """Replay letters out of their queue: those that were there when it began, no later ones.

        Raises:
            LinkLost, Unpublished, NoCatalogue, Worn: what was not published is still in the queue.
        """
        waiting: int | None = None
        first = True
        while True:
            # What an earlier look acknowledged is known since it ended.
            before = self._settled = self._tally.published
            try:
                async with look() as looking:
                    if first:
                        waiting = await looking.waiting()
                    more = await self._round(looking, waiting, first=first)
            except LinkLost:
                # The last acknowledgements may have been lost too.
                self._tally.may_repeat = self._tally.published - self._settled
                raise
            if waiting is None or not more:
                break
            # What is refused again comes back as a new letter, behind those there were.
            waiting -= self._tally.published - before
            first = False

    async def from_letters(self, letters: Iterable[Letter]) -> None:
        """Replay letters that are not in the queue, or not only; they have been counted as seen.

        Raises:
            LinkLost, Unpublished, NoCatalogue: the tally has what was published.
        """
        portion = _Portion(self._plan.portion)
        for letter in letters:
            if len(portion) == self._left:
                break
            if self._plan.selection.means(letter, self._plan.now):
                portion.hold(letter, _nothing)
            if portion.full:
                await self._replay(portion)
                portion = _Portion(self._plan.portion)
        await self._replay(portion)

    async def _round(self, look: Look, waiting: int | None, *, first: bool) -> bool:
        """Replay as many letters as may be held; False if there are no more.

        In the first round all are seen, to count them, also if not all are replayed.
        """
        # After an earlier round those refused are first in the queue.
        known = Counter(self._refused)
        size = room = self._size(rounds=waiting is not None)
        portion = _Portion(self._plan.portion)

        def take(delivery: Delivery) -> bool:
            letter = read(delivery, self._settings.max_event_bytes)
            if known[letter.fingerprint]:
                known[letter.fingerprint] -= 1
                return True
            meant = self._plan.selection.means(letter, self._plan.now)
            if first:
                self._tally.see(letter, meant=meant)
            if meant and len(portion) < room:
                portion.hold(letter, delivery.ack)
            return not portion.full and (first or len(portion) < room)

        while True:
            shown = await look.read(take, waiting)
            await self._replay(portion, look)
            room -= len(portion)
            waiting = None if waiting is None else waiting - shown
            if not portion.full:
                return not room and bool(size and self._size())
            portion = _Portion(self._plan.portion)

    def _size(self, *, rounds: bool = True) -> int:
        size = self._plan.round if rounds and not self._plan.dry else None
        room = [each for each in (size, self._left) if each is not None]
        return min(room, default=10**9)

    async def _replay(self, held: Sequence[_Held], look: Look | None = None) -> None:
        if self._left is not None:
            self._left -= len(held)
        good = []
        for each in held:
            event, letter = self._event(each.letter), each.letter
            refusal = await self._judge.refusal(event)
            if refusal is None and self._plan.suffix:
                # Only now: to write it anew would hide what is wrong with it.
                letter = renamed(each.letter, self._plan.suffix)
                event = self._event(letter)
                refusal = await self._judge.refusal(event)
            if refusal is not None:
                self._refused[each.letter.fingerprint] += 1
                self._end(each.letter, each.letter.event_id, "refused", refusal)
            elif self._plan.dry:
                self._end(each.letter, letter.event_id, "would-be-published")
            else:
                good.append(_Ready(self._judge.routed(event), each, letter.event_id))
            await asyncio.sleep(0)  # heartbeats go on
        await self._publish_all(good, look)

    def _end(
        self, letter: Letter, event_id: str, outcome: Outcome, refusal: Refusal | None = None
    ) -> None:
        ending = Ending(letter, event_id, outcome, refusal)
        self._tally.count(ending)
        self._ended(ending)

    def _event(self, letter: Letter) -> Message:
        return event_message(letter, self._settings.event_exchange, self._plan.how)

    async def _settle(self, look: Look | None) -> None:
        published = self._tally.published
        if look is not None and published - self._settled >= WINDOW:
            await look.settle()
            self._settled = published

    async def _publish_all(self, events: Sequence["_Ready"], look: Look | None) -> None:
        rate = self._plan.rate
        pace = limiter(rate) if rate else None
        room = asyncio.Semaphore(WINDOW)
        on_the_way: set[asyncio.Future[None]] = set()
        failures: list[BaseException] = []

        def ended(ready: _Ready, confirmed: asyncio.Future[None]) -> None:
            on_the_way.discard(confirmed)
            room.release()
            error = confirmed.exception()
            if error is None:
                ready.held.done()
            else:
                failures.append(error)
            if error is None or isinstance(error, LinkLost):
                outcome: Outcome = "published" if error is None else "unsure"
                try:
                    self._end(ready.held.letter, ready.event_id, outcome)
                except OSError as full:  # who reads what is told is gone, or its disk is full
                    failures.append(full)

        try:
            for ready in events:
                if pace is not None:
                    await pace.acquire()
                await self._settle(look)
                await room.acquire()
                if failures:
                    break
                confirmed = self._publish(ready.event)
                on_the_way.add(confirmed)
                confirmed.add_done_callback(partial(ended, ready))
            while on_the_way:
                await asyncio.wait(on_the_way)
        finally:
            if on_the_way:
                # What nobody has confirmed by then counts as unsure when the link is given up.
                await asyncio.wait(on_the_way, timeout=_SHORT)
        if failures:
            raise failures[0]


@dataclass(frozen=True, slots=True)
class _Ready:
    """An event to publish, the letter it was, and the id it has now."""

    event: Message
    held: _Held
    event_id: str


def _nothing() -> None:
    pass
