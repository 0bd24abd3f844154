"""README's table of the measurements: `python -m tests.benchmarks.readme build/bench.json`."""

import sys
from pathlib import Path

from tests.benchmarks.figures import Report, Series, table
from tests.benchmarks.peers.contract import LOOPS, Loop


def written(report: Report) -> str:
    """Write the table, and under it where and when it was measured."""
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
    versions = ", ".join(f"{name} {number}" for name, number in report.versions.items())
    return f"{table(header, cells)}\n\n{report.machine}; {report.date}; {versions}."


if __name__ == "__main__":
    path = sys.argv[1] if len(sys.argv) > 1 else "build/bench.json"
    print(written(Report.load(Path(path))))
