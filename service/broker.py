"""RabbitMQ: pika's callbacks become awaitables here, and nowhere else.

A link is one life of two connections: one consumes and acknowledges, one publishes (under a memory
or disk alarm RabbitMQ stops reading a connection that has published, its acks too). A lost link is
thrown away and replaced, never mended: RabbitMQ hands back what was not acknowledged.
"""

import asyncio
import dataclasses
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pika
import structlog
from pika.channel import Channel

from service.connection import Line, LinkLost
from service.lease import Lease
from service.messages import Delivery, Message, Properties
from service.subscription import BASIC_PROPERTIES, Subscription
from service.tls import Certificates
from service.topology import Topology

log = structlog.get_logger()

_T = TypeVar("_T")

_OPEN_TIMEOUT = 30.0  # seconds for one node: both connections and the declarations


_OF_THE_SYSTEM = Certificates()


@dataclasses.dataclass(frozen=True, slots=True)
class Nodes:
    """Where RabbitMQ is: URLs, and the files for amqps, which are read anew for each link."""

    urls: Sequence[str]
    certificates: Certificates = _OF_THE_SYSTEM


class Unpublished(Exception):
    """RabbitMQ did not take a message: no queue for it, or a queue refused it."""


class Unroutable(Unpublished):
    """No queue is bound for a message."""


class Link:
    """One life of the two connections; take it with `take_link`.

    `lost` is done, with the reason, as soon as the link cannot be used any more.
    """

    def __init__(
        self,
        consuming: Line,
        publishing: Line,
        heartbeat: int,
        confirm_timeout: float,
        on_blocked: Callable[[bool], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.lost = publishing.lost
        self._blocked = False
        self._unblocked_at = 0.0
        self._consuming = consuming
        self._publishing = publishing
        self._confirm_timeout = confirm_timeout
        self._published = 0
        self._unconfirmed: dict[int, tuple[asyncio.Future[None], Message, float]] = {}
        self._confirm_watch = self._loop.call_later(1, self._check_confirms)
        self.lost.add_done_callback(self._on_lost)
        self._fresh: Channel | None = None
        self._opening: asyncio.Task[None] | None = None
        guarded, connection = publishing.guarded, publishing.connection
        self._on_blocked = on_blocked
        connection.add_on_connection_blocked_callback(guarded(lambda *_: self._block(True)))
        connection.add_on_connection_unblocked_callback(guarded(lambda *_: self._block(False)))
        self._subscriptions: list[Subscription] = []
        self._lease = Lease(heartbeat, time.monotonic())
        consuming.connection.on_data = lambda: self._lease.heard(time.monotonic())

    @property
    def reading(self) -> Line:
        """The line that consumes, for a reader that needs channels of its own."""
        return self._consuming

    @property
    def leased(self) -> bool:
        """True while the queue is surely still ours, so that a call may start."""
        return not self.lost.done() and self._lease.holds(time.monotonic())

    async def consume(
        self, queue: str, prefetch: int, on_delivery: Callable[[Delivery], None]
    ) -> Subscription:
        """Start taking the deliveries of a queue.

        Raises:
            LinkLost: the queue is missing or may not be read, for instance.
        """
        self._subscriptions = [each for each in self._subscriptions if not each.closed]
        subscription = Subscription(self._consuming)
        self._subscriptions.append(subscription)
        await subscription.begin(queue, prefetch, on_delivery)
        return subscription

    def publish(self, message: Message) -> asyncio.Future[None]:
        """Publish a message, mandatory; done when RabbitMQ has confirmed it.

        The future fails with Unpublished if no queue took the message, with LinkLost if nobody
        can know.
        """
        confirmed: asyncio.Future[None] = self._loop.create_future()
        if self.lost.done():
            confirmed.set_exception(LinkLost(self.lost.result()))
            return confirmed
        if self._fresh is not None and not self._unconfirmed:
            self._use_other_channel(self._fresh)
        self._published += 1
        self._unconfirmed[self._published] = (confirmed, message, time.monotonic())
        try:
            self._publishing.channel.basic_publish(
                message.exchange,
                message.routing_key,
                message.body,
                _to_pika(message.properties),
                mandatory=True,
            )
        except Exception as error:  # pika raises many kinds, for a closed channel and for bad input
            log.exception("a message could not be written")
            self._publishing.lose(f"a message could not be written: {type(error).__name__}")
        return confirmed

    async def give_up(self) -> None:
        """End the link; nothing is acknowledged from here on."""
        for subscription in self._subscriptions:
            subscription.flush()
        self._publishing.lose("given up")
        await asyncio.gather(self._close_consuming(), self._publishing.close())

    async def _close_consuming(self) -> None:
        await asyncio.gather(*(subscription.close() for subscription in self._subscriptions))
        await self._consuming.close()

    async def take_confirms(self, channel: Channel) -> None:
        """Let RabbitMQ confirm, or return, what is published on a channel.

        Raises:
            LinkLost: with the reason in words.
        """
        line = self._publishing
        channel.add_on_return_callback(line.guarded(self._on_return))
        on_confirm = line.guarded(self._on_confirm)
        await line.rpc(partial(channel.confirm_delivery, on_confirm))

    async def _open_other_channel(self) -> None:
        """Have another channel for what is published next.

        Where a queue has refused a message, RabbitMQ 3.10 refuses all others, even when the policy
        is gone that limited the queue.
        """
        with suppress(LinkLost):
            channel = await self._publishing.open_channel()
            await self.take_confirms(channel)
            self._fresh = channel
        self._opening = None

    def _use_other_channel(self, fresh: Channel) -> None:
        used, self._publishing.channel, self._fresh = self._publishing.channel, fresh, None
        self._published = 0
        if used.is_open:
            used.close()

    def _on_confirm(self, frame: Any) -> None:
        """Take RabbitMQ's confirm of one message, or of all up to one."""
        if frame.channel_number != self._publishing.channel.channel_number:
            return  # Of a message that was returned there before.
        method = frame.method
        last = method.delivery_tag
        for tag in [t for t in self._unconfirmed if t <= last] if method.multiple else [last]:
            # Absent if the message was returned: RabbitMQ confirms those too, right after.
            confirmed, _, _ = self._unconfirmed.pop(tag, (None, None, None))
            if confirmed is None or confirmed.done():
                continue
            if isinstance(method, pika.spec.Basic.Ack):
                confirmed.set_result(None)
            else:
                confirmed.set_exception(Unpublished("a queue refused it (is it full?)"))
                if self._fresh is None and self._opening is None:
                    self._opening = self._loop.create_task(self._open_other_channel())

    def _block(self, blocked: bool) -> None:
        self._blocked = blocked
        self._unblocked_at = time.monotonic()
        self._on_blocked(blocked)

    def _on_return(self, _channel: Channel, method: Any, properties: Any, _body: bytes) -> None:
        # A return has no number, but comes in order and before its confirm: the oldest it fits.
        for tag, (confirmed, message, _) in self._unconfirmed.items():
            if (
                message.properties.message_id == properties.message_id
                and message.exchange == method.exchange
                and message.routing_key == method.routing_key
            ):
                del self._unconfirmed[tag]
                text = f"no queue is bound for it ({method.reply_text})"
                confirmed.set_exception(Unroutable(text))
                break

    def _check_confirms(self) -> None:
        oldest = next((at for _, _, at in self._unconfirmed.values()), None)
        waited = 0 if oldest is None else time.monotonic() - max(oldest, self._unblocked_at)
        if waited > self._confirm_timeout and not self._blocked:
            seconds = f"{self._confirm_timeout:g} seconds"
            self._publishing.lose(f"RabbitMQ confirmed nothing for {seconds}")
        else:
            self._confirm_watch = self._loop.call_later(1, self._check_confirms)

    def _on_lost(self, lost: asyncio.Future[str]) -> None:
        self._confirm_watch.cancel()
        unconfirmed, self._unconfirmed = self._unconfirmed, {}
        for confirmed, _, _ in unconfirmed.values():
            if not confirmed.done():
                confirmed.set_exception(LinkLost(lost.result()))


async def take_link(
    nodes: Nodes,
    heartbeat: int,
    confirm_timeout: float,
    declared: Topology | None,
    on_blocked: Callable[[bool], None],
) -> Link:
    """Open a link to the first node that answers, and declare the topology.

    Args:
        nodes: to try in turn.
        heartbeat: seconds.
        confirm_timeout: seconds without a confirm after which the link counts as lost.
        declared: what to declare, if anything.
        on_blocked: told True when RabbitMQ blocks publishing, and False when it no longer does.

    Raises:
        LinkLost: no node could be used; the text has the reason for the last one tried.
    """

    async def use(
        url: str, encrypted: ssl.SSLContext | None, consuming: Line, publishing: Line
    ) -> Link:
        await publishing.open(url, heartbeat, "publish", encrypted)
        await consuming.open(url, heartbeat, "consume", encrypted)
        await _declare(publishing, declared)
        link = Link(consuming, publishing, heartbeat, confirm_timeout, on_blocked)
        await link.take_confirms(publishing.channel)
        return link

    return await _at_some_node(nodes, 2, use)


async def open_line(nodes: Nodes, heartbeat: int, role: str) -> Line:
    """Open one connection with a channel to the first node that answers.

    Args:
        nodes: to try in turn.
        heartbeat: seconds.
        role: what RabbitMQ shows.

    Raises:
        LinkLost: no node could be used; the text has the reason for the last one tried.
    """

    async def use(url: str, encrypted: ssl.SSLContext | None, line: Line) -> Line:
        await line.open(url, heartbeat, role, encrypted)
        return line

    return await _at_some_node(nodes, 1, use)


async def _at_some_node(nodes: Nodes, count: int, use: Callable[..., Awaitable[_T]]) -> _T:
    """Use so many new connections at the first node where that works, or close them all."""
    reason = ""
    for url in nodes.urls:
        lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        lines = [Line(lost) for _ in range(count)]
        try:
            async with asyncio.timeout(_OPEN_TIMEOUT):
                return await use(url, encrypted_by(lines[0], url, nodes.certificates), *lines)
        except BaseException as error:
            lines[0].lose("no answer for too long")
            await asyncio.gather(*(line.close() for line in lines))
            if not isinstance(error, LinkLost | TimeoutError):
                raise
            reason = f"{host_and_port(url)}: {lost.result()}"
    raise LinkLost(reason)


def host_and_port(url: str) -> str:
    """Name a node by its address: its URL holds the password."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or (5671 if parts.scheme == 'amqps' else 5672)}"


def encrypted_by(line: Line, url: str, certificates: Certificates) -> ssl.SSLContext | None:
    """Read the certificates for a URL of amqps; None for any other.

    Raises:
        LinkLost: they cannot be used; the line is lost then.
    """
    try:
        return certificates.context() if urlsplit(url).scheme == "amqps" else None
    except ValueError as error:
        line.lose(str(error))
        raise LinkLost(str(error)) from None


async def _declare(line: Line, declared: Topology | None) -> None:
    if declared is None:
        return
    # What binds comes last: a process with another number of partitions must not get so far.
    channel = line.channel
    for exchange in declared.exchanges:
        declare = partial(channel.exchange_declare, exchange.name, exchange.type, durable=True)
        await line.rpc(declare)
    for queue in declared.queues:
        arguments = dict(queue.arguments)
        await line.rpc(
            partial(channel.queue_declare, queue.name, durable=True, arguments=arguments)
        )
    for binding in declared.bindings:
        bind = channel.queue_bind if binding.kind == "queue" else channel.exchange_bind
        await line.rpc(partial(bind, binding.destination, binding.source, routing_key="#"))


def _to_pika(properties: Properties) -> pika.BasicProperties:
    content_type, encoding, headers, *others = BASIC_PROPERTIES(properties)
    return pika.BasicProperties(content_type, encoding, dict(headers) or None, *others)  # type: ignore[no-untyped-call]
