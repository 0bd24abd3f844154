"""A line a minute that says what came, how it ended and what waits."""

import asyncio
from collections import Counter
from collections.abc import Callable

import structlog

from service.metrics import Metrics

log = structlog.get_logger()

_EVERY = 60.0  # seconds


class Summary:
    """Says what has been counted since it said so last; `paused` names the causes of pauses."""

    def __init__(self, metrics: Metrics, paused: Callable[[], list[str]]) -> None:
        self._metrics = metrics
        self._paused = paused
        self._said: Counter[str] = Counter()

    async def each_minute(self) -> None:
        """Write a line each minute in which there is something to tell; ends when cancelled."""
        while True:
            await asyncio.sleep(_EVERY)
            self.write()

    def write(self) -> None:
        """Write a line, if anything has happened, waits or is paused."""
        totals = self._metrics.totals()
        news, self._said = totals - self._said, totals
        levels = self._metrics.levels()
        paused = self._paused()
        if news or paused or any(levels.values()):
            log.info("summary", seconds=round(_EVERY), **news, **levels, paused=",".join(paused))
