"""A new connection to a server: TCP, the way through a proxy, TLS. If it fails, nothing was sent.

Source: RFC 9110, "CONNECT"; RFC 8305 for hosts with several addresses.
"""

import asyncio
import base64
import os
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar
from urllib.parse import unquote, urlsplit

import aiohappyeyeballs
import httpx

from service import tls
from service.http1 import LARGEST_HEAD, Connection

_NEXT_ADDRESS = 0.25  # seconds until a host's next address is tried as well
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})\b")
_BUSY = (408, 429)  # a proxy's statuses that pass by themselves, as those from 500 on do
_CA = "SSL_CERT_FILE"

_Protocol = TypeVar("_Protocol", bound=asyncio.BaseProtocol)


class CertificateError(httpx.ConnectError):
    """The server's certificate is not trusted, or is another server's; the text says why."""


class TLSError(httpx.ConnectError):
    """The server and this client cannot agree on TLS; the text says why."""


class ProxyRefusal(httpx.ProxyError):
    """The proxy will not connect to the server; the text says why."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy on the way to a server; `login` is what it is told of its user, "" for none."""

    host: str
    port: int
    encrypted: bool
    login: str

    @classmethod
    def of(cls, url: str) -> "Proxy":
        """Read a URL, such as http://user:password@proxy.example.com:3128."""
        parts = urlsplit(url)
        encrypted = parts.scheme == "https"
        user = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
        login = "" if user == ":" else base64.b64encode(user.encode("latin-1")).decode()
        port = parts.port or (443 if encrypted else 80)
        return cls(parts.hostname or "", port, encrypted, login and f"Basic {login}")


class Connector:
    """Makes connections; the server's certificate and name are always checked."""

    def __init__(self, max_body: int) -> None:
        self._max_body = max_body
        self._context: ssl.SSLContext | None = None  # To read all CAs takes 50 ms.

    async def connect(self, url: httpx.URL, proxy: Proxy | None, seconds: float) -> Connection:
        """Connect to the server of a URL.

        Raises:
            httpx.TransportError: within so many seconds there was no connection.
        """
        make = partial(Connection, self._max_body)
        encrypted = url.scheme == "https"
        try:
            async with asyncio.timeout(seconds):
                if proxy is None:
                    port = url.port or (443 if encrypted else 80)
                    return (await self._reach(make, _host(url), port, encrypted))[1]
                return await self._pass(make, url, proxy, encrypted)
        except TimeoutError:
            raise httpx.ConnectTimeout("there was no connection in time") from None
        except UnicodeError:
            raise httpx.UnsupportedProtocol("the host is no name") from None
        except OSError as error:
            raise self._in_words(error, _host(url)) from None

    async def _reach(
        self, make: Callable[[], _Protocol], host: str, port: int, encrypted: bool
    ) -> tuple[asyncio.Transport, _Protocol]:
        loop = asyncio.get_running_loop()
        context = self._trusting() if encrypted else None
        addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        reached = await aiohappyeyeballs.start_connection(
            addresses, happy_eyeballs_delay=_NEXT_ADDRESS
        )
        return await loop.create_connection(
            make,
            sock=reached,
            ssl=context,
            server_hostname=host if encrypted else None,
        )

    async def _pass(
        self, make: Callable[[], Connection], url: httpx.URL, proxy: Proxy, encrypted: bool
    ) -> Connection:
        """Connect by way of a proxy: through it to a server with TLS, else just to it.

        Raises:
            httpx.ProxyError: the way is broken, or the proxy refuses it.
        """
        try:
            if not encrypted:
                way = await self._reach(make, proxy.host, proxy.port, proxy.encrypted)
                return way[1]
            transport, tunnel = await self._reach(_Tunnel, proxy.host, proxy.port, proxy.encrypted)
        except OSError as error:
            raise self._of_the_proxy(error) from None
        try:
            await _open(transport, tunnel, url, proxy)
            connection = make()
            # The server may speak before the event loop has told of its TLS.
            connection.connection_made(transport)
            encrypting = await asyncio.get_running_loop().start_tls(
                transport, connection, self._trusting(), server_hostname=_host(url)
            )
        except BaseException:
            transport.abort()
            raise
        if encrypting is None:
            raise httpx.ProxyError("broken off")
        connection.connection_made(encrypting)
        return connection

    def _trusting(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = tls.trusting(None)
            self._context.set_alpn_protocols(["http/1.1"])
        return self._context

    def _in_words(self, error: OSError, host: str) -> httpx.TransportError:
        match error:
            case ssl.SSLCertVerificationError():
                if self._context is not None:
                    # The next call may find a CA that is there since.
                    self._context.load_default_certs()
                return CertificateError(tls.words(error, host, _CA))
            case ssl.SSLError() if tls.to_mend(error):
                return TLSError(tls.words(error, host, _CA))
            case ssl.SSLError():
                return httpx.ConnectError("broken off")
            case _:
                return httpx.ConnectError(_reason(error))

    def _of_the_proxy(self, error: OSError) -> httpx.TransportError:
        ours = self._in_words(error, "the proxy")
        if isinstance(ours, CertificateError | TLSError):
            return ours
        return httpx.ProxyError(str(ours))


class _Tunnel(asyncio.Protocol):
    """Waits for the status of a proxy's answer to CONNECT."""

    def __init__(self) -> None:
        self.status: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._head = b""

    def data_received(self, data: bytes) -> None:
        self._head += data
        whole = b"\r\n\r\n" in self._head or len(self._head) > LARGEST_HEAD
        if self.status.done() or not whole:
            return
        if found := _STATUS.match(self._head):
            self.status.set_result(int(found[1]))
        else:
            self.status.set_exception(httpx.ProxyError("not HTTP"))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if not self.status.done():
            self.status.set_exception(httpx.ProxyError("broken off"))


async def _open(
    transport: asyncio.Transport, tunnel: _Tunnel, url: httpx.URL, proxy: Proxy
) -> None:
    """Ask a proxy for a way to the server of a URL.

    Raises:
        httpx.ProxyError: it gives none.
    """
    host = _host(url)
    server = f"[{host}]:{url.port or 443}" if ":" in host else f"{host}:{url.port or 443}"
    login = f"Proxy-Authorization: {proxy.login}\r\n" if proxy.login else ""
    head = f"CONNECT {server} HTTP/1.1\r\nHost: {server}\r\n{login}\r\n"
    transport.write(head.encode())
    status = await tunnel.status
    if status == 407:
        raise ProxyRefusal("the proxy wants a user and a password, or others (status 407)")
    if 300 <= status < 500 and status not in _BUSY:
        raise ProxyRefusal(f"the proxy does not connect to this server (status {status})")
    if not 200 <= status < 300:
        raise httpx.ProxyError(f"status {status}")


def _host(url: httpx.URL) -> str:
    """Give a host in the letters it is looked up by: httpx shows foreign names as they are read."""
    return url.raw_host.decode()


def _reason(error: OSError) -> str:
    """Say what went wrong, without the addresses that event loops put into their texts."""
    if isinstance(error, socket.gaierror):
        return "its name has no address"
    if error.errno:
        return os.strerror(error.errno).lower()
    return "broken off" if isinstance(error, ConnectionError) else "none of its addresses answers"
