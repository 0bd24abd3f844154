"""A whole process between an API of lists and a queue that hands back what is not acknowledged."""

import asyncio
import gc
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from service.connection import LinkLost
from service.messages import Delivery, Properties
from service.metrics import Metrics
from service.process import Process
from service.subscription import Subscription
from service.worker import Worker
from tests.unit.doubles import FakeCopernica, FakeLink, FakeSubscription, error, profiles, response
from tests.unit.samples import body, event, settings

DOWN = response(503)
FINE = profiles({"ID": "1"})


@dataclass(eq=False)
class Message:
    """A message of a queue; `count` is how often it was handed back."""

    content: dict[str, Any]
    count: int = 0


class Queue:
    """A quorum queue with one consumer, which gets all there is at once and nothing later.

    What is not acknowledged when its link ends goes back, in order.
    """

    def __init__(self, *keys: object) -> None:
        self.messages = [
            Message(event(id=f"{key}", where={"customerid": f"{key}"})) for key in keys
        ]
        self.links: list[Consumer] = []
        self.broken = 0
        self.deaf = False

    async def take(self, *_: Any) -> "Consumer":
        self.links.append(Consumer(self))
        return self.links[-1]


class Consumer(FakeLink):
    def __init__(self, queue: Queue) -> None:
        super().__init__([])
        self._queue = queue
        self._held: list[Message] = []

    async def consume(
        self,
        queue: str,  # noqa: ARG002
        prefetch: int,
        on_delivery: Callable[[Delivery], None],
    ) -> Subscription:
        if self._queue.broken:
            self._queue.broken -= 1
            raise LinkLost("the queue has no leader yet")
        self._held = list(self._queue.messages[:prefetch])
        for message in self._held:
            headers = {"x-delivery-count": message.count} if message.count else {}
            properties = Properties(headers=headers)
            delivery = Delivery(body(message.content), properties, "e", "k", False, lambda: None)
            on_delivery(
                replace(
                    delivery,
                    redelivered=message.count > 0,
                    ack=partial(self._acknowledge, message),
                )
            )
        return FakeSubscription([])

    async def give_up(self) -> None:
        if not self.lost.done():
            self.lose()
        self.hand_back()

    def hand_back(self) -> None:
        for message in self._held:
            message.count += message in self._queue.messages
        self._held = []

    def _acknowledge(self, message: Message) -> None:
        if not self._queue.deaf:
            self._queue.messages.remove(message)


def workers() -> int:
    gc.collect()
    return sum(isinstance(each, Worker) for each in gc.get_objects())


class House:
    """A process that serves a queue."""

    def __init__(self, queue: Queue, **values: Any) -> None:
        self.queue = queue
        self.api = FakeCopernica([])
        made = settings(**{"field_check": "off", **values})
        self.process = Process(made, self.api, Metrics(), queue.take)
        self.serving = asyncio.get_running_loop().create_task(self.process.serve())

    async def end(self) -> None:
        self.process.stop()
        await asyncio.wait_for(self.serving, 1000)

    @property
    def counts(self) -> set[int]:
        return {message.count for message in self.queue.messages}

    @property
    def puts(self) -> int:
        return sum(call.method == "PUT" for call in self.api.calls)


async def test_a_long_outage_costs_one_hand_back() -> None:
    house = House(Queue(*range(100)))
    house.api.reply("put-profiles", DOWN)
    house.api.reply("get-identity", DOWN)
    await asyncio.sleep(7200)
    assert house.counts == {1}
    assert house.process.why_not_ready() is None
    assert len(house.queue.links) == 1
    house.api.reply("put-profiles", FINE)
    house.api.reply("get-identity", FINE)
    await asyncio.sleep(30)
    assert house.queue.messages == []
    await house.end()


async def test_nothing_of_a_link_is_kept_through_an_outage() -> None:
    before = workers()
    house = House(Queue(*range(100)))
    house.api.reply("put-profiles", DOWN)
    house.api.reply("get-identity", DOWN)
    await asyncio.sleep(7200)
    assert house.counts == {1}
    assert workers() == before
    await house.end()


async def test_updates_that_fail_while_the_api_answers_cost_no_delivery() -> None:
    for answer in (DOWN, response(403), response(404)):
        house = House(Queue(*range(100)))
        house.api.reply("put-profiles", answer)
        await asyncio.sleep(36_000)
        assert house.counts == {0}
        house.api.reply("put-profiles", FINE)
        await asyncio.sleep(200)
        assert house.queue.messages == []
        await house.end()


async def test_a_wrong_token_costs_one_hand_back_and_is_shown() -> None:
    house = House(Queue(*range(100)))
    house.api.reply("put-profiles", error("Invalid access token"))
    house.api.reply("get-identity", error("Invalid access token"))
    await asyncio.sleep(36_000)
    assert house.counts == {1}
    assert house.process.why_not_ready() == "token"
    house.api.reply("put-profiles", FINE)
    house.api.reply("get-identity", FINE)
    await asyncio.sleep(100)
    assert house.queue.messages == []
    assert house.process.why_not_ready() is None
    await house.end()


async def test_what_has_ended_is_not_done_again_though_a_link_fails_in_between() -> None:
    queue = Queue("a", "b")
    house, queue.deaf = House(queue), True
    await asyncio.sleep(5)
    assert house.puts == 2
    queue.deaf, queue.broken = False, 2
    queue.links[-1].lose()
    await asyncio.sleep(100)
    assert queue.messages == []
    assert house.puts == 2
    await house.end()


async def test_a_broker_that_is_away_is_shown() -> None:
    queue = Queue()
    queue.broken = 3
    house = House(queue)
    assert house.process.why_not_ready() == "starting"
    await asyncio.sleep(0.2)
    assert house.process.why_not_ready() == "no-broker"
    await asyncio.sleep(30)
    assert house.process.why_not_ready() is None
    queue.broken = 1000
    queue.links[-1].lose()
    await asyncio.sleep(1)
    assert house.process.why_not_ready() == "no-broker"
    await house.end()
