"""README's tables of the measurements: `python -m tests.benchmarks.readme build/bench.json`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.figures import COLUMNS, Report, Series, table
from tests.benchmarks.peers.contract import LOOPS, Loop

_BY_CASE = {
    "partitions": ("rate", "share", "cpu", "idle"),
    "coalescing": ("rate", "calls", "saved", "cpu"),
}


def written(report: Report) -> str:
    """Write what there are figures for, and under it where and when they were measured."""
    by_case = [_by_case(report, *each) for each in _BY_CASE.items() if report.of(each[0])]
    tables = [*([_beside_others(report)] if report.of("cost") else []), *by_case]
    versions = ", ".join(f"{name} {number}" for name, number in report.versions.items())
    return "\n\n".join([*tables, f"{report.machine}; {report.date}; {versions}."])


def _by_case(report: Report, scenario: str, columns: Sequence[str]) -> str:
    header = ["", *(COLUMNS[column] for column in columns)]
    rows = [
        [each.case, *(each.shown(column) for column in columns)] for each in report.of(scenario)
    ]
    return table(header, rows)


def _beside_others(report: Report) -> str:
    rows: dict[str, dict[Loop, Series]] = {}
    for each in report.of("cost"):
        loops: tuple[Loop, ...] = (each.loop,) if each.loop else LOOPS
        rows.setdefault(each.contender, {}).update(dict.fromkeys(loops, each))
    latencies = {each.contender: each for each in report.of("latency")}
    header = ["CPU ms per 1,000 events", *LOOPS, "events/s (uvloop)", "MB", "p99 ms"]
    cells = []
    for name, by_loop in rows.items():
        costs = [by_loop[loop].shown("cpu") if loop in by_loop else "-" for loop in LOOPS]
        quickest = by_loop["uvloop"]
        latency = latencies[name].shown("p99") if name in latencies else "-"
        cells.append([name, *costs, quickest.shown("rate"), quickest.shown("memory"), latency])
    return table(header, cells)


if __name__ == "__main__":
    path = sys.argv[1] if len(sys.argv) > 1 else "build/bench.json"
    print(written(Report.load(Path(path))))
