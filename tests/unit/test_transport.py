import asyncio
import socket
import ssl
from collections.abc import Iterator

import aiohttp
import httpx
import pytest
from aiohttp import http_exceptions

from service.transport import never_sent, translate

# Raised while the connection is made, or before that. Each was looked up in aiohttp's source; what
# is not here counts as sent, which costs a look at the API but never creates a profile twice.
NEVER_SENT: dict[type[BaseException], type[httpx.TransportError]] = {
    aiohttp.ConnectionTimeoutError: httpx.ConnectTimeout,
    aiohttp.ClientConnectorError: httpx.ConnectError,
    aiohttp.ClientConnectorDNSError: httpx.ConnectError,
    aiohttp.ClientSSLError: httpx.ConnectError,
    aiohttp.ClientConnectorSSLError: httpx.ConnectError,
    aiohttp.ClientConnectorCertificateError: httpx.ConnectError,
    aiohttp.ClientProxyConnectionError: httpx.ConnectError,
    aiohttp.client_exceptions.UnixClientConnectorError: httpx.ConnectError,
    aiohttp.ServerFingerprintMismatch: httpx.ConnectError,
    aiohttp.ClientHttpProxyError: httpx.ProxyError,
    aiohttp.InvalidURL: httpx.UnsupportedProtocol,
    aiohttp.InvalidUrlClientError: httpx.UnsupportedProtocol,
    aiohttp.NonHttpUrlClientError: httpx.UnsupportedProtocol,
}


def family(root: type[BaseException]) -> Iterator[type[BaseException]]:
    yield root
    for child in root.__subclasses__():
        yield from family(child)


def is_aiohttps(kind: type[BaseException]) -> bool:
    return kind.__module__.partition(".")[0] in {"aiohttp", "asyncio", "builtins", "socket", "ssl"}


ROOTS: tuple[type[BaseException], ...] = (
    aiohttp.ClientError,
    http_exceptions.HttpProcessingError,
    OSError,
    TimeoutError,
)
ALL = sorted(
    {kind for root in ROOTS for kind in family(root) if is_aiohttps(kind)},
    key=lambda kind: kind.__qualname__,
)


def bare(kind: type[BaseException]) -> BaseException:
    """An instance; what a constructor wants has no part in the map."""
    return kind.__new__(kind)


def test_there_are_exceptions_to_map() -> None:
    assert len(ALL) > 50
    assert set(NEVER_SENT) < set(ALL)
    assert {
        aiohttp.ServerDisconnectedError,
        aiohttp.SocketTimeoutError,
        aiohttp.ClientOSError,
        http_exceptions.TransferEncodingError,
        asyncio.TimeoutError,
        ConnectionResetError,
        socket.gaierror,
        ssl.SSLError,
    } <= set(ALL)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__qualname__)
def test_only_what_is_surely_unsent_counts_as_unsent(kind: type[BaseException]) -> None:
    assert never_sent(translate(bare(kind))) is (kind in NEVER_SENT)


@pytest.mark.parametrize("kind", NEVER_SENT, ids=lambda kind: kind.__qualname__)
def test_says_why_nothing_was_sent(kind: type[BaseException]) -> None:
    assert type(translate(bare(kind))) is NEVER_SENT[kind]


@pytest.mark.parametrize(
    ("kind", "ours"),
    [
        (aiohttp.SocketTimeoutError, httpx.ReadTimeout),
        (aiohttp.ServerTimeoutError, httpx.ReadTimeout),
        (TimeoutError, httpx.ReadTimeout),
        (aiohttp.ServerDisconnectedError, httpx.RemoteProtocolError),
        (aiohttp.ClientPayloadError, httpx.RemoteProtocolError),
        (aiohttp.ClientResponseError, httpx.RemoteProtocolError),
        (aiohttp.ClientOSError, httpx.ReadError),
        (ConnectionResetError, httpx.ReadError),
        (BrokenPipeError, httpx.ReadError),
        (http_exceptions.TransferEncodingError, httpx.ReadError),
        (RuntimeError, httpx.ReadError),
    ],
    ids=lambda kind: kind.__qualname__,
)
def test_says_how_an_answer_failed(
    kind: type[BaseException], ours: type[httpx.TransportError]
) -> None:
    assert type(translate(bare(kind))) is ours


def test_repeats_nothing_of_the_error_but_its_name() -> None:
    error = translate(aiohttp.InvalidURL("https://h/v2?access_token=tok-3f9c", "tok-3f9c"))
    assert str(error) == "InvalidURL"
    assert error.__cause__ is None
    assert "tok-3f9c" not in repr(error)


OF_HTTPX: list[type[httpx.TransportError]] = [
    kind for kind in family(httpx.TransportError) if issubclass(kind, httpx.TransportError)
]


@pytest.mark.parametrize("kind", OF_HTTPX, ids=lambda kind: kind.__qualname__)
def test_trusts_no_other_exception_of_httpx(kind: type[httpx.TransportError]) -> None:
    assert never_sent(kind("x")) is (kind in set(NEVER_SENT.values()))
