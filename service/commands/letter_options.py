"""The options of the commands for dead letters that say which letters are meant."""

import difflib
from datetime import timedelta
from typing import Annotated, get_args

import typer

from service.commands.dead_letters import BROKERS_REASONS, UNKNOWN, Selection, read_age
from service.commands.terminal import WRONG, fail, printable
from service.outcomes import Reason

WHICH = "say which: give --reason, --id or another option, or --all"
NOTHING = "If no letter matches, it says which there are, and ends with exit code 1."

Reasons = Annotated[
    list[str] | None,
    typer.Option(
        "--reason",
        metavar="REASON",
        help="Only those of this reason, as list shows it; may be repeated.",
    ),
]
Databases = Annotated[
    list[str] | None,
    typer.Option(
        "--database",
        metavar="NAME",
        help="Only those for this database, by the id or the name that the event has; may be "
        "repeated.",
    ),
]
Ids = Annotated[
    list[str] | None,
    typer.Option("--id", metavar="ID", help="Only those of this event id; may be repeated."),
]
Older = Annotated[
    str | None,
    typer.Option(
        "--older-than", metavar="AGE", help="Only those that failed longer ago: 30m, 2h, 3d."
    ),
]
Newer = Annotated[
    str | None,
    typer.Option(
        "--newer-than", metavar="AGE", help="Only those that failed since then: 30m, 2h, 3d."
    ),
]
Careless = Annotated[
    bool,
    typer.Option(
        "--look-anyway",
        help="Go on where RabbitMQ may drop letters that were looked at too often. Needed only "
        "if the command has stopped for that, and said what to do.",
    ),
]
All = Annotated[
    bool,
    typer.Option("--all", help="All letters in the queue; needed if nothing else says which."),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object, for scripts.")]
_REASONS = sorted(
    {reason for literal in get_args(Reason) for reason in get_args(literal) or (literal,)}
    | {*BROKERS_REASONS, UNKNOWN}
)


def selection(
    reasons: list[str] | None,
    databases: list[str] | None,
    ids: list[str] | None,
    older_than: str | None,
    newer_than: str | None,
) -> Selection:
    """Read which letters are meant, or say what is wrong with an option and exit with code 2."""
    for reason in reasons or ():
        if reason not in _REASONS:
            _refuse(reason)
    return Selection(
        frozenset(reasons or ()),
        frozenset(name.casefold() for name in databases or ()),
        frozenset(ids or ()),
        _age("--older-than", older_than),
        _age("--newer-than", newer_than),
    )


def _refuse(reason: str) -> None:
    near = difflib.get_close_matches(reason.casefold(), _REASONS, 1)
    hint = f"did you mean {near[0]}? The" if near else "the"
    there = ", ".join(_REASONS)
    fail(f"--reason: there is no {printable(reason)}; {hint} reasons are {there}", WRONG)


def _age(option: str, text: str | None) -> timedelta | None:
    try:
        return None if text is None else read_age(text)
    except ValueError as error:
        fail(f"{option}: {error}", WRONG)
