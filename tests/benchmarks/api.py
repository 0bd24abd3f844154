"""A stub of the API that is never the limit: every PUT finds one profile, after a fixed delay.

It knows what the service asks before its first PUT: a database's fields and interests, and whether
it heeds a selection. The stand-in is the one that behaves as the API; this one only answers, and
GET /v2/calls tells what has come since it was asked for that before.

python -m tests.benchmarks.api --delay 0.05 --certificate chain.pem
"""

import argparse
import asyncio
import json
import re
import ssl
import time
from collections.abc import Callable
from functools import partial
from typing import cast

import uvloop

DATABASE = "1234"

_KEY = re.compile(rb"customerid(?:%3D%3D|==)([0-9A-Za-z]+)")
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_PROFILE = {
    "ID": "18381",
    "fields": {
        "customerid": "KEY",
        "firstname": "John",
        "lastname": "Doe",
        "email": "johndoe@example.com",
        "age": "18",
    },
    "interests": ["football"],
    "database": DATABASE,
    "secret": "cd072cd8be6f9f62ac4c09c2e7e3",
    "created": "2020-11-23 11:00:00",
    "modified": "2026-11-23 11:00:00",
    "removed": False,
}
_FIELDS = [
    {"ID": "1", "name": "customerid", "type": "text"},
    {"ID": "2", "name": "firstname", "type": "text"},
    {"ID": "3", "name": "lastname", "type": "text"},
    {"ID": "4", "name": "email", "type": "email"},
    {"ID": "5", "name": "age", "type": "integer"},
]
_INTERESTS = [{"ID": "1", "name": "football"}, {"ID": "2", "name": "baseball"}]
_IDENTITY = {"id": "1", "name": "Benchmark", "description": "", "company": "Benchmark"}


def _json(content: object) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


def _list(*items: object) -> bytes:
    return _json(
        {"start": 0, "limit": 1000, "count": len(items), "total": len(items), "data": items}
    )


def _response(body: bytes, status: bytes = b"200 OK") -> bytes:
    head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % (status, len(body)) + body


_BEFORE_KEY, _AFTER_KEY = _json([_PROFILE]).split(b"KEY")
_NOTHING = _response(_list())
_LISTS = {b"fields": _response(_list(*_FIELDS)), b"interests": _response(_list(*_INTERESTS))}
_TOLD = b"/v2/calls HTTP/"
_UNKNOWN = _response(_json({"error": {"message": "Invalid request"}}), b"400 Bad Request")


def answer(line: bytes) -> bytes:
    """Return the whole response to a request, by its first line."""
    method, target, _ = line.split(b" ", 2)
    path, _, query = target.partition(b"?")
    last = path.rpartition(b"/")[2]
    if last == b"profiles":
        key = _KEY.search(query)
        if method == b"PUT" and key is not None:
            return _response(_BEFORE_KEY + key[1] + _AFTER_KEY)
        return _NOTHING  # Only the service's look whether a selection is heeded reads profiles.
    return _response(_json(_IDENTITY)) if last == b"identity" else _LISTS.get(last, _UNKNOWN)


class Calls:
    """The calls that have come: when each did, how many were PUTs, and each key's last body."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._puts = 0
        self._last: dict[bytes, bytes] = {}

    def note(self, line: bytes, body: bytes) -> None:
        """Take a request's first line and its body."""
        self._times.append(time.monotonic())
        if line.startswith(b"PUT ") and (key := _KEY.search(line)):
            self._puts += 1
            self._last[key[1]] = body

    def told(self) -> bytes:
        """Tell all of it as an answer, and forget it."""
        last = {key.decode(): json.loads(body) for key, body in self._last.items()}
        told = _response(_json({"times": self._times, "puts": self._puts, "last": last}))
        self._times, self._puts, self._last = [], 0, {}
        return told


class Answers(asyncio.Protocol):
    """One keep-alive connection; requests may come in pieces, or several at once."""

    def __init__(self, delay: float, calls: Calls) -> None:
        self._delay = delay
        self._calls = calls
        self._received = b""
        self._write: Callable[[bytes], None]
        self._later = asyncio.get_running_loop().call_later

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note where to write."""
        self._write = cast(asyncio.WriteTransport, transport).write

    def data_received(self, data: bytes) -> None:
        """Answer what is whole; keep the rest."""
        received = self._received + data if self._received else data
        while (end := received.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(received, 0, end)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(received) < whole:
                break
            line = received[: received.index(b"\r\n")]
            if _TOLD in line:
                response = self._calls.told()
            else:
                self._calls.note(line, received[end + 4 : whole])
                response = answer(line)
            if self._delay:
                self._later(self._delay, self._write, response)
            else:
                self._write(response)
            received = received[whole:]
        self._received = received


async def serve(port: int, delay: float, certificate: str | None) -> None:
    """Answer until the process is ended."""
    context = None
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
    loop = asyncio.get_running_loop()
    answers = partial(Answers, delay, Calls())
    server = await loop.create_server(answers, "127.0.0.1", port, ssl=context, backlog=1024)
    await server.serve_forever()


def main() -> None:
    """Serve on a port of 127.0.0.1."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--certificate", help="file of its key and certificates: it speaks TLS")
    options = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(options.port, options.delay, options.certificate))


if __name__ == "__main__":
    main()
