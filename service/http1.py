"""One HTTP/1.1 connection: a request is written, httptools reads its answer, then the next.

No pool, no addresses: those are the transport's.
"""

import asyncio
from dataclasses import dataclass
from typing import cast

import httptools

LARGEST_HEAD = 65536  # bytes of an answer before its body


class NoReply(Exception):
    """The connection ended, or the time, before the head of an answer was there."""


class NotHttp(NoReply):
    """What came is no answer in HTTP."""


class TooLate(NoReply):
    """The time was over."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; `cut` if its body is not whole."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    cut: bool


class Connection(asyncio.Protocol):
    """Carries one exchange at a time, and no byte of one into the next.

    An answer's body that ends early, or is over `max_body` bytes, is cut there.
    """

    def __init__(self, max_body: int) -> None:
        self._max_body = max_body
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._waiter: asyncio.Future[Reply] | None = None
        self._parser: httptools.HttpResponseParser
        self._status: int | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._size = self._fed = 0
        self._until_closed = False

    @property
    def usable(self) -> bool:
        """True if another exchange may be tried; that it succeeds, nobody can know."""
        return not self._transport.is_closing()

    async def exchange(self, request: bytes, seconds: float) -> Reply:
        """Write a request and wait for its answer, for so many seconds.

        Raises:
            NoReply: no answer came; the request may have been carried out.
        """
        waiter: asyncio.Future[Reply] = self._loop.create_future()
        self._waiter = waiter
        self._parser = httptools.HttpResponseParser(self)
        self._status, self._headers, self._body, self._size, self._fed = None, [], [], 0, 0
        timer = self._loop.call_later(seconds, self._end, TooLate())
        self._transport.write(request)
        try:
            return await waiter
        except BaseException:
            # It may have been cancelled: an answer still to come is nobody's.
            self._waiter = None
            self._transport.abort()
            raise
        finally:
            timer.cancel()

    def close(self) -> None:
        """End the connection; an answer that is waited for does not come any more."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport over from the event loop."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class

    def data_received(self, data: bytes) -> None:
        """Read on; bytes that no exchange waits for end the connection.

        What is around a body, such as the sizes of chunks and trailers, may be as long as that.
        """
        if self._waiter is None:
            self._transport.abort()
            return
        self._fed += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._end(NotHttp())
        most = LARGEST_HEAD + (0 if self._status is None else 2 * self._max_body)
        if self._waiter is not None and self._fed > most:
            self._end(NotHttp())

    def connection_lost(self, exc: Exception | None) -> None:
        """End the exchange; a body without a length ends with its connection."""
        if self._status is not None and self._until_closed and exc is None:
            self._finish(cut=False)
        self._end(NoReply())

    # What httptools calls.

    def on_message_begin(self) -> None:
        """Begin an answer; a second one is nobody's."""
        if self._waiter is None:
            self._transport.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a header, but for one that comes after the body: it may not change the answer."""
        if self._waiter is not None and self._status is None:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Note the status, but for one that is followed by another."""
        status = self._parser.get_status_code()
        if status < 200:
            self._headers = []
            return
        self._status = status
        names = {name.lower() for name, _ in self._headers}
        self._until_closed = names.isdisjoint({b"content-length", b"transfer-encoding"})

    def on_body(self, data: bytes) -> None:
        """Keep a part of the body, up to the limit; one of an interim answer is nobody's."""
        if self._waiter is None or self._status is None:
            return
        self._body.append(data)
        self._size += len(data)
        if self._size > self._max_body:
            self._finish(cut=True)

    def on_message_complete(self) -> None:
        """End the exchange; the connection is kept if the server keeps it."""
        if self._status is not None and self._waiter is not None:
            keep = self._parser.should_keep_alive()
            self._finish(cut=False)
            if self._transport.get_write_buffer_size():
                self._transport.abort()  # An answer to what was not read: the rest is in the way.
            elif not keep:
                self._transport.close()

    def _finish(self, *, cut: bool) -> None:
        waiter, self._waiter = self._waiter, None
        if cut:
            self._transport.abort()
        if waiter is not None and not waiter.done() and self._status is not None:
            body = b"".join(self._body)[: self._max_body]
            waiter.set_result(Reply(self._status, tuple(self._headers), body, cut))

    def _end(self, error: NoReply) -> None:
        """End an exchange that is not over: with the part of an answer that came, or none."""
        if self._status is not None:
            self._finish(cut=True)
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
            self._transport.abort()
