"""The API, one call at a time: the only place that knows the token and speaks HTTP."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import lru_cache
from types import TracebackType
from typing import Self
from urllib.parse import quote, urlsplit

import httpx

from service import logs, proxies
from service.answers import judge
from service.limits import SharedRate
from service.metrics import Metrics
from service.profiles import Answer, Call, NoResponse, Response
from service.settings import Settings
from service.tokens import Token, post_token, read_token
from service.tracing import Tracing
from service.transport import CUT, EXPLAINED, SECONDS, TARGET, Transport, failure, origin

_KEPT_HEADERS = {
    name.encode(): name
    for name in ("content-type", "date", "location", "retry-after", "x-created", "x-location")
}
_REFUSED_AGAIN = 60.0  # seconds after a refused token in which another one is not replaced


class _Request(httpx.Request):
    """A request of parts that are made once: httpx would copy them for each."""

    def __init__(
        self,
        method: str,
        url: httpx.URL,
        headers: httpx.Headers,
        body: bytes,
        extensions: dict[str, object],
    ) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.stream = httpx.ByteStream(body)
        self.extensions = extensions


class _Server:
    """Where calls go, and what each of them carries; `query` is added to a call's own."""

    def __init__(self, url: str, query: str = "") -> None:
        parts = urlsplit(url)
        self.url = url
        self._host = parts.netloc
        self._origin = httpx.URL(f"{parts.scheme}://{parts.netloc}/")
        self._path = parts.path
        self._query = query

    def request(self, call: Call, token: Token | None, seconds: float) -> httpx.Request:
        content_type = "" if call.body is None else call.content_type
        target = f"{self._path}{call.path}" or "/"
        query = "&".join(filter(None, (call.query, self._query)))
        return _Request(
            call.method,
            self._origin,
            _headers(self._host, content_type, "" if token is None else token.text),
            call.body or b"",
            {
                TARGET: (f"{target}?{query}" if query else target).encode(),
                SECONDS: seconds,
            },
        )


@lru_cache(maxsize=16)
def _headers(host: str, content_type: str, bearer: str) -> httpx.Headers:
    # Made once for each kind of call: to make them costs more than to send them.
    headers = {
        "Host": host,
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": "profile-sync",
        "Content-Type": content_type,
        "Authorization": bearer and f"Bearer {bearer}",
    }
    return httpx.Headers({name: value for name, value in headers.items() if value})


class Tokens:
    """The JWT of version 4: fetched when needed, by one call however many wait for it.

    `now` is a clock in seconds.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[Token | NoResponse]],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._now = now
        self._fetching: asyncio.Task[Token | NoResponse] | None = None
        self._current: Token | None = None
        self._received = self._refused = -math.inf

    async def get(self) -> Token | NoResponse:
        """Give the one in use until shortly before its end, then a new one."""
        if self._current and self._now() < self._received + self._current.usable:
            return self._current
        if self._fetching is None:
            self._fetching = asyncio.get_running_loop().create_task(self._renew())
        # A call that is cancelled must not take the token away from the others.
        return await asyncio.shield(self._fetching)

    def replace(self, token: Token) -> bool:
        """Forget a token that the API refuses; False if the one before was refused just now."""
        if self._current is token:
            if self._now() < self._refused + _REFUSED_AGAIN:
                return False
            self._current, self._refused = None, self._now()
        return True

    def close(self) -> None:
        """End a fetch that nobody waits for."""
        if self._fetching is not None:
            self._fetching.cancel()

    async def _renew(self) -> Token | NoResponse:
        try:
            token = await self._fetch()
            self._current = token if isinstance(token, Token) else None
            self._received = self._now()
            return token
        finally:
            self._fetching = None


class Copernica:
    """A client of the REST API; use it as an async context manager.

    Up to version 3 the access token is part of the query; version 4 takes a JWT in a header.
    """

    def __init__(
        self, settings: Settings, metrics: Metrics, tracing: Tracing | None = None
    ) -> None:
        self._tracing = tracing
        self._url = settings.api_url
        self._auth = _Server(settings.auth_url)
        self._token_file = settings.access_token_file
        self._forms: set[bytes] = set()
        self._use_token(settings.access_token.get_secret_value())
        self._timeout = settings.request_timeout
        rate = settings.rate_limit
        self._rate = SharedRate(rate) if rate else None
        self._metrics = metrics
        # Not by way of httpx's client: its redirects, cookies and logins are not wanted, and cost
        # as much as all the rest of a call.
        self._transport: httpx.AsyncBaseTransport = Transport(
            connect_timeout=settings.connect_timeout,
            timeout=settings.request_timeout,
            max_body=settings.max_response_bytes,
            proxies=_proxies(settings.called),
        )

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._tokens is not None:
            self._tokens.close()
        await self._transport.__aexit__(exc_type, exc_value, traceback)

    async def turn(self) -> None:
        """Wait until this process's share of RATE_LIMIT allows one more call."""
        if self._rate is not None:
            await self._rate.turn()

    def share(self, part: float) -> None:
        """Have such a part of RATE_LIMIT from now on; the other replicas have the rest."""
        if self._rate is not None:
            self._rate.change(part)

    async def send(self, call: Call, *, has_turn: bool = False) -> Answer:
        """Make a call within REQUEST_TIMEOUT of its turn; no answer is an exception.

        At most one request for it is on the wire, but with version 4: one that is refused for its
        token, and so not looked at, is made once more with a new one, in the time that is left.
        With `has_turn` the caller has waited for it.
        """
        if not has_turn:
            await self.turn()
        used = self._access_token
        answer = await self._with_token(call)
        if self._token_file is None:
            return answer
        replaced = judge(answer).meaning == "token" and (
            self._access_token != used or self.reread_token()
        )
        return NoResponse("unreachable", "the access token was replaced") if replaced else answer

    async def _with_token(self, call: Call) -> Answer:
        tokens, api = self._tokens, self._api
        if tokens is None:
            return await self._exchange(call, api, self._timeout)
        loop = asyncio.get_running_loop()
        ends = loop.time() + self._timeout
        token = await self._token(tokens, ends)
        if isinstance(token, NoResponse):
            return token
        answer = await self._exchange(call, api, ends - loop.time(), token)
        if judge(answer).meaning != "token" or not tokens.replace(token):
            return answer
        token = await self._token(tokens, ends)
        if isinstance(token, NoResponse):
            return token
        await self.turn()
        if loop.time() >= ends:
            return NoResponse("unreachable", "the API's turn came too late for the call")
        return await self._exchange(call, api, ends - loop.time(), token)

    def reread_token(self) -> bool:
        """Take over the access token of its file; True if it is another one than before."""
        if self._token_file is None:
            return False
        try:
            token = self._token_file.read_text().strip()
        except (OSError, ValueError):
            return False  # It is just being replaced, or gone: the one in use may still do.
        if token == self._access_token or not token.isprintable() or " " in token or not token:
            return False
        logs.hide(token)
        self._use_token(token)
        return True

    def _use_token(self, token: str) -> None:
        self._access_token = token
        in_header = self._url.endswith("/v4")
        query = "" if in_header else f"access_token={quote(token, safe='')}"
        self._api = _Server(self._url, query)
        self._tokens = Tokens(self._fetch_token) if in_header else None
        self._forms |= _forms(token)  # An answer still to come may repeat the one before.

    async def _token(self, tokens: Tokens, ends: float) -> Token | NoResponse:
        """Get a token while there is time left for the call."""
        try:
            async with asyncio.timeout_at(ends):
                return await tokens.get()
        except TimeoutError:
            return NoResponse("unreachable", "AUTH_URL gave no token in time")

    async def _fetch_token(self) -> Token | NoResponse:
        call = post_token(self._access_token)
        return read_token(await self._exchange(call, self._auth, self._timeout), time.time())

    async def _exchange(
        self, call: Call, server: _Server, seconds: float, token: Token | None = None
    ) -> Answer:
        started = time.perf_counter()
        self._metrics.in_flight.inc()
        span = self._tracing.call(call, server.url) if self._tracing else None
        try:
            request = server.request(call, token, seconds)
            response = await self._transport.handle_async_request(request)
            body = await response.aread()
        except httpx.RequestError as error:
            answer: Answer = NoResponse(failure(error), _words(error))
            status = type(error).__name__
        except BaseException:
            if span is not None:
                span.end()
            raise
        else:
            # The answer of AUTH_URL is a token; no other may repeat one.
            body = body if server is self._auth else self._without_tokens(body, token)
            answer = Response(
                response.status_code, _kept(response.headers), body, response.extensions[CUT]
            )
            status = f"{response.status_code // 100}xx"
        finally:
            self._metrics.in_flight.dec()
        if self._tracing is not None and span is not None:
            self._tracing.answered(span, answer)
        self._metrics.api_requests(call.name, status).inc()
        self._metrics.api_request_seconds(call.name).observe(time.perf_counter() - started)
        return answer

    def _without_tokens(self, body: bytes, token: Token | None) -> bytes:
        for form in self._forms:
            body = body.replace(form, b"***")
        return body if token is None else body.replace(token.text.encode(), b"***")


def _proxies(addresses: Iterable[str]) -> Mapping[str, str]:
    found = {httpx.URL(address): proxies.proxy_for(address) for address in addresses}
    return {origin(to): proxy for to, proxy in found.items() if proxy}


def _forms(token: str) -> set[bytes]:
    """Write a token as it is, as a URL and as PHP's JSON; a short one would garble any answer."""
    if len(token) < 8:
        return set()
    return {form.encode() for form in (token, quote(token, safe=""), token.replace("/", r"\/"))}


def _kept(headers: httpx.Headers) -> Mapping[str, str]:
    return {
        kept: value.decode("latin-1")
        for name, value in headers.raw
        if (kept := _KEPT_HEADERS.get(name.lower())) is not None
    }


def _words(error: httpx.RequestError) -> str:
    if isinstance(error, EXPLAINED):
        return str(error)
    match failure(error):
        case "no-answer":
            text = "no answer came"
        case "misconfigured":
            text = "the address cannot be used"
        case _:
            text = "the server could not be reached"
            if isinstance(error, httpx.ProxyError):
                text = "the way through the proxy is broken"
    return f"{text} ({error})"
