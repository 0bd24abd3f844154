"""A connection byte for byte: what a client library would tidy up, a test sees here."""

import json
import socket
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from tests.contract.standins import TOKEN, StandIn

IDENTITY = f"GET /v2/identity?access_token={TOKEN} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


@dataclass(frozen=True, slots=True)
class Raw:
    """An answer as it came: first line, headers in lower case, and as much body as there was."""

    line: str
    headers: dict[str, str]
    body: bytes


class Wire:
    """One connection to a stand-in."""

    def __init__(self, standin: StandIn) -> None:
        self.socket = socket.create_connection(standin.address, timeout=30)
        self._read = b""

    def __enter__(self) -> Self:
        """Use the connection in a block that closes it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self.socket.close()

    def send(self, method: str, path: str, query: str = "", body: Any = None) -> None:
        """Send a request of version 2 with the token."""
        self.socket.sendall(request(method, path, query, body))

    def answer(self) -> Raw:
        """Read one answer to its end, or as far as it came before the connection was closed."""
        while b"\r\n\r\n" not in self._read:
            more = self.socket.recv(65536)
            assert more, f"closed after {self._read!r}"
            self._read += more
        head, _, rest = self._read.partition(b"\r\n\r\n")
        line, *pairs = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, value in (pair.split(": ", 1) for pair in pairs)}
        length = int(headers.get("content-length", "0"))
        while len(rest) < length and (more := self.socket.recv(65536)):
            rest += more
        self._read = rest[length:]
        return Raw(line, headers, rest[:length])

    def rest(self) -> bytes:
        """Read until the other side closes the connection in order."""
        read = self._read
        while more := self.socket.recv(65536):
            read += more
        return read


def request(method: str, path: str, query: str = "", body: Any = None) -> bytes:
    """Write a request of version 2 with the token; the body is sent as JSON."""
    content = b"" if body is None else json.dumps(body).encode()
    headers = "" if body is None else "Content-Type: application/json\r\n"
    length = "" if body is None else f"Content-Length: {len(content)}\r\n"
    url = f"/v2/{path}?{query}{'&' if query else ''}access_token={TOKEN}"
    return f"{method} {url} HTTP/1.1\r\nHost: x\r\n{headers}{length}\r\n".encode() + content
