"""What takes TLS in front of a server that does not, as load balancers do; for synchronous code."""

import asyncio
import ssl
from typing import Self

import trustme

from tests.loop_thread import LoopThread

_HOST = "127.0.0.1"


class TLSFront:
    """Passes connections on to a port of this machine, in a thread of its own.

    New connections see the certificate that was shown last; those that are open stay.
    """

    def __init__(self, upstream_port: int, certificate: trustme.LeafCert) -> None:
        self.port = 0
        self._upstream_port = upstream_port
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.show(certificate)
        self._thread = LoopThread("TLS")
        self._open: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        self._thread.do(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.do(self._close())
        self._thread.stop()

    def show(self, certificate: trustme.LeafCert) -> None:
        """Replace the certificate."""
        certificate.configure_cert(self._context)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, _HOST, 0, ssl=self._context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        upstream, upstream_writer = await asyncio.open_connection(_HOST, self._upstream_port)
        try:
            async with asyncio.TaskGroup() as ways:
                ways.create_task(_carry(reader, upstream_writer))
                ways.create_task(_carry(upstream, writer))
        except* (OSError, asyncio.CancelledError):
            pass  # one side, or the test, has ended
        finally:
            writer.transport.abort()
            upstream_writer.transport.abort()
            self._open.discard(task)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while content := await reader.read(65_536):
        writer.write(content)
        await writer.drain()
    writer.close()
