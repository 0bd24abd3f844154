"""RabbitMQ's management API as `check` asks it, where a server answers in other ways."""

import asyncio

import pytest

from service.commands.management import Management, Untold
from service.tls import Certificates
from tests.raw_server import Handler, answering, raw_server, writing

AMQP = "amqp://me:secret-word@rabbit/%2F"
FINE = b'{"rabbitmq_version": "3.10.8"}'


def asked(port: int, login: str = "") -> Management:
    return Management(f"http://{login}127.0.0.1:{port}/", AMQP, "a/b", Certificates())


async def test_the_password_goes_to_the_server_that_was_named_and_to_no_other() -> None:
    async with raw_server(answering(FINE)) as other:
        elsewhere = answering(status="302 Found", location=f"http://127.0.0.1:{other.port}/")
        async with raw_server(elsewhere) as server:
            with pytest.raises(Untold, match="answers with status 302"):
                await asyncio.to_thread(asked(server.port).greet)
    assert len(server.requests) == 1
    assert other.requests == []


async def test_user_and_password_are_those_of_amqp_url_unless_the_url_has_others() -> None:
    async with raw_server(answering(FINE)) as server:
        await asyncio.to_thread(asked(server.port).greet)
        await asyncio.to_thread(asked(server.port, "you:p%40ss@").greet)
    ours, theirs = (request.decode() for request in server.requests)
    assert "Basic bWU6c2VjcmV0LXdvcmQ=" in ours
    assert "Basic eW91OnBAc3M=" in theirs


async def test_names_are_whole_parts_of_the_path() -> None:
    async with raw_server(answering(b"{}")) as server:
        await asyncio.to_thread(asked(server.port).queue, "q/1 ?")
    assert server.requests[0].startswith(b"GET /api/queues/a%2Fb/q%2F1%20%3F HTTP/1.1\r\n")


async def test_what_is_not_there_is_nothing() -> None:
    async with raw_server(answering(status="404 Not Found")) as server:
        assert await asyncio.to_thread(asked(server.port).queue, "q") is None
        assert await asyncio.to_thread(asked(server.port).bindings, "x") == []


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (answering(status="401 Unauthorized"), "refuses the user me: wrong password, no tag"),
        (answering(status="500 Oops"), "answers with status 500"),
        (answering(b"<html>"), "no management API"),
        (answering(b"[]"), "no management API"),
        (answering(b"\xff"), "no management API"),
        (writing(b"AMQP\x00\x00\x09\x01\r\n\r\n", close=True), "no management API"),
    ],
)
async def test_what_it_does_not_tell_is_said_in_words(handler: Handler, words: str) -> None:
    async with raw_server(handler) as server:
        with pytest.raises(Untold, match=words) as untold:
            await asyncio.to_thread(asked(server.port).greet)
    assert "secret-word" not in str(untold.value)
