"""Acknowledgements in as few frames as can be: those of one turn of the event loop together.

No I/O: `write` is told a delivery tag, and whether it stands for all up to it.
"""

from collections.abc import Callable


class Acks:
    """Collects the delivery tags of one channel, which count from 1 in the order of delivery."""

    def __init__(self, write: Callable[[int, bool], None]) -> None:
        self._write = write
        self._oldest = 1
        self._new: list[int] = []
        self._ahead: set[int] = set()

    def add(self, tag: int) -> bool:
        """Note an acknowledgement; True if it is the first since the last flush."""
        self._new.append(tag)
        return len(self._new) == 1

    def flush(self) -> None:
        """Write what was noted: what has no gap before it as one, the rest one by one."""
        new, self._new = self._new, []
        self._ahead.update(new)
        while self._oldest in self._ahead:
            self._ahead.remove(self._oldest)
            self._oldest += 1
        together = [tag for tag in new if tag < self._oldest]
        if together:
            self._write(max(together), len(together) > 1)
        for tag in new:
            if tag >= self._oldest:
                self._write(tag, False)
