"""httpx's transport over our own connections, with an exact exception map.

Stock httpx costs 2 ms CPU a request at 64 in flight, aiohttp's client 80 us, this 20. What matters
as much: a call is sent at most once, and what was surely never sent is kept apart from the rest.
"""

import asyncio
import socket
import ssl
from collections import defaultdict
from functools import lru_cache, partial
from types import TracebackType
from typing import Self

import aiohappyeyeballs
import httpx

from service.http1 import Connection, NoReply, NotHttp, Reply, TooLate
from service.profiles import Failure

CUT = "cut"
SECONDS = "seconds"
TARGET = "target"

_KEPT = 15.0  # seconds a connection is kept without a call: servers close them after a while
_NEXT_ADDRESS = 0.25  # seconds until a host's next address is tried as well (RFC 8305)


class CertificateError(httpx.ConnectError):
    """The server's certificate is not trusted, or is another server's."""


_MISCONFIGURED = (CertificateError, httpx.UnsupportedProtocol)
_UNREACHABLE = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)


def failure(error: httpx.RequestError) -> Failure:
    """Name what kept an answer away: "no-answer" if the request may have reached the server."""
    if isinstance(error, _MISCONFIGURED):
        return "misconfigured"
    return "unreachable" if isinstance(error, _UNREACHABLE) else "no-answer"


class _Response(httpx.Response):
    """A response whose body is here: httpx would go through it once more, in pieces."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(
            reply.status,
            headers=reply.headers,
            stream=httpx.ByteStream(reply.body),
            extensions={CUT: reply.cut},
        )
        self._content = reply.body


class Transport(httpx.AsyncBaseTransport):
    """Sends requests as they are: no redirect, no cookie, no decompression, no second try.

    The request's extension `target` holds the raw path and query, which may contain the token and
    so stay out of `request.url`; `seconds`, if given, is the time it may take. A body that ends
    early, or is over `max_body` bytes, is cut there, and the response's extension `cut` is set: its
    status says what happened all the same. There are as many connections as calls at a time.
    """

    def __init__(self, *, connect_timeout: float, timeout: float, max_body: int) -> None:
        self._connect_timeout = connect_timeout
        self._timeout = timeout
        self._max_body = max_body
        self._idle: defaultdict[bytes, list[tuple[float, Connection]]] = defaultdict(list)
        self._tls: ssl.SSLContext | None = None  # To read all CAs takes 50 ms.

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def aclose(self) -> None:
        """Close all connections."""
        for connections in self._idle.values():
            for _, connection in connections:
                connection.close()
        self._idle.clear()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request once and read its answer.

        Raises:
            httpx.TransportError: no answer came; `failure` tells the kinds apart.
        """
        seconds: float = request.extensions.get(SECONDS, self._timeout)
        loop = asyncio.get_running_loop()
        ends = loop.time() + seconds
        assert isinstance(request.stream, httpx.ByteStream)  # noqa: S101
        (body,) = request.stream
        target: bytes = request.extensions.get(TARGET, request.url.raw_path)
        head = _head(request.method, target, tuple(request.headers.raw), len(body))
        idle = self._idle[request.url.netloc]
        connection = _newest(idle, loop.time() - _KEPT)
        if connection is None:
            connection = await self._connect(request.url, min(self._connect_timeout, seconds))
        try:
            reply = await connection.exchange(head + body, ends - loop.time())
        except TooLate:
            raise httpx.ReadTimeout("no answer in time") from None
        except NotHttp:
            raise httpx.RemoteProtocolError("what came is no answer in HTTP") from None
        except NoReply:
            raise httpx.RemoteProtocolError("the connection ended") from None
        if connection.usable:
            idle.append((loop.time(), connection))
        return _Response(reply)

    async def _connect(self, url: httpx.URL, seconds: float) -> Connection:
        """Make a new connection.

        Raises:
            httpx.TransportError: there is none, and so nothing was sent.
        """
        loop = asyncio.get_running_loop()
        tls = None
        if url.scheme == "https":
            self._tls = tls = self._tls or ssl.create_default_context()
        port = url.port or (80 if tls is None else 443)
        try:
            async with asyncio.timeout(seconds):
                addresses = await loop.getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
                made = await aiohappyeyeballs.start_connection(
                    addresses, happy_eyeballs_delay=_NEXT_ADDRESS
                )
                _, connection = await loop.create_connection(
                    partial(Connection, self._max_body),
                    sock=made,
                    ssl=tls,
                    server_hostname=url.host if tls else None,
                )
                return connection
        except TimeoutError:
            raise httpx.ConnectTimeout("no connection in time") from None
        except ssl.SSLCertVerificationError as error:
            raise CertificateError(error.verify_message) from None
        except UnicodeError:
            raise httpx.UnsupportedProtocol("the host is no name") from None
        except OSError as error:
            raise httpx.ConnectError(error.strerror or type(error).__name__) from None


def _newest(idle: list[tuple[float, Connection]], since: float) -> Connection | None:
    """Take the connection that was used last; those not used since then are closed."""
    while idle:
        used, connection = idle.pop()
        if used < since:
            connection.close()
        elif connection.usable:
            return connection
    return None


def _head(method: str, target: bytes, headers: tuple[tuple[bytes, bytes], ...], size: int) -> bytes:
    length = b"" if method == "GET" else b"Content-Length: %d\r\n" % size
    return b"%s %s HTTP/1.1\r\n%s%s\r\n" % (method.encode(), target, _lines(headers), length)


@lru_cache(maxsize=16)  # the same few for all calls
def _lines(headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    return b"".join(b"%s: %s\r\n" % header for header in headers)
