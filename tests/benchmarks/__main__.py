"""CPU, throughput, latency and memory of the service, beside peers that do the same.

RabbitMQ is real, the API is a stub that answers a fixed profile.
"""

import argparse
import signal
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks import gate, scenarios
from tests.benchmarks.contenders import AIOPIKA_AIOHTTP, FASTSTREAM, FLOOR, OURS
from tests.benchmarks.figures import COLUMNS, Report, table
from tests.benchmarks.gauges import machine
from tests.benchmarks.peers.contract import LOOPS
from tests.benchmarks.plots import draw
from tests.benchmarks.rig import Rig
from tests.benchmarks.scenarios import Scenario, play

_PACKAGES = ("aio-pika", "aiohttp", "faststream", "httpx", "kombu", "pika", "uvloop")


def main() -> int:
    """Run what was asked for, and print its tables; 1 if something failed."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that nothing is left behind
    begun = time.monotonic()
    print("Starting RabbitMQ ...", flush=True)
    with Rig() as rig:
        report = _report(rig)
        for scenario in _chosen(options):
            if options.only and scenario.name not in options.only:
                continue
            play(scenario, rig, report, _say)
            report.save(options.json)
            _show(scenario, report)
    for note in report.notes:
        print(f"note: {note}")
    report.save(options.json)
    if options.plots:
        draw(report, options.plots)
    print(f"{time.monotonic() - begun:.0f} s in all; the figures are in {options.json}")
    failed = any(": failed: " in note for note in report.notes)
    failed = not _keeps_to_goals(report) or failed
    return int(failed or (options.gate and not _passes(report)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--quick", action="store_true", help="less of everything, under 2 minutes")
    kind.add_argument("--backlog", action="store_true", help="a million waiting events as well")
    kind.add_argument(
        "--gate",
        action="store_true",
        help=f"only beside aio-pika + aiohttp; 1 unless that takes {gate.LEAST} times the CPU",
    )
    parser.add_argument("--only", nargs="+", metavar="SCENARIO", help="cost, latency, ...")
    parser.add_argument("--json", type=Path, default=Path("build/bench.json"), metavar="FILE")
    parser.add_argument("--plots", type=Path, metavar="FOLDER", help="draw SVG files")
    return parser.parse_args()


def _chosen(options: argparse.Namespace) -> list[Scenario]:
    if options.gate:
        return [scenarios.cost((OURS, AIOPIKA_AIOHTTP), rounds=5, loops=["uvloop"])]
    if options.quick:
        few = (OURS, AIOPIKA_AIOHTTP, FASTSTREAM, FLOOR)
        return [
            scenarios.cost(few, rounds=1, share=0.5),
            scenarios.added((OURS, AIOPIKA_AIOHTTP), rounds=1),
            scenarios.starts(rounds=1),
            scenarios.probes(),
            scenarios.scrapes(rounds=1),
        ]
    sizes = (1_000, 10_000, 100_000, *([1_000_000] if options.backlog else []))
    return [
        scenarios.cost(),
        scenarios.throughput(),
        scenarios.added(),
        scenarios.backlog(sizes),
        scenarios.variants(),
        scenarios.starts(),
        scenarios.probes(),
        scenarios.scrapes(),
        scenarios.partitions(),
        scenarios.coalescing(),
    ]


def _report(rig: Rig) -> Report:
    versions = {name: version(name) for name in _PACKAGES}
    overview = rig.node.api("GET", "/overview")
    versions["RabbitMQ"] = overview["rabbitmq_version"]
    versions["Python"] = sys.version.split()[0]
    return Report(machine(), f"{datetime.now(UTC):%Y-%m-%d}", versions)


def _show(scenario: Scenario, report: Report) -> None:
    for loop in LOOPS:
        series = report.of(scenario.name, loop)
        if all(each.loop is None for each in series):
            continue
        header = [f"{scenario.title} ({loop})", "", *(COLUMNS[each] for each in scenario.columns)]
        rows = [
            [each.contender, each.case, *(each.shown(column) for column in scenario.columns)]
            for each in series
        ]
        print(f"\n{table(header, rows)}\n", flush=True)


def _keeps_to_goals(report: Report) -> bool:
    missed = 0
    for goal in gate.GOALS:
        if (found := gate.reached(report, goal)) is not None:
            print(
                f"{goal.scenario}, {COLUMNS[goal.column]}: {goal.case} has {found:.2f} times that"
                f" of {goal.other}; {goal.least} is the least"
            )
            missed += found < goal.least
    return not missed


def _passes(report: Report) -> bool:
    found = gate.ratio(report)
    if found is not None:
        print(f"{AIOPIKA_AIOHTTP.name} uses {found:.2f} times the CPU; {gate.LEAST} is the least")
    return found is not None and found >= gate.LEAST


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
