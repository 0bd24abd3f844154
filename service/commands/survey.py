"""What is at RabbitMQ, asked by AMQP: nothing is changed but by `make`, and no message is taken.

RabbitMQ checks permissions before it looks at arguments, and arguments before it does anything. So
what is asked for with an argument that cannot be is refused in any case, and how, tells.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import uuid4

import pika
from pika.channel import Channel
from pika.exceptions import ChannelClosed

from service.broker import encrypted_by, host_and_port
from service.commands.differences import Unreadable, declared_exchange, declared_queue, take_over
from service.commands.facts import Declared, Difference, Node, Permission, Refusal, Seen
from service.connection import Line, LinkLost
from service.tls import Certificates
from service.topology import Binding, Kind, Topology

_OPEN_TIMEOUT = 30.0  # seconds for one node
_ANSWER_TIMEOUT = 10.0  # seconds for one answer
_MOST = 50  # differences; there are fewer arguments
_ROUTING_KEY = "profile.updated.0"

_BLOCKED = Refusal(0, "RabbitMQ takes no messages: it is short of memory or disk (an alarm)")

_Start = Callable[[Channel, Callable[..., None]], object]


class Survey:
    """Asks one node, over one connection; take it with `survey`."""

    def __init__(self, line: Line, address: str) -> None:
        self._line = line
        self._blocked: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        blocked = line.guarded(lambda *_: _resolve(self._blocked, None))
        line.connection.add_on_connection_blocked_callback(blocked)
        told = line.connection.server_properties or {}
        self.node = Node(
            address,
            str(told.get("product", "")),
            str(told.get("version", "")),
            str(told.get("cluster_name", "")),
        )

    async def look(self, declared: Declared) -> Seen:
        """See how an exchange or a queue is, if it is there.

        Raises:
            LinkLost: the connection ended.
        """
        kind, name = declared.kind, declared.name
        answer = await self._ask(_passive(kind, name))
        if isinstance(answer, Refusal):
            return Seen(kind, name, answer)
        differences, uncompared = await self._compare(declared)
        found = Seen(kind, name, differences=differences, uncompared=uncompared)
        if kind == "exchange":
            return found
        count = answer.method
        return Seen(
            kind, name, None, count.message_count, count.consumer_count, differences, uncompared
        )

    async def may_read(self, queue: str) -> Permission:
        """Tell whether the user may consume from a queue.

        Raises:
            LinkLost: the connection ended.
        """
        return Permission("read", queue, await self._refusal(partial(_consume, queue)))

    async def may_write(self, exchange: str) -> Permission:
        """Tell whether the user may publish to an exchange.

        Raises:
            LinkLost: the connection ended.
        """
        return Permission("write", exchange, await self._refusal(partial(_publish, exchange)))

    async def may_bind(self, binding: Binding) -> Permission:
        """Tell whether the user may bind a queue, or an exchange, to an exchange.

        Raises:
            LinkLost: the connection ended.
        """
        # There is no such binding, which is no fault to RabbitMQ.
        refusal = await self._refusal(_unbind(binding, str(uuid4())))
        return Permission("bind", binding.destination, refusal, binding.kind)

    async def may_configure(self, declared: Declared) -> Permission:
        """Tell whether the user may declare an exchange or a queue.

        Raises:
            LinkLost: the connection ended; also if RabbitMQ does not know the exchange's type.
        """
        exchange = declared.kind == "exchange"
        impossible = {"alternate-exchange": 1} if exchange else {"x-expires": "none"}
        asked = replace(declared, arguments=impossible)
        refusal = await self._refusal(_active(asked))
        return Permission("configure", declared.name, refusal, declared.kind)

    async def make(self, declared: Declared) -> Refusal | None:
        """Declare an exchange or a queue; the refusal if it cannot be.

        Raises:
            LinkLost: the connection ended.
        """
        return await self._refusal(_active(declared))

    async def bind(self, binding: Binding) -> Refusal | None:
        """Bind with `#`; the refusal if it cannot be.

        Raises:
            LinkLost: the connection ended.
        """
        return await self._refusal(_bind(binding))

    async def unbind(self, binding: Binding) -> Refusal | None:
        """Take a binding with `#` away, if it is there; the refusal if it cannot be.

        Raises:
            LinkLost: the connection ended.
        """
        return await self._refusal(_unbind(binding, "#"))

    async def remove(self, kind: Kind, name: str) -> Refusal | None:
        """Delete an exchange or a queue, if it is there, with all that is in it.

        Raises:
            LinkLost: the connection ended.
        """
        return await self._refusal(_delete(kind, name))

    async def count(self, queue: str) -> Seen:
        """See how many messages wait in a queue, and who reads it, and nothing else.

        Raises:
            LinkLost: the connection ended.
        """
        answer = await self._ask(_passive("queue", queue))
        if isinstance(answer, Refusal):
            return Seen("queue", queue, answer)
        count = answer.method
        return Seen("queue", queue, None, count.message_count, count.consumer_count)

    async def _refusal(self, start: _Start) -> Refusal | None:
        answer = await self._ask(start)
        return answer if isinstance(answer, Refusal) else None

    async def _compare(self, declared: Declared) -> tuple[tuple[Difference, ...], Refusal | None]:
        """Declare what is there until RabbitMQ has no objection: that changes nothing.

        Nothing else tells all differences: RabbitMQ names one at a time, and by AMQP no values.
        """
        found: list[Difference] = []
        while len(found) < _MOST:
            refusal = await self.make(declared)
            if refusal is None:
                break
            try:
                declared, difference = take_over(declared, refusal)
            except Unreadable:
                return tuple(found), refusal
            found.append(difference)
        return tuple(found), None

    async def _ask(self, start: _Start) -> Any:
        """Ask on a channel of its own, which a refusal closes; give the answer, or the refusal."""
        try:
            async with asyncio.timeout(_ANSWER_TIMEOUT):
                return _BLOCKED if self._blocked.done() else await self._answer(start)
        except TimeoutError:
            return Refusal(0, "RabbitMQ did not answer in time")

    async def _answer(self, start: _Start) -> Any:
        line, loop = self._line, asyncio.get_running_loop()
        channel: Channel = await line.rpc(line.connection.channel, "on_open_callback")
        closed: asyncio.Future[BaseException] = loop.create_future()
        on_close = line.guarded(lambda _, error: _resolve(closed, error))
        channel.add_on_close_callback(on_close)
        answer = loop.create_task(line.rpc(partial(start, channel)))
        try:
            ends: list[asyncio.Future[Any]] = [answer, closed, self._blocked]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if closed.done() and isinstance(error := closed.result(), ChannelClosed):
                return Refusal(error.reply_code, error.reply_text)
            return await answer if not self._blocked.done() else _BLOCKED
        finally:
            answer.cancel()
            if channel.is_open:
                channel.close()


@asynccontextmanager
async def survey(url: str, certificates: Certificates, heartbeat: int) -> AsyncIterator[Survey]:
    """Connect to a node for a while; heartbeats are in seconds.

    Raises:
        LinkLost: it cannot be used, with the reason in words.
    """
    line = Line(asyncio.get_running_loop().create_future())
    try:
        async with asyncio.timeout(_OPEN_TIMEOUT):
            await line.open(url, heartbeat, "check", encrypted_by(line, url, certificates))
    except TimeoutError:
        line.lose("no answer for too long")
        await line.close()
        raise LinkLost(line.lost.result()) from None
    except BaseException:
        line.lose("given up")
        await line.close()
        raise
    try:
        yield Survey(line, host_and_port(url))
    finally:
        line.lose("given up")
        await line.close()


def declarations(topology: Topology) -> list[Declared]:
    """List what the service declares, exchanges first."""
    exchanges = [declared_exchange(one.name, one.type) for one in topology.exchanges]
    return exchanges + [declared_queue(queue.name, queue.arguments) for queue in topology.queues]


def _resolve(future: asyncio.Future[Any], value: Any) -> None:
    if not future.done():
        future.set_result(value)


def _passive(kind: Kind, name: str) -> _Start:
    def start(channel: Channel, callback: Callable[..., None]) -> None:
        if kind == "exchange":
            channel.exchange_declare(name, passive=True, callback=callback)
        else:
            channel.queue_declare(name, passive=True, callback=callback)

    return start


def _active(declared: Declared) -> _Start:
    flags, arguments = dict(declared.flags), dict(declared.arguments)

    def start(channel: Channel, callback: Callable[..., None]) -> None:
        if declared.kind == "exchange":
            channel.exchange_declare(
                declared.name,
                exchange_type=flags["type"],
                durable=flags["durable"],
                auto_delete=flags["auto_delete"],
                internal=flags["internal"],
                arguments=arguments,
                callback=callback,
            )
        else:
            channel.queue_declare(
                declared.name,
                durable=flags["durable"],
                auto_delete=flags["auto_delete"],
                exclusive=flags["exclusive"],
                arguments=arguments,
                callback=callback,
            )

    return start


def _consume(queue: str, channel: Channel, callback: Callable[..., None]) -> None:
    impossible = {"x-priority": "none"}
    channel.basic_consume(queue, lambda *_: None, arguments=impossible, callback=callback)


def _publish(exchange: str, channel: Channel, callback: Callable[..., None]) -> None:
    impossible = pika.BasicProperties(expiration="none")  # type: ignore[no-untyped-call]
    channel.basic_publish(exchange, _ROUTING_KEY, b"", impossible)
    # Publishing has no answer of its own; this one would come if it were not refused.
    channel.basic_qos(prefetch_count=1, callback=callback)


def _bind(binding: Binding) -> _Start:
    def start(channel: Channel, callback: Callable[..., None]) -> None:
        bind = channel.queue_bind if binding.kind == "queue" else channel.exchange_bind
        bind(binding.destination, binding.source, routing_key="#", callback=callback)

    return start


def _unbind(binding: Binding, key: str) -> _Start:
    def start(channel: Channel, callback: Callable[..., None]) -> None:
        unbind = channel.queue_unbind if binding.kind == "queue" else channel.exchange_unbind
        unbind(binding.destination, binding.source, routing_key=key, callback=callback)

    return start


def _delete(kind: Kind, name: str) -> _Start:
    def start(channel: Channel, callback: Callable[..., None]) -> None:
        delete = channel.exchange_delete if kind == "exchange" else channel.queue_delete
        delete(name, callback=callback)

    return start
