"""Dead letters and what became of them, as people and scripts read them."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import typer

from service.commands import masks
from service.commands.dead_letters import Groups, Letter, age_words
from service.commands.replay import Plan, Tally
from service.commands.terminal import printable, table
from service.messages import Properties
from service.settings import Settings

_SOME = 20  # rows of a summary
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
    rows = [[value or "" for value in letter.values()] for letter in letters]
    table(("ID", "REASON", "DATABASE", "FAILED AT", "DETAIL"), rows)


def show_groups(groups: Groups, now: datetime, *, as_json: bool) -> None:
    """Write counts by reason, database and hour."""
    found = groups.sorted()
    count = sum(group.count for group in found)
    if as_json:
        rows = [
            {
                "reason": group.reason,
                "database": group.database,
                "hour": group.hour,
                "count": group.count,
                "oldest": _moment(group.oldest),
                "newest": _moment(group.newest),
                "sample": group.sample,
            }
            for group in found
        ]
        typer.echo(json.dumps({"count": count, "groups": rows}))
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


def written(letter: Letter, now: datetime, *, values: bool) -> str:
    """Write all that one letter tells; the values of its event only if they are wanted."""
    at = letter.failed_at
    when = f"{_moment(at)} ({age_words(at, now)} ago)" if at else "not told"
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


def show_tally(settings: Settings, plan: Plan, tally: Tally, *, from_file: bool) -> None:
    """Write what a replay has done, also if it was interrupted."""
    if not tally.selected:
        typer.echo("there are none of these")
    elif plan.dry:
        typer.echo(f"{tally.selected - tally.refusals} of {tally.selected} would be published")
    else:
        typer.echo(f"{tally.published} of {tally.selected} published to {settings.event_exchange}")
    if tally.refusals:
        where = "the file" if from_file else "the queue"
        typer.echo(f"{tally.refusals} refused, still in {where}:")
        most = sorted(tally.refused.items(), key=lambda item: -item[1][0])
        rows = [(count, *refusal, sample) for refusal, (count, sample) in most[:_SOME]]
        table(("COUNT", "REASON", "DETAIL", "SAMPLE ID"), rows)
    kept = tally.selected - tally.published - tally.refusals
    if kept and not plan.dry:
        typer.echo(f"{kept} not published" + ("" if from_file else ", still in the queue"))
    if tally.unsure:
        typer.echo(
            f"up to {tally.unsure} may come twice when the rest is replayed: RabbitMQ may have "
            "their events, and their letters still"
        )


def _told_properties(properties: Properties) -> list[tuple[str, str]]:
    pairs = ((name, getattr(properties, name)) for name in _PROPERTIES)
    return [(name, value) for name, value in pairs if value]


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="seconds")


def _lines_only(text: str) -> str:
    return "\n".join(printable(line.expandtabs(2)) for line in text.split("\n"))
