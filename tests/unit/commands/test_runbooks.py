"""What the runbooks tell somebody to type exists."""

import re
from pathlib import Path

import pytest
import typer

from service.commands.cli import app

ROOT = Path(__file__).parents[3]
TYPED = re.compile(
    r"(?:`profile-sync |^(?:\$ |    )profile-sync |^\$ \./dev run )((?:dead-letters )?[a-z-]+)"
    r"((?: +[A-Za-z0-9./_:-]+)*)",
    re.MULTILINE,
)


def lines() -> list[tuple[str, list[str]]]:
    found = []
    for name in ("deploy/runbooks.md", "README.md"):
        for command, rest in TYPED.findall((ROOT / name).read_text()):
            found.append((command, re.findall(r"--[a-z-]+", rest)))
    return found


def options() -> dict[str, set[str]]:
    """Each command with its options."""
    group = typer.main.get_command(app)
    known: dict[str, set[str]] = {"dead-letters": set()}
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        for inner, each in getattr(command, "commands", {"": command}).items():
            opts = {opt for param in each.params for opt in param.opts}
            known[f"{name} {inner}".strip()] = {*opts, "--help"}
    return known


KNOWN = options()


def test_there_are_such_lines() -> None:
    assert len(lines()) > 30


@pytest.mark.parametrize(("command", "given"), lines())
def test_each_command_and_option_is_there(command: str, given: list[str]) -> None:
    assert command in KNOWN, command
    assert {*given} <= KNOWN[command]
