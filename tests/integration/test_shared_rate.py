"""RATE_LIMIT of several replicas, by what comes to the API in any second."""

import signal
import statistics
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence

import httpx
import pytest

from tests.benchmarks.queues import even, fresh
from tests.benchmarks.rig import StubApis
from tests.benchmarks.spread import share_out
from tests.integration.replicas import QUICK, Replicas, Start
from tests.rabbitmq import Vhost

RATE, LEAST = 200, 190
BEFORE, AFTER = 10, 12  # seconds in which three replicas work, and two once one is killed

pytestmark = pytest.mark.slow


@pytest.fixture
def api_url() -> Iterator[str]:
    """An API that notes when each call comes, and is never the limit."""
    with StubApis() as apis:
        yield apis.url(0.02)


class Hiccups:
    """How late this machine may be with what is due: `longest` is the most seconds so far."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Hiccups":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(5)

    def _run(self) -> None:
        due = time.monotonic() + 0.005
        while not self._ended.wait(due - time.monotonic()):
            self.longest = max(self.longest, time.monotonic() - due)
            due = time.monotonic() + 0.005


def most_within(seconds: float, times: Sequence[float]) -> int:
    """Count the calls of so many seconds, begun when they are most."""
    return max(bisect_left(times, first + seconds) - at for at, first in enumerate(times))


def in_most_seconds(times: Sequence[float], begin: float, end: float) -> float:
    """Give the median of the calls in a second, begun at each tenth of one.

    An average would also tell what a busy machine kept from working for a while.
    """
    begins = (begin + tenth / 10 for tenth in range(int(10 * (end - begin)) - 9))
    return statistics.median(
        bisect_left(times, each + 1) - bisect_left(times, each) for each in begins
    )


@pytest.fixture
def replicas(vhost: Vhost, api_url: str, run_service: Start) -> Replicas:
    """Replicas that share a rate and eight partitions; none runs yet."""
    settings = {
        **QUICK,
        "AMQP_URL": vhost.amqp_url,
        "API_URL": api_url,
        "ACCESS_TOKEN": "demo-token",
        "PARTITIONS": "8",
        "RATE_LIMIT": f"{RATE}",
    }
    env = {f"PROFILE_SYNC_{name}": value for name, value in settings.items()}
    return Replicas(run_service, env)


def test_is_kept_and_used_also_when_a_replica_is_killed(
    vhost: Vhost, replicas: Replicas, api_url: str
) -> None:
    with fresh(vhost, 8) as queues, Hiccups() as hiccups:
        first, *_ = replicas.add(3)
        sent = share_out(replicas, queues, [3, 3, 2])
        queues.send(sent, even(RATE * (BEFORE + AFTER + 3)))
        begun = time.monotonic()
        time.sleep(BEFORE)
        killed = time.monotonic()
        replicas.end(first, signal.SIGKILL)
        time.sleep(AFTER)
        ended = time.monotonic()
        assert queues.waiting() > 0  # they could have worked all the time
    with httpx.Client(trust_env=False) as client:
        times = sorted(client.get(f"{api_url}/calls").json()["times"])
    # What comes so close together was sent within a second.
    assert most_within(1 - hiccups.longest, times) <= RATE
    assert in_most_seconds(times, begun, killed) >= LEAST
    # What the killed one held waits; its part of the rate goes to what the others had before.
    waiting = float(QUICK["AMBIGUOUS_WAIT"])
    assert in_most_seconds(times, killed + 1, killed + waiting) >= LEAST
    assert in_most_seconds(times, killed + 1, ended) >= LEAST
