"""Partitions: replicas that share the events out among them, with RabbitMQ as all they share."""

import time
from collections.abc import Callable, Iterator

import pytest

from tests.integration.conftest import wait_for
from tests.integration.replicas import QUICK, Replicas, Start, Stream
from tests.programs import StandIn
from tests.rabbitmq import Vhost

SOON = 15  # seconds in which the partitions are shared out anew

pytestmark = pytest.mark.slow


@pytest.fixture
def api(standin: Callable[..., StandIn]) -> StandIn:
    """An API that answers in 20 ms."""
    return standin("--latency", "0.02")


@pytest.fixture
def replicas(
    api: StandIn, run_service: Start, environment: Callable[..., dict[str, str]]
) -> Replicas:
    """Replicas that share eight partitions; none runs yet."""
    return Replicas(run_service, environment(api, PARTITIONS="8", **QUICK))


@pytest.fixture
def stream(vhost: Vhost, replicas: Replicas) -> Iterator[Stream]:
    """A hundred events a second for two hundred customers, from when one replica runs."""
    replicas.add()
    with Stream(vhost.amqp_url, 200, 100) as sending:
        yield sending


def shared_out(replicas: Replicas, *active: int) -> None:
    wait_for(lambda: tuple(replicas.active) == active, f"{active}: {replicas.active}", SOON)


def test_are_shared_out_soon_after_each_change(
    replicas: Replicas, stream: Stream, api: StandIn
) -> None:
    shared_out(replicas, 8)
    replicas.add(3)
    shared_out(replicas, 2, 2, 2, 2)
    before = replicas.metric("partition_handovers_total")
    time.sleep(60)
    assert replicas.active == [2, 2, 2, 2]
    assert replicas.metric("partition_handovers_total") == before
