"""One run of several replicas that share the partitions and work through one backlog."""

import itertools
import signal
from collections.abc import Sequence
from dataclasses import replace

from tests.benchmarks.contenders import OURS, Load
from tests.benchmarks.figures import Measured
from tests.benchmarks.gauges import memory_mb
from tests.benchmarks.measure import between, look
from tests.benchmarks.queues import Queues, even, fresh
from tests.benchmarks.rig import Rig
from tests.integration.conftest import RESULTS
from tests.integration.replicas import Replicas
from tests.programs import Service, eventually

_SOON = 60.0  # seconds in which partitions are shared out, and what a hand-over put off is done


def spread(rig: Rig, replicas: int, load: Load) -> Measured:
    """Let replicas empty the partitions from when each has its share; the figures are of all.

    The backlog comes when nothing else is under way, at once. The window opens when all of it is
    there and an eighth is done, and closes when a quarter is left: no partition is empty yet.
    """
    with rig.vhost() as vhost, fresh(vhost, load.partitions) as queues:
        place = rig.place(vhost, load)
        started = itertools.count(1)

        def start(_: object) -> Service:
            output = place.output.with_suffix(f".{next(started)}.log")
            return OURS.start("uvloop", load, replace(place, output=output))

        running = Replicas(start, {})
        try:
            running.add(replicas)
            before = share_out(running, queues, [load.partitions // replicas] * replicas)
            measured = _work(rig, list(running.running.values()), queues, before, load)
        finally:
            for name in list(running.running):
                running.end(name, signal.SIGKILL)
    share = measured["rate"] * load.delay / (load.in_flight * replicas)
    return {**measured, "share": 100 * share}


def share_out(running: Replicas, queues: Queues, active: Sequence[int]) -> int:
    """Send events until the replicas work on so many partitions; return how many there were.

    A replica knows by events alone what it works on. All are done then.
    """
    sent = 0

    def balanced() -> bool:
        nonlocal sent
        keys = even(sent + 10)[sent:]
        queues.send(sent, keys)
        sent += len(keys)
        return running.active == list(active)

    assert eventually(balanced, _SOON), f"partitions are not shared out: {running.active}"
    assert eventually(lambda: queues.ready(RESULTS) == sent, _SOON), "events stay behind"
    assert running.active == list(active), "partitions were shared out anew"
    return sent


def _work(
    rig: Rig, services: Sequence[Service], queues: Queues, before: int, load: Load
) -> Measured:
    queues.send(before, even(load.events))
    within = 20 + load.events / 50
    first = look(rig, services, queues, before + load.events // 8, within)
    last = look(rig, services, queues, before + load.events * 3 // 4, within)
    memory = sum(memory_mb(service.process.pid) for service in services)
    queues.check(before + load.events)
    return {**between(first, last, load), "memory": memory}
