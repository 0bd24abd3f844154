"""A TCP proxy before RabbitMQ that notes publishes, confirms and acks in their order."""

import asyncio
import threading
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit

_GREETING = 8  # bytes, before the client's first frame
_TOLD = {
    ("client", b"\0\x3c\0\x28"): "publish",
    ("client", b"\0\x3c\0\x50"): "ack",
    ("broker", b"\0\x3c\0\x50"): "confirm",
}
_METHOD = 1


class Spy:
    """Listens on a port of its own, in a thread; `seen` is what has come by so far."""

    def __init__(self, amqp_url: str) -> None:
        self.seen: list[str] = []
        self._target = urlsplit(amqp_url)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        started = asyncio.run_coroutine_threadsafe(self._listen(), self._loop)
        self._port = started.result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def amqp_url(self) -> str:
        """The AMQP URL to use in place of the broker's own."""
        login = self._target.netloc.rpartition("@")[0]
        return self._target._replace(netloc=f"{login}@127.0.0.1:{self._port}").geturl()

    async def _listen(self) -> int:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _end(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        url = self._target
        with suppress(asyncio.CancelledError, OSError):
            broker_reader, broker_writer = await asyncio.open_connection(url.hostname, url.port)
            broker_writer.write(await reader.readexactly(_GREETING))
            try:
                await asyncio.gather(
                    self._pass_on("client", reader, broker_writer),
                    self._pass_on("broker", broker_reader, writer),
                )
            finally:
                broker_writer.close()
                writer.close()

    async def _pass_on(
        self, whose: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with suppress(asyncio.IncompleteReadError, OSError):
            while True:
                head = await reader.readexactly(7)
                rest = await reader.readexactly(int.from_bytes(head[3:7], "big") + 1)
                if head[0] == _METHOD and (told := _TOLD.get((whose, rest[:4]))):
                    self.seen.append(told)
                writer.write(head + rest)
        writer.close()
