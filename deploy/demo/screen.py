"""The demo's page: colours on a terminal, plain text elsewhere, 80 to 100 columns."""

import os
import shutil
import sys
import textwrap
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "36"}
_OUTCOMES = {
    "updated": "green",
    "created": "green bold",
    "unmatched": "yellow",
    "accepted": "blue",
    "rejected": "red",
    "failed": "red bold",
}
_NAME, _OUTCOME, _CAME, _TIME = 16, 9, 22, 7  # widths of a row's cells
_WIDE = 96  # columns from which what an event asks for fits beside its result


class Screen:
    """Prints the demo, a part at a time."""

    def __init__(self) -> None:
        terminal = sys.stdout.isatty()
        columns = shutil.get_terminal_size((100, 24)).columns if terminal else 100
        self.width = min(max(columns, 80), 100)
        self.colours = terminal and not os.environ.get("NO_COLOR")
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="replace", line_buffering=True)

    def style(self, text: str, style: str) -> str:
        """Colour a text, if colours are wanted."""
        if not self.colours or not style:
            return text
        codes = ";".join(_STYLES[name] for name in style.split())
        return f"\x1b[{codes}m{text}\x1b[0m"

    def title(self, text: str) -> None:
        """Begin a part."""
        print(f"\n{self.style(text, 'bold')}")

    def text(self, text: str = "", style: str = "", indent: int = 0) -> None:
        """Print a paragraph, or an empty line."""
        if not text:
            print()
        margin = " " * indent
        lines = textwrap.wrap(
            text,
            self.width,
            initial_indent=margin,
            subsequent_indent=margin,
            break_on_hyphens=False,
        )
        for line in lines:
            print(self.style(line, style))

    def pair(self, name: str, value: str, width: int = 12) -> None:
        """Print a name and its value, whatever its length: it may be copied."""
        print(f"  {name:<{width}} {value}".rstrip())

    def wrapped(self, name: str, value: str, width: int = 24) -> None:
        """Print a name and its value, which may be long."""
        start = f"  {name:<{width}} "
        for line in textwrap.wrap(
            value,
            self.width,
            initial_indent=start,
            subsequent_indent=" " * len(start),
            break_on_hyphens=False,
        ):
            print(line)

    @contextmanager
    def step(self, name: str, text: str) -> Iterator[None]:
        """Say what is being started, then how long it took."""
        print(f"  {name:<12} {text} ...", end="", flush=True)
        begun = time.monotonic()
        try:
            yield
        except BaseException:
            print()
            raise
        seconds = time.monotonic() - begun
        print(self.style(f" {seconds:.1f} s" if seconds > 0.05 else " up meanwhile", "dim"))

    def row(self, name: str, asks: str, outcome: str, came: str, seconds: float | None) -> None:
        """Print one event beside its result."""
        took = f"{seconds * 1000:.0f} ms" if seconds is not None else ""
        room = self.width - _NAME - _OUTCOME - _CAME - _TIME - 7
        wide = self.width >= _WIDE
        beside = self.style(_cut(asks, room).ljust(room), "dim") + " " if wide else ""
        print(
            f"  {_cut(name, _NAME):<{_NAME}} {beside}"
            f"→ {self.style(outcome.ljust(_OUTCOME), _OUTCOMES.get(outcome, ''))}"
            f" {_cut(came, _CAME):<{_CAME}}{took:>{_TIME}}".rstrip()
        )
        if not wide:
            self.below(_cut(asks, self.width - _NAME - 3), "dim")

    def below(self, text: str, style: str = "") -> None:
        """Print what belongs to the row above."""
        self.text(text, style, indent=_NAME + 3)

    def table(self, head: Sequence[str], rows: Sequence[Sequence[tuple[str, bool]]]) -> None:
        """Print a table; cells marked as changed are bold and green, or have a star."""
        marked = [
            [
                (f"{text}*" if changed and not self.colours else text, changed)
                for text, changed in row
            ]
            for row in rows
        ]
        widths = [
            max(len(name), *(len(row[n][0]) for row in marked)) for n, name in enumerate(head)
        ]
        line = "  ".join(f"{name:<{width}}" for name, width in zip(head, widths, strict=True))
        print("  " + self.style(line.rstrip(), "dim"))
        for row in marked:
            cells = [
                self.style(f"{text:<{width}}", "green bold" if changed else "")
                for (text, changed), width in zip(row, widths, strict=True)
            ]
            print("  " + "  ".join(cells).rstrip())


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
