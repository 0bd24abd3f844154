"""An event loop in a thread of its own, steered from synchronous code."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any


class LoopThread:
    """Runs from `start` to `stop`; steps are done in it when `do` returns."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.SelectorEventLoop()
        self._thread = threading.Thread(target=self.loop.run_forever, name=name, daemon=True)

    def start(self) -> None:
        """Begin to run."""
        self._thread.start()

    def do(self, steps: Coroutine[Any, Any, None]) -> None:
        """Run steps in the loop and wait for their end."""
        asyncio.run_coroutine_threadsafe(steps, self.loop).result()

    def stop(self) -> None:
        """End the loop and its thread."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()
