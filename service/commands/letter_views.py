"""Dead letters and what became of them, as people and scripts read them."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import typer

from service.commands import masks
from service.commands.dead_letters import Groups, Letter, age_words
from service.commands.replay import Plan
from service.commands.tally import Ending, Tally
from service.commands.terminal import printable, table
from service.messages import Properties
from service.settings import Settings
from service.stale import UNLESS_STALE

_SOME = 20  # rows of a summary
_KINDS = 5  # in a line that says what letters there are
_PROPERTIES = ("content_type", "content_encoding", "message_id", "correlation_id", "type", "app_id")


def told(letter: Letter) -> dict[str, Any]:
    """Give what a list tells of one letter."""
    return {
        "id": letter.event_id,
        "reason": letter.reason,
        "database": letter.database,
        "failed_at": _moment(letter.failed_at),
        "detail": letter.detail,
    }


def show_each(letters: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """Write letters one by one, as `told` gives them."""
    if as_json:
        typer.echo(json.dumps({"count": len(letters), "letters": list(letters)}))
        return
    rows = [
        [
            letter["id"],
            letter["reason"],
            letter["database"],
            _wall(letter["failed_at"]),
            letter["detail"],
        ]
        for letter in letters
    ]
    table(("ID", "REASON", "DATABASE", "FAILED AT (UTC)", "DETAIL"), rows)


def show_groups(groups: Groups, now: datetime, *, as_json: bool) -> None:
    """Write counts by reason, database and hour."""
    found = groups.sorted()
    if as_json:
        count = sum(group.count for group in found)
        typer.echo(json.dumps({"count": count, "groups": told_groups(groups)}))
        return
    table(
        ("REASON", "DATABASE", "HOUR (UTC)", "COUNT", "OLDEST", "NEWEST", "SAMPLE ID"),
        [
            (
                group.reason,
                group.database,
                group.hour,
                group.count,
                age_words(group.oldest, now),
                age_words(group.newest, now),
                group.sample,
            )
            for group in found
        ],
    )


def told_groups(groups: Groups) -> list[dict[str, Any]]:
    """Give what scripts are told of letters by reason, database and hour."""
    return [
        {
            "reason": group.reason,
            "database": group.database,
            "hour": group.hour,
            "count": group.count,
            "oldest": _moment(group.oldest),
            "newest": _moment(group.newest),
            "sample": group.sample,
        }
        for group in groups.sorted()
    ]


def nothing(seen: Counter[tuple[str, str]], where: str) -> str:
    """Say that no letter is meant, and which there are: `seen` has reasons and databases."""
    if not seen:
        return f"no letters wait in {where}; another reader may hold some"
    kinds = [
        f"{count} {reason}" + (f" of database {database}" if database else "")
        for (reason, database), count in seen.most_common(_KINDS)
    ]
    more = f", and {len(seen) - _KINDS} more kinds" if len(seen) > _KINDS else ""
    there = printable(", ".join(kinds) + more)
    return f"nothing matches among the {seen.total()} letters in {where}: {there}"


def told_whole(letter: Letter, *, values: bool) -> dict[str, Any]:
    """Give all that scripts are told of one letter; the values only if they are wanted."""
    body = masks.plain_body(letter.body) if values else masks.masked_body(letter.body)
    return {
        **told(letter),
        "routing_key": letter.routing_key,
        "properties": dict(_told_properties(letter.properties)),
        "headers": masks.shown_headers(letter.properties.headers, values=values),
        "body_bytes": len(letter.body),
        "body": _read_json(body),
    }


def written(letter: Letter, now: datetime, *, values: bool) -> str:
    """Write all that one letter tells; the values of its event only if they are wanted."""
    at = letter.failed_at
    when = f"{_wall(_moment(at))} UTC ({age_words(at, now)} ago)" if at else "not told"
    lines = [
        *(
            f"{name:16} {printable(value)}"
            for name, value in (
                ("event", letter.event_id),
                ("reason", letter.reason),
                ("detail", letter.detail),
                ("database", letter.database),
                ("failed at", when),
                ("routing key", letter.routing_key),
                *_told_properties(letter.properties),
            )
        ),
        "headers",
    ]
    headers = masks.shown_headers(letter.properties.headers, values=values)
    lines += [f"  {printable(name)}: {printable(value)}" for name, value in headers.items()]
    body = masks.plain_body(letter.body) if values else masks.masked_body(letter.body)
    return "\n".join([*lines, f"body, {len(letter.body)} bytes", _lines_only(body)])


def show_ending(ending: Ending) -> None:
    """Write what has become of a letter as one line of JSON."""
    reason, detail = ending.refusal or (None, None)
    content = {"id": ending.letter.event_id, "outcome": ending.outcome}
    if ending.event_id != ending.letter.event_id:
        content["new_id"] = ending.event_id
    typer.echo(json.dumps({**content, "reason": reason, "detail": detail}))


def show_counts(tally: Tally) -> None:
    """Write what a replay has done as one line of JSON; all but the last number add up."""
    counts = {
        "selected": tally.selected,
        "published": tally.published,
        "would_be_published": tally.sound,
        "refused": tally.refusals,
        "unsure": tally.unsure,
        "left": tally.left,
        "may_repeat": tally.may_repeat,
    }
    typer.echo(json.dumps({"summary": counts}))


def show_tally(settings: Settings, plan: Plan, tally: Tally, *, from_file: bool) -> None:
    """Write what a replay has done, also if it was interrupted; its numbers add up."""
    where = "the file" if from_file else "the queue"
    if plan.dry:
        typer.echo(f"{tally.sound} of {tally.selected} would be published")
    else:
        typer.echo(f"{tally.published} of {tally.selected} published to {settings.event_exchange}")
    if tally.refusals:
        typer.echo(f"{tally.refusals} refused, still in {where}:")
        most = sorted(tally.refused.items(), key=lambda item: -item[1][0])
        rows = [(count, reason, sample, told) for (reason, told), (count, sample) in most[:_SOME]]
        table(("COUNT", "REASON", "SAMPLE ID", "DETAIL"), rows)
    if tally.unsure:
        typer.echo(
            f"{tally.unsure} unsure, still in {where}: published, but the link was lost before "
            "RabbitMQ confirmed them"
        )
    if tally.left:
        what = "not judged" if plan.dry else f"not published, still in {where}"
        done = tally.selected - tally.left
        beyond = (
            f", beyond --limit {plan.limit}"
            if plan.limit is not None and done >= plan.limit
            else ""
        )
        typer.echo(f"{tally.left} {what}{beyond}")
    if plan.dry and tally.sound and plan.how == UNLESS_STALE:
        typer.echo("(which of them are stale shows only when they are replayed)")
    if repeats := tally.unsure + tally.may_repeat:
        rest = bool(tally.left or tally.unsure)
        typer.echo(_again(plan, repeats, rest=rest, from_file=from_file))


def _again(plan: Plan, repeats: int, *, rest: bool, from_file: bool) -> str:
    """Say what happens if the command is run again after a lost link."""
    if from_file:
        first = "Run it again, or with what is left of the file: "
        what = "what was published comes twice"
    else:
        first = f"Run it again{' for the rest' if rest else ''}: "
        what = f"up to {repeats} may come twice, as the link took acknowledgements with it"
    if plan.suffix:
        harm = "then with two ids, and so with two results"
    elif plan.how == UNLESS_STALE:
        harm = (
            "which writes the same values again, creates no second profile, overwrites nothing "
            "newer, and gives a second result with the same message_id"
        )
    else:
        harm = "which --force lets overwrite what was written in between"
    return f"{first}{what}, {harm}"


def _told_properties(properties: Properties) -> list[tuple[str, str]]:
    pairs = ((name, getattr(properties, name)) for name in _PROPERTIES)
    return [(name, value) for name, value in pairs if value]


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat(timespec="seconds")


def _wall(moment: str | None) -> str:
    """Write an instant of UTC, as `_moment` gives it, for people."""
    return (moment or "")[:19].replace("T", " ")


def _read_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _lines_only(text: str) -> str:
    return "\n".join(printable(line.expandtabs(2)) for line in text.split("\n"))
