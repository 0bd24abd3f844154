"""The line a minute."""

import asyncio
from contextlib import suppress

import pytest
from structlog.testing import capture_logs

from service.metrics import Metrics
from service.summary import Summary


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def test_a_minute_in_which_nothing_happens_is_silent(metrics: Metrics) -> None:
    with capture_logs() as lines:
        Summary(metrics, list).write()
    assert lines == []


def test_it_tells_what_has_happened_since_the_one_before(metrics: Metrics) -> None:
    summary = Summary(metrics, list)
    with capture_logs() as lines:
        metrics.events_received.inc(3)
        metrics.events_finished("updated", "").inc(2)
        metrics.events_finished("rejected", "refused").inc()
        metrics.events_finished("rejected", "too-large").inc()
        summary.write()
        metrics.api_requests("put-profiles", "2xx").inc()
        metrics.retries("outage").inc()
        summary.write()
    usual = {"event": "summary", "log_level": "info", "seconds": 60, "paused": ""}
    usual |= {"lanes": 0, "sleeping_events": 0, "oldest_event_seconds": 0}
    assert lines == [
        {**usual, "received": 3, "updated": 2, "rejected": 2},
        {**usual, "calls": 1, "retries": 1},
    ]


def test_it_tells_what_waits_and_what_is_paused(metrics: Metrics) -> None:
    metrics.watch_work(lambda: 2, lambda: 1, lambda: 7.26, lambda: 1)
    with capture_logs() as lines:
        Summary(metrics, lambda: ["outage", "blocked"]).write()
    (line,) = lines
    assert (line["lanes"], line["sleeping_events"]) == (2, 1)
    assert (line["oldest_event_seconds"], line["paused"]) == (7.3, "outage,blocked")


async def test_it_comes_once_a_minute(metrics: Metrics) -> None:
    metrics.watch_work(lambda: 1, lambda: 0, lambda: 0, lambda: 1)
    with capture_logs() as lines:
        task = asyncio.get_running_loop().create_task(Summary(metrics, list).each_minute())
        await asyncio.sleep(185)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    assert len(lines) == 3
