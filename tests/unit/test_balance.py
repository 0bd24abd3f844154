import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest

from service.balance import Balance, fair_share
from service.members import Members
from service.partition import Partition


@pytest.mark.parametrize(
    ("partitions", "members", "share"),
    [(8, 1, 8), (8, 2, 4), (8, 3, 3), (8, 4, 2), (8, 5, 2), (8, 8, 1), (8, 9, 1), (2, 0, 2)],
)
def test_nobody_needs_more_than_a_fair_share(partitions: int, members: int, share: int) -> None:
    assert fair_share(partitions, members) == share


class FakePartition:
    def __init__(self, number: int) -> None:
        self.queue = f"{number}"
        self.active_since: float | None = float(number)


class FakeMembers:
    """Counts what it is told to, the last number over and over."""

    def __init__(self, counts: Sequence[int | None]) -> None:
        self._counts = list(counts)
        self.asked = 0

    async def count(self) -> int | None:
        self.asked += 1
        return self._counts.pop(0) if len(self._counts) > 1 else self._counts[0]


class Replica:
    """A replica that works on all of some partitions; what it hands over it has no more."""

    def __init__(self, partitions: int, counts: Sequence[int | None]) -> None:
        self.partitions = [FakePartition(number) for number in range(partitions)]
        self.members = FakeMembers(counts)
        self.settled = True
        self.comes_back = False
        self.handed: list[str] = []
        self.at_a_time = self.most_at_a_time = 0
        self.looks_before: list[int] = []

    async def keep(self, seconds: float) -> None:
        balance = Balance(
            cast("Sequence[Partition]", self.partitions),
            cast(Members, self.members),
            lambda: self.settled,
            cast(Any, self._hand_over),
        )
        keeping = asyncio.ensure_future(balance.keep())
        await asyncio.sleep(seconds)
        keeping.cancel()

    async def _hand_over(self, partition: FakePartition) -> None:
        self.looks_before.append(self.members.asked)
        self.at_a_time += 1
        self.most_at_a_time = max(self.most_at_a_time, self.at_a_time)
        await asyncio.sleep(3)
        partition.active_since = 99.0 if self.comes_back else None
        self.handed.append(partition.queue)
        self.at_a_time -= 1


async def test_what_is_more_than_the_share_is_handed_over_the_latest_first() -> None:
    replica = Replica(8, [4])
    await replica.keep(100)
    assert replica.handed == ["7", "6", "5", "4", "3", "2"]
    assert replica.most_at_a_time == 1


async def test_a_fair_share_is_kept() -> None:
    replica = Replica(8, [1])
    await replica.keep(100)
    assert replica.handed == []
    assert replica.members.asked > 100


async def test_what_is_not_active_here_does_not_count() -> None:
    replica = Replica(8, [4])
    for partition in replica.partitions[2:]:
        partition.active_since = None
    await replica.keep(100)
    assert replica.handed == []


async def test_one_look_is_not_enough() -> None:
    replica = Replica(2, [2, 1])
    await replica.keep(100)
    assert replica.handed == []


async def test_the_number_of_replicas_must_be_the_same_at_two_looks() -> None:
    replica = Replica(8, [2, 3, 2, 4, 4, 4, 4])
    await replica.keep(100)
    assert replica.looks_before[0] == 5


async def test_nothing_is_handed_over_while_the_replicas_cannot_be_counted() -> None:
    replica = Replica(8, [4, None, 4, None, 1])
    await replica.keep(100)
    assert replica.handed == []


async def test_nothing_is_handed_over_while_calls_are_paused() -> None:
    replica = Replica(8, [4])
    replica.settled = False
    await replica.keep(100)
    assert replica.handed == []


async def test_what_does_not_come_to_rest_moves_seldom() -> None:
    replica = Replica(8, [8])
    replica.comes_back = True  # to a replica that is counted and takes no part
    await replica.keep(60)
    assert len(replica.handed) == 8
    await replica.keep(600)
    assert len(replica.handed) <= 8 + 8 + 10


async def test_a_change_sets_them_moving_again() -> None:
    replica = Replica(8, [4] * 60 + [2] * 60)
    replica.comes_back = True
    await replica.keep(120)
    assert len(replica.handed) == 16


async def test_replicas_that_cannot_be_counted_are_asked_less_and_less_often() -> None:
    replica = Replica(8, [None])
    await replica.keep(3600)
    assert replica.members.asked < 3600 / 15 + 10
