"""The question whether the API answers again: asked over and over, one call at a time."""

import asyncio
import random

import structlog

from service.copernica import Copernica
from service.outcomes import backoff, unanswered
from service.pauses import Pauses
from service.profiles import get_identity
from service.settings import Settings

log = structlog.get_logger()

_OFTEN = 4.0  # seconds between two questions in an outage: work shall go on soon after it
_TRIALS = 3  # that fail, one after the other, before they become as seldom as other retries
_LOOK = 1.0  # seconds between two looks at the file of the token


class Probe:
    """Asks `GET identity` during a pause that the API is the cause of, until that ends the pause.

    The first call after it is a trial: if that fails, the pause begins again, and the questions go
    on as seldom as before.
    """

    def __init__(self, settings: Settings, copernica: Copernica, pauses: Pauses) -> None:
        self._settings = settings
        self._copernica = copernica
        self._pauses = pauses
        self._loop = asyncio.get_running_loop()
        self._asking: asyncio.Task[None] | None = None
        self._asked = self._trials = 0
        self._successes = 0

    def begin(self) -> None:
        """Ask until the API answers, unless that is being done."""
        if self._asking is not None and not self._asking.done():
            return
        if self._pauses.successes != self._successes:
            self._successes, self._asked, self._trials = self._pauses.successes, 0, 0
        self._trials += self._pauses.trial
        self._asking = self._loop.create_task(self._ask())

    async def answered(self) -> None:
        """Return when the pause has ended."""
        if self._asking is not None:
            await asyncio.shield(self._asking)

    def close(self) -> None:
        """Ask no more."""
        if self._asking is not None:
            self._asking.cancel()

    async def _ask(self) -> None:
        while not await self._answers_at_last():
            pass
        for pause in self._pauses.try_again(self._loop.time()):
            said = log.debug if pause == "refusals" else log.info
            said("calls go on, one at first", cause=pause)

    async def _answers_at_last(self) -> bool:
        try:
            return await self._answers()
        except Exception:
            # A fault of ours must not end the questions, and with them all work.
            log.exception("a question to the API failed")
            return False

    async def _answers(self) -> bool:
        """Wait a while, then ask once."""
        self._asked += 1
        pauses = self._pauses.of_the_api
        often = pauses == ["outage"] and self._trials < _TRIALS
        longest = _OFTEN if often else self._settings.retry_max
        dice = 0.5 + random.random() / 2  # noqa: S311
        delay = backoff(self._asked, self._settings.retry_base, longest, dice)
        await self._wait(max(delay, self._pauses.not_before - self._loop.time()))
        if pauses == ["refusals"]:
            return True  # The API answers. Whether it takes updates, only one of them can tell.
        failure = unanswered(await self._copernica.send(get_identity()))
        if failure is None:
            return True
        self._trials = 0
        if self._pauses.unanswered(failure, self._loop.time()):
            log.error("the API answers otherwise now", cause=failure.cause, detail=failure.detail)
        return False

    async def _wait(self, seconds: float) -> None:
        """Wait so many seconds, or until the file of the token has another one."""
        until = self._loop.time() + seconds
        while (left := until - self._loop.time()) > 0:
            await asyncio.sleep(min(left, _LOOK))
            if self._copernica.reread_token():
                log.info("the access token was replaced")
                return
