"""One queue of events at work: its subscription and its worker, one after the other.

Each pair ends with its link, or when another replica shall have the queue.
"""

import asyncio
import time
from collections.abc import Callable
from functools import partial

import structlog

from service.broker import Link
from service.carried import Carried
from service.messages import Delivery
from service.subscription import Subscription
from service.worker import Shared, Worker

log = structlog.get_logger()


class Partition:
    """Takes the events of one queue whenever RabbitMQ makes this replica its active consumer.

    `active_since` is when the first event came, monotonic, on this subscription; None if none has:
    nothing else tells that the queue is ours. `on_active` is told when that changes.
    """

    def __init__(self, shared: Shared, queue: str, on_active: Callable[[], None]) -> None:
        self.queue = queue
        self.active_since: float | None = None
        self.worker: Worker | None = None
        self._shared = shared
        self._on_active = on_active
        self._carried = Carried()
        self._useful = False
        self._subscription: Subscription | None = None

    async def begin(self, link: Link) -> None:
        """Subscribe, last in the line of the queue's consumers.

        Raises:
            LinkLost: with the reason in words.
        """
        self.worker = worker = Worker(self._shared, link, self.queue, self._carried)
        take = partial(self._take, worker)
        self._subscription = await link.consume(self.queue, self._shared.settings.window, take)
        worker.consuming()

    async def hand_over(self, link: Link) -> None:
        """Let calls in flight end, give the queue up, and subscribe again.

        Raises:
            LinkLost: with the reason in words.
        """
        await self.wind_up(self._shared.settings.drain_timeout)
        if self._subscription is not None:
            await self._subscription.close()
        self.end()
        if not link.lost.done():
            await self.begin(link)

    async def wind_up(self, seconds: float | None) -> None:
        """Start no more calls, and wait so long, or for ever, until those that run have ended."""
        if self.worker is None:
            return
        try:
            async with asyncio.timeout(seconds):
                await self.worker.wind_up()
        except TimeoutError:
            log.warning(
                "not all was published and acknowledged in time; it returns to the queue",
                queue=self.queue,
            )

    def end(self) -> None:
        """Keep for the next worker what this one leaves; the queue has the rest."""
        if self.worker is not None:
            self._useful = self._useful or self.worker.proven
            self._carried = self.worker.carried()
            self.worker.close()
        self.worker = self._subscription = None
        if self.active_since is not None:
            self.active_since = None
            self._on_active()

    def was_useful(self) -> bool:
        """Tell whether an event has been acknowledged since this was asked before."""
        useful, self._useful = self._useful, False
        return useful

    def _take(self, worker: Worker, delivery: Delivery) -> None:
        if worker is not self.worker:
            return  # It comes by a channel that is closing.
        if self.active_since is None:
            self.active_since = time.monotonic()
            self._on_active()
        worker.receive(delivery)
