"""The gate: the service must stay cheaper than what others would write."""

import statistics

from tests.benchmarks.contenders import AIOPIKA_AIOHTTP, OURS
from tests.benchmarks.figures import Report

LEAST = 1.8
"""Times the service's CPU that aio-pika + aiohttp must use, on the same loop."""


def ratio(report: Report) -> float | None:
    """Return how often the peer uses the service's CPU; None if one of them did not run.

    Rounds are compared, not medians of them: what disturbs a round, disturbs both.
    """
    series = {each.contender: each for each in report.of("cost", "uvloop")}
    ours, peer = series.get(OURS.name), series.get(AIOPIKA_AIOHTTP.name)
    if ours is None or peer is None:
        return None
    pairs = zip(ours.runs, peer.runs, strict=False)
    return statistics.median(theirs["cpu"] / own["cpu"] for own, theirs in pairs)
