from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.benchmarks.contenders import AIOPIKA_AIOHTTP, OURS
from tests.benchmarks.figures import Measured, Report, Series
from tests.benchmarks.gate import Goal, ratio, reached
from tests.benchmarks.rig import Rig
from tests.benchmarks.scenarios import Case, Scenario, play


@pytest.fixture
def report() -> Report:
    return Report("a processor, 2 cores", "2026-11-23", {})


def _scenario(*runs: Callable[[Rig], Measured], enough: float = 60) -> Scenario:
    cases = [Case(f"{number}", OURS, "uvloop", run) for number, run in enumerate(runs)]
    return Scenario("cost", "Cost", ("cpu",), cases, 2, enough)


def _play(scenario: Scenario, report: Report) -> None:
    play(scenario, Rig(), report, lambda _: None)


def _fail(_: Rig) -> Measured:
    raise AssertionError("it has its day")


def test_contenders_take_turns_in_each_round(report: Report) -> None:
    turns: list[str] = []

    def turn(name: str) -> Callable[[Rig], Measured]:
        def run(_: Rig) -> Measured:
            turns.append(name)
            return {"cpu": float(len(turns))}

        return run

    _play(_scenario(turn("a"), turn("b")), report)
    assert turns == ["a", "b", "a", "b"]
    assert [each.runs for each in report.series] == [
        [{"cpu": 1.0}, {"cpu": 3.0}],
        [{"cpu": 2.0}, {"cpu": 4.0}],
    ]


def test_a_run_that_fails_is_noted_and_the_others_go_on(report: Report) -> None:
    _play(_scenario(_fail, lambda _: {"cpu": 1.0}), report)
    assert [len(each.runs) for each in report.series] == [0, 2]
    assert len(report.notes) == 2
    assert "failed: it has its day" in report.notes[0]


def test_no_second_round_begins_when_the_time_is_up(report: Report) -> None:
    _play(_scenario(lambda _: {"cpu": 1.0}, enough=0), report)
    assert [len(each.runs) for each in report.series] == [1]
    assert report.notes == ["cost: only 1 of 2 rounds"]


def test_the_gate_compares_rounds_so_that_one_that_others_disturbed_tells_nothing(
    report: Report,
) -> None:
    for contender, costs in ((OURS, [100.0, 900.0, 100.0]), (AIOPIKA_AIOHTTP, [200, 1800, 190])):
        runs: list[Measured] = [{"cpu": cost} for cost in costs]
        report.series.append(Series("cost", "0 ms", contender.name, "uvloop", runs=runs))
    assert ratio(report) == 2.0


def test_a_goal_compares_two_cases_of_a_scenario(report: Report) -> None:
    goal = Goal("speed", "4 replicas", "1 replica", "rate", 3.6)
    for case, rates in (("4 replicas", [4.0, 8.0, 30.0]), ("1 replica", [1.0, 2.0, 10.0])):
        runs: list[Measured] = [{"rate": rate} for rate in rates]
        report.series.append(Series("speed", case, OURS.name, "uvloop", runs=runs))
    assert reached(report, goal) == 4.0


def test_a_case_that_ran_once_is_compared_with_all_rounds_of_the_other(report: Report) -> None:
    goal = Goal("speed", "shared", "single", "rate", 8)
    for case, rates in (("shared", [8.0, 9.0, 10.0]), ("single", [1.0])):
        runs: list[Measured] = [{"rate": rate} for rate in rates]
        report.series.append(Series("speed", case, OURS.name, "uvloop", runs=runs))
    assert reached(report, goal) == 9.0


def test_a_goal_of_a_scenario_that_did_not_run_is_not_known(report: Report) -> None:
    assert reached(report, Goal("speed", "4 replicas", "1 replica", "rate", 3.6)) is None


def test_what_takes_long_runs_in_the_first_round_only(report: Report) -> None:
    turns: list[str] = []

    def turn(name: str) -> Callable[[Rig], Measured]:
        def run(_: Rig) -> Measured:
            turns.append(name)
            return {"cpu": 1.0}

        return run

    scenario = _scenario(turn("long"), turn("short"))
    long, short = scenario.cases
    _play(replace(scenario, cases=[replace(long, once=True), short]), report)
    assert turns == ["long", "short", "short"]


def test_the_gate_knows_no_ratio_when_a_contender_did_not_run(report: Report) -> None:
    report.series.append(Series("cost", "0 ms", OURS.name, "uvloop", runs=[{"cpu": 1.0}]))
    assert ratio(report) is None
