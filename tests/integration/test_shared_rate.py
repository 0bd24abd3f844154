"""RATE_LIMIT of several replicas, by what comes to the API in any second."""

import signal
import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from tests.benchmarks.queues import even, fresh
from tests.benchmarks.rig import StubApis
from tests.benchmarks.spread import share_out
from tests.integration.replicas import QUICK, Replicas, Start
from tests.rabbitmq import Vhost

RATE = 200
WHOLE, AFTER = 10, 15  # seconds of three replicas, and of two once one is killed

pytestmark = pytest.mark.slow


@pytest.fixture
def api_url() -> Iterator[str]:
    """An API that notes when each update comes, and is never the limit."""
    with StubApis() as apis:
        yield apis.url(0.02)


def most_in_a_second(times: Sequence[float]) -> int:
    """Count the calls of the second that has most of them, whenever it begins."""
    return max(bisect_left(times, begun + 1) - at for at, begun in enumerate(times))


def average(times: Sequence[float], begin: float, end: float) -> float:
    return (bisect_left(times, end) - bisect_left(times, begin)) / (end - begin)


def test_is_kept_and_used_also_when_a_replica_is_killed(
    vhost: Vhost, run_service: Start, api_url: str, tmp_path: Path
) -> None:
    settings = {
        **QUICK,
        "AMQP_URL": vhost.amqp_url,
        "API_URL": api_url,
        "ACCESS_TOKEN": "demo-token",
        "PARTITIONS": "8",
        "RATE_LIMIT": f"{RATE}",
    }
    env = {f"PROFILE_SYNC_{name}": value for name, value in settings.items()}
    with fresh(vhost, 8) as queues:
        replicas = Replicas(run_service, env)
        names = replicas.add(3)
        sent = share_out(replicas, queues, [3, 3, 2])
        queues.send(sent, even(RATE * (WHOLE + AFTER + 5)))
        begun = time.monotonic() + 1
        time.sleep(WHOLE + 1)
        killed = time.monotonic()
        replicas.end(names[0], signal.SIGKILL)
        time.sleep(AFTER)
        ended = time.monotonic()
        assert queues.waiting() > 0, "the backlog was too short"
    with httpx.Client(trust_env=False) as client:
        times = sorted(client.get(f"{api_url}/calls").json()["times"])
    times = times[bisect_left(times, begun) :]
    print("share-out", sent, "active", replicas.active, "loads", open("/proc/loadavg").read())
    print(
        "max whole",
        most_in_a_second([t for t in times if t < killed]),
        "max after",
        most_in_a_second([t for t in times if t > killed - 1]),
    )
    print("avg", average(times, begun, killed), average(times, killed, ended))
    for s in range(int(ended - begun)):
        print(s - WHOLE, average(times, begun + s, begun + s + 1))
    assert 0
