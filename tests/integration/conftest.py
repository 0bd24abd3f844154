"""A sender and a reader of messages, and a service between them."""

import asyncio
import json
import secrets
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pika
import pytest
import uvloop
from pika.adapters.blocking_connection import BlockingChannel

from tests.campaign.proxy import Proxy
from tests.campaign.tap import Tap
from tests.certificates import Authority
from tests.programs import Service, StandIn, eventually
from tests.rabbitmq import Broker, Vhost

EVENTS, RESULTS, DEAD_LETTERS = (
    "profile-sync.events",
    "profile-sync.results",
    "profile-sync.dead-letters",
)

_ON_THE_WIRE = {"test_transport", "test_tls", "test_web_proxy"}

Arrived = tuple[pika.spec.Basic.Deliver, pika.BasicProperties, bytes]


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run async tests in the service's own loop, and those of what is on the wire in both.

    Only asyncio's own loop shows what it still has to do.
    """
    loops: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
        "uvloop": uvloop.new_event_loop,
        "asyncio": asyncio.new_event_loop,
    }
    if item.path.stem == "test_leaks":
        return {"asyncio": loops["asyncio"]}
    return loops if item.path.stem in _ON_THE_WIRE else {"uvloop": loops["uvloop"]}


class _RawHeader(pika.BasicProperties):
    """Properties of a persistent message with one header field that is already encoded."""

    def __init__(self, field: bytes) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._field = field

    def encode(self) -> list[bytes]:
        flags = self.FLAG_HEADERS | self.FLAG_DELIVERY_MODE
        return [struct.pack(">HI", flags, len(self._field)), self._field, b"\x02"]


@contextmanager
def channel(url: str) -> Iterator[BlockingChannel]:
    """Connect for a while, with confirms."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        opened = connection.channel()
        opened.confirm_delivery()
        yield opened
    finally:
        if connection.is_open:
            connection.close()


class Mail:
    """Sends events as a back end does, and takes results and dead letters out of their queues."""

    def __init__(self, url: str) -> None:
        self._connection = pika.BlockingConnection(pika.URLParameters(url))
        self.channel: BlockingChannel = self._connection.channel()
        self._sender: BlockingChannel = self._connection.channel()

    def send(
        self, *events: Mapping[str, Any] | bytes, routing_key: str = "test", **properties: Any
    ) -> None:
        """Publish events, persistent; bytes go as they are. All are in the queue afterwards."""
        for event in events:
            body = event if isinstance(event, bytes) else json.dumps(event).encode()
            written = pika.BasicProperties(delivery_mode=2, **properties)  # type: ignore[no-untyped-call]
            self._sender.basic_publish(EVENTS, routing_key, body, written)
        # A round trip on the same channel: RabbitMQ has routed what came before it.
        self._sender.queue_declare(EVENTS, passive=True)

    def send_raw_header(self, body: bytes, field: bytes) -> None:
        """Publish a message with one header field as bytes, whatever pika thinks of it."""
        self._sender.basic_publish(EVENTS, "test", body, _RawHeader(field))
        self._sender.queue_declare(EVENTS, passive=True)

    def take(self, queue: str, count: int, within: float = 30) -> list[Arrived]:
        """Take messages out of a queue as they come; fails if they do not come in time."""
        arrived: list[Arrived] = []
        deadline = time.monotonic() + within
        if count:
            for method, properties, body in self.channel.consume(
                queue, auto_ack=True, inactivity_timeout=0.2
            ):
                if method is not None and properties is not None and body is not None:
                    arrived.append((method, properties, body))
                if len(arrived) == count or time.monotonic() > deadline:
                    break
            self.channel.cancel()
        assert len(arrived) == count, f"{len(arrived)} of {count} messages came to {queue}"
        return arrived

    def results(self, count: int, within: float = 30) -> list[dict[str, Any]]:
        """Take results out of their queue, parsed."""
        return [json.loads(body) for _, _, body in self.take(RESULTS, count, within)]

    def ready(self, queue: str) -> int:
        """Count the messages of a queue that no consumer holds."""
        answer = self.channel.queue_declare(queue, passive=True)
        count: int = answer.method.message_count
        return count

    def close(self) -> None:
        """Disconnect, if the other side has not."""
        if self._connection.is_open:
            self._connection.close()


@pytest.fixture
def environment(vhost: Vhost) -> Callable[..., dict[str, str]]:
    """Make the variables of a service in the test's vhost: `environment(api, PREFETCH="5")`."""

    def make(api: StandIn, version: str = "v2", **more: str) -> dict[str, str]:
        basic = {
            "AMQP_URL": vhost.amqp_url,
            "API_URL": f"{api.url}/{version}",
            "AUTH_URL": f"{api.url}/authenticate",
            "ACCESS_TOKEN": "demo-token",
            "LOG_LEVEL": "debug",
            "RETRY_BASE": "0.05",
            "RETRY_MAX": "0.5",
        }
        return {f"PROFILE_SYNC_{name}": value for name, value in {**basic, **more}.items()}

    return make


@pytest.fixture
def service(
    standin: Callable[..., StandIn],
    environment: Callable[..., dict[str, str]],
    run_service: Callable[[Mapping[str, str]], Service],
) -> Callable[..., tuple[Service, StandIn]]:
    """Start a stand-in and a service that uses it: `service("--latency", "0.02", PREFETCH="5")`."""

    def start(*standin_arguments: str, **settings: str) -> tuple[Service, StandIn]:
        api = standin(*standin_arguments)
        running = run_service(environment(api, **settings))
        running.wait_ready()
        return running, api

    return start


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """A CA that OpenSSL's own variable names, in the file `ca.pem`."""
    made = Authority()
    monkeypatch.setenv("SSL_CERT_FILE", made.write(tmp_path / "ca.pem"))
    return made


@pytest.fixture
def mail(vhost: Vhost) -> Iterator[Mail]:
    """Connect a sender and reader to the test's vhost; the service makes the queues."""
    connected = Mail(vhost.amqp_url)
    yield connected
    connected.close()


class Wire:
    """A way to RabbitMQ by which each delivery is seen, and that can be broken: `proxy`.

    `handed` has their correlation_ids, and how often each message was handed back before.
    """

    def __init__(self, vhost: Vhost) -> None:
        self.handed: list[tuple[str | None, int]] = []
        parts = urlsplit(vhost.amqp_url)
        self.proxy = Proxy(parts.port or 5672, self._tap)
        self._parts = parts

    @property
    def url(self) -> str:
        """The AMQP URL of the vhost, by this way."""
        login = self._parts.netloc.rpartition("@")[0]
        return self._parts._replace(netloc=f"{login}@127.0.0.1:{self.proxy.port}").geturl()

    def _tap(self) -> Tap:
        return Tap(lambda uid, count: self.handed.append((uid, count)))


@pytest.fixture
def wire(vhost: Vhost) -> Iterator[Wire]:
    """Lay a way to the test's vhost."""
    if Broker.from_environment():
        pytest.skip("needs a RabbitMQ on this machine to lay a way to")
    laid = Wire(vhost)
    with laid.proxy:
        yield laid


def wait_for(condition: Callable[[], bool], what: str, within: float = 20) -> None:
    """Ask again and again until a condition holds; fail after `within` seconds."""
    assert eventually(condition, within), f"not in {within} s: {what}"


@pytest.fixture
def login(broker: Broker, vhost: Vhost) -> Iterator[Callable[..., str]]:
    """Make users of the test's vhost: `login("configure", "write", "read")` gives an AMQP URL."""
    made: list[str] = []

    def make(configure: str = "", write: str = "", read: str = "", tags: str = "") -> str:
        made.append(f"user-{secrets.token_hex(4)}")
        path = quote(vhost.name, safe="")
        broker.api("PUT", f"/users/{made[-1]}", {"password": "secret-word", "tags": tags})
        allowed = {"configure": configure, "write": write, "read": read}
        broker.api("PUT", f"/permissions/{path}/{made[-1]}", allowed)
        parts = urlsplit(vhost.amqp_url)
        host = parts.netloc.rpartition("@")[2]
        return parts._replace(netloc=f"{made[-1]}:secret-word@{host}").geturl()

    yield make
    for name in made:
        broker.api("DELETE", f"/users/{name}")
