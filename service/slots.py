"""Who may start the next call, where several wait for a free slot: each in its turn. No I/O."""

from collections.abc import Callable


class Slots:
    """The calls in flight of one process, whichever partition they are for.

    `taken` is how many run. Who finds no free slot waits with a function that starts what it can.
    """

    def __init__(self) -> None:
        self.taken = 0
        self._waiting: dict[Callable[[], None], None] = {}

    def wait(self, start: Callable[[], None]) -> None:
        """Be told when a slot is free."""
        self._waiting[start] = None

    def leave(self, start: Callable[[], None]) -> None:
        """Wait no more."""
        self._waiting.pop(start, None)

    def release(self, start: Callable[[], None]) -> None:
        """Give a slot back, and offer it to those who wait; who gave it back is the last."""
        self.taken -= 1
        self._waiting.pop(start, None)
        self._waiting[start] = None
        for _ in range(len(self._waiting)):
            first, taken = next(iter(self._waiting)), self.taken
            del self._waiting[first]
            first()
            if first in self._waiting:  # It could start more: none is free any more.
                if self.taken == taken:
                    self._waiting = {first: None, **self._waiting}
                return
