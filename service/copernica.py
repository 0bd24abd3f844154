"""The API, one call at a time: the only place that knows the token and speaks HTTP."""

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
    {b"content-type", b"date", b"location", b"retry-after", b"x-created", b"x-location"}
)


class _NoCookies(httpx.Cookies):
    def extract_cookies(self, response: httpx.Response) -> None:
        """Keep none: a cookie must not travel from one event's call to the next."""


class _Client(httpx.AsyncClient):
    """httpx's client without its cookie jar, which also costs more than the rest of a send."""

    _none = _NoCookies()

    @property  # type: ignore[misc]
    def cookies(self) -> httpx.Cookies:
        """Give the jar that stays empty."""
        return self._none


class Copernica:
    """A client of the REST API; use it as an async context manager."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        parts = urlsplit(settings.api_url)
        self._base = httpx.URL(f"{parts.scheme}://{parts.netloc}/")
        self._path = parts.path
        token = settings.access_token.get_secret_value()
        self._token = quote(token, safe="")
        # As it is, as a URL and as PHP's JSON writes it; a short one would garble any answer.
        forms = {token, self._token, token.replace("/", r"\/")} if len(token) >= 8 else set()
        self._token_forms = [form.encode() for form in forms]
        headers = {
            "Host": parts.netloc,
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "profile-sync",
        }
        self._headers = httpx.Headers(headers)
        self._body_headers = httpx.Headers({**headers, "Content-Type": "application/json"})
        self._metrics = metrics
        self._client = _Client(
            transport=AiohttpTransport(
                connections=settings.max_in_flight,
                connect_timeout=settings.connect_timeout,
                timeout=settings.request_timeout,
                max_body=settings.max_response_bytes,
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
        except httpx.RequestError as error:
            answer: Answer = NoResponse(not never_sent(error), _words(error))
            status = type(error).__name__
        else:
            answer = Response(
                response.status_code,
                _kept(response.headers),
                self._without_token(response.content),
                response.extensions[CUT],
            )
            status = f"{response.status_code // 100}xx"
        finally:
            self._metrics.in_flight.dec()
        self._metrics.api_requests.labels(call.name, status).inc()
        self._metrics.api_request_seconds.labels(call.name).observe(time.perf_counter() - started)
        return answer

    def _without_token(self, body: bytes) -> bytes:
        for form in self._token_forms:
            body = body.replace(form, b"***")
        return body

    def _request(self, call: Call) -> httpx.Request:
        token = f"access_token={self._token}"
        query = f"{call.query}&{token}" if call.query else token
        return httpx.Request(
            call.method,
            self._base,
            headers=self._headers if call.body is None else self._body_headers,
            stream=httpx.ByteStream(call.body or b""),
            extensions={TARGET: f"{self._path}{call.path}?{query}".encode()},
        )


def _kept(headers: httpx.Headers) -> Mapping[str, str]:
    return {
        name.lower().decode(): value.decode("latin-1")
        for name, value in headers.raw
        if name.lower() in _KEPT_HEADERS
    }


def _words(error: httpx.RequestError) -> str:
    sent = "the API could not be reached" if never_sent(error) else "no answer came"
    return f"{sent} ({error})"
