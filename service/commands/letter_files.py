"""Files of exported dead letters: written whole or not at all, and read in one piece or not."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from service.commands import exports
from service.commands.dead_letters import Letter, Trace
from service.commands.terminal import WRONG, fail

_IN_MEMORY = 32 << 20  # bytes


@contextmanager
def written_whole(file: Path) -> Iterator[Callable[[bytes], object]]:
    """Write a file that is there only once it is whole; - is standard output."""
    if str(file) == "-":
        yield sys.stdout.buffer.write
        return
    if not file.name or file.is_dir():
        fail(f"{file} is a folder", WRONG)
    if file.exists():
        fail(f"{file} is there already, and may be all there is of letters: choose another", WRONG)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    except OSError as error:
        fail(f"{file} cannot be written: {error.strerror}", WRONG)
    out = open(handle, "wb")  # noqa: SIM115 - closed below, when what went wrong is known

    def write(content: bytes) -> None:
        with _named(file):
            out.write(content)

    try:
        yield write
        with _named(file):
            out.flush()
            os.fsync(handle)
            out.close()
            os.replace(name, file)
    except BaseException:
        with suppress(OSError):
            out.close()
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """Let an error of writing say where."""
    try:
        yield
    except OSError as error:
        error.filename = str(file)
        raise


class Exported:
    """Letters of an exported file, which can be read more than once; use it with `exported`."""

    def __init__(self, file: Path, content: IO[bytes], max_bytes: int) -> None:
        self._file = file
        self._content = content
        self._max_bytes = max_bytes

    def __iter__(self) -> Iterator[tuple[Letter, Trace]]:
        """Read the letters, or say which line is wrong and exit with code 2."""
        try:
            self._content.seek(0)
            yield from exports.letters(self._content, self._max_bytes)
        except exports.NoExport as error:
            fail(f"{self._file}: {error}", WRONG)


@contextmanager
def exported(file: Path, max_bytes: int) -> Iterator[Exported]:
    """Read what export wrote, edited or not; - is standard input.

    What comes by a pipe is kept first, so that all of it can be checked before the first letter is
    used: in memory, or a temporary file if it is much. A file needs neither.
    """
    try:
        content = sys.stdin.buffer if str(file) == "-" else file.open("rb")
    except OSError as error:
        fail(f"{file}: {error.strerror}", WRONG)
    with content:
        if content.seekable():
            yield Exported(file, content, max_bytes)
            return
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as copy:
            shutil.copyfileobj(content, copy)
            yield Exported(file, copy, max_bytes)
