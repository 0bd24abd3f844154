"""The commands for events, thin: render, catalogue, send."""

import json
from pathlib import Path
from typing import Annotated

import typer

from service.catalogue import Catalogue
from service.commands import render as rendering
from service.commands import sending
from service.commands.terminal import (
    FAILED,
    WRONG,
    complain,
    fail,
    in_loop,
    progress,
    quiet_settings,
    reason,
    remedy,
    tell_blocked,
)
from service.connection import LinkLost


def send(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE",
            help="Files of one event each, or of one on each line; - is standard input.",
        ),
    ],
    routing_key: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            help="The routing key of all messages; if unset, each has that of its profile.",
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            metavar="NUMBER", min=0.001, help="Events a second; as fast as it goes if unset."
        ),
    ] = None,
    begin: Annotated[
        int,
        typer.Option(
            "--from", metavar="NUMBER", min=1, help="The first event to send, counted in all files."
        ),
    ] = 1,
) -> None:
    """Publish events, unchecked and byte for byte, and wait until RabbitMQ confirms them.

    They go to the exchange profile-sync.events, or what PROFILE_SYNC_EVENT_EXCHANGE says, at the
    RabbitMQ of PROFILE_SYNC_AMQP_URL. It stops at the first that is not taken, says which, why and
    how many are confirmed, and with which --from the same command goes on. Up to 100 are on their
    way at a time: one that was not confirmed may have arrived, and then comes twice.
    `render` tells beforehand what becomes of an event.

    \b
        profile-sync send event.json
        profile-sync send --rate 50 events.jsonl
        profile-sync send --from 1201 events.jsonl
        echo '{"database": 1, "where": {"customerid": "7"}, "fields": {"age": 8}}' | \\
            profile-sync send -
    """
    settings = quiet_settings()
    found = _read(files)
    events = found[begin - 1 :]
    if not events:
        fail(f"--from {begin}: there are {len(found)} events", WRONG)
    taken: set[int] = set()
    failure = ""
    with progress("sending", len(events)) as shown:

        def confirmed(event: sending.Found) -> None:
            taken.add(event.number)
            shown.advance(1)

        try:
            work = sending.send(
                settings, routing_key, events, rate, confirmed, on_blocked=tell_blocked
            )
            in_loop(work)
        except (LinkLost, sending.Unsent) as error:
            failure = f"{error}{remedy(str(error))}"
        except SystemExit:
            complain(f"profile-sync: stopped; {sending.remainder(events, taken)}")
            raise
    if failure:
        fail(f"{failure}; {sending.remainder(events, taken)}")
    typer.echo(f"{len(events)} sent to {settings.event_exchange}")


def render(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="A file that holds one event, or - for standard input."
        ),
    ],
    catalogue_file: Annotated[
        Path | None,
        typer.Option(
            "--catalogue",
            metavar="FILE",
            help="What `profile-sync catalogue` printed; no call is made.",
        ),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Make no call, and check no names and values.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for scripts.")] = False,
) -> None:
    """Show the call that an event becomes, or why it is refused (exit code 1).

    The API is only read, for the database's fields; that takes PROFILE_SYNC_ACCESS_TOKEN. Or they
    come from a file:

    \b
        profile-sync render event.json
        profile-sync render --catalogue customers.json event.json
        profile-sync render --offline --json event.json
    """
    asks = catalogue_file is None and not offline
    settings = quiet_settings(token=asks)

    events = _read([file])
    if len(events) > 1:
        fail(f"{file} has {len(events)} events: render shows one", WRONG)

    def known(database: str) -> Catalogue | None:
        if catalogue_file is not None:
            return rendering.load_catalogue(catalogue_file, database)
        return in_loop(rendering.read_catalogue(settings, database)) if asks else None

    try:
        rendered = rendering.render(events[0].body, settings, known)
    except rendering.NoCatalogue as error:
        fail(str(error), FAILED if asks else WRONG)
    typer.echo(json.dumps(rendered) if as_json else rendering.written(rendered))
    raise typer.Exit(1 if "reason" in rendered else 0)


def catalogue(
    database: Annotated[
        str, typer.Argument(metavar="DATABASE", help="The id or the name of a database.")
    ],
) -> None:
    """Print a database's fields and interests as JSON: then `render` needs no API and no token.

    Here the API is asked, which takes PROFILE_SYNC_ACCESS_TOKEN.

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


def _read(files: list[Path]) -> list[sending.Found]:
    try:
        events = list(sending.read(files))
    except OSError as error:
        fail(reason(error), WRONG)
    if not events:
        fail("there is no event in it", WRONG)
    return events
