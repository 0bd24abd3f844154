"""What all commands share: settings read, one clear line for what went wrong, progress shown."""

import asyncio
import errno
import os
import sys
import textwrap
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple, NoReturn, TypeVar

from service import logs
from service.connection import LinkLost
from service.environment import PREFIX
from service.settings import Settings, WrongSettings

try:
    from uvloop import new_event_loop
except ImportError:  # where there is none, asyncio's own loop does
    from asyncio import new_event_loop  # type: ignore[assignment]

_T = TypeVar("_T")

_UNWRITTEN = {errno.EBADF, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC}
FAILED, WRONG = 1, 2  # exit codes: what was wanted did not work; settings or arguments are wrong

_REMEDIES = {
    "no queue is bound": "`profile-sync topology --apply` binds those of the service",
    "is it full": "`profile-sync check --management URL` tells of limits and policies",
    "no queue": f"`profile-sync topology --apply` makes it, or {PREFIX}DEAD_LETTER_QUEUE names "
    "another",
    "no exchange": "`profile-sync topology --apply` makes it, as `profile-sync run` does",
    "Connection refused": f"is it running, and {PREFIX}AMQP_URL right?",
    "user name or the password": f"mend {PREFIX}AMQP_URL",
    "virtual host": f"mend {PREFIX}AMQP_URL",
    "refused for user": "`profile-sync topology --permissions` prints what to set",
    "PRECONDITION_FAILED - delivery acknowledgement": "it took back what was held too long; run "
    "the command again",
}


def list_faults(faults: Sequence[str]) -> None:
    """Write what is wrong with the settings to standard error."""
    count = len(faults)
    complain(f"profile-sync: {count} setting{'s' * (count > 1)} cannot be used:")
    for fault in faults:
        complain(f"  {fault}")


def settings(tell: Callable[[Sequence[str]], None] = list_faults, **defaults: str) -> Settings:
    """Read the settings, or `tell` all that is wrong with them and exit with code 2."""
    try:
        return Settings.load(**defaults)
    except WrongSettings as error:
        tell(error.faults)
        raise SystemExit(WRONG) from None


def quiet_settings(
    *, token: bool = False, tell: Callable[[Sequence[str]], None] = list_faults
) -> Settings:
    """Read the settings for a command that logs only what fails; most need no `token`."""
    found = settings(tell) if token else settings(tell, access_token="unused")  # noqa: S106
    logs.set_up("error", "text", found.secrets, aside=True)
    return found


def complain(text: str) -> None:
    """Write a line to standard error."""
    print(text, file=sys.stderr)


def tell_blocked(blocked: bool) -> None:
    """Say so when RabbitMQ takes nothing more; it tells when, and when it does again."""
    if blocked:
        complain("RabbitMQ takes no messages for now, for want of memory or disk; waiting")


def fail(text: str, code: int = FAILED) -> NoReturn:
    """Say in one line what went wrong, and exit."""
    complain(f"profile-sync: {text}")
    raise SystemExit(code)


def agreed(question: str) -> bool:
    """Ask, and read yes or no; Ctrl-C ends the command with exit code 130."""
    # Only what asks pays for it.
    import typer  # noqa: PLC0415

    try:
        return typer.confirm(question, err=True)
    except typer.Abort:
        raise SystemExit(130) from None


@contextmanager
def explained() -> Iterator[None]:
    """Turn what may go wrong at RabbitMQ or with a file into one line, and exit code 1.

    A pipe that nobody reads any more gets the exit code, and no line. To decorate a command with,
    or for a part of one.
    """
    try:
        yield
        sys.stdout.flush()
    except LinkLost as error:
        fail(f"RabbitMQ: {error}{remedy(str(error))}")
    except BrokenPipeError:  # who reads has read enough
        write_to_nobody()
        raise SystemExit(FAILED) from None
    except OSError as error:
        unwritten = error.filename is None and error.errno in _UNWRITTEN
        if unwritten:
            write_to_nobody()
        fail(f"standard output: {reason(error)}" if unwritten else reason(error))


def write_to_nobody() -> None:
    """Let what is still to be written go nowhere: who read it is gone, or its disk is full."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def reason(error: OSError) -> str:
    """Say what went wrong with which file."""
    text = error.strerror or str(error)
    return f"{error.filename}: {text}" if error.filename else text


def remedy(trouble: str) -> str:
    """Say what to do about some trouble at RabbitMQ, to be put after it; nothing if unknown."""
    for sign, remedy in _REMEDIES.items():
        if sign in trouble:
            return f"; {remedy}"
    return ""


def in_loop(work: Coroutine[Any, Any, _T]) -> _T:
    """Do some work in an event loop of its own; Ctrl-C ends it with exit code 130."""
    with interruptible(), asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(work)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C end a command with exit code 130, and nothing more said."""
    try:
        yield
    except KeyboardInterrupt:
        raise SystemExit(130) from None


class Bar(NamedTuple):
    """How far long work is: `advance` is told how much more is done, `expect` how much there is."""

    advance: Callable[[int], None]
    expect: Callable[[int], None]


@contextmanager
def progress(title: str, total: int | None) -> Iterator[Bar]:
    """Show on a terminal how far long work is; its last line stays, with the time it took.

    Nothing is written if standard error is no terminal. `total` is None if nobody knows it yet.
    """
    if not sys.stderr.isatty():
        yield Bar(lambda _: None, lambda _: None)
        return
    # Only what is shown pays for it.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=console) as shown:
        task = shown.add_task(title, total=total)
        yield Bar(partial(shown.advance, task), lambda known: shown.update(task, total=known))


def printable(value: object) -> str:
    """Write a text of somebody else's so that it stays on its line and colours nothing."""
    text = str(value)
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(character: str) -> str:
    return character if character.isprintable() else ascii(character)[1:-1]


def table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write rows: in columns on a terminal, else as lines with tabs, titles first."""
    texts = [[printable(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for line in (titles, *texts):
            print("\t".join(line))
        return
    # Only what shows a table pays for it.
    from rich.cells import cell_len  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console()
    for number, row in enumerate(in_columns([titles, *texts], console.width, cell_len)):
        console.print(Text(row, style="" if number else "bold"), soft_wrap=True)


_GAP, _INDENT = "  ", "    "


def in_columns(
    rows: Sequence[Sequence[str]], width: int, length: Callable[[str], int] = len
) -> Iterator[str]:
    """Lay rows out in columns; those that do not fit in the width go on below, indented.

    Nothing is cut, and only words of the last column are parted: an id can be copied whole.
    """
    widest = [max(map(length, column)) for column in zip(*rows, strict=True)]
    lines: list[list[int]] = [[]]
    room = width
    for column, wide in enumerate(widest):
        if lines[-1] and wide > room:
            lines.append([])
            room = width - len(_INDENT)
        lines[-1].append(column)
        room -= wide + len(_GAP)
    for row in rows:
        padded = [cell + " " * (widest[at] - length(cell)) for at, cell in enumerate(row)]
        texts = [_GAP.join(padded[at] for at in columns).rstrip() for columns in lines]
        yield "\n".join([texts[0], *(_below(text, width) for text in texts[1:] if text)])


def _below(text: str, width: int) -> str:
    if len(text) <= width - len(_INDENT):
        return _INDENT + text
    return textwrap.fill(
        text,
        width,
        initial_indent=_INDENT,
        subsequent_indent=_INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )
