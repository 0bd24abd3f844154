"""The command for the contract, thin."""

import json
from importlib.metadata import version
from typing import Annotated, get_args

import typer

from service.commands.terminal import WRONG, fail, quiet_settings
from service.messages import Kind

_EXPLAINED = """\
The messages that profile-sync takes and publishes, for programs to read:

  profile-sync contract --json-schema [{kinds}]
      JSON Schema 2020-12: check events before they are sent, or write types for results.
      Without a name one document has all three.

  profile-sync contract --asyncapi
      AsyncAPI 3.0: the exchanges, queues and routing keys as the settings name them, with the
      headers, properties and schemas of their messages. It has no credentials.

No setting is needed, and nothing is connected to."""


def contract(
    name: Annotated[
        Kind | None,
        typer.Argument(
            metavar="MESSAGE",
            help="With --json-schema: of what; else all three.",
        ),
    ] = None,
    json_schema: Annotated[
        bool, typer.Option("--json-schema", help="JSON Schema 2020-12 of the messages.")
    ] = False,
    as_asyncapi: Annotated[
        bool, typer.Option("--asyncapi", help="AsyncAPI 3.0: exchanges, queues and messages.")
    ] = False,
) -> None:
    """Print JSON Schema or AsyncAPI of the messages, for programs that send events or read results.

    \b
        profile-sync contract --json-schema event > event.schema.json
        profile-sync contract --json-schema > all.schema.json
        profile-sync contract --asyncapi > asyncapi.json
    """
    if json_schema and as_asyncapi:
        fail("--json-schema and --asyncapi are two documents: ask for one at a time", WRONG)
    if name is not None and not json_schema:
        fail(f"{name} goes with --json-schema: profile-sync contract --json-schema {name}", WRONG)
    if json_schema:
        from service.commands.contract import document  # noqa: PLC0415 - no other command needs it

        typer.echo(json.dumps(document(name), indent=2))
    elif as_asyncapi:
        from service.commands.asyncapi import asyncapi  # noqa: PLC0415 - no other command needs it

        typer.echo(json.dumps(asyncapi(quiet_settings(), version("profile-sync")), indent=2))
    else:
        typer.echo(_EXPLAINED.format(kinds="|".join(get_args(Kind))))
