"""The client over a scripted transport; what is on the wire is for integration tests."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from service.copernica import Tokens
from service.metrics import Metrics
from service.profiles import Call, NoResponse, Response, get_profile, put_profiles
from service.tokens import Token
from service.transport import SECONDS, TARGET, failure
from tests.unit.doubles import ScriptedCopernica, http_response
from tests.unit.samples import TOKEN, delivery, event, settings, update
from tests.unit.test_tokens import jwt
from tests.unit.test_transport import OF_HTTPX
from tests.unit.world import World

PUT = Call("put-profiles", "PUT", "/database/1234/profiles", "fields%5B%5D=a%3D%3D1", b"{}")


class Api:
    """A client, and the requests it hands to its transport."""

    def __init__(
        self, answer: Callable[[httpx.Request], httpx.Response] | None = None, **values: Any
    ) -> None:
        self.requests: list[httpx.Request] = []
        self.metrics = Metrics()
        self._answer = answer or (lambda _: http_response())
        self.client = ScriptedCopernica(settings(**values), self.metrics, self._handle)

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self._answer(request)

    @property
    def target(self) -> str:
        written: bytes = self.requests[-1].extensions[TARGET]
        return written.decode()

    def sample(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"profile_sync_{name}", labels)


def failing(error: Exception) -> Callable[[httpx.Request], httpx.Response]:
    def answer(_request: httpx.Request) -> httpx.Response:
        raise error

    return answer


async def test_adds_the_base_and_the_token_to_a_call() -> None:
    api = Api()
    await api.client.send(put_profiles(update(create=True)))
    (request,) = api.requests
    assert request.method == "PUT"
    assert str(request.url) == "https://api.copernica.com/"
    assert api.target == (
        "/v2/database/1234/profiles?fields%5B%5D=customerid%3D%3D4567&create=1&async=0"
        f"&access_token={quote(TOKEN, safe='')}"
    )


async def test_adds_the_token_to_a_call_without_a_query() -> None:
    api = Api(api_url="https://api.copernica.com/v3")
    await api.client.send(get_profile("18381"))
    assert api.target == f"/v3/profile/18381?access_token={quote(TOKEN, safe='')}"


@pytest.mark.parametrize(
    ("token", "written"),
    [("xxxx", "xxxx"), ("ab+c/d=", "ab%2Bc%2Fd%3D"), ("a&b#c%d", "a%26b%23c%25d"), ("é", "%C3%A9")],
)
async def test_escapes_the_token(token: str, written: str) -> None:
    api = Api(access_token=token)
    await api.client.send(PUT)
    assert api.target.rpartition("access_token=")[2] == written


async def test_sends_a_body_as_json() -> None:
    api = Api()
    await api.client.send(PUT)
    (request,) = api.requests
    assert await request.aread() == b"{}"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["accept"] == "application/json"


async def test_sends_no_body_and_no_type_with_a_get() -> None:
    api = Api()
    await api.client.send(get_profile("1"))
    (request,) = api.requests
    assert await request.aread() == b""
    assert "content-type" not in request.headers


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://api.copernica.com/v2", "api.copernica.com"),
        ("http://127.0.0.1:8080/v2", "127.0.0.1:8080"),
        ("http://[::1]:8080/v2", "[::1]:8080"),
    ],
)
async def test_names_the_host(url: str, host: str) -> None:
    api = Api(api_url=url)
    await api.client.send(PUT)
    assert api.requests[0].headers["host"] == host


async def test_keeps_the_token_out_of_all_but_the_target() -> None:
    api = Api()
    await api.client.send(PUT)
    (request,) = api.requests
    for text in (repr(request), str(request.url), repr(request.headers), repr(api.client)):
        assert TOKEN not in text
        assert quote(TOKEN, safe="") not in text


async def test_gives_the_answer_with_the_headers_that_matter() -> None:
    headers = [
        ("X-Created", "42"),
        ("Location", "https://api.copernica.com/profile/42"),
        ("DATE", "Mon, 23 Nov 2026 10:00:00 GMT"),
        ("Retry-After", "5"),
        ("Content-Type", "application/json"),
        ("X-location", "x"),
        ("Set-Cookie", "a=b"),
        ("Server", "x"),
    ]
    api = Api(lambda _: http_response(303, b"[]", headers))
    assert await api.client.send(PUT) == Response(
        303,
        {
            "x-created": "42",
            "location": "https://api.copernica.com/profile/42",
            "date": "Mon, 23 Nov 2026 10:00:00 GMT",
            "retry-after": "5",
            "content-type": "application/json",
            "x-location": "x",
        },
        b"[]",
    )


async def test_follows_no_redirect() -> None:
    api = Api(lambda _: http_response(303, headers={"Location": "https://elsewhere.example/"}))
    answer = await api.client.send(PUT)
    assert isinstance(answer, Response)
    assert answer.status == 303
    assert len(api.requests) == 1


async def test_says_that_a_body_was_cut() -> None:
    answer = await Api(lambda _: http_response(200, b"[", cut=True)).client.send(PUT)
    assert isinstance(answer, Response)
    assert answer.cut


async def test_keeps_no_cookies() -> None:
    api = Api(lambda _: http_response(headers={"Set-Cookie": "session=1; Path=/"}))
    await api.client.send(PUT)
    await api.client.send(PUT)
    assert "cookie" not in api.requests[1].headers


@pytest.mark.parametrize("status", [100, 200, 303, 400, 404, 429, 500, 599])
async def test_no_status_is_an_exception(status: int) -> None:
    answer = await Api(lambda _: http_response(status)).client.send(PUT)
    assert isinstance(answer, Response)
    assert answer.status == status


async def test_a_header_in_another_charset_is_no_exception() -> None:
    answer = await Api(lambda _: http_response(headers=[(b"Location", b"\xff")])).client.send(PUT)
    assert isinstance(answer, Response)


@pytest.mark.parametrize("kind", OF_HTTPX, ids=lambda k: k.__qualname__)
async def test_a_call_without_an_answer_is_no_exception(kind: type[httpx.TransportError]) -> None:
    error = kind("SomeError")
    api = Api(failing(error))
    answer = await api.client.send(PUT)
    assert isinstance(answer, NoResponse)
    assert answer.failure == failure(error)
    assert "SomeError" in answer.error
    assert TOKEN not in answer.error
    assert api.sample("api_requests_total", call="put-profiles", status=kind.__name__) == 1
    assert api.sample("in_flight") == 0


async def test_counts_calls_by_status_class() -> None:
    statuses = iter([200, 204, 303, 404])
    api = Api(lambda _: http_response(next(statuses)))
    for _ in range(4):
        await api.client.send(PUT)
    for status, count in (("2xx", 2), ("3xx", 1), ("4xx", 1)):
        assert api.sample("api_requests_total", call="put-profiles", status=status) == count
    assert api.sample("api_request_seconds_count", call="put-profiles") == 4


async def test_counts_a_call_while_it_runs() -> None:
    seen: list[float | None] = []

    def answer(_request: httpx.Request) -> httpx.Response:
        seen.append(api.sample("in_flight"))
        return http_response()

    api = Api(answer)
    await api.client.send(PUT)
    assert (seen, api.sample("in_flight")) == ([1], 0)


@pytest.mark.parametrize("form", [TOKEN, quote(TOKEN, safe="")], ids=["plain", "in a URL"])
@pytest.mark.parametrize("slash", ["/", r"\/"], ids=["a plain slash", "an escaped slash"])
async def test_a_token_that_the_api_repeats_is_not_published(form: str, slash: str) -> None:
    text = json.dumps({"error": {"message": f"The token {form} may not write here"}})
    message = text.replace("/", slash).encode()

    def answer(_request: httpx.Request) -> httpx.Response:
        return http_response(400, message)

    world = World(api=lambda made, metrics: ScriptedCopernica(made, metrics, answer))
    world.worker.receive(delivery(event()))
    await world.pass_time(1)
    assert len(world.link.published) == 2
    for published in world.link.published:
        assert form.encode() not in published.body
        assert form not in repr(published.properties)


class Version4:
    """A version 4 of the API and its AUTH_URL: gives tokens 1, 2, ... and refuses what it must.

    Either takes some seconds of the loop's clock.
    """

    def __init__(self, lifetime: float = 86_400, **values: Any) -> None:
        self.given: list[str] = []
        self.fetches: list[httpx.Request] = []
        self.calls: list[httpx.Request] = []
        self.refused: set[int] = set()
        self.auth: Callable[[httpx.Request], httpx.Response] | None = None
        self.auth_seconds = self.api_seconds = 0.0
        self._lifetime = lifetime
        addresses = {"api_url": "https://api.test/v4", "auth_url": "https://auth.test"}
        self.metrics = Metrics()
        self.client = ScriptedCopernica(
            settings(**{**addresses, **values}), self.metrics, self._handle
        )

    async def _handle(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == "auth.test":
            self.fetches.append(request)
            await asyncio.sleep(self.auth_seconds)
            if self.auth:
                return self.auth(request)
            number = len(self.fetches)
            self.given.append(jwt({"iat": 0, "exp": self._lifetime, "n": number}))
            return http_response(content=self.given[-1].encode())
        self.calls.append(request)
        number = self.given.index(request.headers["authorization"].removeprefix("Bearer ")) + 1
        await asyncio.sleep(self.api_seconds)
        return http_response(401 if number in self.refused else 204)

    async def statuses(self, count: int) -> list[int]:
        answers = await asyncio.gather(*(self.client.send(PUT) for _ in range(count)))
        return [answer.status for answer in answers if isinstance(answer, Response)]


class TestVersion4:
    async def test_exchanges_the_access_token_for_a_bearer_token(self) -> None:
        api = Version4()
        assert await api.statuses(1) == [204]
        (fetch,), (call,) = api.fetches, api.calls
        assert (fetch.method, str(fetch.url)) == ("POST", "https://auth.test/")
        assert fetch.extensions[TARGET] == b"/"
        assert fetch.headers["content-type"] == "application/x-www-form-urlencoded"
        assert await fetch.aread() == f"access_token={quote(TOKEN, safe='')}".encode()
        assert "authorization" not in fetch.headers
        assert call.headers["authorization"] == f"Bearer {api.given[0]}"
        assert call.extensions[TARGET] == b"/v4/database/1234/profiles?fields%5B%5D=a%3D%3D1"

    async def test_asks_a_path_below_the_host_too(self) -> None:
        api = Version4(auth_url="https://auth.test/authenticate")
        await api.statuses(1)
        assert api.fetches[0].extensions[TARGET] == b"/authenticate"

    async def test_calls_that_need_a_token_at_once_share_one(self) -> None:
        api = Version4()
        assert await api.statuses(20) == [204] * 20
        assert await api.statuses(20) == [204] * 20
        assert len(api.fetches) == 1

    async def test_renews_once_what_the_api_refuses(self) -> None:
        api = Version4()
        await api.statuses(1)
        api.refused = {1}
        assert await api.statuses(10) == [204] * 10
        assert (len(api.fetches), len(api.calls)) == (2, 1 + 10 + 10)

    async def test_a_call_and_all_that_it_takes_ends_with_the_request_timeout(self) -> None:
        api = Version4(request_timeout=10)
        api.auth_seconds, api.api_seconds, api.refused = 4, 1, {1}
        loop = asyncio.get_running_loop()
        begun = loop.time()
        answer = await api.client.send(PUT)
        assert isinstance(answer, Response)
        assert (answer.status, loop.time() - begun) == (204, 10)
        assert [call.extensions[SECONDS] for call in api.calls] == [6, 1]

    async def test_nothing_is_sent_when_the_token_took_all_the_time(self) -> None:
        api = Version4(request_timeout=10)
        api.auth_seconds = 15
        late = await api.client.send(PUT)
        assert late == NoResponse("unreachable", "AUTH_URL gave no token in time")
        assert api.calls == []
        assert await api.statuses(1) == [204]  # with the token that has come meanwhile
        assert len(api.fetches) == 1

    async def test_nothing_is_repeated_when_the_new_token_took_the_rest(self) -> None:
        api = Version4(request_timeout=10)
        await api.statuses(1)
        api.auth_seconds, api.refused = 15, {1}
        assert isinstance(await api.client.send(PUT), NoResponse)
        assert len(api.calls) == 2

    async def test_does_not_renew_for_ever(self) -> None:
        api = Version4()
        api.refused = set(range(1, 100))
        assert await api.statuses(10) == [401] * 10
        assert await api.statuses(10) == [401] * 10
        assert len(api.fetches) == 2

    @pytest.mark.parametrize(
        ("auth", "failure"),
        [
            (lambda _: http_response(400, b'{"error":{"message":"no"}}'), "token-refused"),
            (lambda _: http_response(503), "unreachable"),
            (failing(httpx.ReadTimeout("ReadTimeout")), "unreachable"),
            (lambda _: http_response(200, b"hello"), "misconfigured"),
        ],
        ids=["refused", "down", "silent", "no token"],
    )
    async def test_sends_nothing_without_a_token(self, auth: Any, failure: str) -> None:
        api = Version4()
        api.auth = auth
        answers = await asyncio.gather(*(api.client.send(PUT) for _ in range(5)))
        assert {getattr(answer, "failure", None) for answer in answers} == {failure}
        assert (len(api.fetches), len(api.calls)) == (1, 0)
        api.auth = None
        assert await api.statuses(1) == [204]

    async def test_a_call_that_is_cancelled_takes_no_token_from_the_others(self) -> None:
        api = Version4()
        first = asyncio.ensure_future(api.client.send(PUT))
        second = asyncio.ensure_future(api.client.send(PUT))
        await asyncio.sleep(0)
        first.cancel()
        answer = await second
        assert isinstance(answer, Response)
        assert (answer.status, len(api.fetches)) == (204, 1)

    async def test_counts_the_fetch_as_a_call_of_its_own(self) -> None:
        api = Version4()
        await api.statuses(2)
        value = api.metrics.registry.get_sample_value
        for call, count in (("post-token", 1), ("put-profiles", 2)):
            labels = {"call": call, "status": "2xx"}
            assert value("profile_sync_api_requests_total", labels) == count

    async def test_a_token_that_the_api_repeats_is_taken_out(self) -> None:
        token = jwt({"iat": 0, "exp": 86400})

        def answer(request: httpx.Request) -> httpx.Response:
            if request.url.host == "auth.test":
                return http_response(content=token.encode())
            return http_response(400, f"bad {request.headers['authorization']}".encode())

        addresses = {"api_url": "https://api.test/v4", "auth_url": "https://auth.test"}
        client = ScriptedCopernica(settings(**addresses), Metrics(), answer)
        refused = await client.send(PUT)
        assert isinstance(refused, Response)
        assert refused.body == b"bad Bearer ***"

    async def test_a_fetch_that_nobody_waits_for_ends_with_the_client(self) -> None:
        api = Version4()
        api.auth_seconds = 1000
        async with api.client:
            call = asyncio.ensure_future(api.client.send(PUT))
            await asyncio.sleep(1)
            call.cancel()
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == 1


class TestTokens:
    """The token in use, by a clock of the test's own; `fetch` gives tokens 1, 2, ..."""

    def setup_method(self) -> None:
        self.now = 1000.0
        self.fetched = 0
        self.fails = False
        self.tokens = Tokens(self.fetch, lambda: self.now)

    async def fetch(self) -> Token | NoResponse:
        self.fetched += 1
        await asyncio.sleep(0)
        return NoResponse("unreachable", "") if self.fails else Token(str(self.fetched), 100.0)

    async def get(self) -> Token:
        token = await self.tokens.get()
        assert isinstance(token, Token)
        return token

    async def test_is_used_as_long_as_it_may(self) -> None:
        assert (await self.get()).text == "1"
        self.now += 99
        assert (await self.get()).text == "1"
        self.now += 1
        assert (await self.get()).text == "2"

    async def test_is_replaced_when_it_is_refused(self) -> None:
        assert self.tokens.replace(await self.get())
        assert (await self.get()).text == "2"

    async def test_one_that_is_refused_at_once_is_not_replaced_for_a_minute(self) -> None:
        self.tokens.replace(await self.get())
        second = await self.get()
        self.now += 59
        assert not self.tokens.replace(second)
        assert await self.get() is second
        self.now += 1
        assert self.tokens.replace(second)
        assert (await self.get()).text == "3"

    async def test_an_old_one_that_is_refused_takes_no_newer_away(self) -> None:
        first = await self.get()
        self.tokens.replace(first)
        second = await self.get()
        assert self.tokens.replace(first)
        assert await self.get() is second

    async def test_a_failure_is_not_kept(self) -> None:
        await self.get()
        self.now += 100
        self.fails = True
        assert isinstance(await self.tokens.get(), NoResponse)
        assert isinstance(await self.tokens.get(), NoResponse)
        self.fails = False
        assert (await self.get()).text == "4"


class TestTokenFile:
    @pytest.fixture
    def write(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], object]:
        """Writes the file, which has `t0ken-1` to begin with."""
        monkeypatch.setenv("PROFILE_SYNC_SECRETS_DIR", str(tmp_path))
        file = tmp_path / "access_token"
        file.write_bytes(b"t0ken-1")
        return file.write_bytes

    async def test_gives_the_token_anew_when_the_api_refuses_it(
        self, write: Callable[[bytes], object]
    ) -> None:
        api = Api(lambda _: http_response(401))
        write(b"t0ken-2\n")
        answer = await api.client.send(PUT)
        assert isinstance(answer, NoResponse)
        assert answer.failure == "unreachable"
        assert "token was replaced" in answer.error
        await api.client.send(PUT)
        targets = [
            request.extensions[TARGET].partition(b"access_token=")[2] for request in api.requests
        ]
        assert targets == [b"t0ken-1", b"t0ken-2"]

    async def test_is_not_read_while_all_is_well(self, write: Callable[[bytes], object]) -> None:
        api = Api()
        write(b"t0ken-2")
        await api.client.send(PUT)
        assert api.target.endswith("t0ken-1")
        await api.client.send(PUT)
        assert api.target.endswith("t0ken-1")

    async def test_that_has_the_same_token_changes_nothing(
        self, write: Callable[[bytes], object]
    ) -> None:
        api = Api(lambda _: http_response(401))
        write(b"t0ken-1\n")
        assert isinstance(await api.client.send(PUT), Response)
        assert not api.client.reread_token()

    @pytest.mark.parametrize("content", [b"", b"a b", b"a\nb", b"\xff"])
    async def test_that_has_no_token_changes_nothing(
        self, write: Callable[[bytes], object], content: bytes
    ) -> None:
        api = Api()
        write(content)
        assert not api.client.reread_token()
        await api.client.send(PUT)
        assert api.target.endswith("t0ken-1")

    async def test_makes_a_new_token_of_version_4(self, write: Callable[[bytes], object]) -> None:
        api = Version4()
        await api.statuses(1)
        write(b"t0ken-2")
        assert api.client.reread_token()
        await api.statuses(1)
        bodies = [await fetch.aread() for fetch in api.fetches]
        assert bodies == [b"access_token=t0ken-1", b"access_token=t0ken-2"]

    async def test_tokens_of_before_are_taken_out_of_answers_too(
        self, write: Callable[[bytes], object]
    ) -> None:
        api = Api(lambda _: http_response(200, b"t0ken-long-1 t0ken-long-2"))
        for token in (b"t0ken-long-1", b"t0ken-long-2"):
            write(token)
            assert api.client.reread_token()
        answer = await api.client.send(PUT)
        assert isinstance(answer, Response)
        assert answer.body == b"*** ***"


class TestRate:
    async def test_of_all_calls_is_kept(self) -> None:
        api = Api(rate_limit=4)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await asyncio.gather(*(api.client.send(PUT) for _ in range(21)))
        assert loop.time() - begun == pytest.approx(5)

    async def test_of_a_call_that_had_its_turn_is_counted_once(self) -> None:
        api = Api(rate_limit=1)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for _ in range(3):
            await api.client.turn()
            await api.client.send(PUT, has_turn=True)
        assert loop.time() - begun == pytest.approx(2)


@pytest.mark.parametrize(
    ("rate", "most", "slots"), [(None, 32, 32), (100, 32, 32), (2, 32, 10), (0.1, 32, 1)]
)
def test_few_calls_wait_for_their_turn(rate: float | None, most: int, slots: int) -> None:
    assert settings(rate_limit=rate, max_in_flight=most).slots() == slots
