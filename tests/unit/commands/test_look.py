import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pika
import pytest

from service.commands.look import Look, Worn
from service.connection import Line, LinkLost
from service.messages import Delivery

WINDOW = 2000


class Channel:
    """A channel that knows what it holds and has acknowledged."""

    is_open = True

    def __init__(self) -> None:
        self.held: list[int] = []
        self.acked: list[int] = []

    def basic_ack(self, tag: int) -> None:
        self.acked.append(tag)


class Queue(Line):
    """A line to a queue of numbers, some of which have gone back often; no other reads it.

    What is put back is in the queue at once, in the order of quorum queues: behind what was there.
    """

    def __init__(
        self, count: int, *, worn: int | None = None, counted: bool = True, known: bool = True
    ) -> None:
        self.lost = asyncio.get_running_loop().create_future()
        self.messages = list(range(count))
        self.asked = 0
        self.channels: list[Channel] = []
        self._worn = worn
        self._counted = counted
        self._known = known

    async def open_channel(self) -> Any:
        self.channels.append(Channel())
        return self.channels[-1]

    async def consume(
        self,
        channel: Any,
        queue: str,  # noqa: ARG002
        prefetch: int,
        on_message: Callable[..., None],
        tag: str | None = None,  # noqa: ARG002
    ) -> None:
        channel.held, self.messages = self.messages[:prefetch], self.messages[prefetch:]
        for number in channel.held:
            count = 15 if number == self._worn else 14
            properties = pika.BasicProperties(headers={"x-delivery-count": count})  # type: ignore[no-untyped-call]
            method = pika.spec.Basic.Deliver("look", number, False, "", "key")  # type: ignore[no-untyped-call]
            on_message(channel, method, properties, b"%d" % number)

    async def cancel(self, channel: Any, tag: str) -> None:
        pass

    async def waiting(self, queue: str) -> int | None:  # noqa: ARG002
        return len(self.messages) if self._counted else None

    async def has_arguments(self, queue: str, arguments: Mapping[str, Any]) -> bool:  # noqa: ARG002
        self.asked += 1
        return self._known

    async def close_channel(self, channel: Any) -> None:
        self.messages += [number for number in channel.held if number not in channel.acked]


def looking(queue: Queue, *, careless: bool = False) -> Look:
    return Look(queue, "q", {}, careless=careless)


class Taken:
    """Takes messages until it has enough."""

    def __init__(self, enough: int = 10**9) -> None:
        self.deliveries: list[Delivery] = []
        self._enough = enough

    def __call__(self, delivery: Delivery) -> bool:
        self.deliveries.append(delivery)
        return len(self.deliveries) < self._enough

    @property
    def numbers(self) -> list[int]:
        return [int(delivery.body) for delivery in self.deliveries]


async def test_each_two_thousand_have_a_channel_and_go_back_in_their_order() -> None:
    queue, taken = Queue(2 * WINDOW + 1), Taken()
    async with looking(queue) as look:
        assert await look.read(taken, await look.waiting()) == 2 * WINDOW + 1
        assert queue.messages == []
    assert [len(channel.held) for channel in queue.channels] == [WINDOW, WINDOW, 1]
    assert taken.numbers == queue.messages == list(range(2 * WINDOW + 1))


async def test_what_is_not_wanted_is_held_too_so_that_the_order_stays() -> None:
    queue, taken = Queue(3 * WINDOW), Taken(enough=5)
    async with looking(queue) as look:
        assert await look.read(taken, await look.waiting()) == 5
    assert taken.numbers == [0, 1, 2, 3, 4]
    assert queue.messages == list(range(3 * WINDOW))


async def test_a_queue_that_cannot_be_counted_is_read_until_none_come() -> None:
    queue, taken = Queue(WINDOW + 5, counted=False), Taken()
    async with looking(queue) as look:
        assert await look.waiting() is None
        assert await look.read(taken, None) == WINDOW + 5
    assert queue.messages == list(range(WINDOW + 5))


async def test_what_is_acknowledged_does_not_go_back() -> None:
    queue, taken = Queue(5), Taken()
    async with looking(queue) as look:
        await look.read(taken, 5)
        for delivery in taken.deliveries[1:3]:
            delivery.ack()
    assert queue.messages == [0, 3, 4]


async def test_messages_that_may_be_dropped_soon_end_the_look() -> None:
    queue, taken = Queue(9, worn=3, known=False), Taken()
    with pytest.raises(Worn, match="15 times"):
        async with looking(queue) as look:
            await look.read(taken, 9)
    assert taken.numbers == [0, 1, 2]
    assert queue.messages == list(range(9))


async def test_a_queue_that_keeps_all_is_asked_once_and_a_careless_look_does_not_ask() -> None:
    kept, other = Queue(9, worn=3), Queue(9, worn=3, known=False)
    for queue, careless in ((kept, False), (other, True)):
        taken = Taken()
        async with looking(queue, careless=careless) as look:
            await look.read(taken, 9)
        assert len(taken.numbers) == 9
    assert (kept.asked, other.asked) == (1, 0)


async def test_a_lost_link_ends_the_look() -> None:
    queue, taken = Queue(3), Taken()
    queue.lost.set_result("gone")
    with pytest.raises(LinkLost, match="gone"):
        async with looking(queue) as look:
            await look.read(taken, None)
    assert taken.numbers == [0, 1, 2]
