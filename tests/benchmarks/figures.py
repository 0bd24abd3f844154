"""Figures of many runs: kept by what was run, summed up in medians and ranges, put into tables."""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.benchmarks.peers.contract import Loop

Measured = Mapping[str, float]
"""What one run gave, by the names of `COLUMNS`."""

COLUMNS = {
    "cpu": "CPU ms per 1,000 events",
    "rate": "events/s",
    "share": "% of in flight / latency",
    "memory": "MB",
    "calls": "calls",
    "saved": "% of calls saved",
    "broker": "RabbitMQ's CPU",
    "idle": "% of the machine idle",
    "p50": "p50 ms",
    "p99": "p99 ms",
    "consuming": "s to the first consumer",
    "ready": "s to /readyz",
    "seconds": "s",
    "series": "series",
}


@dataclass(frozen=True, slots=True)
class Series:
    """The runs of one contender in one case of a scenario; `at` is where a plot shows the case."""

    scenario: str
    case: str
    contender: str
    loop: Loop | None
    at: float = 0.0
    runs: list[Measured] = field(default_factory=list)

    def median(self, column: str) -> float:
        """Return the median of a column; each run has it."""
        return statistics.median(run[column] for run in self.runs)

    def shown(self, column: str) -> str:
        """Write the median and the range, or the only value."""
        values = [run[column] for run in self.runs if column in run]
        if not values:
            return "-"
        median = _number(statistics.median(values))
        if len(values) == 1:
            return median
        return f"{median} [{_number(min(values))}-{_number(max(values))}]"


@dataclass(frozen=True, slots=True)
class Report:
    """All that a call of `./dev bench` has measured, where and when; `notes` say what is left out.

    It lives in a JSON file in between.
    """

    machine: str
    date: str
    versions: Mapping[str, str]
    series: list[Series] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write it into a file; folders are made."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> "Report":
        """Read it from a file."""
        content = json.loads(path.read_text())
        series = [Series(**each) for each in content.pop("series")]
        return cls(**content, series=series)

    def of(self, scenario: str, loop: Loop | None = None) -> list[Series]:
        """Return the series of a scenario; with a loop only its, and those that have none."""
        wanted = [each for each in self.series if each.scenario == scenario and each.runs]
        return [each for each in wanted if loop is None or each.loop in (loop, None)]


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table that reads well as plain text and as Markdown."""
    cells = [list(header), *map(list, rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(header))]
    lines = [_line(row, widths) for row in cells]
    rule = "|".join(
        "-" * (width + 2 - (at > 0)) + ":" * (at > 0) for at, width in enumerate(widths)
    )
    return "\n".join([lines[0], f"|{rule}|", *lines[1:]])


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value below which so many percent of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        cell.rjust(width) if at else cell.ljust(width)
        for at, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return f"| {' | '.join([first, *others])} |"


def _number(value: float) -> str:
    """Write a figure with as many digits as it is worth."""
    return f"{value:,.0f}" if value >= 20 else f"{value:.2f}"
