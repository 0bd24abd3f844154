"""One request and its answer on the wire: read whole, and sent as it should be, or not."""

import asyncio
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache

from starlette.types import Receive, Scope, Send

from tests.standin.answers import Answer
from tests.standin.call import Call
from tests.standin.clock import Clock
from tests.standin.connection import Connection
from tests.standin.rule import Rule

_WITHOUT_BODY = frozenset((204, 304))


class Wire:
    """The server's side of one request."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, clock: Clock) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._clock = clock
        self._connection: Connection = scope["extensions"]["connection"]

    async def call(self) -> Call | None:
        """Return the request when it is there in full; None if the client left before."""
        message = await self._receive()
        body: bytes = message.get("body", b"")
        if message.get("more_body"):
            parts = [body]
            while message.get("more_body"):
                message = await self._receive()
                parts.append(message.get("body", b""))
            body = b"".join(parts)
        if message["type"] == "http.disconnect":
            return None
        headers = dict(self._scope["headers"])
        return Call(
            method=self._scope["method"],
            path=self._scope["raw_path"],
            query=self._scope["query_string"].decode("latin-1"),
            content_type=headers.get(b"content-type", b"").decode("latin-1"),
            host=headers.get(b"host", b"localhost").decode("latin-1"),
            authorization=headers.get(b"authorization", b"").decode("latin-1"),
            body=body,
        )

    async def send(self, answer: Answer) -> None:
        """Send an answer; the connection is kept, if the client wants that."""
        body = _body(answer)
        headers = self._headers(answer, len(body))
        await self._send(
            {"type": "http.response.start", "status": answer.status, "headers": headers}
        )
        await self._send({"type": "http.response.body", "body": body})

    async def misbehave(self, rule: Rule, answer: Answer) -> None:
        """Send an answer, or a part of it, or nothing, as the rule has it."""
        connection = self._connection
        match rule.what:
            case "reset" | "refuse":
                connection.reset()
            case "empty":
                connection.end()
            case "cut":
                self._cut(answer, rule.cut)
                connection.end()
            case "trickle":
                await self._trickle(answer, rule.trickle or 0.0)
                connection.end()
            case "close":
                await self.send(answer)
                connection.end()
                return
            case _:
                await self.send(answer)
                return
        # uvicorn takes an answer that is missing for a mistake, unless the client has gone.
        while (await self._receive())["type"] != "http.disconnect":
            pass

    def _cut(self, answer: Answer, length: int | None) -> None:
        """Send `length` bytes of the body, or all but the last for -1, and promise more."""
        body = _body(answer)
        sent = body[:length]
        headers = self._headers(answer, max(len(body), len(sent) + 1))
        self._connection.transport.write(self._written(answer.status, headers, sent))

    async def _trickle(self, answer: Answer, pause: float) -> None:
        body = _body(answer)
        headers = [*self._headers(answer, len(body)), (b"Connection", b"close")]
        for byte in self._written(answer.status, headers, body):
            if self._connection.transport.is_closing():
                return
            self._connection.transport.write(bytes((byte,)))
            await asyncio.sleep(pause)

    def _written(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> bytes:
        head = self._connection.head(status, headers)
        return head if self._scope["method"] == "HEAD" else head + body

    def _headers(self, answer: Answer, length: int) -> list[tuple[bytes, bytes]]:
        headers = [(b"Date", _date(self._clock.now().replace(microsecond=0)))]
        headers += [(name.encode(), value.encode("latin-1")) for name, value in answer.headers]
        if answer.status not in _WITHOUT_BODY:
            headers.append((b"Content-Length", b"%d" % length))
        return headers


def _body(answer: Answer) -> bytes:
    return b"" if answer.status in _WITHOUT_BODY else answer.body


@lru_cache(maxsize=1)
def _date(second: datetime) -> bytes:
    return format_datetime(second, usegmt=True).encode()
