"""The gates: what the service must keep to, beside what others would write and beside itself."""

import itertools
import statistics
from dataclasses import dataclass

from tests.benchmarks.contenders import AIOPIKA_AIOHTTP, OURS
from tests.benchmarks.figures import Report, Series

LEAST = 1.8
"""Times the service's CPU that aio-pika + aiohttp must use, on the same loop."""


@dataclass(frozen=True, slots=True)
class Goal:
    """How many times the figure of another case one of a scenario's cases must have at least."""

    scenario: str
    case: str
    other: str
    column: str
    least: float


GOALS = (
    Goal("partitions", "50 ms, 4 replicas", "50 ms, 1 replica", "rate", 3.6),
    Goal("partitions", "200 ms, 4 replicas", "200 ms, 1 replica", "rate", 3.6),
    Goal("coalescing", "skewed, 200 held, calls shared", "skewed, 200 held", "rate", 8),
    Goal("coalescing", "skewed, 2,000 held, calls shared", "skewed, 2,000 held", "rate", 14),
    # No more than 2 % more CPU where there is nothing to share.
    Goal("coalescing", "even", "even, calls shared", "cpu", 0.98),
)


def ratio(report: Report) -> float | None:
    """Return how often the peer uses the service's CPU; None if one of them did not run."""
    series = {each.contender: each for each in report.of("cost", "uvloop")}
    return _times(series.get(AIOPIKA_AIOHTTP.name), series.get(OURS.name), "cpu")


def reached(report: Report, goal: Goal) -> float | None:
    """Return how many times the other's figure a case has; None if one of them did not run."""
    series = {each.case: each for each in report.of(goal.scenario)}
    return _times(series.get(goal.case), series.get(goal.other), goal.column)


def _times(one: Series | None, other: Series | None, column: str) -> float | None:
    """Compare rounds, not medians of them: what disturbs a round, disturbs both.

    What ran in the first round only is compared with all rounds of the other.
    """
    if one is None or other is None:
        return None
    pairs = zip(one.runs, itertools.cycle(other.runs), strict=False)
    if len(one.runs) > 1 and len(other.runs) > 1:
        pairs = zip(one.runs, other.runs, strict=False)
    return statistics.median(mine[column] / theirs[column] for mine, theirs in pairs)
