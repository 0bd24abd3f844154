"""The faults that the service's own processes have, and their coming and going."""

import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial

from tests.campaign.api_faults import Fault
from tests.campaign.stage import MOST_SHARING, Stage


@contextmanager
def _service_ended(stage: Stage, how: signal.Signals) -> Iterator[None]:
    stage.end_replica(how)
    yield
    stage.add_replica()


@contextmanager
def _service_frozen(stage: Stage) -> Iterator[None]:
    """Frozen while another one takes over, and woken beside it; then the older one is ended."""
    stage.add_replica()
    frozen = next(iter(stage.replicas.values())).process.pid
    send(frozen, signal.SIGSTOP)
    try:
        yield
    finally:
        send(frozen, signal.SIGCONT)
    time.sleep(1)
    if len(stage.replicas) > 1:
        stage.end_replica(signal.SIGTERM)


@contextmanager
def _replicas_added(stage: Stage, count: int) -> Iterator[None]:
    for _ in range(count):
        stage.add_replica()
    yield
    while len(stage.replicas) > 1:
        stage.end_replica(signal.SIGKILL)


@contextmanager
def _replicas_changed(stage: Stage) -> Iterator[None]:
    """Another number of replicas, from now on: some are started, or ended in either way."""
    numbers = {*range(1, MOST_SHARING + 1)} - {len(stage.replicas)}
    number = stage.draw(sorted(numbers))
    while len(stage.replicas) < number:
        stage.add_replica()
    while len(stage.replicas) > number:
        stage.end_replica(stage.draw([signal.SIGTERM, signal.SIGKILL]))
    yield


@contextmanager
def _replica_frozen(stage: Stage) -> Iterator[None]:
    """One of those that are at work; the others take its partitions, or it is the only one."""
    frozen = stage.draw([*stage.replicas.values()]).process.pid
    send(frozen, signal.SIGSTOP)
    try:
        yield
    finally:
        send(frozen, signal.SIGCONT)


@contextmanager
def _replica_cut_off(stage: Stage) -> Iterator[None]:
    """One of those that are at work hears nothing from RabbitMQ, which hears nothing from it."""
    proxies = stage.own_links[stage.draw([*stage.replicas])]
    for proxy in proxies:
        proxy.stall()
    try:
        yield
    finally:
        for proxy in proxies:
            proxy.flow()


@contextmanager
def _replica_reset(stage: Stage) -> Iterator[None]:
    for proxy in stage.own_links[stage.draw([*stage.replicas])]:
        proxy.reset()
    yield


def send(pid: int | None, number: signal.Signals) -> None:
    """Send a signal to a process, if it is there."""
    with suppress(ProcessLookupError):
        if pid is not None:
            os.kill(pid, number)


PROCESS_FAULTS: Mapping[str, Fault] = {
    "replica-added": partial(_replicas_added, count=1),
    "replica-cut-off": _replica_cut_off,
    "replica-frozen": _replica_frozen,
    "replica-reset": _replica_reset,
    "replicas-added": partial(_replicas_added, count=2),
    "replicas-changed": _replicas_changed,
    "service-frozen": _service_frozen,
    "service-killed": partial(_service_ended, how=signal.SIGKILL),
    "service-terminated": partial(_service_ended, how=signal.SIGTERM),
}
