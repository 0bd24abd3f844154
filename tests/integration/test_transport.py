"""The client and its transport against raw sockets: what is on the wire, and what fails how."""

import asyncio
import gzip

import pytest

from service.conditions import Condition
from service.copernica import Copernica
from service.events import parse
from service.messages import Properties
from service.metrics import Metrics
from service.profiles import (
    Answer,
    NoResponse,
    Response,
    get_profile,
    get_profiles,
    put_profiles,
)
from service.settings import Settings
from tests.raw_server import Handler, raw_server, writing

PHP_EXAMPLE = b"""{"database": 1234, "where": {"customerid": "4567"}, "async": true,
    "fields": {"firstname": "John", "lastname": "Doe", "email": "johndoe@example.com"},
    "interests": {"football": 1, "baseball": 0}}"""
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n"


def client(port: int, **settings: object) -> Copernica:
    values = {
        "access_token": "xxxx",
        "api_url": f"http://127.0.0.1:{port}/v2",
        "connect_timeout": 1,
        "request_timeout": 1,
        **settings,
    }
    return Copernica(Settings.load(**values), Metrics())


async def put(api: Copernica) -> Answer:
    return await api.send(put_profiles(parse(PHP_EXAMPLE, Properties(), 10_000)))


async def answer_ok(_request: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(OK)


async def test_the_page_s_example_is_exactly_its_call() -> None:
    async with raw_server(answer_ok) as raw, client(raw.port) as api:
        answer = await put(api)
    assert isinstance(answer, Response)
    assert answer.status == 200
    head, _, body = raw.requests[0].partition(b"\r\n\r\n")
    line, *headers = head.decode().split("\r\n")
    assert line == (
        "PUT /v2/database/1234/profiles"
        "?fields%5B%5D=customerid%3D%3D4567&create=0&async=1&access_token=xxxx HTTP/1.1"
    )
    assert sorted(headers) == [
        "Accept-Encoding: identity",
        "Accept: application/json",
        "Content-Length: 118",
        "Content-Type: application/json",
        f"Host: 127.0.0.1:{raw.port}",
        "User-Agent: profile-sync",
    ]
    assert body == (
        b'{"fields":{"firstname":"John","lastname":"Doe","email":"johndoe@example.com"},'
        b'"interests":{"football":1,"baseball":0}}'
    )


async def test_a_get_has_neither_body_nor_content_type() -> None:
    conditions = (Condition("email", "==", "jane+news@example.com"),)
    async with raw_server(answer_ok) as raw, client(raw.port, access_token="a+b/c=") as api:
        await api.send(get_profiles("My Customers", conditions))
        await api.send(get_profile("18381"))
    first, second = raw.requests
    assert first.startswith(
        b"GET /v2/database/My%20Customers/profiles"
        b"?fields%5B%5D=email%3D%3Djane%2Bnews%40example.com&limit=1000"
        b"&total=false&access_token=a%2Bb%2Fc%3D HTTP/1.1\r\n"
    )
    assert second.startswith(b"GET /v2/profile/18381?access_token=a%2Bb%2Fc%3D HTTP/1.1\r\n")
    for request in (first, second):
        assert b"content-" not in request.lower()


@pytest.mark.parametrize("method", ["PUT", "GET"])
async def test_one_call_is_at_most_one_request_when_a_kept_connection_closes(method: str) -> None:
    async def close_the_second(_request: bytes, writer: asyncio.StreamWriter) -> None:
        if len(raw.requests) == 1:
            writer.write(OK)
        else:
            writer.transport.abort()

    async with raw_server(close_the_second) as raw, client(raw.port) as api:

        async def call() -> Answer:
            return await (put(api) if method == "PUT" else api.send(get_profile("1")))

        assert isinstance(await call(), Response)
        lost = await call()
        assert raw.connections == 1
    assert isinstance(lost, NoResponse)
    assert lost.failure == "no-answer"
    assert len(raw.requests) == 2


async def reset(_request: bytes, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def close(_request: bytes, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def never(_request: bytes, _writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(5)


async def cut_short(_request: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[{")
    writer.close()


async def cut_in_the_head(_request: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Le")
    writer.close()


async def nonsense(_request: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"hello\r\n\r\n")


async def trickle(_request: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
    for _ in range(50):
        writer.write(b" ")
        await asyncio.sleep(0.1)


async def broken_chunks(_request: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")


@pytest.mark.parametrize(
    "handler",
    [reset, close, never, cut_in_the_head, nonsense],
    ids=lambda handler: handler.__name__,
)
async def test_a_call_without_an_answer_may_have_been_carried_out(handler: Handler) -> None:
    async with raw_server(handler) as raw, client(raw.port) as api:
        answer = await put(api)
    assert isinstance(answer, NoResponse)
    assert answer.failure == "no-answer"
    assert "xxxx" not in answer.error
    assert len(raw.requests) == 1


@pytest.mark.parametrize(
    "handler", [cut_short, trickle, broken_chunks], ids=lambda handler: handler.__name__
)
async def test_the_status_counts_although_the_body_is_cut_short(handler: Handler) -> None:
    async with raw_server(handler) as raw, client(raw.port) as api:
        answer = await put(api)
    assert isinstance(answer, Response)
    assert (answer.status, answer.cut) == (200, True)
    assert len(raw.requests) == 1


async def test_a_refused_connection_sends_nothing() -> None:
    async with raw_server(answer_ok) as raw:
        port = raw.port
    async with client(port) as api:
        answer = await put(api)
    assert isinstance(answer, NoResponse)
    assert answer.failure == "unreachable"


async def test_a_host_without_an_address_sends_nothing() -> None:
    settings = {"api_url": "https://no-such-host.invalid/v2"}
    async with client(1, **settings) as api:
        answer = await put(api)
    assert isinstance(answer, NoResponse)
    assert answer.failure == "unreachable"


async def test_an_answer_over_the_limit_is_cut_and_its_connection_not_used_again() -> None:
    async def flood(_request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n" + b" " * 10_000_000)

    async with raw_server(flood) as raw, client(raw.port, max_response_bytes=2048) as api:
        answer = await put(api)
        assert isinstance(answer, Response)
        assert (answer.status, len(answer.body), answer.cut) == (200, 2048, True)
        await put(api)
        assert raw.connections == 2


async def test_a_packed_answer_is_not_unpacked() -> None:
    bomb = gzip.compress(b" " * 50_000_000)

    async def packed(_request: bytes, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n"
        writer.write(head.encode() + bomb)

    async with raw_server(packed) as raw, client(raw.port) as api:
        answer = await put(api)
    assert isinstance(answer, Response)
    assert (answer.status, answer.body) == (200, bomb)


async def test_a_redirect_is_not_followed_and_no_cookie_is_kept() -> None:
    async def redirect(_request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(
            b"HTTP/1.1 303 See Other\r\nX-Created: 42\r\nSet-Cookie: a=b; Path=/\r\n"
            b"Location: /v2/profile/42?access_token=xxxx\r\nContent-Length: 0\r\n\r\n"
        )

    async with raw_server(redirect) as raw, client(raw.port) as api:
        answers = [await put(api), await put(api)]
    assert [answer.status for answer in answers if isinstance(answer, Response)] == [303, 303]
    assert isinstance(answers[0], Response)
    assert answers[0].headers["x-created"] == "42"
    assert len(raw.requests) == 2
    assert b"cookie" not in raw.requests[1].lower()


@pytest.mark.parametrize("location", ["mailto:x", "http://h:abc/", "http://xn--/", "%"])
async def test_a_location_that_leads_nowhere_undoes_no_success(location: str) -> None:
    head = f"HTTP/1.1 303 See Other\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
    async with raw_server(writing(head.encode())) as raw, client(raw.port) as api:
        answer = await put(api)
    assert isinstance(answer, Response)
    assert (answer.status, answer.headers["location"]) == (303, location)


async def test_http_and_https_of_one_host_share_no_connection() -> None:
    async with raw_server(answer_ok) as raw, client(raw.port) as api:
        await put(api)
        settings = {"api_url": f"https://127.0.0.1:{raw.port}/v2", "connect_timeout": 1}
        async with client(raw.port, **settings) as other:
            other._transport = api._transport
            assert isinstance(await put(other), NoResponse)
    assert len(raw.requests) == 1


async def test_after_a_cancelled_call_another_gets_its_own_answer() -> None:
    arrived = asyncio.Event()

    async def answer_the_second(request: bytes, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await (never if len(raw.requests) == 1 else answer_ok)(request, writer)

    async with raw_server(answer_the_second) as raw, client(raw.port, max_in_flight=1) as api:
        call = asyncio.ensure_future(put(api))
        await arrived.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert isinstance(await put(api), Response)
