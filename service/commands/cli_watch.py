"""The command watch: results on the terminal as they come."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import Full, Queue
from threading import Thread
from typing import Annotated, Any, Self, get_args

import typer
from pydantic_core import from_json

from service.commands.terminal import (
    WRONG,
    complain,
    explained,
    fail,
    in_loop,
    printable,
    quiet_settings,
    write_to_nobody,
)
from service.commands.watch import MOST
from service.commands.watch import watch as watch_results
from service.outcomes import Outcome

_COLOURS = {
    "updated": "green",
    "created": "bright_green",
    "unmatched": "yellow",
    "accepted": "cyan",
    "rejected": "red",
    "failed": "bright_red",
}
_LONGEST_ID = 36


@dataclass(frozen=True, slots=True)
class Seen:
    """What a line tells of a result; `outcome` is `unreadable` if it is none of ours."""

    outcome: str
    event_id: str
    line: str


def seen(body: bytes) -> Seen:
    """Read a result, whoever has published it."""
    try:
        result = from_json(body)
        outcome, event_id = str(result["outcome"]), str(result["event_id"])
        facts = [f"{result['finished_at']}"[11:19], f"{outcome:9}", f"{result['database']:>6}"]
        facts += [f"{event_id:{_LONGEST_ID}}", _facts(result)]
    except (ValueError, TypeError, KeyError):
        return Seen("unreadable", "", f"a message of {len(body)} bytes that is no result")
    return Seen(outcome, event_id, printable("  ".join(facts)).rstrip())


def _facts(result: dict[str, Any]) -> str:
    if result["reason"] is not None:
        return f"{result['reason']}: {result['detail']}"
    facts = [f"{result['matched']} matched"] if result["matched"] is not None else []
    if result["attempts"] > 1:
        facts.append(f"{result['attempts']} attempts")
    if result["detail"]:
        facts.append(result["detail"])
    return ", ".join(facts)


def watch(
    outcome: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this outcome; may be given again."),
    ] = None,
    database: Annotated[
        str | None, typer.Option(metavar="ID", help="Only this database, by its numeric id.")
    ] = None,
    event_id: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="Only of this event.")
    ] = None,
    count: Annotated[
        int | None, typer.Option(metavar="NUMBER", min=1, help="End after so many.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Results as they are, one a line.")
    ] = False,
) -> None:
    """Show results as they come, until Ctrl-C. Nothing is taken from those who consume them.

    The queue is its own, and gone when it ends: results from before are not shown. What it listens
    to is said on standard error as soon as no result is missed any more.

    \b
        profile-sync watch
        profile-sync watch --outcome rejected --outcome failed
        profile-sync watch --database 1234 --json | jq .detail
        profile-sync watch --id evt-0001 --count 1
    """
    unknown = {*(outcome or ())} - {*get_args(Outcome)}
    if unknown:
        fail(f"there is no outcome {min(unknown)}; those are {', '.join(_COLOURS)}", WRONG)
    if database is not None and not database.isdecimal() and database != "unknown":
        fail(f"--database {database}: give its numeric id, or unknown", WRONG)
    settings = quiet_settings()
    keys = [f"profile.{one}.{database or '*'}" for one in outcome or ["*"]]
    counted: Counter[str] = Counter()
    with explained(), _shown(counted, as_json=as_json) as show, _Writer(show) as writer:

        def arrived(body: bytes) -> bool:
            result = seen(body)
            if event_id is None or result.event_id == event_id:
                counted[result.outcome] += 1
                writer.put(result, body)
            return counted.total() == count

        def begun() -> None:
            complain(
                f"watching {' and '.join(keys)} at the exchange {settings.result_exchange}, by a "
                "queue of its own: nothing is taken from others; Ctrl-C ends"
            )

        in_loop(watch_results(settings, keys, arrived, lambda: writer.closed, begun))


class _Writer:
    """Shows results in a thread of its own: who reads slowly must not hold up the connection.

    `closed` if nobody reads any more.
    """

    def __init__(self, show: Callable[[Seen, bytes], None]) -> None:
        self.closed = False
        self._show = show
        self._waiting: Queue[tuple[Seen, bytes] | None] = Queue(MOST)
        self._missed = 0
        self._failure: OSError | None = None
        self._thread = Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        while not self.closed:
            with suppress(Full):
                self._waiting.put(None, timeout=1)
                break
        self._thread.join(None if kind is None else 1)
        if self._failure is not None:
            raise self._failure
        if self._missed:
            complain(f"profile-sync: {self._missed} results came too fast to be shown")

    def put(self, result: Seen, body: bytes) -> None:
        """Show a result when it is its turn."""
        try:
            self._waiting.put_nowait((result, body))
        except Full:
            self._missed += 1

    def _run(self) -> None:
        while (each := self._waiting.get()) is not None:
            try:
                self._show(*each)
            except OSError as error:  # who read it has enough, or a disk is full
                self._failure = None if isinstance(error, BrokenPipeError) else error
                write_to_nobody()
                self.closed = True
                return


def _on_one_line(body: bytes) -> str:
    """Give a result as it is, if that cannot colour or break the line."""
    text = body.decode(errors="replace")
    if text.isprintable():
        return text
    try:
        return json.dumps(json.loads(body))
    except ValueError:
        return json.dumps(text)


@contextmanager
def _shown(counted: Counter[str], *, as_json: bool) -> Iterator[Callable[[Seen, bytes], None]]:
    """Give what shows a result: with colours and a total below on a terminal, else a plain line."""
    if as_json or not sys.stdout.isatty():

        def plain(result: Seen, body: bytes) -> None:
            print(_on_one_line(body) if as_json else result.line, flush=True)

        yield plain
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
    from rich.live import Live  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(highlight=False)

    def total() -> Text:
        counts = [f"{number} {outcome}" for outcome, number in sorted(counted.items())]
        return Text(", ".join(counts) or "no result yet; Ctrl-C ends", style="dim")

    with Live(get_renderable=total, console=console, refresh_per_second=4) as live:
        yield lambda result, _: live.console.print(
            Text(result.line, style=_COLOURS.get(result.outcome, "")), soft_wrap=True
        )
