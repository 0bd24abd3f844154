"""The commands for dead letters, thin: list, show, export, replay, discard."""

import json
import secrets
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from service.commands import errands, exports, letter_views
from service.commands.dead_letters import Groups, Letter, Selection, Trace
from service.commands.letter_files import exported, written_whole
from service.commands.letter_options import (
    NOTHING,
    WHICH,
    All,
    AsJson,
    Careless,
    Databases,
    Ids,
    Newer,
    Older,
    Reasons,
    selection,
)
from service.commands.replay import Plan
from service.commands.tally import Ending, Tally
from service.commands.terminal import WRONG, agreed, complain, explained, fail, quiet_settings
from service.settings import Settings
from service.stale import FORCE, UNLESS_STALE

app = typer.Typer(
    name="dead-letters",
    help="""See why events died, mend them, play them back.

    A dead letter is an event that was rejected or failed, with the reason. It waits in a queue
    until it is replayed or discarded; to look at it takes nothing out.

    \b
    For instance, to mend those with a wrong field name in an editor:
        profile-sync dead-letters list
        profile-sync dead-letters list --reason unknown-field --each
        profile-sync dead-letters export --reason unknown-field bad.jsonl
        $EDITOR bad.jsonl
        profile-sync dead-letters replay --dry-run bad.jsonl
        profile-sync dead-letters replay bad.jsonl
        profile-sync dead-letters discard --in bad.jsonl
    """,
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("list", short_help="Count the letters, or list them one by one.")
@explained()
def list_letters(
    each: Annotated[
        bool, typer.Option("--each", help="List the letters one by one, with their details.")
    ] = False,
    reasons: Reasons = None,
    databases: Databases = None,
    ids: Ids = None,
    older_than: Older = None,
    newer_than: Newer = None,
    look_anyway: Careless = False,
    as_json: AsJson = False,
) -> None:
    """Count the dead letters by reason, database and hour (UTC), or list them one by one.

    Without options it counts all that are in the queue; others see them again when it ends.

    \b
        profile-sync dead-letters list
        profile-sync dead-letters list --reason refused --newer-than 2h --each
        profile-sync dead-letters list --json | jq .groups
    """
    wanted = selection(reasons, databases, ids, older_than, newer_than)
    settings = quiet_settings()
    letters: list[dict[str, Any]] = []
    groups = Groups()

    def take(letter: Letter) -> None:
        if each:
            letters.append(letter_views.told(letter))
        else:
            groups.add(letter)

    seen = errands.look(settings, wanted, take, careless=look_anyway)
    if not (as_json or letters or groups.sorted()):
        typer.echo(letter_views.nothing(seen, settings.dead_letter_queue))
    elif each:
        letter_views.show_each(letters, as_json=as_json)
    else:
        letter_views.show_groups(groups, datetime.now(UTC), as_json=as_json)


@app.command(short_help="Tell all about the letters of one event.", epilog=NOTHING)
@explained()
def show(
    event_id: Annotated[str, typer.Argument(metavar="ID", help="An event's id, as list tells it.")],
    values: Annotated[
        bool,
        typer.Option(
            "--values", help="Show the values too, which may be personal: body and headers as is."
        ),
    ] = False,
    look_anyway: Careless = False,
    as_json: AsJson = False,
) -> None:
    """Show all letters of one event: why it died, its headers, its body without the values.

    \b
        profile-sync dead-letters show evt-0001
        profile-sync dead-letters show evt-0001 --values
        profile-sync dead-letters show evt-0001 --json | jq '.letters[0].detail'
    """
    settings = quiet_settings()
    found: list[Letter] = []
    seen = errands.look(settings, Selection(ids={event_id}), found.append, careless=look_anyway)
    if not found:
        there = letter_views.nothing(seen, settings.dead_letter_queue)
        fail(f"{there}; `profile-sync dead-letters list --each` lists their ids")
    if as_json:
        letters = [letter_views.told_whole(one, values=values) for one in found]
        typer.echo(json.dumps({"count": len(letters), "letters": letters}))
        return
    now = datetime.now(UTC)
    typer.echo("\n\n".join(letter_views.written(one, now, values=values) for one in found))


@app.command(short_help="Write letters to a file, to keep or to mend them.", epilog=NOTHING)
@explained()
def export(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Where to write, or - for standard output.")
    ] = Path("-"),
    reasons: Reasons = None,
    databases: Databases = None,
    ids: Ids = None,
    older_than: Older = None,
    newer_than: Newer = None,
    look_anyway: Careless = False,
) -> None:
    """Write dead letters as lines of JSON, with their values, to keep, mend and replay them.

    All of them, or those that the options mean. The file is only there once it is whole, and only
    its owner can read it. Each line is one letter; its "body" is the event, as JSON if it is JSON.

    \b
        profile-sync dead-letters export letters.jsonl
        profile-sync dead-letters export --database 1234 --older-than 7d old.jsonl
        profile-sync dead-letters export --reason invalid-value - | jq -r .detail
    """
    wanted = selection(reasons, databases, ids, older_than, newer_than)
    settings = quiet_settings()
    count = 0
    with written_whole(file) as write:

        def take(letter: Letter) -> None:
            nonlocal count
            write(exports.line(letter).encode() + b"\n")
            count += 1

        seen = errands.look(settings, wanted, take, careless=look_anyway)
        if not count:
            fail(letter_views.nothing(seen, settings.dead_letter_queue))
    complain(f"{count} exported; all are still in {settings.dead_letter_queue}")


@app.command(short_help="Publish letters as events again.", epilog=NOTHING)
@explained()
def replay(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="What export wrote, edited or not, or - for standard input; without it the "
            "letters come from the queue.",
        ),
    ] = None,
    reasons: Reasons = None,
    databases: Databases = None,
    ids: Ids = None,
    older_than: Older = None,
    newer_than: Newer = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="COUNT", help="At most so many letters, those that wait longest."
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            metavar="RATE",
            help="At most so many events a second; else at full speed.",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Say what would be published or refused; publish nothing."),
    ] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Write also over profiles that were modified after the event occurred; without "
            "it the service rejects such an event as stale.",
        ),
    ] = False,
    new_ids: Annotated[
        bool,
        typer.Option(
            "--new-ids",
            help="Give each event a new id: <old>+replay-<random>. Consumers that drop a second "
            "result of one id would otherwise never learn what came of a replay.",
        ),
    ] = False,
    offline: Annotated[
        bool,
        typer.Option(
            "--offline", help="Do not ask the API for fields: names and values go unchecked."
        ),
    ] = False,
    everything: All = False,
    look_anyway: Careless = False,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="For scripts: a line of JSON for each letter as it ends, and one with the counts.",
        ),
    ] = False,
) -> None:
    """Publish dead letters as events again, behind those that wait.

    Each is checked first; what the service would refuse again stays where it is, and the exit code
    is 1. A letter leaves the queue only when RabbitMQ has its event, so Ctrl-C loses none. A replay
    of a file takes nothing out of the queue.

    \b
        profile-sync dead-letters replay --reason unknown-field --dry-run
        profile-sync dead-letters replay --reason unknown-field --rate 50
        profile-sync dead-letters replay --all --json | grep '"refused"'
        profile-sync dead-letters replay --new-ids mended.jsonl
    """
    wanted = selection(reasons, databases, ids, older_than, newer_than)
    if wanted.everything and not (everything or dry_run or limit or file):
        fail(f"{WHICH}, or a file", WRONG)
    settings = quiet_settings(token=not offline)
    plan = Plan(
        wanted,
        datetime.now(UTC),
        FORCE if force else UNLESS_STALE,
        limit,
        rate,
        dry_run,
        f"+replay-{secrets.token_hex(3)}" if new_ids else "",
        offline,
        look_anyway,
    )
    tally = Tally()
    try:
        _replay(settings, plan, tally, file, as_json=as_json)
    finally:
        if tally.selected:
            if as_json:
                letter_views.show_counts(tally)
            else:
                letter_views.show_tally(settings, plan, tally, from_file=file is not None)
    if not tally.selected:
        there = str(file) if file is not None else settings.dead_letter_queue
        fail(letter_views.nothing(tally.seen, there))
    if file is not None and not dry_run and tally.published:
        name = "FILE" if str(file) == "-" else str(file)
        complain(
            f"The letters are still in {settings.dead_letter_queue}; `profile-sync dead-letters "
            f"discard --in {name}` discards all that {name} has, those refused too"
        )
    raise typer.Exit(1 if tally.refused else 0)


def _replay(
    settings: Settings, plan: Plan, tally: Tally, file: Path | None, *, as_json: bool
) -> None:
    def told(ending: Ending) -> None:
        if as_json:
            letter_views.show_ending(ending)

    if file is None:
        errands.replay(settings, plan, tally, None, told)
        return
    with exported(file, settings.max_event_bytes) as letters:
        for letter, _ in letters:
            tally.see(letter, meant=plan.selection.means(letter, plan.now))
        if tally.selected:
            errands.replay(settings, plan, tally, (letter for letter, _ in letters), told)


@app.command(short_help="Take letters out of the queue for ever.", epilog=NOTHING)
@explained()
def discard(
    reasons: Reasons = None,
    databases: Databases = None,
    ids: Ids = None,
    older_than: Older = None,
    newer_than: Newer = None,
    file: Annotated[
        Path | None,
        typer.Option("--in", metavar="FILE", help="Only those in this file, which export wrote."),
    ] = None,
    everything: All = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before.")] = False,
    look_anyway: Careless = False,
    as_json: AsJson = False,
) -> None:
    """Take dead letters out of the queue for ever; shows which, and asks before.

    \b
        profile-sync dead-letters discard --reason stale --older-than 7d
        profile-sync dead-letters discard --in letters.jsonl
        profile-sync dead-letters discard --all --yes --json | jq .discarded
    """
    wanted = selection(reasons, databases, ids, older_than, newer_than)
    settings = quiet_settings()
    if wanted.everything and file is None and not everything:
        fail(WHICH, WRONG)
    if not (yes or sys.stdin.isatty()):
        fail("nothing is discarded: nobody is there to confirm it; give --yes to do without", WRONG)
    if not yes and str(file) == "-":
        fail("standard input cannot hold both the letters and your answer: give --yes", WRONG)
    among = None if file is None else _traces(file, settings)
    found = Counter[bytes]()
    groups = Groups()

    def take(letter: Letter) -> None:
        if among is not None:
            if not among[letter.trace]:
                return
            among[letter.trace] -= 1
        found[letter.fingerprint] += 1
        groups.add(letter)

    seen = errands.look(settings, wanted, take, careless=look_anyway)
    count = found.total()
    if not count:
        fail(letter_views.nothing(seen, settings.dead_letter_queue))
    if not as_json:
        letter_views.show_groups(groups, datetime.now(UTC), as_json=False)
    if not (yes or agreed(f"Discard these {count} for ever?")):
        fail("nothing was discarded")
    gone = errands.discard(settings, found, careless=look_anyway)
    if as_json:
        told = {"selected": count, "discarded": gone, "groups": letter_views.told_groups(groups)}
        typer.echo(json.dumps(told))
    else:
        typer.echo(f"{gone} discarded")
    if gone < count:
        fail(f"{count - gone} were no longer there, or another reader holds them")


def _traces(file: Path, settings: Settings) -> Counter[Trace]:
    with exported(file, settings.max_event_bytes) as letters:
        return Counter(trace for _, trace in letters)
