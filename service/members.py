"""How many replicas there are: the consumers of a queue that each of them consumes.

A queue of events does not tell: RabbitMQ counts only the one consumer that is active there.
"""

import asyncio
from functools import partial
from typing import Any

import structlog

from service.connection import Line, words

log = structlog.get_logger()

_ANSWER_TIMEOUT = 5.0  # seconds


class _Refused(Exception):
    """RabbitMQ has ended the channel; the text says why."""


class Members:
    """A consumer among others of a queue that nobody publishes to.

    It has a channel of its own: without its answers no partition changes hands, and all else goes
    on.
    """

    def __init__(self, line: Line, queue: str, *, declares: bool) -> None:
        """Take the queue, which is declared if it is gone and the service `declares` what it needs.

        Nothing is asked here.
        """
        self._line = line
        self._queue = queue
        self._declares = declares
        self._channel: Any = None
        self._ended: asyncio.Future[str]
        self._said = ""

    async def count(self) -> int | None:
        """Count the replicas, this one too; None if RabbitMQ does not tell just now.

        Raises:
            LinkLost: with the reason in words.
        """
        try:
            async with asyncio.timeout(_ANSWER_TIMEOUT):
                if self._channel is None:
                    await self._join()
                declared = await self._rpc("queue_declare", self._queue, passive=True)
        except (_Refused, TimeoutError) as error:
            self._channel, detail = None, str(error) or "RabbitMQ did not answer in time"
            if detail != self._said:
                log.warning(
                    "the replicas cannot be counted; partitions stay where they are", detail=detail
                )
            self._said = detail
            return None
        self._said = ""
        return max(1, int(declared.method.consumer_count))

    async def _join(self) -> None:
        self._ended = asyncio.get_running_loop().create_future()
        self._channel = await self._line.open_channel(lambda error: self._end(words(error)))
        self._channel.add_on_cancel_callback(
            self._line.guarded(lambda _: self._end("RabbitMQ cancelled the consumer"))
        )
        if self._declares:
            arguments = {"x-queue-type": "classic"}
            await self._rpc("queue_declare", self._queue, durable=True, arguments=arguments)
        await self._rpc("basic_consume", self._queue, lambda *_: None, auto_ack=True)

    def _end(self, reason: str) -> None:
        if not self._ended.done():
            self._ended.set_result(reason)

    async def _rpc(self, method: str, *arguments: Any, **named: Any) -> Any:
        if self._ended.done() or not self._channel.is_open:
            raise _Refused(self._ended.result() if self._ended.done() else "")
        start = partial(getattr(self._channel, method), *arguments, **named)
        answer = asyncio.ensure_future(self._line.rpc(start))
        ends: list[asyncio.Future[Any]] = [answer, self._ended]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                raise _Refused(self._ended.result())
            return answer.result()
        finally:
            answer.cancel()  # Whoever stops waiting hears nothing of it any more.
