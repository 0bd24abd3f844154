"""What is measured: each scenario is a list of cases, which are run in rounds, one after the other.

So each contender meets the same moods of a machine that others use too.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from tests.benchmarks.contenders import (
    AIOPIKA_AIOHTTP,
    ALL,
    FASTSTREAM,
    FLOOR,
    OURS,
    Contender,
    Load,
)
from tests.benchmarks.figures import Measured, Report, Series
from tests.benchmarks.measure import drain, probe, scrape, start_up, trickle
from tests.benchmarks.peers.contract import LOOPS, Loop
from tests.benchmarks.rig import Rig
from tests.benchmarks.spread import spread

TRICKLE = 100  # events a second

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Case:
    """One contender in one situation; `at` is where a plot shows it.

    What takes long may run `once`, in the first round.
    """

    label: str
    contender: Contender
    loop: Loop | None
    run: Callable[[Rig], Measured]
    at: float = 0.0
    once: bool = False

    @property
    def name(self) -> str:
        """Say what runs, for who looks on."""
        on = f" on {self.loop}" if self.loop else ""
        return f"{self.contender.name}{on}, {self.label}"


@dataclass(frozen=True, slots=True)
class Scenario:
    """Cases to compare; `columns` are the figures to show of them.

    No second round begins after `enough` seconds: on a busy machine there are fewer.
    """

    name: str
    title: str
    columns: Sequence[str]
    cases: Sequence[Case]
    rounds: int
    enough: float = 60.0


def play(scenario: Scenario, rig: Rig, report: Report, say: Say) -> None:
    """Run the rounds of a scenario; what fails is noted, and the rest goes on."""
    until = time.monotonic() + scenario.enough
    series = [
        Series(scenario.name, case.label, case.contender.name, case.loop, case.at)
        for case in scenario.cases
    ]
    report.series.extend(series)
    for number in range(1, scenario.rounds + 1):
        if number > 1 and time.monotonic() > until:
            report.notes.append(f"{scenario.name}: only {number - 1} of {scenario.rounds} rounds")
            return
        for case, into in zip(scenario.cases, series, strict=True):
            if number > 1 and case.once:
                continue
            what = f"{scenario.name}, round {number} of {scenario.rounds}: {case.name}"
            try:
                into.runs.append(case.run(rig))
            except AssertionError as error:
                report.notes.append(f"{what}: failed: {error}")
                say(f"{what}: FAILED")
            else:
                one = replace(into, runs=into.runs[-1:])
                say(f"{what}: {', '.join(f'{key} {one.shown(key)}' for key in scenario.columns)}")


def cost(
    contenders: Sequence[Contender] = ALL,
    rounds: int = 3,
    share: float = 1,
    loops: Sequence[Loop] = LOOPS,
) -> Scenario:
    """CPU and events a second, with an API that answers at once; a `share` of the usual events."""
    cases = [
        Case("0 ms", each, loop, partial(_drain, each, loop, Load(int(each.events * share))))
        for each in contenders
        for loop in (loops if each.loops else (None,))
    ]
    columns = ("cpu", "rate", "memory", "broker")
    return Scenario("cost", "An API that answers at once", columns, cases, rounds, enough=150)


def throughput(rounds: int = 2) -> Scenario:
    """Events a second, with an API that takes its time."""
    cases = []
    for delay, in_flight, prefetch in ((0.005, 64, 200), (0.05, 64, 200), (0.2, 256, 1000)):
        for each, events in ((OURS, 4_000), (AIOPIKA_AIOHTTP, 4_000), (FASTSTREAM, 1_000)):
            load = Load(max(events, 20 * in_flight), delay, in_flight, prefetch)
            label = f"{delay * 1e3:.0f} ms, {in_flight} in flight"
            run = partial(_drain, each, "uvloop", load)
            cases.append(Case(label, each, "uvloop", run, delay * 1e3))
    columns = ("rate", "share", "cpu")
    return Scenario("throughput", "An API that takes its time", columns, cases, rounds)


def added(contenders: Sequence[Contender] = ALL, rounds: int = 2, seconds: float = 3) -> Scenario:
    """Latency that a contender adds at an easy rate, from publish to result."""
    cases = []
    for each in contenders:
        loop: Loop | None = "uvloop" if each.loops else None
        run = partial(trickle, contender=each, loop=loop, rate=TRICKLE, seconds=seconds)
        cases.append(Case(f"{TRICKLE} events/s", each, loop, run))
    title = f"Latency added at {TRICKLE} events/s"
    return Scenario("latency", title, ("p50", "p99", "cpu"), cases, rounds)


def backlog(sizes: Sequence[int] = (1_000, 10_000, 100_000)) -> Scenario:
    """Memory and CPU by the length of the queue at start."""
    cases = [
        Case(f"{size:,} events", OURS, "uvloop", partial(_drain, OURS, "uvloop", Load(size)), size)
        for size in sizes
    ]
    columns = ("memory", "cpu", "rate")
    return Scenario("backlog", "Events that wait at start", columns, cases, 1)


def variants(rounds: int = 2) -> Scenario:
    """Other queues and TLS beside the plain case."""
    plain = Load(OURS.events)
    loads = {
        "quorum queues, no TLS": plain,
        "classic queues": replace(plain, classic=True),
        "TLS to the API": replace(plain, api_tls=True),
        "TLS to RabbitMQ": replace(plain, broker_tls=True),
    }
    cases = [
        Case(label, OURS, "uvloop", partial(_drain, OURS, "uvloop", load))
        for label, load in loads.items()
    ]
    columns = ("cpu", "rate", "broker")
    return Scenario("variants", "Other queues, and TLS", columns, cases, rounds)


def partitions(rounds: int = 3) -> Scenario:
    """Events a second of replicas that share eight partitions, with an API that takes its time.

    Four of them, RabbitMQ and the stub need nearly two cores for what 50 ms allow: where these are
    busy, the rate of calls that take 200 ms still tells.
    """
    cases = []
    for delay in (0.05, 0.2):
        for replicas in (1, 4):
            events = int(replicas * 250 / delay)  # some eight seconds of work
            load = Load(events, delay, in_flight=32, prefetch=512, partitions=8)
            label = f"{delay * 1e3:.0f} ms, {replicas} replica{'s' * (replicas > 1)}"
            run = partial(spread, replicas=replicas, load=load)
            cases.append(Case(label, OURS, "uvloop", run, replicas))
    columns = ("rate", "share", "cpu", "broker", "idle")
    title = "Replicas that share 8 partitions, 32 in flight each"
    return Scenario("partitions", title, columns, cases, rounds, enough=180)


def coalescing(rounds: int = 7) -> Scenario:
    """Updates of one profile that share a call, where few profiles have most of the events."""
    cases = []
    for held in (200, 2_000):
        load = Load(8_000, delay=0.05, prefetch=held, skewed=True)
        cases += _shared_or_not(f"skewed, {held:,} held", load, once=True)
    cases += _shared_or_not("even", Load(4_000, delay=0.05))
    columns = ("rate", "calls", "saved", "cpu")
    title = "Updates that share a call, 50 ms, 64 in flight"
    return Scenario("coalescing", title, columns, cases, rounds, enough=240)


def _shared_or_not(label: str, load: Load, *, once: bool = False) -> list[Case]:
    """Compare the two; without sharing it may run `once`."""
    shared = partial(_drain, OURS, "uvloop", replace(load, coalesce=True))
    return [
        Case(label, OURS, "uvloop", partial(_drain, OURS, "uvloop", load), once=once),
        Case(f"{label}, calls shared", OURS, "uvloop", shared),
    ]


def starts(rounds: int = 3) -> Scenario:
    """Seconds until a contender takes events."""
    cases = [
        Case("start", each, "uvloop", partial(start_up, contender=each, loop="uvloop"))
        for each in (OURS, AIOPIKA_AIOHTTP, FASTSTREAM, FLOOR)
    ]
    return Scenario("start", "From exec to work", ("consuming", "ready", "memory"), cases, rounds)


def probes(rounds: int = 3) -> Scenario:
    """Seconds that `profile-sync probe` takes."""
    cases = [Case("probe", OURS, "uvloop", probe)]
    return Scenario("probe", "`profile-sync probe`", ("seconds",), cases, rounds)


def scrapes(rounds: int = 2) -> Scenario:
    """Milliseconds that /metrics takes while the service does what it can, and while it idles."""
    loads = {"0 ms": Load(OURS.events), "50 ms": Load(OURS.events, delay=0.05), "idle": Load(0)}
    cases = [
        Case(label, OURS, "uvloop", partial(scrape, load=load)) for label, load in loads.items()
    ]
    columns = ("p50", "p99", "series")
    return Scenario("metrics", "/metrics, by the API's time", columns, cases, rounds)


def _drain(contender: Contender, loop: Loop | None, load: Load, rig: Rig) -> Measured:
    return drain(rig, contender, loop, load)
