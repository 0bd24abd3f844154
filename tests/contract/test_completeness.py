"""Every behaviour of the stand-in has a test, and every such test is run."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.standin.behaviours import BEHAVIOURS

FOLDER = Path(__file__).parent

FILES = [path for path in sorted(FOLDER.glob("test_*.py")) if path != Path(__file__)]


def numbered(path: Path) -> Iterator[str]:
    """Yield the names of the tests of a file that begin with the number of a behaviour."""
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef) and re.match(r"test_\d\d_", node.name):
            yield node.name


def test_every_behaviour_has_a_test() -> None:
    """From 1 to 60, and no other numbers; each is told in a sentence of its own."""
    found = {int(name.split("_")[1]) for path in FILES for name in numbered(path)}
    assert found == set(BEHAVIOURS) == set(range(1, 61))
    assert len(set(BEHAVIOURS.values())) == len(BEHAVIOURS)


def test_no_test_of_a_behaviour_is_skipped() -> None:
    """Neither by a mark on it or on its file, nor in its midst, nor expected to fail."""
    for path in FILES:
        if any(numbered(path)):
            text = path.read_text("utf-8")
            assert not re.search(r"(mark|pytest)\.(skip|skipif|xfail|importorskip|slow)\b", text), (
                path
            )


def test_every_test_has_a_name_of_its_own() -> None:
    """Of two with one name in a file, the first would never run."""
    for path in FILES:
        names = re.findall(r"^def (test_\w+)", path.read_text("utf-8"), re.MULTILINE)
        assert len(set(names)) == len(names), path
