import socket
import ssl
from collections.abc import Iterator

import aiohttp
import httpx
import pytest
from aiohttp import http_exceptions

from service.profiles import Failure
from service.transport import CertificateError, failure, translate

errors = aiohttp.client_exceptions

# Each was looked up in aiohttp's source; one that a new version adds fails a test until it is
# here. What counts as sent costs a look at the API, but never creates a profile twice.
FAILURES: dict[type[BaseException], tuple[Failure, type[httpx.TransportError]]] = {
    # Raised while the connection is made, or before that.
    errors.ConnectionTimeoutError: ("unreachable", httpx.ConnectTimeout),
    errors.ClientConnectorError: ("unreachable", httpx.ConnectError),
    errors.ClientConnectorDNSError: ("unreachable", httpx.ConnectError),
    errors.ClientSSLError: ("unreachable", httpx.ConnectError),
    errors.ClientConnectorSSLError: ("unreachable", httpx.ConnectError),
    errors.ClientProxyConnectionError: ("unreachable", httpx.ConnectError),
    errors.UnixClientConnectorError: ("unreachable", httpx.ConnectError),
    errors.ClientHttpProxyError: ("unreachable", httpx.ProxyError),
    errors.ClientConnectorCertificateError: ("misconfigured", CertificateError),
    errors.ServerFingerprintMismatch: ("misconfigured", CertificateError),
    errors.InvalidURL: ("misconfigured", httpx.UnsupportedProtocol),
    errors.InvalidUrlClientError: ("misconfigured", httpx.UnsupportedProtocol),
    errors.NonHttpUrlClientError: ("misconfigured", httpx.UnsupportedProtocol),
    # Raised when something was written, or by a parent of all.
    errors.ClientError: ("no-answer", httpx.ReadError),
    errors.ClientConnectionError: ("no-answer", httpx.ReadError),
    errors.ClientConnectionResetError: ("no-answer", httpx.ReadError),
    errors.ClientOSError: ("no-answer", httpx.ReadError),
    errors.UploadAbortedError: ("no-answer", httpx.ReadError),
    errors.ServerTimeoutError: ("no-answer", httpx.ReadTimeout),
    errors.SocketTimeoutError: ("no-answer", httpx.ReadTimeout),
    errors.ServerConnectionError: ("no-answer", httpx.ReadError),
    errors.ServerDisconnectedError: ("no-answer", httpx.RemoteProtocolError),
    errors.ClientPayloadError: ("no-answer", httpx.RemoteProtocolError),
    errors.ClientResponseError: ("no-answer", httpx.RemoteProtocolError),
    errors.ContentTypeError: ("no-answer", httpx.RemoteProtocolError),
    errors.WSServerHandshakeError: ("no-answer", httpx.RemoteProtocolError),
    errors.TooManyRedirects: ("no-answer", httpx.RemoteProtocolError),
    errors.RedirectClientError: ("no-answer", httpx.RemoteProtocolError),
    errors.InvalidUrlRedirectClientError: ("no-answer", httpx.RemoteProtocolError),
    errors.NonHttpUrlRedirectClientError: ("no-answer", httpx.RemoteProtocolError),
}


def family(root: type[BaseException]) -> Iterator[type[BaseException]]:
    yield root
    for child in root.__subclasses__():
        yield from family(child)


def is_theirs(kind: type[BaseException]) -> bool:
    return kind.__module__.partition(".")[0] in {"aiohttp", "asyncio", "builtins", "socket", "ssl"}


def of_python(root: type[BaseException]) -> list[type[BaseException]]:
    """What the transport sees of the exceptions below `root` that aiohttp passes through."""
    kinds = {kind for kind in family(root) if is_theirs(kind) and kind not in FAILURES}
    return sorted(kinds, key=lambda kind: kind.__qualname__)


PASSED_THROUGH = [
    *of_python(http_exceptions.HttpProcessingError),
    *of_python(OSError),
    RuntimeError,
]
OF_HTTPX: list[type[httpx.TransportError]] = [
    kind for kind in family(httpx.TransportError) if issubclass(kind, httpx.TransportError)
]


def bare(kind: type[BaseException]) -> BaseException:
    """An instance; what a constructor wants has no part in the map."""
    return kind.__new__(kind)


def test_every_exception_of_the_client_is_known() -> None:
    known = {kind for kind in family(aiohttp.ClientError) if is_theirs(kind)}
    assert known == set(FAILURES)


@pytest.mark.parametrize("kind", FAILURES, ids=lambda kind: kind.__qualname__)
def test_tells_what_is_surely_unsent_from_what_may_be_sent(kind: type[BaseException]) -> None:
    error = translate(bare(kind))
    assert (failure(error), type(error)) == FAILURES[kind]


@pytest.mark.parametrize("kind", PASSED_THROUGH, ids=lambda kind: kind.__qualname__)
def test_whatever_else_comes_may_have_been_sent(kind: type[BaseException]) -> None:
    error = translate(bare(kind))
    ours = httpx.ReadTimeout if issubclass(kind, TimeoutError) else httpx.ReadError
    assert (failure(error), type(error)) == ("no-answer", ours)


def test_there_is_much_that_is_passed_through() -> None:
    assert len(PASSED_THROUGH) > 20
    assert {
        http_exceptions.TransferEncodingError,
        ConnectionResetError,
        BrokenPipeError,
        TimeoutError,
        socket.gaierror,
        ssl.SSLError,
    } <= set(PASSED_THROUGH)


@pytest.mark.parametrize("kind", OF_HTTPX, ids=lambda kind: kind.__qualname__)
def test_trusts_no_other_exception_of_httpx(kind: type[httpx.TransportError]) -> None:
    unsent = {ours for name, ours in FAILURES.values() if name != "no-answer"}
    assert (failure(kind("x")) != "no-answer") is (kind in unsent)


def test_repeats_nothing_of_the_error_but_its_name() -> None:
    error = translate(aiohttp.InvalidURL("https://h/v2?access_token=tok-3f9c", "tok-3f9c"))
    assert str(error) == "InvalidURL"
    assert error.__cause__ is None
    assert "tok-3f9c" not in repr(error)
