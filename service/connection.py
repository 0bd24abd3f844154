"""A connection to RabbitMQ with its channel, and why it ended, in words."""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pika
import structlog
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.adapters.utils.connection_workflow import (
    AMQPConnectionWorkflowFailed,
    AMQPConnectorPhaseErrorBase,
)
from pika.channel import Channel
from pika.credentials import ExternalCredentials
from pika.exceptions import (
    AMQPConnectionError,
    AMQPHeartbeatTimeout,
    AuthenticationError,
    ChannelClosed,
    ChannelClosedByClient,
    ConnectionClosed,
    IncompatibleProtocolError,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
    StreamLostError,
)

from service import addresses, tls
from service.frames import without_headers

log = structlog.get_logger()

_CONNECT_TIMEOUT = 10.0  # seconds for one node: TCP, TLS, AMQP
_AMQP = "PROFILE_SYNC_AMQP_"
_TOGETHER = 100  # frames; pika sends a long piece slowly, as it cuts off what is sent
_CLOSE_TIMEOUT = 2.0  # seconds for a polite end, then the sockets are dropped
_QUEUE_TIMEOUT = 30.0  # seconds
_OTHER_NUMBER = (
    "if the queues are of another PROFILE_SYNC_PARTITIONS, set that, and delete nothing; README, "
    "Change the number of partitions, says how it is changed"
)
_REFUSALS = (403, 406)  # no access; other arguments


class LinkLost(Exception):
    """The link is gone; the text says why, without a password."""


class _Connection(AsyncioConnection):
    """pika's connection, but for a few things.

    It tells when bytes come, survives headers it cannot read, and writes the frames of one turn of
    the event loop together.
    """

    on_data: Callable[[], None] = staticmethod(lambda: None)
    broken_by: BaseException | None = None

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        parameters: pika.URLParameters,
        on_open: Callable[..., None],
        on_close: Callable[..., None],
    ) -> None:
        self._loop = loop
        self._frames: list[bytes] = []
        super().__init__(parameters, on_open, on_close, on_close, custom_ioloop=loop)

    def _adapter_emit_data(self, data: bytes) -> None:
        # pika writes a message as three frames, and each with a system call of its own.
        self._frames.append(data)
        if len(self._frames) == 1:
            self._loop.call_soon(self._write_frames)

    def _write_frames(self) -> None:
        frames, self._frames = self._frames, []
        while frames and self._transport is not None:
            piece, frames = frames[:_TOGETHER], frames[_TOGETHER:]
            super()._adapter_emit_data(b"".join(piece))

    def _on_data_available(self, data_in: bytes) -> None:
        self.on_data()
        super()._on_data_available(data_in)

    def _proto_connection_lost(self, error: BaseException | None) -> None:
        self.broken_by = error  # pika goes on with its text alone
        super()._proto_connection_lost(error)

    def _read_frame(self) -> Any:
        try:
            return super()._read_frame()
        except Exception:
            mended = without_headers(self._frame_buffer)
            if mended is None:
                raise
            length, frame = mended
            _, header = pika.frame.decode_frame(frame)
            header.properties.undecodable_headers = True  # type: ignore[union-attr]
            return length, header


class Line:
    """One connection with the channel in use; what ends either ends the link they belong to."""

    def __init__(self, lost: asyncio.Future[str]) -> None:
        self._loop = asyncio.get_running_loop()
        self.lost = lost
        self.connection: _Connection
        self.channel: Channel
        self._end: Callable[[BaseException], None]

    async def open(
        self, url: str, heartbeat: int, role: str, encrypted: ssl.SSLContext | None
    ) -> None:
        """Connect, with heartbeats of so many seconds; `role` is what RabbitMQ shows.

        `encrypted` is for amqps.

        Raises:
            LinkLost: with the reason in words.
        """
        by_certificate = addresses.external(url)
        parameters = pika.URLParameters(url.partition("?")[0])
        if by_certificate:
            parameters.credentials = ExternalCredentials()
        parameters.heartbeat = heartbeat
        parameters.blocked_connection_timeout = None
        parameters.connection_attempts = 1
        parameters.stack_timeout = _CONNECT_TIMEOUT
        parameters.socket_timeout = _CONNECT_TIMEOUT
        parameters.client_properties = {"connection_name": f"profile-sync {role}"}
        parameters.ssl_options = pika.SSLOptions(encrypted) if encrypted else None

        def end(error: BaseException) -> None:
            broken_by = self.connection.broken_by
            if isinstance(broken_by, ssl.SSLError) and tls.to_mend(broken_by):
                error = broken_by
            self.lose(words(error, parameters.host, encrypted is not None, by_certificate))

        self._end = end
        lose = self.guarded(lambda _closed, error: end(error))

        def connect(on_open_callback: Callable[[Any], None]) -> None:
            self.connection = _Connection(self._loop, parameters, on_open_callback, lose)

        await self.rpc(connect, "on_open_callback")
        self.channel = await self.open_channel()

    async def open_channel(
        self, on_end: Callable[[BaseException], object] | None = None
    ) -> Channel:
        """Open one more channel; it loses the link when it ends, unless it was closed from here.

        With `on_end` that is told in place of it.

        Raises:
            LinkLost: with the reason in words.
        """

        def ended(_closed: Channel, error: BaseException) -> None:
            if not isinstance(error, ChannelClosedByClient):
                (on_end or self._end)(error)

        channel: Channel = await self.rpc(self.connection.channel, "on_open_callback")
        channel.add_on_close_callback(self.guarded(ended))
        return channel

    async def consume(
        self,
        channel: Channel,
        queue: str,
        prefetch: int,
        on_message: Callable[..., None],
        tag: str | None = None,
    ) -> None:
        """Start taking deliveries by a channel; `tag` names the consumer, if it must be known.

        Raises:
            LinkLost: the queue is missing or may not be read, for instance.
        """
        cancelled = self.guarded(lambda _: self.lose("RabbitMQ cancelled the consumer"))
        channel.add_on_cancel_callback(cancelled)
        try:
            async with asyncio.timeout(_QUEUE_TIMEOUT):
                await self.rpc(partial(channel.basic_qos, prefetch_count=prefetch))
                take = self.guarded(on_message)
                await self.rpc(partial(channel.basic_consume, queue, take, consumer_tag=tag))
        except TimeoutError:
            self.lose("the queue did not answer")
            raise LinkLost(self.lost.result()) from None

    async def cancel(self, channel: Channel, tag: str) -> None:
        """Stop a consumer. What it holds stays held; what is on its way is still delivered.

        Raises:
            LinkLost: with the reason in words.
        """
        # pika's own would send what is on its way back, and so out of its order.
        method = pika.spec.Basic.Cancel(consumer_tag=tag)  # type: ignore[no-untyped-call]
        done = (pika.spec.Basic.CancelOk, {"consumer_tag": tag})
        await self.rpc(lambda callback: channel._rpc(method, callback, [done]))
        channel._cancelled.add(tag)

    async def waiting(self, queue: str) -> int | None:
        """Count the messages of a queue that nobody holds; None if RabbitMQ does not allow that.

        Raises:
            LinkLost: there is no such queue, for instance.
        """
        declared = await self._try_declare(queue, passive=True)
        return None if isinstance(declared, tuple) else int(declared.method.message_count)

    async def differs(self, queue: str, arguments: Mapping[str, Any]) -> tuple[int, str] | None:
        """Ask whether a durable queue, which must be there, has exactly these arguments.

        Returns:
            None if it has, or else RabbitMQ's refusal: its code, and a text that names one
            difference.

        Raises:
            LinkLost: with the reason in words.
        """
        declared = await self._try_declare(queue, durable=True, arguments=dict(arguments))
        return declared if isinstance(declared, tuple) else None

    async def close_channel(self, channel: Channel) -> bool:
        """Close one channel; what it holds unacknowledged returns to its queue, in order.

        False if RabbitMQ has not confirmed that in time. Under a single active consumer,
        Basic.Cancel would let the next replica see later events before the returned ones; so the
        channel is closed without it.
        """
        if not channel.is_closed:
            # pika's close() cancels the consumers that it does not believe cancelled already.
            channel._cancelled.update(channel._consumers)
            await self._ended(channel, _CLOSE_TIMEOUT)
        return channel.is_closed

    async def rpc(self, start: Callable[..., object], callback: str = "callback") -> Any:
        """Start one operation of pika; wait for its callback, or for the end of the link."""
        done: asyncio.Future[Any] = self._loop.create_future()
        if not self.lost.done():
            self.guarded(start)(**{callback: _resolve(done)})
        await asyncio.wait([done, self.lost], return_when=asyncio.FIRST_COMPLETED)
        if not done.done():
            raise LinkLost(self.lost.result())
        return done.result()

    def guarded(self, callback: Callable[..., object]) -> Callable[..., None]:
        """Keep an exception out of pika, which would close the connection without a word."""

        def guarded(*arguments: Any, **named: Any) -> None:
            try:
                callback(*arguments, **named)
            except Exception:
                log.exception("a callback failed")
                self.lose("a callback failed")

        return guarded

    def lose(self, reason: str) -> None:
        """End the link; the first reason counts."""
        if not self.lost.done():
            self.lost.set_result(reason)

    async def close(self) -> None:
        """Close channel and connection, which RabbitMQ may not read any more."""
        ends = self._loop.time() + _CLOSE_TIMEOUT
        if hasattr(self, "channel"):
            await self.close_channel(self.channel)
        if not hasattr(self, "connection"):
            return
        if self.connection.is_open or self.connection.is_closing:
            await self._ended(self.connection, ends - self._loop.time())
        if not self.connection.is_closed:
            self.connection._terminate_stream(StreamLostError("given up"))

    async def _try_declare(self, queue: str, **how: Any) -> Any:
        """Declare a queue on a channel of its own; give code and text if RabbitMQ refuses that."""
        refused: asyncio.Future[tuple[int, str]] = self._loop.create_future()

        def ended(error: BaseException) -> None:
            if isinstance(error, ChannelClosed) and error.reply_code in _REFUSALS:
                refused.set_result((error.reply_code, error.reply_text))
            else:
                self._end(error)

        channel = await self.open_channel(ended)
        answer = asyncio.ensure_future(self.rpc(partial(channel.queue_declare, queue, **how)))
        await asyncio.wait([answer, refused], return_when=asyncio.FIRST_COMPLETED)
        if refused.done():
            answer.cancel()
            return refused.result()
        await self.close_channel(channel)
        return answer.result()

    async def _ended(self, what: Channel | AsyncioConnection, seconds: float) -> None:
        ended: asyncio.Future[None] = self._loop.create_future()
        what.add_on_close_callback(_resolve(ended))
        if not what.is_closing:
            what.close()
        await asyncio.wait([ended], timeout=max(seconds, 0))


def _resolve(future: asyncio.Future[Any]) -> Callable[..., None]:
    def resolve(result: Any = None, *_: Any) -> None:
        if not future.done():
            future.set_result(result)

    return resolve


def words(
    error: BaseException, server: str = "", encrypted: bool = False, by_certificate: bool = False
) -> str:
    """Say why a connection or a channel ended, without the URL, which holds the password."""
    error = _innermost(error)
    match error:
        case ProbableAuthenticationError():
            unknown = "RabbitMQ has no user of the client certificate's name"
            return unknown if by_certificate else "RabbitMQ refused the user name or the password"
        case AuthenticationError():
            return (
                "RabbitMQ takes no certificate for a login: it needs the plugin "
                "rabbitmq_auth_mechanism_ssl, and EXTERNAL among its auth_mechanisms"
            )
        case ProbableAccessDeniedError():
            return "RabbitMQ refused the virtual host: missing, or not allowed for this user"
        case StreamLostError():
            return "the connection broke off"
        case AMQPHeartbeatTimeout():
            return "RabbitMQ sent no heartbeat"
        case ConnectionClosed() | ChannelClosed():
            return _with_advice(error.reply_code, error.reply_text)
        case IncompatibleProtocolError() if encrypted:
            return f"{server} ends connections once TLS stands: it may want another certificate"
        case IncompatibleProtocolError():
            return "what answers there does not speak AMQP 0-9-1: is it a port for amqps?"
        case ssl.SSLError():
            return tls.words(error, server, f"{_AMQP}CA_FILE", f"{_AMQP}CERT_FILE")
        case OSError():
            return error.strerror or str(error) or type(error).__name__
        case _:
            return f"{type(error).__name__}: {next(iter(error.args), '')}".rstrip(": ")


def _with_advice(code: int, text: str) -> str:
    """Add to RabbitMQ's own words what to do, where that is known."""
    if "inequivalent arg 'x-max-length'" in text:
        return f"{text}; {_OTHER_NUMBER}"
    if "inequivalent arg" in text:
        return (
            f"{text}; {_OTHER_NUMBER}. Else set PROFILE_SYNC_ variables to match it, or delete it "
            "once it is empty: the arguments of a queue cannot be changed"
        )
    if " exchange type 'x-" in text:  # unknown or invalid, by the version of RabbitMQ
        return f"{text}: enable the plugin rabbitmq_sharding on each node of RabbitMQ"
    return f"{code} {text}"


def _innermost(error: BaseException) -> BaseException:
    """Unpack what pika wraps around the failure of a connection, up to four deep."""
    match error:
        case AMQPConnectionWorkflowFailed(exceptions=[*_, last]):
            return _innermost(last)
        case AMQPConnectorPhaseErrorBase(exception=BaseException() as inner):
            return _innermost(inner)
        case AMQPConnectionError(args=[BaseException() as inner, *_]):
            return _innermost(inner)
        case _:
            return error
