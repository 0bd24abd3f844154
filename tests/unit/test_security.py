"""SECURITY.md says what is: each proof that it names is there, and its counts are true."""

import re
from pathlib import Path

import pytest

from tests.corpus import CASES
from tests.fuzz.__main__ import KEPT
from tests.fuzz.targets import TARGETS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "SECURITY.md").read_text()
GOOD = {"created", "updated", "unmatched", "accepted"}


def rows(name: str) -> list[list[str]]:
    """Read a table between its marks, without its head."""
    table = TEXT.partition(f"<!-- {name} -->\n")[2].partition(f"<!-- /{name} -->")[0]
    lines = table.strip().splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize("row", rows("threats"), ids=lambda row: f"{row[0]}: {row[1]}")
def test_what_stops_a_threat_is_proven_by_a_test_that_is_there(row: list[str]) -> None:
    proofs = re.findall(r"`([^`]+)`", row[3])
    assert proofs
    for proof in proofs:
        path, _, name = proof.partition("::")
        assert f"def {name}" in (ROOT / path).read_text()


def test_the_counts_are_true() -> None:
    kept = sum(len(list((KEPT / target).iterdir())) for target in TARGETS)
    refused = sum(case.ends not in GOOD for case in CASES)
    counts = [row[1] for row in rows("counts")]
    assert counts == [str(len(CASES)), str(refused), f"{len(TARGETS)}, {kept}"]
