"""One connection over a list of bytes; real sockets are for integration tests."""

import asyncio

import pytest

from service.http1 import Connection, NoReply, NotHttp, Reply, TooLate

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
WHOLE = HEAD + b"\r\n[]"


class Wire(asyncio.Transport):
    """Notes what is written. Like a real one it tells its end later, and once."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.connection = connection
        self.closing = False
        self.unsent = 0
        connection.connection_made(self)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.end(None)

    def abort(self) -> None:
        self.end(None)

    def end(self, error: Exception | None) -> None:
        """The other side ends the connection, or this one."""
        if not self.closing:
            self.closing = True
            asyncio.get_running_loop().call_soon(self.connection.connection_lost, error)


def connect(max_body: int = 100) -> tuple[Connection, Wire]:
    connection = Connection(max_body)
    return connection, Wire(connection)


async def begin(connection: Connection, seconds: float = 10) -> "asyncio.Task[Reply]":
    call = asyncio.get_running_loop().create_task(connection.exchange(b"GET", seconds))
    await asyncio.sleep(0)
    return call


async def reply(*pieces: bytes, max_body: int = 100, closes: bool = False) -> tuple[Reply, Wire]:
    connection, wire = connect(max_body)
    call = await begin(connection)
    for piece in pieces:
        connection.data_received(piece)
    if closes:
        wire.end(None)
    return await call, wire


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
async def test_an_answer_comes_in_pieces_of_any_size(size: int) -> None:
    pieces = [WHOLE[at : at + size] for at in range(0, len(WHOLE), size)]
    answer, wire = await reply(*pieces)
    assert answer == Reply(200, ((b"Content-Length", b"2"),), b"[]", cut=False)
    assert wire.written == [b"GET"]
    assert not wire.closing


async def test_a_connection_carries_one_exchange_after_the_other() -> None:
    connection, wire = connect()
    for body in (b"1", b"2", b"3"):
        call = await begin(connection)
        connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + body)
        assert (await call).body == body
        assert connection.usable
    assert wire.written == [b"GET"] * 3


async def test_an_interim_answer_is_passed_over() -> None:
    answer, wire = await reply(b"HTTP/1.1 100 Continue\r\nX-Not: this\r\n\r\n" + WHOLE)
    assert (answer.status, answer.headers) == (200, ((b"Content-Length", b"2"),))
    assert not wire.closing


async def test_the_body_of_an_interim_answer_is_nobodys() -> None:
    # There is no such status below 100; that its body is over the limit ended no exchange.
    interim = b"HTTP/1.1 020 Odd\r\nContent-Length: 200\r\n\r\n" + b"x" * 200
    answer, _ = await reply(interim + WHOLE)
    assert answer == Reply(200, ((b"Content-Length", b"2"),), b"[]", cut=False)


async def test_chunks_make_one_body() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer, wire = await reply(head + b"2\r\n[{\r\n", b"2\r\n}]\r\n0\r\n\r\n")
    assert (answer.body, answer.cut) == (b"[{}]", False)
    assert not wire.closing


async def test_a_body_without_a_length_ends_with_its_connection() -> None:
    answer, wire = await reply(b"HTTP/1.1 200 OK\r\n\r\n[", b"]", closes=True)
    assert (answer.body, answer.cut) == (b"[]", False)
    assert wire.closing


async def test_a_body_that_ends_early_is_cut() -> None:
    answer, _ = await reply(HEAD + b"\r\n[", closes=True)
    assert (answer.status, answer.body, answer.cut) == (200, b"[", True)


async def test_a_body_without_a_length_is_cut_by_a_reset() -> None:
    connection, wire = connect()
    call = await begin(connection)
    connection.data_received(b"HTTP/1.1 200 OK\r\n\r\n[")
    wire.end(ConnectionResetError())
    assert (await call).cut


async def test_a_body_over_the_limit_is_cut_and_ends_the_connection() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
    answer, wire = await reply(head + b"123456789", max_body=4)
    assert (answer.body, answer.cut) == (b"1234", True)
    assert wire.closing


async def test_a_body_of_just_the_limit_is_whole() -> None:
    answer, wire = await reply(WHOLE, max_body=2)
    assert (answer.body, answer.cut, wire.closing) == (b"[]", False, False)


@pytest.mark.parametrize(
    "more",
    [
        b"x",
        WHOLE,
        b"\x00" * 10_000,
        b"HTTP/1.1 500 Oh\r\n",
        b"HTTP/1.1 303 See Other\r\nX-Created: 666\r\nLocation: /profile/666\r\n",
    ],
    ids=len,
)
async def test_bytes_after_an_answer_are_never_the_next_one(more: bytes) -> None:
    answer, wire = await reply(WHOLE + more)
    assert answer == Reply(200, ((b"Content-Length", b"2"),), b"[]", cut=False)
    assert wire.closing


async def test_what_comes_after_a_body_changes_no_header() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer, wire = await reply(head + b"2\r\n[]\r\n0\r\nX-Created: 7\r\n\r\n")
    assert answer.headers == ((b"Transfer-Encoding", b"chunked"),)
    assert (answer.body, wire.closing) == (b"[]", False)


@pytest.mark.parametrize(
    "endless", [b"X: " + b"y" * 997 + b"\r\n", b"z" * 1000], ids=["many trailers", "a long one"]
)
async def test_endless_trailers_cut_the_answer(endless: bytes) -> None:
    connection, wire = connect()
    call = await begin(connection)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    connection.data_received(head + b"2\r\n[]\r\n0\r\nX: ")
    for _ in range(70):
        connection.data_received(endless)
    answer = await call
    assert (answer.status, answer.body, answer.cut) == (200, b"[]", True)
    assert wire.closing


async def test_an_answer_to_half_a_request_ends_the_connection() -> None:
    connection, wire = connect()
    call = await begin(connection)
    wire.unsent = 1000
    connection.data_received(WHOLE)
    assert (await call).body == b"[]"
    assert wire.closing


async def test_bytes_that_nobody_waits_for_end_the_connection() -> None:
    connection, _ = connect()
    call = await begin(connection)
    connection.data_received(WHOLE)
    await call
    connection.data_received(WHOLE)
    assert not connection.usable


@pytest.mark.parametrize("head", [b"Connection: close\r\n", b"connection: Close\r\n"])
async def test_a_server_may_close_after_an_answer(head: bytes) -> None:
    answer, wire = await reply(HEAD + head + b"\r\n[]")
    assert (answer.body, wire.closing) == (b"[]", True)


async def test_an_answer_of_http_1_0_ends_its_connection() -> None:
    _, wire = await reply(WHOLE.replace(b"1.1", b"1.0"))
    assert wire.closing


@pytest.mark.parametrize(
    "content",
    [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nBad Name: x\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ],
    ids=lambda content: content[:40].decode("latin-1"),
)
async def test_what_is_not_http_is_no_answer(content: bytes) -> None:
    connection, wire = connect()
    call = await begin(connection)
    connection.data_received(content)
    with pytest.raises(NotHttp):
        await call
    assert wire.closing


@pytest.mark.parametrize(
    "piece", [b"X: " + b"y" * 1000 + b"\r\n", b"z" * 1000], ids=["many headers", "a long one"]
)
async def test_an_endless_head_is_no_answer(piece: bytes) -> None:
    connection, wire = connect()
    call = await begin(connection)
    connection.data_received(b"HTTP/1.1 200 OK\r\nX: ")
    for _ in range(70):
        connection.data_received(piece)
    with pytest.raises(NotHttp):
        await call
    assert wire.closing


async def test_endless_interim_answers_are_no_answer() -> None:
    connection, _ = connect()
    call = await begin(connection)
    for _ in range(3000):
        connection.data_received(b"HTTP/1.1 100 Continue\r\n\r\n")
    with pytest.raises(NotHttp):
        await call


@pytest.mark.parametrize("came", [b"", b"HTTP/1.1 200 OK\r\nContent-Le"])
@pytest.mark.parametrize("error", [None, ConnectionResetError()])
async def test_the_end_before_the_head_is_no_answer(came: bytes, error: Exception | None) -> None:
    connection, wire = connect()
    call = await begin(connection)
    connection.data_received(came) if came else None
    wire.end(error)
    with pytest.raises(NoReply):
        await call


async def test_time_ends_an_exchange_without_an_answer() -> None:
    connection, wire = connect()
    with pytest.raises(TooLate):
        await connection.exchange(b"GET", 0.01)
    assert wire.closing


async def test_time_cuts_an_answer_that_has_begun() -> None:
    connection, wire = connect()
    call = await begin(connection, 0.01)
    connection.data_received(HEAD + b"\r\n[")
    answer = await call
    assert (answer.status, answer.body, answer.cut) == (200, b"[", True)
    assert wire.closing


async def test_a_cancelled_exchange_ends_the_connection() -> None:
    connection, wire = connect()
    call = await begin(connection)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert wire.closing


async def test_an_exchange_that_is_cancelled_as_its_answer_comes_ends_the_connection() -> None:
    connection, wire = connect()
    call = await begin(connection)
    call.cancel()
    connection.data_received(WHOLE)
    with pytest.raises(asyncio.CancelledError):
        await call
    assert wire.closing


async def test_a_connection_that_ends_between_exchanges_is_not_usable() -> None:
    connection, wire = connect()
    call = await begin(connection)
    connection.data_received(WHOLE)
    await call
    wire.end(None)
    await asyncio.sleep(0)
    assert not connection.usable
