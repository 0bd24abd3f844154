"""A soak tells what a process takes up as events go through it, and when that grows."""

import pytest

from tests.campaign.evidence import Evidence, Handed, Vitals
from tests.campaign.soak import by_events, grown

MB = 2**20


def soaked(events: int, *memory: int) -> Evidence:
    """A process looked at once in 1,000 seconds, in which it takes 1,000 events, each twice."""
    handed = [Handed(f"{n // 2}", n % 2, n / 2) for n in range(2 * events)]
    vitals = [Vitals("s", (n + 1) * 1000, taken * MB, 9, 1) for n, taken in enumerate(memory)]
    return Evidence(handed=handed, vitals=vitals)


def test_memory_is_told_by_events() -> None:
    evidence = soaked(25_000, *range(50, 76))
    assert [(events, seen.memory // MB) for events, seen in by_events(evidence)] == [
        (10_000, 59),
        (20_000, 69),
        (25_000, 75),
    ]


@pytest.mark.parametrize(
    ("evidence", "says"),
    [
        (soaked(30_000, *[60] * 31), []),
        (soaked(30_000, *[40] * 5, *[60] * 25, 80), []),
        (soaked(30_000, *[60] * 30, 81), ["memory grew by 21.0 MB after the first 10000 events"]),
        (soaked(9_000, *[60] * 9), ["only 9000 events were taken: too few to tell"]),
        (Evidence(), ["only 0 events were taken: too few to tell"]),
    ],
)
def test_growth_is_told(evidence: Evidence, says: list[str]) -> None:
    assert list(grown(evidence)) == says
