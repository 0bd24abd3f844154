"""What stands in the way of events just now: begun, ended, shown. No I/O."""

from typing import Literal

from service.outcomes import Cause

Trouble = Cause | Literal["unroutable", "blocked", "selection-guard"]

# An outage of the API or a blocked RabbitMQ passes by itself; the others wait for an operator.
_NOT_READY: tuple[Trouble, ...] = ("selection-guard", "token", "configuration", "unroutable")


class Troubles:
    """The troubles of one process, by cause."""

    def __init__(self) -> None:
        self._active: set[Trouble] = set()

    def begin(self, trouble: Trouble) -> bool:
        """Note a trouble; True if it is news."""
        if trouble in self._active:
            return False
        self._active.add(trouble)
        return True

    def end(self, *troubles: Trouble) -> list[Trouble]:
        """Strike troubles off; return those that were there."""
        ended = [trouble for trouble in troubles if trouble in self._active]
        self._active.difference_update(ended)
        return ended

    def clear(self) -> None:
        """Forget all that whoever works next will see for himself; a restart forgets the rest."""
        self._active &= {"selection-guard"}

    def why_not_ready(self) -> Trouble | None:
        """Name the first trouble that somebody must mend."""
        return next((trouble for trouble in _NOT_READY if trouble in self._active), None)
