"""Acknowledgements in as few frames as can be: those of one turn of the event loop together.

No I/O: `write` is told a delivery tag, and whether it stands for all up to it.
"""

import math
from collections.abc import Callable


class Acks:
    """Collects the delivery tags of one channel, which grow from delivery to delivery."""

    def __init__(self, write: Callable[[int, bool], None]) -> None:
        self._write = write
        self._held: dict[int, None] = {}
        self._new: list[int] = []

    def hold(self, tag: int) -> None:
        """Note a delivery."""
        self._held[tag] = None

    def add(self, tag: int) -> bool:
        """Note the acknowledgement of a delivery; True if it is the first since the last flush."""
        del self._held[tag]
        self._new.append(tag)
        return len(self._new) == 1

    def flush(self) -> None:
        """Write what was noted: what has nothing held before it as one, the rest one by one."""
        new, self._new = self._new, []
        oldest = next(iter(self._held), math.inf)
        together = [tag for tag in new if tag < oldest]
        if together:
            self._write(max(together), len(together) > 1)
        for tag in new:
            if tag > oldest:
                self._write(tag, False)
