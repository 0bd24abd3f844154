"""How RATE_LIMIT, and the rates of commands, are kept."""

import asyncio

from aiolimiter import AsyncLimiter

_SLICE = 0.03  # seconds; a timer for each call would be too coarse beyond 30 a second


def limiter(rate: float) -> AsyncLimiter:
    """Limit to so many in any second, evenly but for slices of 30 ms."""
    at_once = max(1, round(rate * _SLICE))
    # What may come at once comes on top of the rate, in the second that begins with it.
    return AsyncLimiter(at_once, at_once / (rate - at_once + 1))


class SharedRate:
    """A rate that several processes share: each has a part of it, which may change at any time."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._limiter = limiter(rate)
        self._shares = 1.0, 1.0  # of the limiter, and what it shall be of
        self._first_come = asyncio.Lock()

    def change(self, share: float) -> None:
        """Have another part of the rate from the next turn on."""
        self._shares = self._shares[0], share

    async def turn(self) -> None:
        """Wait until one more call is allowed."""
        # One waits at a time: those who wait for a former part would come on top of the others.
        async with self._first_come:
            known, wanted = self._shares
            if known != wanted:
                self._limiter = limiter(self._rate * wanted)
                self._shares = wanted, wanted
                # It begins used up: each change would allow some calls at once otherwise.
                await self._limiter.acquire(self._limiter.max_rate)
            await self._limiter.acquire()
