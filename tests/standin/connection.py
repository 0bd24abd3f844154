"""A connection that writes an answer in one piece, and can misbehave.

uvicorn writes head and body apart. As two segments they would cost a second system call on both
sides, and measurements of a client would contain it.
"""

import asyncio
import os
import socket
import struct
from collections.abc import Iterable
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

# SO_LINGER with no time: closing the socket then sends a reset instead of an orderly end.
_NO_LINGER = struct.pack("ii", 1, 0)


class Connection(HttpToolsProtocol):
    """uvicorn's protocol over a transport that joins writes; requests know their connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Put the joining transport in between."""
        super().connection_made(_Joined(cast(asyncio.Transport, transport)))

    def on_message_begin(self) -> None:
        """Let the application find this connection in the scope of a request."""
        super().on_message_begin()
        self.scope["extensions"] = {"connection": self}  # type: ignore[dict-item]

    def head(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        """Write status line and headers, for an answer that uvicorn would refuse to send."""
        every = [*self.server_state.default_headers, *headers]
        lines = b"".join(b"%b: %b\r\n" % pair for pair in every)
        return STATUS_LINE[status] + lines + b"\r\n"

    def end(self) -> None:
        """Close the connection in order, what is written so far being sent."""
        self.transport.close()

    def reset(self) -> None:
        """End the connection at once, without the orderly close."""
        if self.transport.is_closing():
            return
        descriptor = os.dup(self.transport.get_extra_info("socket").fileno())
        with socket.socket(fileno=descriptor) as duplicate:
            duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.transport.abort()


class _Joined(asyncio.Transport):
    """Collects what one turn of the event loop writes, and passes it on together."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._parts: list[bytes] = []

    def write(self, data: Any) -> None:
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        self._parts.clear()
        self._transport.abort()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def _flush(self) -> None:
        if self._parts:
            self._transport.write(b"".join(self._parts))
            self._parts.clear()
