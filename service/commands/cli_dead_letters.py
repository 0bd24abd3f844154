"""The commands for dead letters, thin: list, show, export, replay, discard."""

import os
import secrets
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

from service.commands import errands, exports, letter_views
from service.commands.dead_letters import Groups, Letter, Selection, Trace, read_age
from service.commands.replay import Plan, Tally
from service.commands.terminal import WRONG, complain, explained, fail, printable, quiet_settings
from service.settings import Settings
from service.stale import FORCE, UNLESS_STALE

app = typer.Typer(
    name="dead-letters",
    help="See why events died, mend them, play them back. Looking takes nothing out of the queue.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_WHICH = "say which: give --reason, --id or another option, or --all"

Reasons = Annotated[
    list[str] | None,
    typer.Option("--reason", metavar="REASON", help="Only of this reason; may be repeated."),
]
Databases = Annotated[
    list[str] | None,
    typer.Option(
        "--database",
        metavar="NAME",
        help="Only for this database, by id or name as the event has it; may be repeated.",
    ),
]
Ids = Annotated[
    list[str] | None,
    typer.Option("--id", metavar="ID", help="Only of this event id; may be repeated."),
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
        "--look-anyway", help="Look even if RabbitMQ might drop letters that were seen too often."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object, for scripts.")]


@app.command("list")
def list_letters(
    each: Annotated[bool, typer.Option("--each", help="Single letters, not groups.")] = False,
    reasons: Reasons = None,
    databases: Databases = None,
    ids: Ids = None,
    older_than: Older = None,
    newer_than: Newer = None,
    look_anyway: Careless = False,
    as_json: AsJson = False,
) -> None:
    """Count the dead letters by reason, database and hour (UTC), or list them one by one.

    \b
        profile-sync dead-letters list
        profile-sync dead-letters list --reason refused --newer-than 2h --each
        profile-sync dead-letters list --json | jq .groups
    """
    settings = quiet_settings()
    selection = _selection(reasons, databases, ids, older_than, newer_than)
    letters: list[dict[str, Any]] = []
    groups = Groups()

    def take(letter: Letter) -> None:
        if each:
            letters.append(letter_views.told(letter))
        else:
            groups.add(letter)

    count = errands.look(settings, selection, take, careless=look_anyway)
    with explained():
        if not (as_json or letters or groups.sorted()):
            typer.echo(f"none of the {count} letters in {settings.dead_letter_queue}")
        elif each:
            letter_views.show_each(letters, as_json=as_json)
        else:
            letter_views.show_groups(groups, datetime.now(UTC), as_json=as_json)


@app.command()
def show(
    event_id: Annotated[str, typer.Argument(metavar="ID", help="An event's id, as list tells it.")],
    values: Annotated[
        bool, typer.Option("--values", help="The body and all headers as they are.")
    ] = False,
    look_anyway: Careless = False,
) -> None:
    """Show all letters of one event: why it died, its headers, its body without the values.

    \b
        profile-sync dead-letters show evt-0001
        profile-sync dead-letters show evt-0001 --values
    """
    settings = quiet_settings()
    found: list[Letter] = []
    count = errands.look(settings, Selection(ids={event_id}), found.append, careless=look_anyway)
    if not found:
        fail(
            f"no letter of {printable(event_id)} among the {count} in "
            f"{settings.dead_letter_queue}; `profile-sync dead-letters list --each` lists them"
        )
    with explained():
        now = datetime.now(UTC)
        typer.echo("\n\n".join(letter_views.written(one, now, values=values) for one in found))


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="Where to write, or - for standard output.")] = Path(
        "-"
    ),
    reasons: Reasons = None,
    databases: Databases = None,
    ids: Ids = None,
    older_than: Older = None,
    newer_than: Newer = None,
    look_anyway: Careless = False,
) -> None:
    """Write dead letters as lines of JSON, with their values, to keep, mend and replay them.

    The file is only there once it is whole, and only its owner can read it.

    \b
        profile-sync dead-letters export letters.jsonl
        profile-sync dead-letters export --reason invalid-value - | jq -r .detail
    """
    settings = quiet_settings()
    selection = _selection(reasons, databases, ids, older_than, newer_than)
    count = 0
    with explained(), _written_whole(file) as out:

        def take(letter: Letter) -> None:
            nonlocal count
            out.write(exports.line(letter).encode() + b"\n")
            count += 1

        errands.look(settings, selection, take, careless=look_anyway)
    complain(f"{count} exported; all are still in {settings.dead_letter_queue}")


@app.command()
def replay(
    file: Annotated[
        Path | None,
        typer.Argument(help="What export wrote, edited or not; - for standard input."),
    ] = None,
    reasons: Reasons = None,
    databases: Databases = None,
    ids: Ids = None,
    older_than: Older = None,
    newer_than: Newer = None,
    limit: Annotated[int | None, typer.Option(min=1, help="So many letters at the most.")] = None,
    rate: Annotated[
        float | None, typer.Option(min=0.01, help="So many events a second; else all at once.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be refused; publish nothing.")
    ] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Also over profiles that were modified after the event occurred."
        ),
    ] = False,
    new_ids: Annotated[
        bool,
        typer.Option(
            "--new-ids",
            help="Give each event a new id: <old>+replay-<random>. Consumers drop a second result "
            "of one id, so that with the old ids they never learn what came of a replay.",
        ),
    ] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Do not ask the API; check no names and values.")
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    look_anyway: Careless = False,
) -> None:
    """Publish dead letters as events again, behind those that wait.

    Each is checked first; what the service would refuse again stays where it is. A letter leaves
    the queue only when RabbitMQ has its event, so Ctrl-C loses none. A replay of a file takes
    nothing out of the queue.

    \b
        profile-sync dead-letters replay --reason unknown-field --dry-run
        profile-sync dead-letters replay --reason unknown-field --rate 50
        profile-sync dead-letters replay --new-ids mended.jsonl
    """
    selection = _selection(reasons, databases, ids, older_than, newer_than)
    if selection.everything and not (everything or dry_run or limit or file):
        fail(f"{_WHICH}, or a file", WRONG)
    settings = quiet_settings(token=not offline)
    plan = Plan(
        selection,
        datetime.now(UTC),
        FORCE if force else UNLESS_STALE,
        limit,
        rate,
        dry_run,
        f"+replay-{secrets.token_hex(3)}" if new_ids else "",
        offline,
        look_anyway,
    )
    letters = None if file is None else [letter for letter, _ in _imported(file, settings)]
    tally = Tally()
    try:
        errands.replay(settings, plan, tally, letters)
    except SystemExit:
        if tally.selected:
            letter_views.show_tally(settings, plan, tally, from_file=file is not None)
        raise
    letter_views.show_tally(settings, plan, tally, from_file=file is not None)
    if file is not None and not dry_run and tally.published:
        name = "FILE" if str(file) == "-" else str(file)
        complain(
            f"The letters are still in {settings.dead_letter_queue}; `profile-sync dead-letters "
            f"discard --in {name}` discards all that {name} has, those refused too"
        )
    raise typer.Exit(1 if tally.refused else 0)


@app.command()
def discard(
    reasons: Reasons = None,
    databases: Databases = None,
    ids: Ids = None,
    older_than: Older = None,
    newer_than: Newer = None,
    exported: Annotated[
        Path | None, typer.Option("--in", help="Only those that this exported file has.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    look_anyway: Careless = False,
) -> None:
    """Take dead letters out of the queue for ever; shows which, and asks before.

    \b
        profile-sync dead-letters discard --reason stale --older-than 7d
        profile-sync dead-letters discard --in letters.jsonl
    """
    settings = quiet_settings()
    selection = _selection(reasons, databases, ids, older_than, newer_than)
    if selection.everything and exported is None and not everything:
        fail(_WHICH, WRONG)
    if not (yes or sys.stdin.isatty()):
        fail("nobody is there to ask: give --yes to discard without", WRONG)
    among = None if exported is None else Counter(t for _, t in _imported(exported, settings))
    found = Counter[bytes]()
    groups = Groups()

    def take(letter: Letter) -> None:
        if among is not None:
            if not among[letter.trace]:
                return
            among[letter.trace] -= 1
        found[letter.fingerprint] += 1
        groups.add(letter)

    errands.look(settings, selection, take, careless=look_anyway)
    count = found.total()
    if not count:
        typer.echo("there are none of these")
        return
    letter_views.show_groups(groups, datetime.now(UTC), as_json=False)
    if not (yes or _agreed(f"Discard these {count} for ever?")):
        fail("nothing was discarded")
    gone = errands.discard(settings, found, careless=look_anyway)
    typer.echo(f"{gone} discarded")
    if gone < count:
        fail(f"{count - gone} were no longer there, or another reader holds them")


def _agreed(question: str) -> bool:
    try:
        return typer.confirm(question)
    except typer.Abort:
        raise typer.Exit(130) from None


def _selection(
    reasons: list[str] | None,
    databases: list[str] | None,
    ids: list[str] | None,
    older_than: str | None,
    newer_than: str | None,
) -> Selection:
    return Selection(
        frozenset(reasons or ()),
        frozenset(name.casefold() for name in databases or ()),
        frozenset(ids or ()),
        _age("--older-than", older_than),
        _age("--newer-than", newer_than),
    )


def _age(option: str, text: str | None) -> timedelta | None:
    try:
        return None if text is None else read_age(text)
    except ValueError as error:
        fail(f"{option}: {error}", WRONG)


def _imported(file: Path, settings: Settings) -> list[tuple[Letter, Trace]]:
    try:
        content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        return list(exports.letters(content.split(b"\n"), settings.max_event_bytes))
    except OSError as error:
        fail(f"{file}: {error.strerror}", WRONG)
    except exports.NoExport as error:
        fail(f"{file}: {error}", WRONG)


@contextmanager
def _written_whole(file: Path) -> Iterator[BinaryIO]:
    """Write a file that is there only once it is whole; - is standard output."""
    if str(file) == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if not file.name or file.is_dir():
        fail(f"{file} is a folder", WRONG)
    if file.exists():
        fail(f"{file} is there already, and may be all there is of letters: choose another", WRONG)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    except OSError as error:
        fail(f"{file} cannot be written: {error.strerror}", WRONG)
    try:
        with open(handle, "wb") as out:
            yield out
            out.flush()
            os.fsync(handle)
        os.replace(name, file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
