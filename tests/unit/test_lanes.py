from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.lanes import Lanes, Work
from tests.unit.samples import delivery, update

Kind = tuple[int, str, bool]  # database, key, barrier


def work(database: int = 1, key: str = "a", barrier: bool = False) -> Work:
    """An event of a key; a barrier may touch all keys of its database."""
    of = update(database=database, where={"k": key}, expect="many" if barrier else "one")
    return Work(delivery(), of, 0.0, datetime(2026, 11, 23, tzinfo=UTC))


def waiting(*works: Work) -> Lanes:
    lanes = Lanes()
    for one in works:
        lanes.add(one)
    return lanes


def handed_out(lanes: Lanes) -> list[Work]:
    """All that may run now."""
    return list(iter(lanes.next, None))


def test_has_nothing_to_begin_with() -> None:
    lanes = Lanes()
    assert lanes.next() is None
    assert (len(lanes), list(lanes)) == (0, [])


def test_hands_out_different_keys_at_once() -> None:
    works = [work(key="a"), work(key="b"), work(database=2, key="a")]
    lanes = waiting(*works)
    assert handed_out(lanes) == works
    assert len(lanes) == 3


def test_hands_out_one_key_in_order() -> None:
    first, second = work(), work()
    lanes = waiting(first, second)
    assert handed_out(lanes) == [first]
    assert len(lanes) == 1
    lanes.done(first)
    assert handed_out(lanes) == [second]


def test_an_event_that_runs_again_stays_before_the_next_of_its_lane() -> None:
    first, second = work(), work()
    lanes = waiting(first, second)
    assert lanes.next() is first
    lanes.again(first)
    assert handed_out(lanes) == [first]
    lanes.done(first)
    assert handed_out(lanes) == [second]


def test_a_barrier_waits_for_what_came_before() -> None:
    one, other, barrier = work(key="a"), work(key="b"), work(key="c", barrier=True)
    lanes = waiting(one, other, barrier)
    assert handed_out(lanes) == [one, other]
    lanes.done(one)
    assert lanes.next() is None
    lanes.done(other)
    assert handed_out(lanes) == [barrier]


def test_what_came_after_a_barrier_waits() -> None:
    barrier, one, other = work(key="c", barrier=True), work(key="a"), work(key="b")
    lanes = waiting(barrier, one, other)
    assert handed_out(lanes) == [barrier]
    lanes.done(barrier)
    assert handed_out(lanes) == [one, other]


def test_a_barrier_leaves_other_databases_alone() -> None:
    barrier, other = work(database=1, barrier=True), work(database=2)
    assert handed_out(waiting(barrier, work(database=1, key="b"), other)) == [barrier, other]


def test_barriers_run_one_by_one() -> None:
    first, second = work(key="a", barrier=True), work(key="b", barrier=True)
    lanes = waiting(first, second)
    assert handed_out(lanes) == [first]
    lanes.done(first)
    assert handed_out(lanes) == [second]


def test_goes_over_all_that_is_unfinished() -> None:
    works = [work(), work(), work(key="b", barrier=True), work(key="c")]
    lanes = waiting(*works)
    lanes.next()
    assert set(lanes) == set(works)


def test_goes_over_what_waits_behind_an_event() -> None:
    first, second, third = work(), work(), work()
    lanes = waiting(first, work(key="b"), second, third)
    assert list(lanes.behind(first)) == [second, third]
    lanes.done(first)
    assert list(lanes.behind(second)) == [third]


def together(*works: Work) -> None:
    """Let events share the call of the first."""
    works[0].mates = works[1:]
    for mate in works[1:]:
        mate.joined = True


def test_the_next_call_waits_until_all_that_share_one_are_done() -> None:
    first, second, third, later = works = [work() for _ in range(4)]
    lanes = waiting(*works)
    assert lanes.next() is first
    together(first, second, third)
    for one in (first, second):
        lanes.done(one)
        assert lanes.next() is None
    assert list(lanes) == [third, later]
    lanes.done(third)
    assert handed_out(lanes) == [later]


def test_a_barrier_waits_for_all_that_share_a_call() -> None:
    first, second, barrier = work(), work(), work(key="b", barrier=True)
    lanes = waiting(first, second, barrier)
    assert lanes.next() is first
    together(first, second)
    lanes.done(first)
    assert lanes.next() is None
    lanes.done(second)
    assert handed_out(lanes) == [barrier]


def conflicts(earlier: Work, later: Work) -> bool:
    if earlier.update.key[0] != later.update.key[0]:
        return False
    barrier = earlier.update.barrier or later.update.barrier
    return barrier or earlier.update.key == later.update.key


kinds = st.tuples(st.integers(1, 2), st.sampled_from("abc"), st.integers(0, 4).map(lambda n: not n))


@given(st.lists(kinds, min_size=1, max_size=25), st.data())
def test_an_event_runs_as_soon_as_nothing_before_it_stands_in_its_way(
    events: list[Kind], data: st.DataObject
) -> None:
    lanes = Lanes()
    coming = [work(*kind) for kind in events]
    added: list[Work] = []
    running: list[Work] = []
    finished: list[Work] = []
    again: list[Work] = []

    def take() -> None:
        taken = lanes.next()
        if taken is None:
            return
        if taken in again:
            again.remove(taken)
        assert taken not in running
        assert taken not in finished
        before = added[: added.index(taken)]
        assert not [w for w in before if w not in finished and conflicts(w, taken)]
        running.append(taken)

    steps = ["add", "take", "done", "again"]
    while len(finished) < len(events):
        step = data.draw(st.sampled_from(steps)) if coming else "drain"
        if step == "add":
            added.append(coming.pop(0))
            lanes.add(added[-1])
        elif step == "take":
            take()
        elif step == "again" and running:
            again.append(running.pop(0))
            lanes.again(again[-1])
        elif step == "done" and running:
            finished.append(running.pop(data.draw(st.integers(0, len(running) - 1))))
            lanes.done(finished[-1])
        elif step == "drain":
            for _ in events:
                take()
            unfinished = [w for w in added if w not in finished]
            free = [
                w
                for number, w in enumerate(unfinished)
                if not any(conflicts(before, w) for before in unfinished[:number])
            ]
            assert set(running) == set(free)
            assert running
            finished.append(running.pop())
            lanes.done(finished[-1])
        assert set(lanes) == {w for w in added if w not in finished}
    assert lanes.next() is None
    assert len(lanes) == 0


@pytest.mark.parametrize("barrier", [False, True])
def test_a_database_starts_anew_when_all_is_done(barrier: bool) -> None:
    lanes = waiting(work(barrier=barrier))
    for one in handed_out(lanes):
        lanes.done(one)
    later = work(key="b", barrier=barrier)
    lanes.add(later)
    assert handed_out(lanes) == [later]
