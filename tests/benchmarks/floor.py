"""How little it can cost in Python: AMQP frames and HTTP bytes by hand, and nothing else.

It consumes, calls, publishes with confirms and acks, without objects for messages or requests,
lanes, metrics, timeouts, retries or reconnection. It takes the variables of the peers.
"""

import asyncio
import json
import struct
from collections import deque
from typing import cast
from urllib.parse import quote, unquote, urlsplit

from pydantic_core import from_json

from tests.benchmarks.peers.contract import Settings, run

_END = b"\xce"
_METHOD, _HEADER, _BODY = 1, 2, 3
_DELIVER, _ACK = (60, 60), (60, 80)
# A result's properties: content type, and persistent.
_PROPERTIES = struct.pack(">H", 0x9000) + b"\x10application/json" + b"\x02"


def _short(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()


def _long(text: bytes) -> bytes:
    return struct.pack(">I", len(text)) + text


def _frame(kind: int, channel: int, payload: bytes) -> bytes:
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + _END


def _method(channel: int, group: int, number: int, arguments: bytes = b"") -> bytes:
    return _frame(_METHOD, channel, struct.pack(">HH", group, number) + arguments)


class Broker(asyncio.Protocol):
    """A connection to RabbitMQ with one channel; writes of one turn of the loop go together."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._url = urlsplit(settings.amqp_url)
        self._received = b""
        self._out: list[bytes] = []
        self._tag = self._published = 0
        self._tags: dict[int, int] = {}
        self._oldest = 1
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.WriteTransport
        self.api: Api
        publish = struct.pack(">H", 0) + _short(settings.result_exchange)
        self._publish = publish + _short("profile.updated.1234") + b"\0"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say which protocol it is."""
        self._transport = cast(asyncio.WriteTransport, transport)
        self._transport.write(b"AMQP\0\0\x09\x01")

    def data_received(self, data: bytes) -> None:
        """Take the frames that are whole; keep the rest."""
        received = self._received + data if self._received else data
        at, size = 0, len(received)
        while size - at >= 8:
            kind, length = received[at], int.from_bytes(received[at + 3 : at + 7], "big")
            if size - at < length + 8:
                break
            payload = received[at + 7 : at + 7 + length]
            if kind == _BODY:  # an event fits into one frame
                self.api.put(payload, self._tag)
            elif kind == _METHOD:
                self._take(struct.unpack_from(">HH", payload), payload)
            at += length + 8
        self._received = received[at:]

    def publish(self, body: bytes, tag: int) -> None:
        """Publish the result of a delivery; it is acked on the confirm."""
        self._published += 1
        self._tags[self._published] = tag
        header = struct.pack(">HHQ", 60, 0, len(body)) + _PROPERTIES
        self._write(
            _method(1, 60, 40, self._publish) + _frame(_HEADER, 1, header) + _frame(_BODY, 1, body)
        )

    def _take(self, method: tuple[int, ...], payload: bytes) -> None:
        if method == _DELIVER:
            tag = 5 + payload[4]  # after the consumer's tag
            self._tag = int.from_bytes(payload[tag : tag + 8], "big")
        elif method == _ACK:
            number, multiple = struct.unpack_from(">QB", payload, 4)
            self._confirmed(number, bool(multiple & 1))
        else:
            self._answer(method, payload)

    def _confirmed(self, number: int, multiple: bool) -> None:
        numbers = range(self._oldest, number + 1) if multiple else (number,)
        if multiple:
            self._oldest = number + 1
        for each in numbers:
            tag = self._tags.pop(each, None)
            if tag is not None:
                self._write(_method(1, 60, 80, struct.pack(">QB", tag, 0)))

    def _answer(self, method: tuple[int, ...], payload: bytes) -> None:
        """Take the next step of the greeting."""
        url, settings = self._url, self._settings
        match method:
            case (10, 10):
                login = f"\0{unquote(url.username or '')}\0{unquote(url.password or '')}"
                start = _long(b"") + _short("PLAIN") + _long(login.encode()) + _short("en_US")
                self._write(_method(0, 10, 11, start))
            case (10, 30):
                self._write(_method(0, 10, 31, payload[4:10] + b"\0\0"))  # no heartbeats
                self._write(_method(0, 10, 40, _short(unquote(url.path[1:])) + b"\0\0"))
            case (10, 41):
                self._write(_method(1, 20, 10, b"\0"))
            case (20, 11):
                self._write(_method(1, 85, 10, b"\0"))
                self._write(_method(1, 60, 10, struct.pack(">IHB", 0, settings.prefetch, 0)))
                consume = _short(settings.event_queue) + _short("floor") + b"\0" + _long(b"")
                self._write(_method(1, 60, 20, b"\0\0" + consume))
            case (10, 50) | (20, 40):
                raise SystemExit(f"RabbitMQ closed: {payload!r}")

    def _write(self, data: bytes) -> None:
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(data)

    def _flush(self) -> None:
        self._transport.write(b"".join(self._out))
        self._out.clear()


class Api:
    """A fixed number of connections to the API; what finds none free waits for its turn."""

    def __init__(self, settings: Settings, broker: Broker) -> None:
        url = urlsplit(settings.api_url)
        self.broker = broker
        self._token = f"&create=1&access_token={quote(settings.access_token)} HTTP/1.1\r\n"
        self._head = f"Host: {url.netloc}\r\nContent-Type: application/json\r\nContent-Length: "
        self._path = url.path
        self.free: list[Connection] = []
        self.waiting: deque[tuple[bytes, bytes, int]] = deque()

    def put(self, body: bytes, tag: int) -> None:
        """Send the call of an event, or let it wait."""
        event = from_json(body)
        selection = "&".join(
            f"fields%5B%5D={quote(f'{name}=={value}', safe='')}"
            for name, value in event["where"].items()
        )
        content = json.dumps({"fields": event["fields"], "interests": event["interests"]})
        request = (
            f"PUT {self._path}/database/{event['database']}/profiles?{selection}{self._token}"
            f"{self._head}{len(content)}\r\n\r\n{content}"
        ).encode()
        name = event["id"].encode()
        if self.free:
            self.free.pop().send(request, name, tag)
        else:
            self.waiting.append((request, name, tag))


class Connection(asyncio.Protocol):
    """A connection to the API, with one call at a time."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._received = b""
        self._event, self._tag = b"", 0
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be ready for a call."""
        self._transport = cast(asyncio.WriteTransport, transport)
        self._api.free.append(self)

    def send(self, request: bytes, event: bytes, tag: int) -> None:
        """Make the call of an event."""
        self._event, self._tag = event, tag
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Publish the answer once it is whole, and take the next call."""
        received = self._received + data if self._received else data
        head, separator, body = received.partition(b"\r\n\r\n")
        if not separator or len(body) < int(head.rpartition(b"Content-Length: ")[2].split()[0]):
            self._received = received
            return
        if head[9:12] != b"200":
            raise SystemExit(f"the API answered {head!r}")
        self._received = b""
        self._api.broker.publish(
            b'{"event_id":"%b","outcome":"updated","profiles":%b}' % (self._event, body), self._tag
        )
        if self._api.waiting:
            self.send(*self._api.waiting.popleft())
        else:
            self._api.free.append(self)


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "127.0.0.1", parts.port or 80


async def main(settings: Settings) -> None:
    """Connect to the API, then to RabbitMQ, and work until the process is ended."""
    loop = asyncio.get_running_loop()
    broker = Broker(settings)
    broker.api = api = Api(settings, broker)
    for _ in range(settings.connections):
        await loop.create_connection(lambda: Connection(api), *_address(settings.api_url))
    await loop.create_connection(lambda: broker, *_address(settings.amqp_url))
    await asyncio.Event().wait()


if __name__ == "__main__":
    chosen = Settings()
    run(main(chosen), chosen.loop)
