"""The command line, thin: each command reads its settings and hands over."""

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from service import readiness
from service.commands import (
    cli_checks,
    cli_contract,
    cli_dead_letters,
    cli_events,
    cli_run,
    cli_watch,
)
from service.commands.terminal import explained

app = typer.Typer(
    name="profile-sync",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"profile-sync {version('profile-sync')}")
        raise typer.Exit


@app.callback()
def _commands(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="The version.")
    ] = False,
) -> None:
    """RabbitMQ events in, Copernica API calls out, the returned profiles published back.

    Settings are environment variables, PROFILE_SYNC_...; README has the table. Each command has
    examples in its own --help.

    Exit codes, of all commands:

    \b
        0    fine
        1    something is wrong with what was looked at, or was not done
        2    wrong use, or wrong settings: nothing was begun
        130  stopped with Ctrl-C
    """


app.command(short_help="The service: serve until SIGTERM.")(cli_run.run)
app.command(short_help="Find what is wrong with a deployment.")(cli_checks.check)
app.command(short_help="Print or make exchanges and queues.")(cli_checks.topology)
app.command(short_help="Publish events, from files or standard input.")(cli_events.send)
app.command(short_help="Show results as they come.")(cli_watch.watch)
app.command(short_help="Show the call that an event becomes.")(cli_events.render)
app.command(short_help="Save a database's fields for render.")(cli_events.catalogue)
app.command(short_help="Print the messages' JSON Schema or AsyncAPI.")(cli_contract.contract)


app.add_typer(cli_dead_letters.app)


@app.command(short_help="Is the service on this machine ready?")
def probe() -> None:
    """Ask the service on this machine whether it is ready: exit code 0, or 1 and why not.

    It reads /readyz at PROFILE_SYNC_HTTP_HOST and _HTTP_PORT; for a container's health check:

    \b
        profile-sync probe
    """
    raise typer.Exit(readiness.main())


def main() -> None:
    """Run the command line."""
    with explained():
        try:
            app()
        finally:
            sys.stdout.flush()
