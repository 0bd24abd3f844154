import pytest

from service.proxies import passwords, proxy_for

API = "https://api.copernica.com/v2"
STANDIN = "http://127.0.0.1:8080/v2"


@pytest.mark.parametrize(
    ("named", "address", "proxy"),
    [
        ({}, API, None),
        ({"HTTPS_PROXY": "http://proxy:3128"}, API, "http://proxy:3128"),
        ({"https_proxy": "http://proxy:3128"}, API, "http://proxy:3128"),
        ({"https_proxy": "http://a", "HTTPS_PROXY": "http://b"}, API, "http://a"),
        ({"HTTPS_PROXY": "proxy:3128"}, API, "http://proxy:3128"),
        ({"HTTPS_PROXY": "https://proxy"}, API, "https://proxy"),
        ({"HTTPS_PROXY": ""}, API, None),
        ({"HTTP_PROXY": "http://proxy"}, API, None),
        ({"HTTP_PROXY": "http://proxy"}, STANDIN, "http://proxy"),
        ({"HTTPS_PROXY": "http://proxy"}, STANDIN, None),
        ({"ALL_PROXY": "http://proxy"}, API, "http://proxy"),
        ({"ALL_PROXY": "http://proxy"}, STANDIN, "http://proxy"),
        ({"ALL_PROXY": "http://a", "HTTPS_PROXY": "http://b"}, API, "http://b"),
    ],
)
def test_finds_the_proxy_that_the_environment_names(
    monkeypatch: pytest.MonkeyPatch, named: dict[str, str], address: str, proxy: str | None
) -> None:
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(address) == proxy


@pytest.mark.parametrize(
    ("no_proxy", "address", "direct"),
    [
        ("", API, False),
        ("*", API, True),
        ("copernica.com", API, True),
        (".copernica.com", API, True),
        ("API.Copernica.com", API, True),
        ("ernica.com", API, False),
        ("localhost, 127.0.0.1", API, False),
        ("localhost, 127.0.0.1", STANDIN, True),
        ("127.0.0.1:8080", STANDIN, True),
        ("127.0.0.1:9090", STANDIN, False),
        ("localhost", STANDIN, False),
        ("::1", "http://[::1]:8080/v2", True),
    ],
)
def test_obeys_no_proxy(
    monkeypatch: pytest.MonkeyPatch, no_proxy: str, address: str, direct: bool
) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://proxy")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert (proxy_for(address) is None) is direct


@pytest.mark.parametrize(
    ("proxy", "said"),
    [
        ("socks5://me:hidden@proxy:1080", "the proxy is one for socks5, and only http and https"),
        ("socks5h://proxy", "the proxy is one for socks5h, and only http and https can be used"),
        ("http://me:hidden@", "the proxy has no host: write http://host:port, in ALL_PROXY"),
        ("http://proxy:hidden", "the proxy has no address that can be read: write http://host"),
        ("http://me%3Ahidden@proxy", "the proxy's user or password has letters that HTTP's Basic"),
        ("http://me:hidden%E2%82%AC@proxy", "the proxy's user or password has letters that HTTP's"),
        ("http://proxy:0", "the proxy has no host: write http://host:port, in ALL_PROXY"),
    ],
)
def test_refuses_a_proxy_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, proxy: str, said: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(ValueError, match=r"^the proxy") as refused:
        proxy_for(API)
    assert str(refused.value).startswith(said)
    assert "ALL_PROXY" in str(refused.value)
    assert "hidden" not in str(refused.value)


def test_a_useless_proxy_that_is_not_on_the_way_is_no_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://proxy")
    monkeypatch.setenv("NO_PROXY", "copernica.com")
    assert proxy_for(API) is None


def test_knows_the_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:p%40ssw0rd@proxy")
    assert passwords(API, STANDIN) == {"p@ssw0rd"}
