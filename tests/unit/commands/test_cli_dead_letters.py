import pytest
from typer.testing import CliRunner

from service.commands.cli_dead_letters import app

COMMANDS = ["list", "show", "export", "replay", "discard"]


def told(*arguments: str) -> str:
    done = CliRunner().invoke(app, [*arguments, "--help"], env={"COLUMNS": "80"})
    assert done.exit_code == 0
    return done.output


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples_and_fits_a_terminal(command: str) -> None:
    lines = told(command).splitlines()
    assert max(map(len, lines)) <= 80
    assert len([line for line in lines if f"profile-sync dead-letters {command}" in line]) >= 2


@pytest.mark.parametrize("command", COMMANDS[1:])
def test_help_tells_what_becomes_of_nothing(command: str) -> None:
    assert "If no letter matches" in told(command)


def test_the_commands_are_told_of_without_an_ellipsis() -> None:
    shown = told()
    assert [name for name in COMMANDS if f"\n  {name} " not in shown] == []
    assert "..." not in shown.partition("Commands:")[2]
