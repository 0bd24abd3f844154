"""The command line, thin: each command reads its settings and hands over."""

import asyncio
import json
import sys
from collections.abc import Coroutine
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from service import logs, readiness
from service import render as rendering
from service.broker import Nodes, Unpublished, take_link
from service.catalogue import Catalogue
from service.connection import LinkLost
from service.environment import PREFIX
from service.messages import Message, Properties
from service.process import PortInUse
from service.process import run as run_process
from service.settings import Settings, WrongSettings

try:
    from uvloop import new_event_loop
except ImportError:  # where there is none, asyncio's own loop does
    from asyncio import new_event_loop  # type: ignore[assignment]

_T = TypeVar("_T")

app = typer.Typer(
    name="profile-sync",
    help="RabbitMQ events in, Copernica API calls out, the returned profiles published back.",
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
    """RabbitMQ events in, Copernica API calls out, the returned profiles published back."""


@app.command()
def run() -> None:
    """Serve until SIGTERM: take events, call the API, publish results.

    Everything is set by PROFILE_SYNC_ variables; README lists them. Only one is required:

    \b
        PROFILE_SYNC_ACCESS_TOKEN=... profile-sync run
    """
    settings = _settings()
    logs.set_up(settings.log_level, settings.log_format, settings.secrets)
    try:
        _in_loop(run_process(settings))
    except PortInUse as error:
        _complain(
            f"profile-sync: {settings.http_host}:{settings.http_port} cannot be listened on: "
            f"{error}; set {PREFIX}HTTP_HOST and {PREFIX}HTTP_PORT"
        )
        raise typer.Exit(2) from None


@app.command()
def send(
    files: Annotated[
        list[Path], typer.Argument(help="Files that hold one event each, or - for standard input.")
    ],
    routing_key: Annotated[
        str, typer.Option(help="The routing key of the messages.")
    ] = "profile.update",
) -> None:
    """Publish events to EVENT_EXCHANGE, as they are, and wait until RabbitMQ has them.

    \b
        profile-sync send event.json
        echo '{"database": 1, "where": {"customerid": "7"}, "fields": {"age": 8}}' | \\
            profile-sync send -
    """
    settings = _settings(access_token="unused")  # noqa: S106
    logs.set_up("error", "text", settings.secrets)
    bodies = _read(files)
    sent: list[bytes] = []
    try:
        _in_loop(_publish(settings, routing_key, bodies, sent))
    except (LinkLost, Unpublished) as error:
        first = files[len(sent)]
        _complain(f"profile-sync: {len(sent)} of {len(bodies)} sent; not {first}: {error}")
        if "no exchange" in str(error):
            _complain("`profile-sync run` makes the exchange: start it once before")
        raise typer.Exit(1) from None
    typer.echo(f"{len(bodies)} sent to {settings.event_exchange}")


@app.command()
def render(
    file: Annotated[
        Path, typer.Argument(help="A file that holds one event, or - for standard input.")
    ],
    catalogue_file: Annotated[
        Path | None,
        typer.Option("--catalogue", help="What `profile-sync catalogue` printed; no call is made."),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Make no call, and check no names and values.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for scripts.")] = False,
) -> None:
    """Show the call that an event becomes, or why it is refused (exit code 1). Nothing is written.

    The database's fields are read from the API, or from a file:

    \b
        profile-sync render event.json
        profile-sync render --catalogue customers.json event.json
        profile-sync render --offline --json event.json
    """
    asks = catalogue_file is None and not offline
    settings = _settings() if asks else _settings(access_token="unused")  # noqa: S106
    logs.set_up("error", "text", settings.secrets)

    def known(database: str) -> Catalogue | None:
        if catalogue_file is not None:
            return rendering.load_catalogue(catalogue_file, database)
        return _in_loop(rendering.read_catalogue(settings, database)) if asks else None

    try:
        rendered = rendering.render(_read([file])[0], settings, known)
    except rendering.NoCatalogue as error:
        _complain(f"profile-sync: {error}")
        raise typer.Exit(2) from None
    typer.echo(json.dumps(rendered) if as_json else rendering.written(rendered))
    raise typer.Exit(1 if "reason" in rendered else 0)


@app.command()
def catalogue(
    database: Annotated[str, typer.Argument(help="The id or the name of a database.")],
) -> None:
    """Print a database's fields and interests, as JSON, to render events with no API at hand.

    \b
        profile-sync catalogue 1234 > customers.json
        profile-sync render --catalogue customers.json event.json
    """
    settings = _settings()
    logs.set_up("error", "text", settings.secrets)
    try:
        found = _in_loop(rendering.read_catalogue(settings, database))
    except rendering.NoCatalogue as error:
        _complain(f"profile-sync: {error}")
        raise typer.Exit(1) from None
    typer.echo(rendering.SavedCatalogue.of(found).model_dump_json(indent=2))


@app.command()
def probe() -> None:
    """Ask the service on this machine whether it is ready: exit code 0, or 1 and why not.

    It reads /readyz at HTTP_HOST and HTTP_PORT; for a container's health check:

    \b
        profile-sync probe
    """
    raise typer.Exit(readiness.main())


async def _publish(
    settings: Settings, routing_key: str, bodies: list[bytes], sent: list[bytes]
) -> None:
    link = await take_link(
        Nodes(settings.amqp_urls, settings.amqp_certificates),
        settings.heartbeat,
        settings.confirm_timeout,
        None,
        lambda _: None,
    )
    try:
        properties = Properties(content_type="application/json", delivery_mode=2)
        for body in bodies:
            await link.publish(Message(settings.event_exchange, routing_key, body, properties))
            sent.append(body)
    finally:
        await link.give_up()


def _read(files: list[Path]) -> list[bytes]:
    try:
        bodies = [sys.stdin.buffer.read() if str(f) == "-" else f.read_bytes() for f in files]
    except OSError as error:
        _complain(f"profile-sync: {error.filename}: {error.strerror}")
        raise typer.Exit(2) from None
    if not all(body.strip() for body in bodies):
        _complain("profile-sync: there is no event in it")
        raise typer.Exit(2)
    return bodies


def _settings(**defaults: str) -> Settings:
    try:
        return Settings.load(**defaults)
    except WrongSettings as error:
        count = len(error.faults)
        _complain(f"profile-sync: {count} setting{'s' * (count > 1)} cannot be used:")
        for fault in error.faults:
            _complain(f"  {fault}")
        raise typer.Exit(2) from None


def _complain(text: str) -> None:
    typer.echo(text, err=True)


def _in_loop(work: Coroutine[Any, Any, _T]) -> _T:
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(work)


def main() -> None:
    """Run the command line."""
    app()
