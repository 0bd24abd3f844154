import random

import pytest

from service.acks import Acks


class Channel:
    """Holds deliveries as RabbitMQ does, and refuses to acknowledge what it does not hold."""

    def __init__(self, deliveries: int) -> None:
        self.held = set(range(1, deliveries + 1))
        self.frames: list[tuple[int, bool]] = []

    def write(self, tag: int, multiple: bool) -> None:
        self.frames.append((tag, multiple))
        taken = {held for held in self.held if held <= tag} if multiple else {tag}
        assert tag in self.held
        self.held -= taken


def frames(*turns: list[int]) -> list[tuple[int, bool]]:
    channel = Channel(10)
    acks = Acks(channel.write)
    for tag in range(1, 11):
        acks.hold(tag)
    for turn in turns:
        for tag in turn:
            acks.add(tag)
        acks.flush()
    return channel.frames


@pytest.mark.parametrize(
    ("turns", "written"),
    [
        ([[1]], [(1, False)]),
        ([[1, 2, 3]], [(3, True)]),
        ([[3, 1, 2]], [(3, True)]),
        ([[2, 4]], [(2, False), (4, False)]),
        ([[1, 2, 4]], [(2, True), (4, False)]),
        ([[2, 3], [1]], [(2, False), (3, False), (1, False)]),
        ([[3], [1, 2]], [(3, False), (2, True)]),
        ([[], [1]], [(1, False)]),
    ],
)
def test_what_has_no_gap_before_it_is_one_frame(
    turns: list[list[int]], written: list[tuple[int, bool]]
) -> None:
    assert frames(*turns) == written


def test_tells_when_there_is_something_to_flush() -> None:
    acks = Acks(lambda *_: None)
    for tag in (1, 2, 3):
        acks.hold(tag)
    assert [acks.add(tag) for tag in (1, 2)] == [True, False]
    acks.flush()
    assert acks.add(3)


@pytest.mark.parametrize("seed", range(20))
def test_acknowledges_what_it_was_told_and_nothing_else(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311
    channel = Channel(300)
    acks = Acks(channel.write)
    for tag in range(1, 301):
        acks.hold(tag)
    tags = list(range(1, 301))
    told: set[int] = set()
    while tags:
        for _ in range(min(len(tags), dice.randint(1, 8))):
            tag = tags.pop(dice.randrange(min(len(tags), 12)))
            told.add(tag)
            acks.add(tag)
        acks.flush()
        assert channel.held == set(range(1, 301)) - told
    assert len(channel.frames) < 300
