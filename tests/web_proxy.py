"""A web proxy as companies have them: it tunnels with CONNECT, and sees what it carries."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.raw_server import listening


class WebProxy:
    """Connects to any host and port; what is not asked for with CONNECT it answers itself.

    `heads` has the request heads, `carried` all bytes of both ways. With `refusal` it answers that
    in place of connecting; with `breaks` it ends the connection after that, if not before.
    """

    def __init__(self, refusal: bytes, breaks: bool) -> None:
        self.port = 0
        self.heads: list[bytes] = []
        self.carried = bytearray()
        self._refusal = refusal
        self._breaks = breaks

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head)
            if self._breaks:
                writer.write(self._refusal)
                return
            method, target, _ = head.split(b" ", 2)
            if self._refusal or method != b"CONNECT":
                writer.write(self._refusal or b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                await reader.read()
                return
            await self._tunnel(target.decode(), reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client, or the test, has ended
        finally:
            writer.close()

    async def _tunnel(
        self, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        host, _, port = target.rpartition(":")
        upstream, upstream_writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            async with asyncio.TaskGroup() as ways:
                ways.create_task(self._carry(reader, upstream_writer))
                ways.create_task(self._carry(upstream, writer))
        finally:
            upstream_writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while content := await reader.read(65_536):
            self.carried += content
            writer.write(content)
        writer.close()


@asynccontextmanager
async def web_proxy(
    *, refusal: bytes = b"", breaks: bool = False, tls: ssl.SSLContext | None = None
) -> AsyncIterator[WebProxy]:
    """Serve on a free port while the block lasts, perhaps over TLS."""
    proxy = WebProxy(refusal, breaks)
    async with listening(proxy.serve, tls) as proxy.port:
        yield proxy
