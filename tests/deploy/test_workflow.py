"""The workflow of CI: that it runs what a developer runs, and may do little."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.alerts import read
from tests.deploy.manifests import ROOT

WORKFLOW = read(ROOT / ".github" / "workflows" / "ci.yml")
JOBS: Mapping[str, Mapping[str, Any]] = WORKFLOW["jobs"]


def commands(text: str) -> list[str]:
    """Every call of ./dev with its arguments, in some shell."""
    return [found.strip() for found in re.findall(r"\./dev((?: [\w-]+)+)", text)]


def steps() -> Iterator[Mapping[str, Any]]:
    for job in JOBS.values():
        yield from job["steps"]


def test_it_runs_all_that_a_change_must_pass() -> None:
    ran = [command for step in steps() for command in commands(step.get("run", ""))]
    gate = commands((ROOT / ".ci" / "run").read_text())
    assert set(gate) == {"check", "test --slow -n0", "demo"}
    assert set(ran) == {*gate, "test", "sbom"}


@pytest.mark.parametrize("command", ["check", "test", "demo", "sbom"])
def test_dev_explains_what_it_runs(command: str) -> None:
    said = subprocess.run(["./dev", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert re.search(rf"^  \./dev {command}\b", said.stdout, re.MULTILINE)


def test_tests_of_alerts_are_not_skipped() -> None:
    for step in steps():
        if "./dev test" in step.get("run", ""):
            assert "PROFILE_SYNC_TEST_PROMTOOL=required" in step["run"]


def test_tests_of_images_are_not_skipped_among_all_tests() -> None:
    (slow,) = (step["run"] for step in steps() if "./dev test --slow" in step.get("run", ""))
    assert "PROFILE_SYNC_TEST_IMAGES=required" in slow


def test_a_run_for_a_commit_on_main_is_never_replaced_by_a_newer_one() -> None:
    group = WORKFLOW["concurrency"]["group"]
    assert "github.event_name == 'push' && github.sha || github.ref" in group


def test_actions_are_pinned_by_commit() -> None:
    actions = [step["uses"] for step in steps() if "uses" in step]
    assert actions
    for action in actions:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action)


def test_it_may_read_and_nothing_else() -> None:
    assert WORKFLOW["permissions"] == {}
    for job in JOBS.values():
        assert job["permissions"] == {"contents": "read"}


def test_no_job_hangs_for_hours() -> None:
    assert all(job["timeout-minutes"] <= 90 for job in JOBS.values())
