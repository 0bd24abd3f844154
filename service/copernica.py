"""The API, one call at a time: the only place that knows the token and speaks HTTP."""

import http.cookiejar
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self
from urllib.parse import quote, urlsplit

import httpx

from service.metrics import Metrics
from service.profiles import Answer, Call, NoResponse, Response
from service.settings import Settings
from service.transport import CUT, TARGET, AiohttpTransport, never_sent

_KEPT_HEADERS = frozenset(
    {"content-type", "date", "location", "retry-after", "x-created", "x-location"}
)


class Copernica:
    """A client of the REST API; use it as an async context manager."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        parts = urlsplit(settings.api_url)
        self._base = httpx.URL(f"{parts.scheme}://{parts.netloc}/")
        self._path = parts.path
        self._token = quote(settings.access_token.get_secret_value(), safe="")
        self._metrics = metrics
        self._client = httpx.AsyncClient(
            transport=AiohttpTransport(
                connections=settings.max_in_flight,
                connect_timeout=settings.connect_timeout,
                timeout=settings.request_timeout,
                max_body=settings.max_response_bytes,
            ),
            # A cookie of the API must not travel from one event's call to the next.
            cookies=http.cookiejar.CookieJar(
                http.cookiejar.DefaultCookiePolicy(allowed_domains=[])
            ),
            follow_redirects=False,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._client.__aexit__(exc_type, exc_value, traceback)

    async def send(self, call: Call) -> Answer:
        """Make a call: at most one request on the wire, and no exception for any answer."""
        started = time.perf_counter()
        self._metrics.in_flight.inc()
        try:
            response = await self._client.send(self._request(call))
        except httpx.TransportError as error:
            answer: Answer = NoResponse(not never_sent(error), _words(error))
            status = type(error).__name__
        else:
            answer = Response(
                response.status_code,
                _kept(response.headers),
                response.content,
                response.extensions[CUT],
            )
            status = f"{response.status_code // 100}xx"
        finally:
            self._metrics.in_flight.dec()
        self._metrics.api_requests.labels(call.name, status).inc()
        self._metrics.api_request_seconds.labels(call.name).observe(time.perf_counter() - started)
        return answer

    def _request(self, call: Call) -> httpx.Request:
        token = f"access_token={self._token}"
        query = f"{call.query}&{token}" if call.query else token
        headers = {
            "Host": self._base.netloc.decode(),
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "profile-sync",
        }
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        return httpx.Request(
            call.method,
            self._base,
            headers=headers,
            content=call.body,
            extensions={TARGET: f"{self._path}{call.path}?{query}".encode()},
        )


def _kept(headers: httpx.Headers) -> Mapping[str, str]:
    return {name: value for name, value in headers.items() if name in _KEPT_HEADERS}


def _words(error: httpx.TransportError) -> str:
    sent = "the API could not be reached" if never_sent(error) else "no complete answer came"
    return f"{sent} ({error})"
