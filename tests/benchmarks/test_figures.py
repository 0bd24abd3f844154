from pathlib import Path

from tests.benchmarks.figures import Report, Series, percentile, table
from tests.benchmarks.plots import draw
from tests.benchmarks.readme import written


def _series(contender: str, *costs: float, scenario: str = "cost") -> Series:
    runs = [{"cpu": cost, "rate": 1e6 / cost, "memory": 50.0, "share": 90.0} for cost in costs]
    return Series(scenario, "0 ms", contender, "uvloop", 1.0, list(runs))


def _report(*series: Series) -> Report:
    return Report("a processor, 2 cores", "2026-11-23", {"Python": "3.11"}, list(series))


def test_the_median_is_shown_with_the_range_of_all_runs() -> None:
    assert _series("ours", 300, 100, 200).shown("cpu") == "200 [100-300]"


def test_a_single_run_is_shown_without_a_range() -> None:
    assert _series("ours", 1234.5).shown("cpu") == "1,234"


def test_a_column_that_was_not_measured_is_shown_as_a_dash() -> None:
    assert _series("ours", 100).shown("p99") == "-"


def test_the_percentile_is_a_value_that_was_measured() -> None:
    values = [float(number) for number in range(100, 0, -1)]
    assert percentile(values, 50) == 51
    assert percentile(values, 99) == 100
    assert percentile([7.0], 99) == 7


def test_a_table_has_its_figures_to_the_right() -> None:
    assert table(["name", "n"], [["a", "1,000"], ["bcdef", "2"]]).splitlines() == [
        "| name  |     n |",
        "|-------|------:|",
        "| a     | 1,000 |",
        "| bcdef |     2 |",
    ]


def test_a_report_is_read_as_it_was_saved(tmp_path: Path) -> None:
    report = _report(_series("ours", 100, 200))
    report.save(tmp_path / "build" / "bench.json")
    assert Report.load(tmp_path / "build" / "bench.json") == report


def test_a_contender_without_a_loop_is_compared_on_both() -> None:
    threads = Series("cost", "0 ms", "threads", None, runs=[{"cpu": 1.0}])
    report = _report(_series("ours", 100), threads)
    assert [each.contender for each in report.of("cost", "uvloop")] == ["ours", "threads"]
    assert [each.contender for each in report.of("cost", "asyncio")] == ["threads"]


def test_readmes_table_says_where_and_when_it_was_measured() -> None:
    text = written(_report(_series("ours", 100, 200, 300)))
    assert "200 [100-300]" in text
    assert text.endswith("a processor, 2 cores; 2026-11-23; Python 3.11.")


def test_readme_has_a_table_by_case_of_replicas_and_of_calls_that_are_shared() -> None:
    text = written(_report(_series("ours", 250, scenario="partitions")))
    assert "| 0 ms |    4,000 |" in text
    assert "asyncio" not in text


def test_plots_are_drawn_of_what_was_measured(tmp_path: Path) -> None:
    scenarios = ("cost", "backlog", "throughput")
    draw(_report(*(_series("ours", 100, scenario=each) for each in scenarios)), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {f"{each}.svg" for each in scenarios}
    assert "ours" in (tmp_path / "cost.svg").read_text()
