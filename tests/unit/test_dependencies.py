"""What the service brings along: under licences that let anybody use and pass it on."""

import re
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.lock", "requirements-standin.lock")
PERMISSIVE = ("MIT", "BSD", "Apache", "PSF", "Python Software Foundation", "ISC", "MPL-2.0")
ONLY_ELSEWHERE = {"colorama"}  # of Windows
NAMES = sorted(
    {
        name
        for lock in LOCKS
        for name in re.findall(r"^([a-z0-9-]+)==", (ROOT / lock).read_text(), re.MULTILINE)
    }
    - ONLY_ELSEWHERE
)


def licence(name: str) -> str:
    """Give what a package says of its licence, in one of the three places for it."""
    told = metadata(name)
    for key in ("License-Expression", "License"):
        if key in told:
            return str(told[key])
    kinds = told.get_all("Classifier") or []
    return ", ".join(kind for kind in kinds if kind.startswith("License ::"))


@pytest.mark.parametrize("name", NAMES)
def test_a_dependency_has_a_permissive_licence(name: str) -> None:
    try:
        said = licence(name)
    except PackageNotFoundError:
        pytest.fail(f"{name} is locked and not installed")
    parts = re.split(r" AND | OR |, ", said)
    assert all(any(known in part for known in PERMISSIVE) for part in parts), said


@pytest.mark.parametrize(
    "lock", [*LOCKS, "requirements-otel.lock", "requirements-dev.lock", "requirements-build.lock"]
)
def test_all_that_is_locked_has_hashes_and_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text()
    pins = re.findall(r"^[a-z0-9-]+(?:\[[a-z,-]+\])?==", text, re.MULTILINE)
    assert len(pins) > 3
    assert len(re.findall(r"(?:^|\n)[a-z0-9][^\n]*\\\n    --hash=sha256:", text)) == len(pins)
    assert "://" not in text
