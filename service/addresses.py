"""Addresses that the environment sets, and what is wrong with them. No value is ever named."""

import re
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_EXTERNAL = "auth_mechanism=external"


def split_amqp_urls(value: str) -> list[str]:
    """Take the URLs of several nodes, with commas between, apart."""
    return [url.strip() for url in value.split(",")]


def amqp_urls(value: SecretStr) -> SecretStr:
    """Pass on the URLs of one node or more.

    Raises:
        ValueError: one cannot be used.
    """
    for url in split_amqp_urls(value.get_secret_value()):
        try:
            parts = urlsplit(url)
            usable = (
                parts.scheme in {"amqp", "amqps"}
                and parts.hostname
                and parts.port != 0
                and "@" not in parts.path
                and (not parts.query or _may_be_external(url))
                and not parts.fragment
            )
        except ValueError:
            usable = False
        if not usable:
            raise ValueError(
                "write amqp://user:password@host:5672/vhost, several with commas, and in its parts "
                "/ ? # @ : and , as %2F %3F %23 %40 %3A and %2C; without ?options "
                f"but in amqps://host:5671/vhost?{_EXTERNAL}, which has no user and no password"
            )
    return value


def external(url: str) -> bool:
    """Tell whether the client certificate is the login, in place of a password.

    Source: RabbitMQ documentation, "URI Query Parameters".
    """
    return urlsplit(url).query.lower() == _EXTERNAL


def _may_be_external(url: str) -> bool:
    parts = urlsplit(url)
    return external(url) and parts.scheme == "amqps" and parts.username is None


def need_no_certificate(urls: str) -> None:
    """See that no node takes a client certificate for the login.

    Raises:
        ValueError: one does.
    """
    if any(external(url) for url in split_amqp_urls(urls)):
        raise ValueError(f"is required with ?{_EXTERNAL} in AMQP_URL")


def virtual_host(url: str) -> str:
    """Tell the virtual host of an AMQP URL."""
    return unquote(urlsplit(url).path.removeprefix("/").partition("/")[0]) or "/"


def user(url: str) -> str | None:
    """Tell the user of an AMQP URL; None where RabbitMQ alone knows: of a certificate."""
    return None if external(url) else unquote(urlsplit(url).username or "guest")


def any_encrypted(urls: str) -> bool:
    """Tell whether one of several nodes is reached by TLS."""
    return any(urlsplit(url).scheme == "amqps" for url in split_amqp_urls(urls))


def web_address(value: str) -> str:
    """Pass on an http or https address, without a slash at its end.

    Raises:
        ValueError: it is none, or has parts that calls cannot have.
    """
    value = value.rstrip("/")
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("write https://host/path: no user, query or fragment")
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise ValueError(
            "write it in ASCII without blanks: a foreign host as xn--..., a path as %.."
        )
    return value


def api_url(value: str) -> str:
    """Pass on the address of a version of the API that is known.

    Raises:
        ValueError: it is none.
    """
    if not re.search(r"/v[234]$", value):
        raise ValueError("must end in /v2, /v3 or /v4, the version of the API")
    return value


def readable_by_others(address: str) -> bool:
    """Tell whether what is sent to a web address crosses a network in clear."""
    parts = urlsplit(address)
    return parts.scheme == "http" and parts.hostname not in _LOOPBACK
