"""What /livez, /readyz and /metrics give to those who mean well, and to those who do not."""

import asyncio
import socket
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from service.metrics import Metrics
from service.monitor import start_monitor

MOST = 64


class Monitor:
    """A monitor on a free port; `reason` is why it is not ready."""

    reason: str | None = None
    port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def ask(self, path: str, method: str = "GET") -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False) as client:
            return await client.request(method, f"{self.url}{path}")

    async def connect(self, sent: bytes = b"") -> asyncio.StreamReader:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(sent)
        self.open.append(writer)
        return reader

    def __init__(self) -> None:
        self.open: list[asyncio.StreamWriter] = []


@pytest_asyncio.fixture
async def monitor() -> AsyncIterator[Monitor]:
    made = Monitor()
    runner = await start_monitor("127.0.0.1", 0, Metrics(), lambda: made.reason)
    made.port = runner.addresses[0][1]
    yield made
    for writer in made.open:
        writer.close()
    await runner.cleanup()


async def test_readiness_is_told_in_a_word(monitor: Monitor) -> None:
    assert (await monitor.ask("/readyz")).text == "ok\n"
    monitor.reason = "token"
    answer = await monitor.ask("/readyz")
    assert (answer.status_code, answer.text) == (503, "token\n")
    assert (await monitor.ask("/livez")).text == "ok\n"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
async def test_nothing_can_be_written(monitor: Monitor, method: str, path: str) -> None:
    answer = await monitor.ask(path, method)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")


async def test_head_has_no_body(monitor: Monitor) -> None:
    answer = await monitor.ask("/metrics", "HEAD")
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize(
    "path", ["/", "/metrics/", "/debug", "/../metrics/x", "/%2e%2e/etc/passwd"]
)
async def test_there_is_nothing_else(monitor: Monitor, path: str) -> None:
    assert (await monitor.ask(path)).status_code == 404


@pytest.mark.parametrize("sent", [b"", b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: "], ids=repr)
async def test_those_who_never_end_a_request_keep_nobody_out(monitor: Monitor, sent: bytes) -> None:
    held = [await monitor.connect(sent) for _ in range(3 * MOST)]
    assert (await monitor.ask("/livez")).text == "ok\n"
    async with asyncio.timeout(20):
        # The oldest were let go of, and of them all no more are left than there may be.
        await asyncio.gather(*(reader.read() for reader in held[: 2 * MOST]))
    assert not held[-1].at_eof()


async def test_many_that_come_in_one_go_are_as_few(monitor: Monitor) -> None:
    burst = [
        socket.socket() for _ in range(MOST + 50)
    ]  # fewer than the kernel keeps for a listener
    for one in burst:
        one.setblocking(False)
        one.connect_ex(("127.0.0.1", monitor.port))
    assert (await monitor.ask("/livez")).text == "ok\n"
    ended = 0
    async with asyncio.timeout(20):
        while ended < 50:
            await asyncio.sleep(0.02)
            ended = sum(has_ended(one) for one in burst)
    for one in burst:
        one.close()


def has_ended(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
        b"GET http://[xx HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"\r\n\r\n\x00\r\n\r\n",
    ],
    ids=["long line", "long header", "many headers", "odd address", "TLS", "nothing"],
)
async def test_odd_requests_are_refused_and_the_connection_ends(
    monitor: Monitor, sent: bytes
) -> None:
    reader = await monitor.connect(sent)
    async with asyncio.timeout(20):
        answer = await reader.read()
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
    assert (await monitor.ask("/livez")).text == "ok\n"
