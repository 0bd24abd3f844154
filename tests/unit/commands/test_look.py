import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pika
import pytest

from service.commands.look import Look, Worn
from service.connection import Line, LinkLost
from service.messages import Delivery

WINDOW = 2000
OURS = {"x-queue-type": "quorum", "x-delivery-limit": 1_000_000}


class Channel:
    """A channel that knows what it holds and has acknowledged."""

    is_open = True

    def __init__(self) -> None:
        self.held: list[int] = []
        self.acked: list[int] = []
        self.settled: list[int] = []

    def basic_ack(self, tag: int) -> None:
        self.acked.append(tag)

    def basic_qos(self, prefetch_count: int, callback: Callable[[], None]) -> None:  # noqa: ARG002
        self.settled.append(len(self.acked))
        callback()


class Queue(Line):
    """A line to a queue of numbers, some of which have gone back often; no other reads it.

    What is put back is in the queue at once, in the order of quorum queues: behind what was there.
    """

    def __init__(
        self,
        count: int,
        *,
        size: int = 1,
        returns: Mapping[int, int] | None = None,
        counted: bool = True,
        declared: Mapping[str, Any] | None = OURS,
    ) -> None:
        super().__init__(asyncio.get_running_loop().create_future())
        self.messages = list(range(count))
        self.asked = 0
        self.channels: list[Channel] = []
        self._size = size
        self._returns = returns or {}
        self._counted = counted
        self._declared = declared

    async def open_channel(self, on_end: Callable[[BaseException], object] | None = None) -> Any:  # noqa: ARG002
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
            headers = {"x-delivery-count": self._returns.get(number, 1)}
            properties = pika.BasicProperties(headers=headers)  # type: ignore[no-untyped-call]
            method = pika.spec.Basic.Deliver("look", number, False, "", "key")  # type: ignore[no-untyped-call]
            on_message(channel, method, properties, b"%0*d" % (self._size, number))

    async def cancel(self, channel: Any, tag: str) -> None:
        pass

    async def waiting(self, queue: str) -> int | None:  # noqa: ARG002
        return len(self.messages) if self._counted else None

    async def differs(self, queue: str, arguments: Mapping[str, Any]) -> tuple[int, str] | None:
        self.asked += 1
        if self._declared is None:
            return 403, f"ACCESS_REFUSED - access to queue '{queue}' refused for user 'guest'"
        for name in ("x-queue-type", "x-delivery-limit"):
            wanted, current = arguments.get(name), self._declared.get(name)
            if wanted != current:
                return 406, (
                    f"PRECONDITION_FAILED - inequivalent arg '{name}' for queue '{queue}' in vhost "
                    f"'/': received {_said(wanted)} but current is {_said(current)}"
                )
        return None

    async def close_channel(self, channel: Any) -> bool:
        self.messages += [number for number in channel.held if number not in channel.acked]
        return True


def _said(value: object) -> str:
    if value is None:
        return "none"
    kind = "signedint" if isinstance(value, int) else "longstr"
    return f"the value '{value}' of type '{kind}'"


def looking(queue: Queue, *, careless: bool = False, portions: bool = False) -> Look:
    return Look(queue, "q", OURS, careless=careless, portions=portions)


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
    count = 2 * WINDOW + 1
    queue, taken = Queue(count), Taken()
    async with looking(queue) as look:
        assert await look.read(taken, await look.waiting()) == count
        assert queue.messages == []
    assert [len(channel.held) for channel in queue.channels] == [WINDOW, WINDOW, 1]
    assert taken.numbers == queue.messages == list(range(count))


@pytest.mark.parametrize(
    ("count", "size", "windows"),
    [(2500, 1, [100, 2000, 400]), (400, 2**18, [100, 127, 127, 46]), (250, 2**19, [100, 100, 50])],
)
async def test_of_large_messages_few_come_at_once_where_they_are_read_in_portions(
    count: int, size: int, windows: list[int]
) -> None:
    queue = Queue(count, size=size)
    async with looking(queue, portions=True) as look:
        assert await look.read(lambda _: True, await look.waiting()) == count
    assert [len(channel.held) for channel in queue.channels] == windows


async def test_a_look_goes_on_where_it_stopped() -> None:
    queue, first, second, third = Queue(250), Taken(enough=30), Taken(enough=20), Taken()
    async with looking(queue, portions=True) as look:
        assert await look.read(first, 250) == 30
        assert await look.read(second, 220) == 20
        assert await look.read(third, 200) == 200
    assert first.numbers + second.numbers + third.numbers == list(range(250))
    assert queue.messages == list(range(250))


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


async def test_only_channels_with_new_acknowledgements_are_asked_whether_they_have_them() -> None:
    queue, taken = Queue(2 * WINDOW), Taken()
    async with looking(queue) as look:
        await look.read(taken, 2 * WINDOW)
        for settled in range(3):
            taken.deliveries[settled].ack()
        await look.settle()
        await look.settle()
        taken.deliveries[WINDOW].ack()
        await look.settle()
    assert [channel.settled for channel in queue.channels] == [[3], [1]]


async def test_a_lost_link_settles_nothing() -> None:
    queue, taken = Queue(3), Taken()
    look = looking(queue)
    await look.read(taken, 3)
    taken.deliveries[0].ack()
    queue.lost.set_result("gone")
    with pytest.raises(LinkLost, match="gone"):
        await look.settle()
    assert queue.channels[0].settled == []


@pytest.mark.parametrize(
    ("declared", "count", "limit"),
    [
        (None, 15, None),
        ({"x-queue-type": "quorum"}, 15, None),
        ({"x-queue-type": "quorum", "x-delivery-limit": 40}, 35, 40),
        ({"x-queue-type": "quorum", "x-delivery-limit": 7}, 2, 7),
        ({"x-queue-type": "quorum", "x-delivery-limit": 1}, 1, 1),
    ],
    ids=str,
)
async def test_messages_that_may_be_dropped_soon_end_the_look(
    declared: Mapping[str, Any] | None, count: int, limit: int | None
) -> None:
    returns = {**dict.fromkeys(range(3), count - 1), 3: count}
    queue, taken = Queue(9, returns=returns, declared=declared), Taken()
    with pytest.raises(Worn, match=f"{count} times") as caught:
        async with looking(queue) as look:
            await look.read(taken, 9)
    assert (caught.value.limit, caught.value.hidden) == (limit, declared is None)
    assert taken.numbers == [0, 1, 2]
    assert queue.messages == list(range(9))


@pytest.mark.parametrize(
    "declared",
    [OURS, {}, {"x-queue-type": "classic"}, {"x-queue-type": "quorum", "x-delivery-limit": -1}],
    ids=str,
)
async def test_a_queue_that_keeps_all_is_asked_once(declared: Mapping[str, Any]) -> None:
    queue, taken = Queue(9, returns={3: 900, 4: 900}, declared=declared), Taken()
    async with looking(queue) as look:
        await look.read(taken, 9)
        asked = queue.asked
        await look.read(taken, 0)
    assert len(taken.numbers) == 9
    assert 1 <= queue.asked == asked <= 3


async def test_nothing_is_asked_of_messages_that_never_came_back_or_in_a_careless_look() -> None:
    fresh = Queue(3, returns=dict.fromkeys(range(3), 0), declared=None)
    worn = Queue(3, returns={1: 900}, declared=None)
    for queue, careless in ((fresh, False), (worn, True)):
        taken = Taken()
        async with looking(queue, careless=careless) as look:
            await look.read(taken, 3)
        assert (len(taken.numbers), queue.asked) == (3, 0)


async def test_a_lost_link_ends_the_look() -> None:
    queue, taken = Queue(3), Taken()
    queue.lost.set_result("gone")
    with pytest.raises(LinkLost, match="gone"):
        async with looking(queue) as look:
            await look.read(taken, None)
    assert taken.numbers == [0, 1, 2]
