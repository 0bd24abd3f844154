"""Why no calls start just now, and how many may run at a time. No I/O: instants are arguments.

Instants are of one monotonic clock, in seconds. Most pauses end by themselves: with an answer of
the API, with a message that is routed, with RabbitMQ's word. After a pause of the API's calls begin
with one, the trial, and grow in number as they succeed.
"""

import math
from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

from service.conditions import Key
from service.outcomes import Cause, Retry

Pause = Cause | Literal["refusals", "unroutable", "blocked", "selection-guard"]

PAUSES: tuple[Pause, ...] = (
    *get_args(Cause),
    "refusals",
    "unroutable",
    "blocked",
    "selection-guard",
)

_FAILURES = 5  # calls in a row that make an outage
_LATELY = 10.0  # seconds since a success in which the API cannot be down
_REFUSALS = 20  # keys in a row

# The others pass without anybody: an outage, a blocked RabbitMQ, refusals that end with a success.
_NOT_READY: tuple[Pause, ...] = ("selection-guard", "token", "configuration", "unroutable")
_OF_THE_API: tuple[Pause, ...] = ("outage", "token", "configuration", "refusals")


class Tally(NamedTuple):
    """The first attempts of events that have succeeded so far, and those that have failed.

    How often the bad ones are repeated says nothing of the API.
    """

    successes: int
    failures: int


class Pauses:
    """The pauses of one process, and what leads to them; `most` calls may run at a time.

    `successes` counts PUTs, `tally` first attempts, `answered_at` is when a probe was answered
    last, and `trial` is True from then until an update succeeds. `listeners` are told when a pause
    begins or ends.
    """

    def __init__(self, most: int) -> None:
        self.most = self._slots = most
        self._active: set[Pause] = set()
        self._in_a_row = 0
        self._refused: set[Key] = set()
        self._not_before = 0.0
        self.trial = False
        self._confirmed = False
        self._succeeded_at = -math.inf
        self.successes = 0
        self.tally = Tally(0, 0)
        self.answered_at = 0.0
        self.listeners: list[Callable[[], None]] = []

    def begin(self, pause: Pause) -> bool:
        """Note a pause; True if it is news."""
        if pause in self._active:
            return False
        self._active.add(pause)
        self._tell()
        return True

    def end(self, *pauses: Pause) -> list[Pause]:
        """Strike pauses off; return those that there were."""
        ended = [pause for pause in pauses if pause in self._active]
        self._active.difference_update(ended)
        if ended:
            self._tell()
        return ended

    def failed(
        self, retry: Retry, now: float, *, first: bool = False, blamed: bool = False
    ) -> bool:
        """Note a call that failed, perhaps an event's first; True if a pause begins with it.

        An event that is `blamed`, because it has failed while others succeeded, says nothing of
        the API, and makes no outage, while others go on to succeed.
        """
        self._not_before = max(self._not_before, now + (retry.after or 0))
        self.tally = Tally(self.tally.successes, self.tally.failures + first)
        if retry.cause != "outage":
            return self.begin(retry.cause)
        if blamed and now - self._succeeded_at < _LATELY:
            return False
        self._in_a_row += 1
        return self._in_a_row >= (1 if self.trial else _FAILURES) and self.begin("outage")

    def unanswered(self, retry: Retry, now: float) -> bool:
        """Note a probe that failed; True if a pause begins with it."""
        begun, self.trial = self.failed(retry, now), False
        self._confirmed = retry.cause != "outage"
        self._tell()
        return begun

    def refused(self, key: Key) -> bool:
        """Note a PUT that the API refused; True if a pause begins with it."""
        self._in_a_row = 0
        if len(self._refused) < _REFUSALS:
            self._refused.add(key)
        return len(self._refused) >= _REFUSALS and self.begin("refusals")

    def succeeded(self, now: float, *, first: bool = False) -> list[Pause]:
        """Note a PUT that succeeded, perhaps the first of its event; return the pauses it ends."""
        self.successes += 1
        self._succeeded_at = now
        self.tally = Tally(self.tally.successes + first, self.tally.failures)
        self._in_a_row = 0
        self._refused.clear()
        self.trial = False
        self._slots = min(self.most, self._slots + 1)
        return self.end(*_OF_THE_API)

    def try_again(self, now: float) -> list[Pause]:
        """End the API's pauses for a trial: one call, whose failure brings them back."""
        self.trial = True
        self._confirmed = False
        self.answered_at = now
        self._slots = 1
        # Each partition has its turn to be the first: the event it would try may be a bad one.
        self.listeners = [*self.listeners[1:], *self.listeners[:1]]
        return self.end(*_OF_THE_API)

    def may_call(self, running: int, now: float) -> bool:
        """Tell whether one more call may start beside those that run."""
        return (
            running < min(self._slots, self.most) and not self._active and now >= self._not_before
        )

    @property
    def not_before(self) -> float:
        """The instant before which the API has asked not to be called."""
        return self._not_before

    @property
    def serious(self) -> Pause | None:
        """The pause, if any, in which events cannot wait here: somebody must mend something.

        What an update has shown may lie with that one alone: a probe must show it too.
        """
        if "selection-guard" in self._active:
            return "selection-guard"
        serious: tuple[Pause, ...] = ("token", "configuration") if self._confirmed else ()
        return next((pause for pause in serious if pause in self._active), None)

    @property
    def of_the_api(self) -> list[Pause]:
        """The pauses that the API is the cause of."""
        return [pause for pause in _OF_THE_API if pause in self._active]

    def __len__(self) -> int:
        return len(self._active)

    def __contains__(self, pause: object) -> bool:
        return pause in self._active

    def why_not_ready(self) -> Pause | None:
        """Name the first pause that somebody must mend."""
        return next((pause for pause in _NOT_READY if pause in self._active), None)

    def _tell(self) -> None:
        for listener in tuple(self.listeners):
            listener()
