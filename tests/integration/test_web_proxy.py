"""The client behind a web proxy: what goes through it, what it sees, and how it fails."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx
import pytest

from service.profiles import NoResponse, Response
from tests.certificates import Authority
from tests.integration.conftest import Mail, wait_for
from tests.integration.test_service import event
from tests.integration.test_tls import over_tls, unsent
from tests.integration.test_transport import answer_ok, client, put
from tests.programs import Service, StandIn
from tests.rabbitmq import free_ports
from tests.raw_server import answering, raw_server
from tests.web_proxy import web_proxy

TOKEN = "tok-3f9c-secret"
LOGIN = b"Proxy-Authorization: Basic " + b64encode(b"me:p@ss w0rd")


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
async def test_a_call_goes_through_the_proxy_which_sees_nothing_of_it(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    async with raw_server(answer_ok, tls=authority.context()) as raw, web_proxy() as proxy:
        monkeypatch.setenv(variable, f"http://me:p%40ss%20w0rd@127.0.0.1:{proxy.port}")
        async with client(1, access_token=TOKEN, **over_tls(raw.port)) as api:
            assert isinstance(await put(api), Response)
            assert isinstance(await put(api), Response)
        assert TOKEN.encode() in raw.requests[0]
        assert b"proxy-authorization" not in raw.requests[0].lower()
        assert len(raw.requests) == 2
    (head,) = proxy.heads
    assert head.startswith(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n" % raw.port)
    assert LOGIN in head
    assert TOKEN.encode() not in head
    assert len(proxy.carried) > 1000
    assert TOKEN.encode() not in proxy.carried
    assert b"4567" not in proxy.carried


@pytest.mark.parametrize("named", ["127.0.0.1", "example.com, 127.0.0.1", "*"])
async def test_no_proxy_is_obeyed(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    async with raw_server(answer_ok, tls=authority.context()) as raw, web_proxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NO_PROXY", named)
        async with client(1, **over_tls(raw.port)) as api:
            assert isinstance(await put(api), Response)
    assert proxy.heads == []


async def test_a_proxy_is_chosen_for_each_server(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        raw_server(answer_ok) as raw,
        raw_server(answering(b"a.e30.b"), tls=authority.context()) as auth,
        web_proxy() as proxy,
    ):
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        addresses = {
            "api_url": f"http://127.0.0.1:{raw.port}/v4",
            "auth_url": f"https://127.0.0.1:{auth.port}",
            "request_timeout": 3,
        }
        async with client(1, **addresses) as api:
            assert isinstance(await put(api), Response)
        assert len(raw.requests) == 1
    assert [head.split()[1] for head in proxy.heads] == [b"127.0.0.1:%d" % auth.port]


async def test_plain_http_goes_through_the_proxy_if_that_is_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with raw_server(answer_ok) as raw, web_proxy() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"me:p%40ss%20w0rd@127.0.0.1:{proxy.port}")
        async with client(raw.port, allow_plain_http=True) as api:
            assert isinstance(await put(api), Response)
        assert raw.requests == []
    assert proxy.heads[0].startswith(b"PUT http://127.0.0.1:%d/v2/database/" % raw.port)
    assert LOGIN in proxy.heads[0]


async def test_a_proxy_may_be_reached_over_tls(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        raw_server(answer_ok, tls=authority.context()) as raw,
        web_proxy(tls=authority.context()) as proxy,
    ):
        monkeypatch.setenv("HTTPS_PROXY", f"https://127.0.0.1:{proxy.port}")
        async with client(1, **over_tls(raw.port)) as api:
            assert isinstance(await put(api), Response)
    assert len(proxy.heads) == 1


async def test_a_wrong_certificate_is_found_behind_the_proxy_too(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        raw_server(answer_ok, tls=authority.context("expired")) as raw,
        web_proxy() as proxy,
    ):
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        async with client(1, **over_tls(raw.port)) as api:
            failure, words = unsent(await put(api))
        assert raw.requests == []
    assert (failure, words.endswith("has expired")) == ("misconfigured", True)


@pytest.mark.parametrize(
    ("status", "failure", "words"),
    [
        (407, "misconfigured", "the proxy wants a user and a password, or others (status 407)"),
        (403, "misconfigured", "the proxy does not connect to this server (status 403)"),
        (302, "misconfigured", "the proxy does not connect to this server (status 302)"),
        (429, "unreachable", "the way through the proxy is broken (status 429)"),
        (502, "unreachable", "the way through the proxy is broken (status 502)"),
        (503, "unreachable", "the way through the proxy is broken (status 503)"),
        (504, "unreachable", "the way through the proxy is broken (status 504)"),
    ],
)
async def test_a_proxy_that_refuses_is_told_from_one_that_fails(
    monkeypatch: pytest.MonkeyPatch, status: int, failure: str, words: str
) -> None:
    refusal = b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status
    async with web_proxy(refusal=refusal) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:hidden-password@127.0.0.1:{proxy.port}")
        async with client(1, **over_tls(1)) as api:
            answer = await put(api)
    assert unsent(answer) == (failure, words)
    assert "hidden" not in repr(answer)
    assert len(proxy.heads) == 1


@pytest.mark.parametrize(
    "answered", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Le"], ids=repr
)
async def test_a_proxy_that_breaks_off_has_sent_nothing_on(
    monkeypatch: pytest.MonkeyPatch, answered: bytes
) -> None:
    async with web_proxy(refusal=answered, breaks=True) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        async with client(1, **over_tls(1)) as api:
            failure, words = unsent(await put(api))
    said = "not HTTP" if answered.startswith(b"nonsense") else "broken off"
    assert (failure, words) == ("unreachable", f"the way through the proxy is broken ({said})")


async def test_a_proxy_that_is_down_is_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    async with web_proxy() as proxy:
        port = proxy.port
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:hidden-password@127.0.0.1:{port}")
    async with client(1, **over_tls(1)) as api:
        failure, words = unsent(await put(api))
    assert (failure, words) == (
        "unreachable",
        "the way through the proxy is broken (connection refused)",
    )


async def test_a_netrc_file_adds_nothing_to_a_call(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password hidden-password\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    async with raw_server(answer_ok, tls=authority.context()) as raw, web_proxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        async with client(1, **over_tls(raw.port)) as api:
            assert not isinstance(await put(api), NoResponse)
        assert b"authorization" not in raw.requests[0].lower()
    assert b"authorization" not in proxy.heads[0].lower()


def test_the_password_of_a_proxy_is_in_no_log_and_no_metric(
    environment: Callable[..., dict[str, str]],
    standin: Callable[..., StandIn],
    run_service: Callable[[Mapping[str, str]], Service],
    mail: Mail,
) -> None:
    nobody = free_ports(1)[0]
    proxy = {"HTTPS_PROXY": f"http://me:hidden%2Dpassword@127.0.0.1:{nobody}"}
    settings = environment(standin(), API_URL="https://api.copernica.com/v2")
    service = run_service({**settings, **proxy})
    service.wait_ready()
    mail.send(*(event(n, n) for n in range(10)))
    wait_for(lambda: "the way through the proxy is broken" in service.output(), "the outage")
    metrics = httpx.get(f"{service.http_url}/metrics", trust_env=False).text
    assert 'status="ProxyError"' in metrics
    for text in (metrics, service.output()):
        assert "hidden" not in text
