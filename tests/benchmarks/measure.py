"""One run: a contender works through a queue, or through events as they come, and is watched."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import pika
from pika.adapters.blocking_connection import BlockingChannel

from tests.benchmarks.contenders import OURS, Contender, Load, Place
from tests.benchmarks.figures import Measured, percentile
from tests.benchmarks.gauges import cores, cpu_seconds, idle_seconds, memory_mb
from tests.benchmarks.peers.contract import Loop
from tests.benchmarks.queues import PERSISTENT, Queues, even, event, fresh, last_name, skewed
from tests.benchmarks.rig import Rig
from tests.integration.conftest import EVENTS, RESULTS
from tests.programs import Program, Service, eventually

_WARM_UP = 50  # events
_SCRAPES = 100
_POLL = 0.01  # seconds between two looks


def drain(rig: Rig, contender: Contender, loop: Loop | None, load: Load) -> Measured:
    """Let a contender empty a full queue, and watch it while it is busy.

    The window leaves out the start, and as many events at both ends as may be under way at once:
    what is half done as it opens, is half done as it closes. With skewed keys it is the whole run:
    the frequent ones make its end what it is.
    """
    keys = skewed(load.events) if load.skewed else even(load.events)
    margin = min(load.prefetch, load.events // 4)
    opens, closes = (1, load.events) if load.skewed else (margin, load.events - margin)
    with rig.vhost() as vhost, fresh(vhost, classic=load.classic) as queues:
        queues.send(0, keys)
        assert eventually(lambda: queues.ready(EVENTS) == load.events, 60), "events are missing"
        place = rig.place(vhost, load)
        _calls(place)
        program = contender.start(loop, load, place)
        try:
            first = look(rig, [program], queues, opens, 60)
            last = look(rig, [program], queues, closes, 20 + load.events / 50)
            events = last.results - first.results
            assert events > (closes - opens) / 2, "results come in lumps: it takes more events"
            queues.check(load.events)
            memory = memory_mb(program.process.pid)
        finally:
            program.kill()
    calls = _check_writes(_calls(place), keys)
    share = 100 * (load.events - calls) / load.events
    return {**between(first, last, load), "memory": memory, "calls": calls, "saved": share}


def _calls(place: Place) -> Any:
    """Ask the stub for what has come since it was asked before."""
    with httpx.Client(trust_env=False, verify=False) as client:  # noqa: S501 - a stub of ours
        return client.get(f"{place.api_url}/calls").raise_for_status().json()


def _check_writes(found: Any, keys: Sequence[str]) -> int:
    """Fail unless the last event of each key was written last; return the number of PUTs."""
    wanted = {key: last_name(number) for number, key in enumerate(keys)}
    names = {key: body["fields"]["lastname"] for key, body in found["last"].items()}
    assert names == wanted, "profiles were left with other values than those of their last events"
    puts: int = found["puts"]
    return puts


def between(first: "Look", last: "Look", load: Load) -> Measured:
    """Give the figures of the time between two looks."""
    events = last.results - first.results
    rate = events / (last.at - first.at)
    return {
        "cpu": (last.cpu - first.cpu) / events * 1e6,
        "broker": (last.broker_cpu - first.broker_cpu) / events * 1e6,
        "rate": rate,
        "idle": 100 * (last.idle - first.idle) / (last.at - first.at) / cores(),
        "share": 100 * rate * load.delay / load.in_flight,
    }


@dataclass(frozen=True, slots=True)
class Look:
    """How far things were at a moment; all times in seconds."""

    results: int
    at: float
    cpu: float
    broker_cpu: float
    idle: float


def look(
    rig: Rig, programs: Sequence[Program], queues: Queues, results: int, within: float
) -> Look:
    """Look at some programs as soon as there are so many results; CPU is that of all of them."""
    assert rig.node.pid is not None
    found = 0

    def have_come() -> bool:
        nonlocal found
        found = queues.ready(RESULTS)
        return found >= results

    programs[0].wait_until(have_come, f"at {results} results", within, _POLL)
    cpu = sum(cpu_seconds(each.process.pid) for each in programs)
    broker_cpu = cpu_seconds(rig.node.pid)
    return Look(found, time.perf_counter(), cpu, broker_cpu, idle_seconds())


def trickle(
    rig: Rig, contender: Contender, loop: Loop | None, rate: float, seconds: float
) -> Measured:
    """Publish events at their times, however long results take; from publish to result, in ms."""
    load = Load(_WARM_UP + int(rate * seconds))
    with rig.vhost() as vhost, fresh(vhost) as queues:
        program = contender.start(loop, load, rig.place(vhost, load))
        try:
            program.wait_until(queues.is_consumed, "consuming", 30)
            stopwatch = _Stopwatch(queues.connection.channel(), even(load.events))
            stopwatch.run(0, _WARM_UP, rate)
            before = cpu_seconds(program.process.pid)
            taken = stopwatch.run(_WARM_UP, load.events, rate)
            used = cpu_seconds(program.process.pid) - before
        finally:
            program.kill()
    return {
        "p50": percentile(taken, 50) * 1e3,
        "p99": percentile(taken, 99) * 1e3,
        "cpu": used / len(taken) * 1e6,
    }


class _Stopwatch:
    """Publishes events and takes their results, in one thread.

    Without confirms: to wait for one would keep it from seeing results.
    """

    def __init__(self, opened: BlockingChannel, keys: Sequence[str]) -> None:
        self._channel = opened
        self._keys = keys
        self._sent: dict[str, float] = {}
        self._taken: list[float] = []
        self._properties = pika.BasicProperties(  # type: ignore[no-untyped-call] # as pika's all
            content_type="application/json", delivery_mode=PERSISTENT
        )
        opened.basic_consume(RESULTS, self._arrived, auto_ack=True)

    def run(self, first: int, end: int, rate: float) -> list[float]:
        """Publish the events of these numbers, so many a second; seconds until each had a result.

        Raises AssertionError if results do not come.
        """
        self._taken = []
        begun = time.perf_counter()
        process = self._channel.connection.process_data_events
        for number in range(first, end):
            due = begun + (number - first) / rate
            while (left := due - time.perf_counter()) > 0:
                process(time_limit=left)
            self._sent[f"evt-{number:08}"] = time.perf_counter()
            body = event(number, self._keys[number])
            self._channel.basic_publish(EVENTS, "profile.update", body, self._properties)
        deadline = time.monotonic() + 30
        while self._sent and time.monotonic() < deadline:
            process(time_limit=_POLL)
        assert not self._sent, f"{len(self._sent)} results did not come"
        return self._taken

    def _arrived(
        self,
        _channel: BlockingChannel,
        _method: pika.spec.Basic.Deliver,
        _properties: pika.BasicProperties,
        body: bytes,
    ) -> None:
        now = time.perf_counter()
        result = json.loads(body)
        assert result["outcome"] == "updated", result
        self._taken.append(now - self._sent.pop(result["event_id"]))


def start_up(rig: Rig, contender: Contender, loop: Loop | None) -> Measured:
    """Start a contender on empty queues; seconds from its exec until it consumes."""
    load = Load(0)
    with rig.vhost() as vhost, fresh(vhost) as queues:
        begun = time.perf_counter()
        program = contender.start(loop, load, rig.place(vhost, load))
        try:
            program.wait_until(queues.is_consumed, "consuming", 30, _POLL)
            measured = {"consuming": time.perf_counter() - begun}
            if isinstance(program, Service):
                program.wait_ready()
                measured["ready"] = time.perf_counter() - begun
            measured["memory"] = memory_mb(program.process.pid)
        finally:
            program.kill()
    return measured


def scrape(rig: Rig, load: Load) -> Measured:
    """Read /metrics over and over while the service empties a queue; in ms, from ask to answer.

    Without events it has nothing else to do, and is asked a hundred times.
    """
    taken: list[float] = []
    with rig.vhost() as vhost, fresh(vhost) as queues, httpx.Client(trust_env=False) as client:
        queues.send(0, even(load.events))
        service = OURS.start("uvloop", load, rig.place(vhost, load))
        try:
            service.wait_ready()
            while queues.ready(RESULTS) < load.events - load.prefetch or len(taken) < _SCRAPES:
                begun = time.perf_counter()
                page = client.get(f"{service.http_url}/metrics")
                taken.append(time.perf_counter() - begun)
            if load.events:
                queues.check(load.events)
        finally:
            service.kill()
    return {
        "p50": percentile(taken, 50) * 1e3,
        "p99": percentile(taken, 99) * 1e3,
        "series": sum(not line.startswith("#") for line in page.text.splitlines()),
    }


def probe(rig: Rig) -> Measured:
    """Ask a service that is ready whether it is; seconds from the command's exec to its end."""
    load = Load(0)
    with rig.vhost() as vhost, fresh(vhost):
        service = OURS.start("uvloop", load, rig.place(vhost, load))
        try:
            service.wait_ready()
            begun = time.perf_counter()
            ended = subprocess.run(
                [sys.executable, "-m", "service", "probe"],
                env={**os.environ, "PROFILE_SYNC_HTTP_PORT": service.http_url.rpartition(":")[2]},
                capture_output=True,
                check=False,
            )
            seconds = time.perf_counter() - begun
        finally:
            service.kill()
    assert ended.returncode == 0, f"{ended.stdout!r} {ended.stderr!r}"
    return {"seconds": seconds}
