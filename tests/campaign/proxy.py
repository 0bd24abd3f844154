"""A TCP proxy that breaks the connections it carries, steered from synchronous code."""

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from tests.loop_thread import LoopThread

_HOST = "127.0.0.1"
_CHUNK = 65_536
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no seconds

Reader = Callable[[bytes], None]
"""Reads what one connection brings from the upstream."""

# One side of a connection; and what waits to be carried: when it is due, and bytes, the end (b"")
# or a reset (None).
_End = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_Waiting = asyncio.Queue[tuple[float, bytes | None]]


class Proxy:
    """Carries connections from `port` to a port of 127.0.0.1, in a thread of its own.

    Faults have happened when their method returns. Each way of a connection holds 1 MiB at most;
    then the sender waits. A connection that the upstream does not take is reset. `tap` makes a
    reader for each connection; it reads in the proxy's thread.
    """

    def __init__(self, upstream_port: int, tap: Callable[[], Reader] = lambda: _unread) -> None:
        self.port = 0
        self._upstream_port = upstream_port
        self._tap = tap
        self._thread = LoopThread("proxy")
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._delay = 0.0
        self._refusing = False
        self._swallowing: asyncio.StreamWriter | None = None
        self._open: dict[asyncio.Task[None], list[_End]] = {}
        self._endings: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        self._thread.do(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.do(self._close())
        self._thread.stop()

    @property
    def connections(self) -> int:
        """The number of open connections, those that are held included."""
        return len(self._open)

    def cut(self) -> None:
        """End all connections in good order: both sides read their end (FIN)."""
        self._thread.do(self._cut())

    def reset(self) -> None:
        """End all connections at once: both sides see a reset (RST)."""
        self._thread.do(self._reset())

    def stall(self) -> None:
        """Carry nothing, not even an end, and keep all open: half-open links, new ones as well."""
        self._thread.do(self._call(self._flowing.clear))

    def flow(self) -> None:
        """Carry again what `stall` has held, and what comes."""
        self._thread.do(self._call(self._flowing.set))

    def delay(self, seconds: float) -> None:
        """Carry what comes from now on so many seconds later, each way; 0 ends it."""
        self._delay = seconds

    def swallow(self) -> None:
        """Lose what the client of the latest connection sends from now on; it still gets all."""
        self._thread.do(self._swallow())

    def refuse(self, on: bool) -> None:
        """Reset new connections, or take them again; those that are open stay."""
        self._refusing = on

    async def _call(self, step: Callable[[], None]) -> None:
        step()

    async def _swallow(self) -> None:
        # The server may know of a connection before it is known here.
        while len(latest := list(self._open.values())[-1]) < 2:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.001)
        self._swallowing = latest[1][1]

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, _HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._server.close()
        await self._reset()
        for ending in self._endings:
            ending.cancel()
        await asyncio.gather(*self._endings)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            _abort(writer)
            return
        task = asyncio.current_task()
        assert task is not None
        ends = self._open[task] = [(reader, writer)]
        try:
            await self._flowing.wait()
            await self._connect(ends)
            async with asyncio.TaskGroup() as ways:
                for (source, target), read in ((ends, _unread), (ends[::-1], self._tap())):
                    waiting = _Waiting(14)
                    ways.create_task(self._take(source[0], waiting))
                    ways.create_task(self._give(waiting, target[1], read))
            for _, side in ends:
                side.close()
        except* OSError:
            for _, side in ends:
                _abort(side)
        except* asyncio.CancelledError:
            pass  # by _interrupt, whose caller ends the connection in its own way
        finally:
            del self._open[task]

    async def _connect(self, ends: list[_End]) -> None:
        connecting = asyncio.create_task(asyncio.open_connection(_HOST, self._upstream_port))
        try:
            ends.append(await asyncio.shield(connecting))
        except asyncio.CancelledError:
            # The upstream may have taken it already; its end is ended as the others are.
            ends.append(await asyncio.wait_for(connecting, 1))
            raise

    async def _take(self, reader: asyncio.StreamReader, waiting: _Waiting) -> None:
        content: bytes | None = b"any"
        while content:
            try:
                content = await reader.read(_CHUNK)
            except OSError:
                content = None
            await waiting.put((self._thread.loop.time() + self._delay, content))

    async def _give(self, waiting: _Waiting, writer: asyncio.StreamWriter, read: Reader) -> None:
        content: bytes | None = b"any"
        while content:
            due, content = await waiting.get()
            await asyncio.sleep(due - self._thread.loop.time())
            await self._flowing.wait()
            if content is None:
                raise ConnectionResetError
            if content and writer is self._swallowing:
                continue
            read(content)
            writer.write(content) if content else writer.write_eof()
            await writer.drain()

    async def _interrupt(self) -> list[_End]:
        """Carry nothing more, and return the ends of all connections, still open."""
        stopped = dict(self._open)
        for task in stopped:
            task.cancel()
        await asyncio.gather(*stopped)
        return [end for ends in stopped.values() for end in ends]

    async def _reset(self) -> None:
        for _, writer in await self._interrupt():
            _abort(writer)
        await asyncio.sleep(0)  # the transports close their sockets in the next turn

    async def _cut(self) -> None:
        for end in await self._interrupt():
            self._endings.add(ending := asyncio.create_task(_finish(*end)))
            ending.add_done_callback(self._endings.discard)
        await asyncio.sleep(0)


def _unread(_: bytes) -> None:
    pass


async def _finish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send the end, and read the other side's: closing with bytes unread would be a reset."""
    try:
        writer.write_eof()
        while await reader.read(_CHUNK):
            pass
        writer.close()
    except (OSError, asyncio.CancelledError):
        _abort(writer)


def _abort(writer: asyncio.StreamWriter) -> None:
    connection: socket.socket = writer.get_extra_info("socket")
    with suppress(OSError):  # it may have ended by itself
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()
