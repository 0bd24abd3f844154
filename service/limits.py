"""How RATE_LIMIT, and the rates of commands, are kept."""

from aiolimiter import AsyncLimiter

_SLICE = 0.05  # seconds; a timer for each call would be too coarse beyond 20 a second


def limiter(rate: float) -> AsyncLimiter:
    """Limit to so many a second, evenly but for slices of 50 ms."""
    at_once = max(1, round(rate * _SLICE))
    return AsyncLimiter(at_once, at_once / rate)
