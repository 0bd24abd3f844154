"""The client over TLS: whose certificates it takes, and what it says of those it does not."""

import asyncio
from pathlib import Path

import pytest

from service.profiles import Answer, NoResponse, Response
from tests.certificates import Authority
from tests.integration.test_transport import answer_ok, client, put
from tests.raw_server import answering, raw_server


def over_tls(port: int) -> dict[str, object]:
    return {"api_url": f"https://127.0.0.1:{port}/v2", "request_timeout": 3}


def unsent(answer: Answer) -> tuple[str, str]:
    assert isinstance(answer, NoResponse)
    return answer.failure, answer.error


async def test_a_private_ca_is_trusted(authority: Authority) -> None:
    async with raw_server(answer_ok, tls=authority.context()) as raw:
        async with client(1, **over_tls(raw.port)) as api:
            assert isinstance(await put(api), Response)
            assert isinstance(await put(api), Response)
        assert raw.connections == 1


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("expired", "the certificate of 127.0.0.1, or of its CA, has expired"),
        (
            "not yet valid",
            "the certificate of 127.0.0.1 is not valid yet: is the clock of this machine right?",
        ),
        (
            "for another host",
            "the certificate at 127.0.0.1 is another server's: it does not name 127.0.0.1",
        ),
        (
            "of another CA",
            "the certificate of 127.0.0.1 is not trusted: unable to get local issuer certificate; "
            "SSL_CERT_FILE can name the file of its CA",
        ),
    ],
)
async def test_a_wrong_certificate_is_named_and_nothing_sent(
    authority: Authority, kind: str, words: str
) -> None:
    async with raw_server(answer_ok, tls=authority.context(kind)) as raw:
        async with client(1, **over_tls(raw.port)) as api:
            assert unsent(await put(api)) == ("misconfigured", words)
        assert raw.requests == []


async def test_a_private_ca_is_a_stranger_unless_it_is_named() -> None:
    async with (
        raw_server(answer_ok, tls=Authority().context()) as raw,
        client(1, **over_tls(raw.port)) as api,
    ):
        failure, words = unsent(await put(api))
    assert failure == "misconfigured"
    assert "is not trusted" in words


@pytest.mark.usefixtures("authority")
async def test_a_ca_that_is_replaced_in_its_file_is_taken_by_the_next_call(
    tmp_path: Path,
) -> None:
    renewed = Authority()
    async with (
        raw_server(answer_ok, tls=renewed.context()) as raw,
        client(1, **over_tls(raw.port)) as api,
    ):
        assert unsent(await put(api))[0] == "misconfigured"
        renewed.write(tmp_path / "ca.pem")
        assert unsent(await put(api))[0] == "misconfigured"
        assert isinstance(await put(api), Response)


def fatal(alert: int) -> bytes:
    """Write the record of a fatal alert of TLS 1.2."""
    return bytes([21, 3, 3, 0, 2, 2, alert])


@pytest.mark.parametrize(
    ("answered", "failure", "words"),
    [
        (
            b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
            "misconfigured",
            "what answers at 127.0.0.1 speaks no TLS: is it the port for plain connections?",
        ),
        (
            fatal(40),
            "misconfigured",
            "127.0.0.1 refuses the TLS handshake: other ciphers, or a client certificate? "
            "(sslv3 alert handshake failure)",
        ),
        (
            fatal(70),
            "misconfigured",
            "127.0.0.1 and this service have no version of TLS in common "
            "(tlsv1 alert protocol version)",
        ),
        (
            fatal(112),
            "misconfigured",
            "TLS with 127.0.0.1 fails (tlsv1 unrecognized name)",
        ),
        (
            fatal(80),
            "unreachable",
            "the server could not be reached (broken off)",
        ),
        (b"", "unreachable", "the server could not be reached (broken off)"),
    ],
)
async def test_a_handshake_that_fails_sends_nothing(
    answered: bytes, failure: str, words: str
) -> None:
    hellos: list[bytes] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hellos.append(await reader.read(65_536))
        writer.write(answered)
        writer.close()

    async with (
        await asyncio.start_server(refuse, "127.0.0.1", 0) as server,
        client(1, **over_tls(server.sockets[0].getsockname()[1])) as api,
    ):
        assert unsent(await put(api)) == (failure, words)
    assert len(hellos) == 1


@pytest.mark.parametrize("request_timeout", [0.5, 3])
async def test_a_handshake_that_stalls_is_no_connection(request_timeout: float) -> None:
    ended = asyncio.Event()

    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        ended.set()

    async with await asyncio.start_server(stall, "127.0.0.1", 0) as server:
        settings = over_tls(server.sockets[0].getsockname()[1])
        times = {"connect_timeout": 0.5, "request_timeout": request_timeout}
        async with client(1, **{**settings, **times}) as api:
            failure, words = unsent(await put(api))
        await ended.wait()
    assert failure == "unreachable"
    assert "no connection in time" in words


async def test_a_wrong_certificate_at_auth_url_is_named_too(authority: Authority) -> None:
    async with (
        raw_server(answer_ok) as raw,
        raw_server(answering(b"a.e30.b"), tls=authority.context("expired")) as auth,
    ):
        addresses = {
            "api_url": f"http://127.0.0.1:{raw.port}/v4",
            "auth_url": f"https://127.0.0.1:{auth.port}",
        }
        async with client(1, **addresses) as api:
            assert unsent(await put(api)) == (
                "misconfigured",
                "the certificate of 127.0.0.1, or of its CA, has expired, at AUTH_URL",
            )
        assert raw.requests == auth.requests == []
