"""The fuzzed functions on what is known, and the fuzzer itself."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.__main__ import KEPT, Running, main, seeds, tell
from tests.fuzz.targets import TARGETS

INPUTS = [
    *((target, seed) for target in TARGETS for seed in seeds(target)),
    *(
        (target, file.read_bytes())
        for target in TARGETS
        for file in sorted((KEPT / target).glob("*"))
    ),
]


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_known_breaks_nothing(target: str) -> None:
    known = [data for name, data in INPUTS if name == target]
    assert len(known) >= 10
    for data in known:
        TARGETS[target](data)


def fuzz(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.fuzz", *arguments]
    variables = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    return subprocess.run(
        command, cwd=cwd, env=variables, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_nothing_is_found_in_seconds(tmp_path: Path) -> None:
    pytest.importorskip("atheris", reason="there is no fuzzer for this machine")
    done = fuzz("--minutes", "0.1", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    runs = [int(text.replace(",", "")) for text in re.findall(r": ([\d,]+) inputs", done.stdout)]
    assert len(runs) >= len(TARGETS)
    assert min(runs[-len(TARGETS) :]) > 100
    assert list(tmp_path.iterdir()) == []


def test_an_input_is_tried_again(tmp_path: Path) -> None:
    file = tmp_path / "input"
    file.write_bytes(b"\0{")
    assert main(["--target", "event", "--again", str(file)]) == 0


def test_a_finding_is_told_with_the_command_that_tries_it_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "log"
    output.write_text("#7 NEW cov: 5 ft: 6 corp: 2/9b\nTest unit written to fuzz-event-crash-1\n")
    with subprocess.Popen(["true"]) as process:
        process.wait()
    assert tell(Running("event", output, process))
    told = capsys.readouterr().out
    assert "event: 7 inputs, 5 places reached by 2" in told
    assert "again: ./dev fuzz --target event --again fuzz-event-crash-1" in told
