"""The commands for events, thin: render, catalogue, send."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from service import render as rendering
from service.broker import Nodes, Unpublished, take_link
from service.catalogue import Catalogue
from service.connection import LinkLost
from service.messages import Message, Properties
from service.settings import Settings
from service.terminal import WRONG, complain, fail, in_loop, quiet_settings


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
    settings = quiet_settings()
    bodies = _read(files)
    sent: list[bytes] = []
    try:
        in_loop(_publish(settings, routing_key, bodies, sent))
    except (LinkLost, Unpublished) as error:
        first = files[len(sent)]
        complain(f"profile-sync: {len(sent)} of {len(bodies)} sent; not {first}: {error}")
        if "no exchange" in str(error):
            complain("`profile-sync run` makes the exchange: start it once before")
        raise typer.Exit(1) from None
    typer.echo(f"{len(bodies)} sent to {settings.event_exchange}")


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
    settings = quiet_settings(token=asks)

    def known(database: str) -> Catalogue | None:
        if catalogue_file is not None:
            return rendering.load_catalogue(catalogue_file, database)
        return in_loop(rendering.read_catalogue(settings, database)) if asks else None

    try:
        rendered = rendering.render(_read([file])[0], settings, known)
    except rendering.NoCatalogue as error:
        fail(str(error), WRONG)
    typer.echo(json.dumps(rendered) if as_json else rendering.written(rendered))
    raise typer.Exit(1 if "reason" in rendered else 0)


def catalogue(
    database: Annotated[str, typer.Argument(help="The id or the name of a database.")],
) -> None:
    """Print a database's fields and interests, as JSON, to render events with no API at hand.

    \b
        profile-sync catalogue 1234 > customers.json
        profile-sync render --catalogue customers.json event.json
    """
    settings = quiet_settings(token=True)
    try:
        found = in_loop(rendering.read_catalogue(settings, database))
    except rendering.NoCatalogue as error:
        fail(str(error))
    typer.echo(rendering.SavedCatalogue.of(found).model_dump_json(indent=2))


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
        fail(f"{error.filename}: {error.strerror}", WRONG)
    if not all(body.strip() for body in bodies):
        fail("there is no event in it", WRONG)
    return bodies
