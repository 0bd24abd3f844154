"""The plots of a report, as SVG files."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tests.benchmarks.figures import Report, Series

_COLOURS = {"asyncio": "#9db7d5", "uvloop": "#2f6db3", None: "#b8b8b8"}


def draw(report: Report, folder: Path) -> None:
    """Draw what a report has figures for; folders are made."""
    folder.mkdir(parents=True, exist_ok=True)
    plots = {"cost": _cost, "throughput": _throughput, "backlog": _backlog}
    look = mpl.rc_context(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": "profile-sync",  # equal figures make equal files
            "axes.spines.top": False,
            "axes.spines.right": False,
            "font.size": 9,
        }
    )
    with look:
        for scenario, plot in plots.items():
            if series := report.of(scenario):
                figure = Figure(figsize=(7, 3.6), layout="constrained")
                plot(figure, series)
                caption = f"{report.machine}; {report.date}"
                figure.supxlabel(caption, fontsize=7, color="#666666", x=1, ha="right")
                figure.savefig(folder / f"{scenario}.svg", metadata={"Date": None})


def _cost(figure: Figure, series: list[Series]) -> None:
    axes = figure.subplots()
    names = list(dict.fromkeys(each.contender for each in series))[::-1]
    said: set[str] = set()
    for each in series:
        row = names.index(each.contender) + {"asyncio": 0.2, "uvloop": -0.2}.get(f"{each.loop}", 0)
        label = each.loop or "threads"
        bars = axes.barh(
            row,
            each.median("cpu"),
            0.38,
            color=_COLOURS[each.loop],
            label=None if label in said else label,
        )
        axes.bar_label(bars, fmt="{:,.0f}", padding=3, fontsize=8)
        said.add(label)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("CPU ms per 1,000 events (less is better)")
    axes.legend(frameon=False)


def _throughput(figure: Figure, series: list[Series]) -> None:
    axes = figure.subplots()
    cases = list(dict.fromkeys(each.case for each in series))
    names = list(dict.fromkeys(each.contender for each in series))
    width = 0.8 / len(names)
    for at, name in enumerate(names):
        shares = {each.case: each.median("share") for each in series if each.contender == name}
        places = [cases.index(case) + (at - (len(names) - 1) / 2) * width for case in shares]
        bars = axes.bar(places, list(shares.values()), width * 0.94, label=name)
        axes.bar_label(bars, fmt="{:.0f}", padding=2, fontsize=8)
    axes.set_xticks(range(len(cases)), cases)
    axes.set_xlabel("time the API takes, and calls in flight")
    axes.set_ylabel("% of in flight / latency")
    axes.axhline(100, color="#666666", linewidth=0.8, linestyle="--")
    figure.legend(loc="outside upper center", ncols=len(names), frameon=False)


def _backlog(figure: Figure, series: list[Series]) -> None:
    memory, cpu = figure.subplots(1, 2)
    _line(memory, series, "memory", "MB")
    _line(cpu, series, "cpu", "CPU ms per 1,000 events")


def _line(axes: Axes, series: list[Series], column: str, label: str) -> None:
    values = [each.median(column) for each in series]
    axes.plot([each.at for each in series], values, marker="o")
    axes.set_xscale("log")
    axes.set_ylim(0, 1.2 * max(values))
    axes.set_xlabel("events that wait at start")
    axes.set_ylabel(label)
