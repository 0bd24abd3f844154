"""Changes of calls with async=1: each takes effect a while after its call, in their order."""

import asyncio
from collections import deque
from collections.abc import Callable


class Background:
    """Changes to come, each after the same delay in seconds."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._waiting: deque[tuple[asyncio.TimerHandle, Callable[[], object]]] = deque()

    def add(self, change: Callable[[], object]) -> None:
        """Let a change happen after the delay."""
        timer = asyncio.get_running_loop().call_later(self._delay, self._apply_oldest)
        self._waiting.append((timer, change))

    def clear(self) -> None:
        """Forget the changes to come."""
        for timer, _ in self._waiting:
            timer.cancel()
        self._waiting.clear()

    def _apply_oldest(self) -> None:
        # A timer applies the oldest change, not its own, so that changes keep their order.
        _, change = self._waiting.popleft()
        change()
