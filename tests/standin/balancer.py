"""The load balancer before the API: its pages, and how many calls it lets through."""

import time
from collections import deque
from collections.abc import Callable
from typing import Literal

from tests.standin.answers import Answer

_TITLES = {502: "502 Server Error"}


def page(status: int, *headers: tuple[str, str]) -> Answer:
    """Answer with the page that it shows in place of the API."""
    title = _TITLES.get(status, "Loadbalancer Error")
    body = (
        f"<html><head><title>{title}</title></head>"
        f"<body><h1>{title}</h1><p>Too many requests to handle.</p></body></html>\n"
    )
    return Answer(status, body.encode(), (("Content-Type", "text/html"), *headers))


class RateLimit:
    """Lets so many calls through within any second; None lets all through.

    Beyond that it answers 503 with its page, or 429 with Retry-After: 1.
    """

    def __init__(
        self,
        calls: int | None,
        status: Literal[503, 429],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._passed: deque[float] = deque(maxlen=calls or 0)
        retry = [("Retry-After", "1")] if status == 429 else []
        self._refusal = page(status, *retry)
        self._now = now

    def refusal(self) -> Answer | None:
        """Return None for a call that may pass now, which counts; else how it is turned away."""
        passed = self._passed
        if not passed.maxlen:
            return None
        now = self._now()
        if len(passed) == passed.maxlen and now - passed[0] < 1:
            return self._refusal
        passed.append(now)
        return None
