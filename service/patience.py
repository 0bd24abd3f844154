"""How long an outage of the API is sat out, before the link is given up for it."""

import asyncio

from service.pauses import Pause, Pauses
from service.probe import Probe


class Patience:
    """Watches the pauses during one link.

    `given_up` is done, with the pause, when the link shall be given up for it: at once if somebody
    must mend something, else after `hold` seconds in which the API has answered no probe.
    """

    def __init__(self, pauses: Pauses, probe: Probe, hold: float) -> None:
        self._pauses = pauses
        self._probe = probe
        self._hold = hold
        self._loop = asyncio.get_running_loop()
        self._held: asyncio.TimerHandle | None = None
        self.given_up: asyncio.Future[Pause] = self._loop.create_future()
        pauses.listeners.append(self._look)
        self._look()

    def end(self) -> None:
        """Watch no longer."""
        self._pauses.listeners.remove(self._look)
        self._stop()

    def _look(self) -> None:
        if (serious := self._pauses.serious) is not None:
            self._give_up(serious)
        elif of_the_api := self._pauses.of_the_api:
            self._probe.begin()
            if self._held is None and not self._pauses.trial:
                self._held = self._loop.call_later(self._hold, self._give_up, of_the_api[0])
        else:
            self._stop()

    def _give_up(self, pause: Pause) -> None:
        if not self.given_up.done():
            self.given_up.set_result(pause)

    def _stop(self) -> None:
        if self._held is not None:
            self._held.cancel()
            self._held = None
