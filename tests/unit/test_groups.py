from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from service.carried import Ended
from service.groups import found_together, gather, part, tell
from service.lanes import Lanes, Work, held_by
from service.pauses import Tally
from tests.unit.samples import MAX_BYTES, delivery, update

NOW = datetime(2026, 11, 23, tzinfo=UTC)
ENDED = Ended(b"", 0, None, published=True)
# What an event may have behind it that nobody else has.
NOT_NEW: list[dict[str, Any]] = [
    {"guarded": True},
    {"attempts": 1},
    {"failures": 1},
    {"ended": ENDED},
    {"look_first": True},
    {"may_create": False},
    {"ids": ()},
    {"not_before": 5.0},
    {"unsettled_until": 5.0},
    {"settled_at": 5.0},
]


def work(number: int = 0, **changes: Any) -> Work:
    """An event of the one key."""
    of = update(fields={"a": f"{number}"}, **changes)
    return Work(delivery(f"{number}".encode()), of, 0.0, NOW)


def lane(*works: Work) -> Lanes:
    lanes = Lanes()
    for one in works:
        lanes.add(one)
    assert lanes.next() is works[0]
    return lanes


def gathered(*works: Work, most: int = 100) -> Lanes:
    lanes = lane(*works)
    gather(lanes, works[0], most=most, max_bytes=MAX_BYTES)
    return lanes


class TestGather:
    def test_takes_all_that_waits(self) -> None:
        first, *others = works = [work(number) for number in range(4)]
        gathered(*works)
        assert first.mates == tuple(others)
        assert first.written.fields == {"a": "3"}
        assert first.update.fields == {"a": "0"}
        assert [one.joined for one in works] == [False, True, True, True]

    def test_takes_nobody_where_nobody_waits(self) -> None:
        alone = work()
        gathered(alone)
        assert (alone.mates, alone.merged, alone.written) == ((), None, alone.update)

    def test_takes_no_more_than_it_may(self) -> None:
        works = [work(number) for number in range(4)]
        gathered(*works, most=3)
        assert works[0].mates == tuple(works[1:3])

    def test_makes_no_larger_body_than_it_may(self) -> None:
        first, second = work(1), work(2)
        gather(lane(first, second), first, most=100, max_bytes=10)
        assert first.mates == ()

    def test_takes_no_event_that_goes_alone_nor_what_is_behind_it(self) -> None:
        works = [work(1), work(2), work(3, coalesce=False), work(4)]
        gathered(*works)
        assert works[0].mates == (works[1],)

    @pytest.mark.parametrize("state", NOT_NEW, ids=lambda state: next(iter(state)))
    def test_takes_no_event_that_is_not_new(self, state: dict[str, Any]) -> None:
        first, second, third = work(1), replace(work(2), **state), work(3)
        gathered(first, second, third)
        assert first.mates == ()

    @pytest.mark.parametrize("state", NOT_NEW, ids=lambda state: next(iter(state)))
    def test_leaves_an_event_alone_that_is_not_new(self, state: dict[str, Any]) -> None:
        first, second = replace(work(1), **state), work(2)
        gathered(first, second)
        assert first.mates == ()

    def test_leaves_the_events_of_an_exhausted_lane_alone(self) -> None:
        first, second = work(1), work(2)
        lanes = lane(first, second)
        lanes.exhausted.add(first.update.key)
        gather(lanes, first, most=100, max_bytes=MAX_BYTES)
        assert first.mates == ()


def test_what_an_attempt_leaves_holds_for_all() -> None:
    first, second = work(1), work(2)
    gathered(first, second)
    left = {
        "attempts": 2,
        "failures": 1,
        "status": 504,
        "failing_since": 1.0,
        "first_call_at": NOW,
        "not_before": 2.0,
        "unsettled_until": 3.0,
        "look_first": True,
        "may_create": False,
        "settled_at": 4.0,
        "sent": True,
    }
    for name, value in left.items():
        setattr(first, name, value)
    first.created = True
    tell(first)
    assert {name: getattr(second, name) for name in left} == left
    assert not second.created  # The first of them alone has made the profile.


def test_an_event_of_a_group_is_as_doubtful_as_its_call() -> None:
    first, second = work(1), work(2)
    gathered(first, second)
    first.unsettled_until, first.look_first = 7.0, True
    tell(first)
    held = held_by([first, second])
    assert {(one.settled_at, one.look_first) for one in held.values()} == {(7.0, True)}
    assert len(held) == 2


def test_who_is_parted_goes_alone_and_is_blamed_for_nothing() -> None:
    first, second, third = work(1), work(2), work(3)
    lanes = gathered(first, second, third)
    first.attempts, first.counted, first.tally = 8, 8, Tally(1, 1)
    tell(first)
    part(first)
    assert (first.mates, first.written) == ((), first.update)
    assert first.counted == 0
    assert first.tally is None
    assert not second.joined
    lanes.done(first)
    assert lanes.next() is second
    gather(lanes, second, most=100, max_bytes=MAX_BYTES)
    assert second.mates == ()


def test_a_profile_that_is_found_is_there_for_those_who_were_parted() -> None:
    first, second, newer = work(1), work(2), work(3)
    lanes = gathered(first, second, newer, most=2)
    first.attempts, first.look_first, first.first_call_at = 1, True, NOW
    newer.look_first = True
    tell(first)
    part(first)
    found_together(lanes, first)
    assert (second.look_first, second.first_call_at) == (False, None)
    assert newer.look_first
