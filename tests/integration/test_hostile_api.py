"""Answers that an API, or somebody in its place, could send to do harm: each to one event."""

import asyncio
import gzip
import json
import re
from collections.abc import Callable, Iterator, Mapping

import httpx
import psutil
import pytest

from tests.integration.conftest import Mail
from tests.loop_thread import LoopThread
from tests.programs import Service
from tests.rabbitmq import Vhost
from tests.raw_server import Handler, RawServer, answering, writing

MEMORY = 48_000_000  # bytes that the service may take more for all of it
GOOD = answering(b'[{"ID":"1","fields":{"firstname":"x"}}]')
_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
_UNSEEN = b"HTTP/1.1 201 Created\r\nX-Created: 666\r\nContent-Length: 0\r\n\r\n"


def endless(begin: bytes, piece: bytes, seconds: float = 0) -> Handler:
    """Begin an answer and go on until the other side has enough, at most 200 MB."""

    async def write(_request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(begin)
        for _ in range(200_000_000 // len(piece)):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(seconds)

    return write


async def silence(_request: bytes, _writer: asyncio.StreamWriter) -> None:
    """Answer nothing, and keep the connection."""
    await asyncio.sleep(3600)


def profiles(*ids: object) -> bytes:
    return json.dumps([{"ID": one, "fields": {"firstname": "x"}} for one in ids]).encode()


_BOMB = gzip.compress(b"[" + b" " * 50_000_000 + b"]")
_HEADERS = b"".join(b"X-%d: %s\r\n" % (number, b"y" * 200) for number in range(1000))

# What is answered first, and how the event ends; a second attempt gets a good answer.
ANSWERS: dict[str, tuple[Handler, str]] = {
    "body of 100 MB": (
        endless(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n", b" " * 65536),
        "updated",
    ),
    "endless body": (endless(_CHUNKED, b"10000\r\n" + b" " * 65536 + b"\r\n"), "updated"),
    "endless small chunks": (endless(_CHUNKED, b"1;" + b"x" * 500 + b"\r\n \r\n"), "updated"),
    "endless head": (endless(b"HTTP/1.1 200 OK\r\n", b"X-Y: " + b"z" * 1000 + b"\r\n"), "updated"),
    "endless interim answers": (endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 50), "updated"),
    "interim answer with a body": (
        writing(
            b"HTTP/1.1 020 Odd\r\nContent-Length: 9\r\n\r\n" + b" " * 9 + b"HTTP/1.1 204 No\r\n\r\n"
        ),
        "updated",
    ),
    "trickle": (endless(_CHUNKED, b"1\r\n \r\n", 0.05), "updated"),
    "trickle of a head": (endless(b"HTTP/1.1 200 ", b"O", 0.05), "updated"),
    "nothing at all": (silence, "updated"),
    "gzip bomb": (answering(_BOMB, content_encoding="gzip"), "updated"),
    "1,000 headers": (writing(b"HTTP/1.1 200 OK\r\n" + _HEADERS + b"\r\n"), "updated"),
    "list, 100,000 deep": (answering(b"[" * 100_000 + b"]" * 100_000), "updated"),
    "object, 50,000 deep": (answering(b'{"a":' * 50_000 + b"1" + b"}" * 50_000), "updated"),
    "number of 500,000 digits": (answering(b"[" + b"1" * 500_000 + b"]"), "updated"),
    "no number": (answering(b'[{"ID": NaN}]'), "updated"),
    "ids that are no numbers": (answering(profiles({"a": 1}, None, "<script>", 1e300)), "updated"),
    "other address for the profile": (
        answering(b"", "303 See Other", location="http://127.0.0.1:1/v2/profile/7"),
        "created",
    ),
    "address without an end": (
        answering(b"", "303 See Other", location="//" + "x" * 30_000),
        "updated",
    ),
    "created elsewhere": (
        answering(b"", "201 Created", location="https://127.0.0.1:1/profile/7?access_token=x"),
        "created",
    ),
    "cookie": (answering(profiles("1"), set_cookie="session=stolen; Path=/"), "updated"),
    "second answer behind the first": (
        writing(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]" + _UNSEEN),
        "unmatched",
    ),
    "two lengths": (
        writing(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 90\r\n\r\n[]" + _UNSEEN),
        "updated",
    ),
    "length and chunks": (
        writing(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"2\r\n[]\r\n0\r\n\r\n" + _UNSEEN
        ),
        "updated",
    ),
    "change of protocol": (
        writing(b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n" + _UNSEEN),
        "updated",
    ),
    "script in a page": (
        answering(b"<html><script>alert(1)</script></html>", "400 Bad", "text/html"),
        "updated",
    ),
    "script in a message": (
        answering(b'{"error":{"message":"no <script>alert(1)</script>\\u001b[31m"}}', "400 Bad"),
        "refused",
    ),
    "script in a text": (answering(b"<script>alert(1)</script", "413 Large", "x"), "refused"),
}
MANY = "10,000 profiles"


class Hostile(RawServer):
    """Answers the first PUT of each event as its name wants it, and all else well."""

    server: asyncio.Server

    def __init__(self) -> None:
        super().__init__((self._choose,))
        self._seen: set[str] = set()

    async def _choose(self, request: bytes, writer: asyncio.StreamWriter) -> None:
        name = (re.findall(rb'"firstname": ?"([^"]+)"', request) or [b""])[0].decode()
        first = name not in self._seen and request.startswith(b"PUT ")
        self._seen.add(name)
        if name == MANY:
            await answering(profiles(*range(10_000)))(request, writer)
        else:
            await (ANSWERS[name][0] if first else GOOD)(request, writer)


@pytest.fixture
def hostile() -> Iterator[Hostile]:
    """Serve on a free port, in a loop beside the test's."""
    made, running = Hostile(), LoopThread("hostile")

    async def begin() -> None:
        made.server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
        made.port = made.server.sockets[0].getsockname()[1]

    async def end() -> None:
        made.server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    running.start()
    running.do(begin())
    yield made
    running.do(end())
    running.stop()


def event(name: str, number: int, **changes: object) -> dict[str, object]:
    usual = {"id": name, "database": 1234, "where": {"customerid": f"{number}"}}
    return {**usual, "fields": {"firstname": name}, **changes}


@pytest.mark.slow
def test_no_answer_does_harm(
    hostile: Hostile,
    vhost: Vhost,
    run_service: Callable[[Mapping[str, str]], Service],
    mail: Mail,
) -> None:
    settings = {
        "AMQP_URL": vhost.amqp_url,
        "ACCESS_TOKEN": "demo-token",
        "LOG_LEVEL": "debug",
        "RETRY_BASE": "0.05",
        "RETRY_MAX": "0.5",
        "API_URL": f"http://127.0.0.1:{hostile.port}/v2",
        "FIELD_CHECK": "off",
        "READ_BACK": "never",
        "REQUEST_TIMEOUT": "1",
        "MAX_IN_FLIGHT": "4",
    }
    running = run_service({f"PROFILE_SYNC_{name}": value for name, value in settings.items()})
    running.wait_ready()
    process = psutil.Process(running.process.pid)
    memory, files = process.memory_info().rss, process.num_fds()
    mail.send(*(event(name, number) for number, name in enumerate(ANSWERS)))
    mail.send(event(MANY, 0, where=["age>1"], expect="many"))
    results = {result["event_id"]: result for result in mail.results(len(ANSWERS) + 1, 90)}
    ends = {name: results[name]["reason"] or results[name]["outcome"] for name in ANSWERS}
    assert ends == {name: end for name, (_, end) in ANSWERS.items()}
    assert results[MANY]["matched"] == 10_000
    assert not any("<" in f"{result['detail']}" for result in results.values())
    assert all(f"{result['detail']}".isprintable() for result in results.values())
    assert not any(b"stolen" in request for request in hostile.requests)
    assert httpx.get(f"{running.http_url}/livez").text == "ok\n"
    assert process.memory_info().rss - memory < MEMORY
    assert process.num_fds() < files + 10
    assert running.terminate() == 0
