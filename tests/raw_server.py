"""A server that is a socket and a function: what a client writes, byte for byte."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Handler = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


def answering(
    body: bytes = b"",
    status: str = "200 OK",
    content_type: str = "application/json",
    **headers: str,
) -> Handler:
    """Answer a request in full; `x_created` stands for the header `X-Created`."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-').title()}: {value}" for name, value in headers.items()]
    return writing("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def writing(content: bytes, *, close: bool = False) -> Handler:
    """Answer a request with just these bytes, and perhaps the end of the connection."""

    async def write(_request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(content)
        if close:
            writer.close()

    return write


class RawServer:
    """Reads whole requests off a socket and lets a function answer each with bytes.

    With several functions the first takes the first request, and the last all that remain.
    """

    def __init__(self, handlers: tuple[Handler, ...]) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self._handlers = handlers
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = 0
                for line in head.lower().split(b"\r\n"):
                    if line.startswith(b"content-length:"):
                        length = int(line.partition(b":")[2])
                request = head + await reader.readexactly(length)
                self.requests.append(request)
                handler = self._handlers[min(len(self.requests), len(self._handlers)) - 1]
                await handler(request, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client, or the test, has ended
        finally:
            writer.close()


@asynccontextmanager
async def raw_server(
    *handlers: Handler, tls: ssl.SSLContext | None = None
) -> AsyncIterator[RawServer]:
    """Serve on a free port while the block lasts, perhaps over TLS."""
    raw = RawServer(handlers)
    async with listening(raw.serve, tls) as raw.port:
        yield raw


@asynccontextmanager
async def listening(serve: Serve, tls: ssl.SSLContext | None) -> AsyncIterator[int]:
    """Take connections on a free port, which is given, while the block lasts."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
