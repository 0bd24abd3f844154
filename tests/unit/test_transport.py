from collections.abc import Iterator

import httpx
import pytest

from service.connector import CertificateError, ProxyRefusal, TLSError
from service.profiles import Failure
from service.transport import failure

# What the transport raises before a byte of the request was written; all else may have been sent.
UNSENT: dict[type[httpx.TransportError], Failure] = {
    httpx.ConnectError: "unreachable",
    httpx.ConnectTimeout: "unreachable",
    httpx.ProxyError: "unreachable",
    CertificateError: "misconfigured",
    TLSError: "misconfigured",
    ProxyRefusal: "misconfigured",
    httpx.UnsupportedProtocol: "misconfigured",
}


def family(root: type[httpx.TransportError]) -> Iterator[type[httpx.TransportError]]:
    yield root
    for child in root.__subclasses__():
        yield from family(child)


OF_HTTPX = list(family(httpx.TransportError))


@pytest.mark.parametrize("kind", OF_HTTPX, ids=lambda kind: kind.__qualname__)
def test_tells_what_is_surely_unsent_from_what_may_be_sent(
    kind: type[httpx.TransportError],
) -> None:
    assert failure(kind("x")) == UNSENT.get(kind, "no-answer")


def test_there_is_much_that_may_be_sent() -> None:
    assert len(OF_HTTPX) - len(UNSENT) >= 10
