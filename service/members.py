"""How many replicas there are: the consumers of a queue that each of them consumes.

A queue of events does not tell: RabbitMQ counts only the one consumer that is active there.
"""

import asyncio
from contextlib import suppress
from functools import partial
from typing import Any

import structlog

from service.connection import Line, LinkLost, words
from service.topology import Queue

log = structlog.get_logger()

_ANSWER_TIMEOUT = 5.0  # seconds
_OTHER = "inequivalent arg"


class _Refused(Exception):
    """RabbitMQ has ended the channel; the text says why."""


class Members:
    """A consumer among others of a queue that nobody publishes to.

    It has a channel of its own: without its answers no partition changes hands, and all else goes
    on.
    """

    def __init__(self, line: Line, queue: Queue) -> None:
        """Take the queue, which is declared whatever is declared otherwise; nothing is asked here.

        To look at it takes the same permission on RabbitMQ 4.3, and so it is the one thing that
        keeps a process with another number of partitions out in any case.
        """
        self._line = line
        self._queue = queue
        self._channel: Any = None
        self._ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._said = ""

    async def count(self) -> int | None:
        """Count the replicas, this one too; None if RabbitMQ does not tell just now.

        Raises:
            LinkLost: the number of partitions is another one, for instance.
        """
        try:
            async with asyncio.timeout(_ANSWER_TIMEOUT):
                if self._channel is None:
                    await self._join()
                declared = await self._rpc("queue_declare", self._queue.name, passive=True)
        except (_Refused, TimeoutError) as error:
            await self._leave()
            detail = str(error) or "RabbitMQ did not answer in time"
            if _OTHER in detail:
                self._line.lose(detail)
                raise LinkLost(detail) from None
            if detail != self._said:
                log.warning(
                    "the replicas cannot be counted; partitions stay where they are", detail=detail
                )
            self._said = detail
            return None
        self._said = ""
        return max(1, int(declared.method.consumer_count))

    async def _join(self) -> None:
        self._ended = ended = asyncio.get_running_loop().create_future()
        opening = asyncio.ensure_future(self._line.open_channel(partial(_end, ended)))
        try:
            self._channel = await asyncio.shield(opening)
        except asyncio.CancelledError:
            # A consumer that is left behind would be counted for ever.
            opening.add_done_callback(self._close_late)
            raise
        self._channel.add_on_cancel_callback(
            self._line.guarded(lambda _: _tell(ended, "RabbitMQ cancelled the consumer"))
        )
        arguments = dict(self._queue.arguments)
        await self._rpc("queue_declare", self._queue.name, durable=True, arguments=arguments)
        await self._rpc("basic_consume", self._queue.name, lambda *_: None, auto_ack=True)

    async def _leave(self) -> None:
        """Close the channel, or lose the link: its consumer would be counted beside the next."""
        channel, self._channel = self._channel, None
        if channel is not None and not await self._line.close_channel(channel):
            self._line.lose("a channel did not close")

    def _close_late(self, opening: asyncio.Future[Any]) -> None:
        with suppress(LinkLost):
            opening.result().close()

    async def _rpc(self, method: str, *arguments: Any, **named: Any) -> Any:
        if self._ended.done():
            raise _Refused(self._ended.result())
        start = partial(getattr(self._channel, method), *arguments, **named)
        answer = asyncio.ensure_future(self._line.rpc(start))
        ends: list[asyncio.Future[Any]] = [answer, self._ended]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                raise _Refused(self._ended.result())
            return answer.result()
        finally:
            answer.cancel()


def _end(ended: asyncio.Future[str], error: BaseException) -> None:
    _tell(ended, words(error))


def _tell(ended: asyncio.Future[str], reason: str) -> None:
    if not ended.done():
        ended.set_result(reason)
