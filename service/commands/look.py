"""A look at a queue: its messages are held, and go back in their order when it ends.

Only what is acknowledged meanwhile leaves the queue. A quorum queue gives one consumer at most
2,000 messages to hold, so each 2,000 (or fewer) have a channel of their own, whose consumer is
cancelled when it has them; in the end the channels are closed in the order in which
they were opened. What goes back is put behind what went back before, so a look holds all there are,
wanted or not.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Self

from service.broker import Link
from service.commands.differences import Unreadable, declared_queue, take_over
from service.commands.facts import Refusal, deliveries
from service.connection import Line, LinkLost
from service.messages import Delivery
from service.settings import Settings
from service.subscription import delivery
from service.topology import topology

_WINDOW = 2000  # messages
_FEW = 100  # messages: of the first window, until it is known how large they are
_WINDOW_BYTES = 32 * 2**20  # of bodies that may have come and wait to be shown
_CONSUMER = "look"  # known before it starts, so that it can always be cancelled
_SILENCE = 2.0  # seconds without a message, after which there are none: other readers hold the rest
_RETURN_TRIES = 500  # to see a channel's messages back; another reader may take them at once
_RETURN_PAUSE = 0.005  # seconds
_BLIND_PAUSE = 0.5  # seconds, where RabbitMQ does not allow to count
_RETURNS = 20  # RabbitMQ 4 drops a message at the next one, if its queue has no limit of its own
_RESERVE = 5  # returns that are left, as a look that is refused costs one too
_MOST_DIFFERENCES = 20


class Worn(Exception):
    """A message has come back so often that RabbitMQ may soon drop it.

    `limit` is the one that the queue was declared with; None if it has none, or nobody knows: with
    `hidden` the user may not ask for it.
    """

    def __init__(self, count: int, limit: int | None, *, hidden: bool) -> None:
        super().__init__(f"a message has gone back to this queue {count} times")
        self.count = count
        self.limit = limit
        self.hidden = hidden


@dataclass(slots=True)
class _Window:
    """A channel, how many messages it holds, and whether RabbitMQ may not know what it took out."""

    channel: Any
    held: int = 0
    unsettled: bool = False


class Look:
    """Holds messages of a queue from `read` on until the look ends, by way of a link's line.

    `arguments` are what our own topology gives the queue: with them it is known to keep messages
    however often they are looked at. With `careless` that does not matter. With `portions` they are
    read in more than one go, and so few come at once if they are large.
    """

    def __init__(
        self,
        line: Line,
        queue: str,
        arguments: Mapping[str, Any],
        *,
        careless: bool = False,
        portions: bool = False,
    ) -> None:
        self._line = line
        self._queue = queue
        self._arguments = arguments
        self._limit: int | None = None
        self._hidden = False
        self._most_returns: float | None = math.inf if careless else None
        self._portions = portions
        self._windows: list[_Window] = []
        self._arrived: deque[Delivery] = deque()
        self._sizes = 0, 0  # how many have arrived, and the bytes of their bodies
        self._rest: int | None = 0
        self._acknowledged = False
        self._news: asyncio.Future[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._arrived.clear()
        if not isinstance(error, Worn):
            with suppress(Worn, LinkLost):
                await self.read(lambda _: True, self._rest)
        with suppress(LinkLost):
            for window in self._windows:
                await self._put_back(window)
        if error is None and self._acknowledged and self._line.lost.done():
            # Nobody knows whether RabbitMQ has the acknowledgements.
            raise LinkLost(self._line.lost.result())

    async def waiting(self) -> int | None:
        """Count the messages that nobody holds; None if RabbitMQ does not allow that.

        Raises:
            LinkLost: there is no such queue, for instance.
        """
        return await self._line.waiting(self._queue)

    async def read(self, take: Callable[[Delivery], bool], most: int | None) -> int:
        """Hold messages and show them to `take`, in order, until it wants no more.

        Read again, it goes on behind the last that was shown.

        Args:
            take: is given each; False ends the reading, but for what the end of the look holds.
            most: how many there are; None reads until none come for two seconds.

        Returns:
            how many were shown.

        Raises:
            LinkLost: the queue may not be read, for instance.
            Worn: looking may cost messages; at the first of them.
        """
        shown, goes_on = 0, True
        self._rest = None if most is None else most - len(self._arrived)
        while goes_on and self._arrived and shown != most:
            goes_on = await self._show(take)
            shown += 1
        while goes_on and (most is None or shown < most):
            size = self._window_size()
            more, goes_on = await self._window(
                take, size if most is None else min(size, most - shown)
            )
            shown += more
        return shown

    async def settle(self) -> None:
        """Wait until RabbitMQ has the acknowledgements so far: it confirms none by itself.

        Raises:
            LinkLost: nobody knows which of them it has.
        """
        for window in self._windows:
            if window.unsettled:
                window.unsettled = False
                # A channel answers in order; without a consumer this changes nothing.
                await self._line.rpc(partial(window.channel.basic_qos, prefetch_count=_WINDOW))

    def _window_size(self) -> int:
        if not self._portions:
            return _WINDOW
        count, size = self._sizes
        return min(_WINDOW, max(_FEW, _WINDOW_BYTES * count // (size + 1)))

    async def _window(self, take: Callable[[Delivery], bool], size: int) -> tuple[int, bool]:
        channel = await self._line.open_channel()
        window = _Window(channel)
        self._windows.append(window)

        def on_message(_channel: Any, method: Any, properties: Any, body: bytes) -> None:
            window.held += 1
            if self._rest is not None:
                self._rest -= 1
            count, before = self._sizes
            self._sizes = count + 1, before + len(body)
            ack = partial(self._ack, window, method.delivery_tag)
            self._arrived.append(delivery(method, properties, body, ack))
            if self._news is not None and not self._news.done():
                self._news.set_result(None)

        try:
            await self._line.consume(channel, self._queue, size, on_message, _CONSUMER)
            for shown in range(size):
                if not self._arrived and not await self._comes():
                    self._rest = 0
                    return shown, False
                if not await self._show(take):
                    return shown + 1, False
            return size, True
        finally:
            await self._line.cancel(channel, _CONSUMER)

    async def _show(self, take: Callable[[Delivery], bool]) -> bool:
        await self._refuse_worn(self._arrived[0])
        return take(self._arrived.popleft())

    async def _comes(self) -> bool:
        """Wait for a message; False if none comes."""
        self._news = asyncio.get_running_loop().create_future()
        lost = self._line.lost
        either: list[asyncio.Future[Any]] = [self._news, lost]
        await asyncio.wait(either, timeout=_SILENCE, return_when=asyncio.FIRST_COMPLETED)
        if lost.done():
            raise LinkLost(lost.result())
        return self._news.done()

    async def _refuse_worn(self, message: Delivery) -> None:
        if not message.count:
            return
        if self._most_returns is None:
            self._most_returns = await self._harmless_returns()
        if message.count >= self._most_returns:
            raise Worn(message.count, self._limit, hidden=self._hidden)

    async def _harmless_returns(self) -> float:
        """Say how often a message may go back, as far as the queue's arguments tell.

        A policy may take more away; AMQP tells nothing of those.
        """
        declared = declared_queue(self._queue, self._arguments)
        for _ in range(_MOST_DIFFERENCES):
            refused = await self._line.differs(self._queue, declared.arguments)
            if refused is None:
                break
            try:
                declared, _ = take_over(declared, Refusal(*refused))
            except Unreadable:
                self._hidden = Refusal(*refused).forbidden
                return _RETURNS - _RESERVE
        if declared.arguments.get("x-queue-type") != "quorum":
            return math.inf
        self._limit = declared.arguments.get("x-delivery-limit")
        limit = _RETURNS if self._limit is None else deliveries(self._limit)
        return limit - _RESERVE

    def _ack(self, window: _Window, tag: int) -> None:
        if window.channel.is_open and not self._line.lost.done():
            window.channel.basic_ack(tag)
            window.held -= 1
            window.unsettled = True
        self._acknowledged = True

    async def _put_back(self, window: _Window) -> None:
        # RabbitMQ says that the channel is closed before its messages are in the queue again, and
        # those of the next one could come before them.
        before = await self.waiting() or 0
        await self._line.close_channel(window.channel)
        for _ in range(_RETURN_TRIES):
            now = await self.waiting()
            if now is None:
                await asyncio.sleep(_BLIND_PAUSE)
                break
            if now >= before + window.held:
                break
            await asyncio.sleep(_RETURN_PAUSE)


def look_at_dead_letters(
    link: Link, settings: Settings, *, careless: bool, portions: bool = False
) -> Look:
    """Begin a look at the queue of dead letters."""
    (arguments,) = (
        queue.arguments for queue in topology(settings).queues if queue.role == "dead letters"
    )
    return Look(
        link.reading,
        settings.dead_letter_queue,
        arguments,
        careless=careless,
        portions=portions,
    )
