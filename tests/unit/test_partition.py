import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest

from service.broker import Unroutable
from service.catalogues import Catalogues
from service.messages import Delivery, Properties
from service.metrics import Metrics
from service.partition import Partition
from service.patience import Patience
from service.pauses import Pauses
from service.probe import Probe
from service.profiles import Answer, Call
from service.routes import Routes
from service.subscription import Subscription
from service.worker import Shared, Worker
from tests.unit.doubles import FakeCopernica, FakeLink, FakeSubscription, profiles, response
from tests.unit.samples import body, event, settings


class Link(FakeLink):
    """A link whose deliveries the test makes: `deliver` reaches the last who has subscribed."""

    def __init__(self, journal: list[str]) -> None:
        super().__init__(journal)
        self.deliver: Callable[[Delivery], None]

    async def consume(
        self, queue: str, prefetch: int, on_delivery: Callable[[Delivery], None]
    ) -> Subscription:
        self.journal.append(f"subscribe to {queue} with {prefetch}")
        self.deliver = on_delivery
        return FakeSubscription(self.journal)


class PoisonedApi(FakeCopernica):
    """Answers nothing while it is `down`, and never what an event called `bad` asks for."""

    down = True

    def _answer(self, call: Call) -> Answer | Exception:
        if call.name == "get-identity":
            return response(500) if self.down else response(200, b'{"id": "1"}')
        return response(500) if self.down or "bad" in call.query else profiles({"ID": "1"})


class House:
    """A partition of eight, its link and its API, with one journal for all of it."""

    def __init__(self, fake: type[FakeCopernica] = FakeCopernica, **values: Any) -> None:
        made = settings(**{"field_check": "off", "partitions": 8, **values})
        self.journal: list[str] = []
        self.metrics = Metrics()
        self.api = fake(self.journal)
        self.pauses = Pauses(made.slots())
        catalogues = Catalogues(self.api, 600)
        routes = Routes(8, self.metrics)
        self.shared = Shared(made, self.api, catalogues, self.metrics, self.pauses, routes)
        self.patience = Patience(self.pauses, Probe(made, self.api, self.pauses), 60)
        self.told = 0
        self.link = Link(self.journal)
        self.partition = Partition(self.shared, "q.3", self._tell)

    def deliver(self, key: str, *, redelivered: bool = False, count: int = 0) -> None:
        content = body(event(id=key, where={"customerid": key}))
        headers = {"x-delivery-count": count} if count else {}

        def ack() -> None:
            self.journal.append(f"ack {key}")

        properties = Properties(headers=headers)
        self.link.deliver(Delivery(content, properties, "e", "k", redelivered, ack))

    def _tell(self) -> None:
        self.told += 1


async def test_has_its_part_of_the_prefetch() -> None:
    house = House()
    await house.partition.begin(house.link)
    assert house.journal == ["subscribe to q.3 with 64"]


async def test_is_active_from_its_first_event_on() -> None:
    house = House()
    await house.partition.begin(house.link)
    assert house.partition.active_since is None
    house.deliver("1")
    since = house.partition.active_since
    house.deliver("2")
    assert since is not None
    assert (house.partition.active_since, house.told) == (since, 1)


async def test_is_handed_over_when_what_runs_has_ended() -> None:
    house = House(max_in_flight=1)
    await house.partition.begin(house.link)
    house.journal.clear()
    house.deliver("1")
    house.deliver("2")
    await asyncio.sleep(0.1)  # a call takes a second
    await house.partition.hand_over(house.link)
    assert house.journal == [
        "PUT 1",
        "answer 1",
        "publish to results",
        "ack 1",
        "close",
        "subscribe to q.3 with 2",
    ]
    assert (house.partition.active_since, house.told) == (None, 2)


async def test_what_it_has_held_and_nobody_else_need_not_wait_when_it_comes_back() -> None:
    house = House(max_in_flight=1)
    await house.partition.begin(house.link)
    for key in ("1", "2", "3"):
        house.deliver(key)
    await asyncio.sleep(0.1)
    await house.partition.hand_over(house.link)
    house.deliver("2", redelivered=True, count=1)
    house.deliver("3", redelivered=True, count=2)  # another replica has held this one
    await asyncio.sleep(5)
    assert "ack 2" in house.journal
    assert "ack 3" not in house.journal
    await asyncio.sleep(30)
    assert "ack 3" in house.journal


async def test_what_has_ended_is_useful_once() -> None:
    house = House()
    await house.partition.begin(house.link)
    house.deliver("1")
    await asyncio.sleep(5)
    await house.partition.hand_over(house.link)
    house.partition.end()
    assert [house.partition.was_useful(), house.partition.was_useful()] == [True, False]


async def test_the_worker_before_hears_of_no_more_pauses() -> None:
    house = House()
    for _ in range(3):
        await house.partition.begin(house.link)
        house.partition.end()
    assert len(house.pauses.listeners) == 1  # patience


async def test_what_it_was_before_can_be_forgotten() -> None:
    house = House()
    await house.partition.begin(house.link)
    for number in range(50):
        house.deliver(f"{number}")
        await house.partition.hand_over(house.link)
    gc.collect()
    assert sum(isinstance(each, Worker) for each in gc.get_objects()) == 1


async def test_what_comes_late_to_the_subscription_before_is_left_to_the_queue() -> None:
    house = House()
    await house.partition.begin(house.link)
    late = house.link.deliver
    await house.partition.hand_over(house.link)
    house.link.deliver = late
    house.deliver("1")
    await asyncio.sleep(5)
    assert house.partition.active_since is None
    assert "PUT 1" not in house.journal


async def test_what_was_not_confirmed_in_time_is_counted_once() -> None:
    house = House(drain_timeout=21)
    await house.partition.begin(house.link)
    house.link.holds = True
    house.deliver("1")
    await asyncio.sleep(5)
    await house.partition.hand_over(house.link)
    house.link.confirm()  # too late: the next replica publishes it again
    await asyncio.sleep(5)
    finished = "profile_sync_events_finished_total"
    labels = {"outcome": "updated", "reason": ""}
    assert house.metrics.registry.get_sample_value(finished, labels) == 0
    assert "ack 1" not in house.journal


async def test_a_pause_that_nobody_would_end_ends_with_it() -> None:
    house = House(drain_timeout=21)
    await house.partition.begin(house.link)
    house.link.refusals.extend([Unroutable("no queue")] * 100)
    house.deliver("1")
    await asyncio.sleep(5)
    assert "unroutable" in house.pauses
    await house.partition.hand_over(house.link)
    assert "unroutable" not in house.pauses


@pytest.mark.parametrize("bad_first", [True, False])
async def test_an_event_that_always_fails_starves_no_other_partition(bad_first: bool) -> None:
    house = House(PoisonedApi)
    other = Partition(house.shared, "q.4", lambda: None)
    for partition in (house.partition, other):
        await partition.begin(house.link)
        of_bad = (partition is house.partition) is bad_first
        for key in ["bad"] if of_bad else [f"good-{number}" for number in range(20)]:
            house.deliver(key)
    await asyncio.sleep(30)
    house.api.down = False  # type: ignore[attr-defined] # a PoisonedApi
    await asyncio.sleep(300)
    assert sum(entry.startswith("ack good") for entry in house.journal) == 20
