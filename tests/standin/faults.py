"""Faults that a test asks for: wrong answers, dropped connections, a slow API."""

from dataclasses import dataclass
from typing import Any

from tests.standin.answers import Answer, refusal

_KEYS = frozenset(("status", "message", "headers", "reset", "times", "until_reset", "latency"))
_TITLES = {502: "502 Server Error"}


class FaultError(Exception):
    """The description of a fault makes no sense; the text says why."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens instead of an answer: a connection dropped, or another answer."""

    reset: str | None
    status: int
    message: str | None
    headers: tuple[tuple[str, str], ...]

    def answer(self) -> Answer:
        """Answer with the API's error if there is a message, else with a load balancer's page."""
        if self.message is not None:
            answer = refusal(self.message, self.status)
            return Answer(answer.status, answer.body, (*answer.headers, *self.headers))
        title = _TITLES.get(self.status, "Loadbalancer Error")
        page = (
            f"<html><head><title>{title}</title></head>"
            f"<body><h1>{title}</h1><p>Too many requests to handle.</p></body></html>\n"
        )
        return Answer(self.status, page.encode(), (("Content-Type", "text/html"), *self.headers))


class Faults:
    """The fault to come, how often, and the latency of every call in seconds."""

    def __init__(self, latency: float) -> None:
        self._usual_latency = latency
        self.clear()

    def clear(self) -> None:
        """Go back to no faults and the usual latency."""
        self.latency = self._usual_latency
        self._wanted: dict[str, Any] = {}
        self._fault: Fault | None = None
        self._left: int | None = 0

    def order(self, wanted: Any) -> None:
        """Replace the present fault and latency by those of a JSON object.

        Raises:
            FaultError: the object is not understood; nothing changes then.
        """
        fault, left = _fault(wanted), _times(wanted)
        latency = wanted.get("latency", self._usual_latency)
        if not _number(latency) or latency < 0:
            raise FaultError("latency must be a number of seconds")
        self.latency, self._wanted = float(latency), wanted
        self._fault, self._left = fault, left

    def take(self) -> Fault | None:
        """Return the fault for the call at hand, if its turn has come."""
        if self._fault is None or self._left == 0:
            return None
        if self._left is not None:
            self._left -= 1
        return self._fault

    def described(self) -> dict[str, Any]:
        """Describe what was ordered and how often it will still happen; null is without end."""
        left = self._left if self._fault else 0
        return {**self._wanted, "latency": self.latency, "left": left}


def _fault(wanted: Any) -> Fault | None:
    if not isinstance(wanted, dict):
        raise FaultError("a fault is a JSON object")
    if unknown := sorted(wanted.keys() - _KEYS):
        raise FaultError(f"unknown key {unknown[0]}, known are {', '.join(sorted(_KEYS))}")
    reset, status = wanted.get("reset"), wanted.get("status")
    message, headers = wanted.get("message"), wanted.get("headers", {})
    if reset not in (None, "before", "after"):
        raise FaultError('reset must be "before" or "after"')
    if status is not None and (not isinstance(status, int) or not 200 <= status <= 599):
        raise FaultError("status must be a number from 200 to 599")
    if reset and status:
        raise FaultError("a fault is either a reset or a status")
    if not isinstance(message, str | None) or not isinstance(headers, dict):
        raise FaultError("message must be a text, and headers an object")
    if not reset and not status:
        return None
    pairs = tuple((str(name), str(value)) for name, value in headers.items())
    return Fault(reset, status or 0, message, pairs)


def _times(wanted: dict[str, Any]) -> int | None:
    times = wanted.get("times", 1)
    if not isinstance(times, int) or times < 0:
        raise FaultError("times must be a whole number")
    return None if wanted.get("until_reset") is True else times


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
