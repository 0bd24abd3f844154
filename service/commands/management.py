"""RabbitMQ's management API, one question at a time; it is never changed, nor by way of a proxy."""

import json
import ssl
from base64 import b64encode
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import SplitResult, quote, unquote, urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, ProxyHandler, Request, build_opener

from service import tls
from service.environment import PREFIX

_FORM = "write http://host:15672, with a user and a password before @ or not"
_TIMEOUT = 10.0  # seconds for one answer


class Untold(Exception):
    """The management API does not tell; the text says why, without a password."""


class _Here(HTTPRedirectHandler):
    """Follows nothing: the password is for this server alone."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Management:
    """Asks the management API about one virtual host."""

    def __init__(self, url: str, amqp_url: str, vhost: str, certificates: tls.Certificates) -> None:
        """Take the user and the password of `url`, or else those of AMQP_URL.

        Raises:
            ValueError: the URL cannot be used.
        """
        try:
            parts = urlsplit(url)
        except ValueError:
            raise ValueError(_FORM) from None  # Its own text has the password.
        if not _usable(parts):
            raise ValueError(_FORM)
        login = parts if parts.username is not None else urlsplit(amqp_url)
        user, password = unquote(login.username or "guest"), unquote(login.password or "guest")
        self._login = b64encode(f"{user}:{password}".encode()).decode()
        self._user = user
        self._host = parts.hostname or ""
        encrypted_too = amqp_url.startswith("amqps:")
        self._ca = f"{PREFIX}AMQP_CA_FILE" if encrypted_too else "SSL_CERT_FILE"
        self._url = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
        self._vhost = quote(vhost, safe="")
        encrypted = certificates.context() if parts.scheme == "https" else None
        self._opener = build_opener(ProxyHandler({}), _Here, HTTPSHandler(context=encrypted))

    def greet(self) -> None:
        """See that it is there, and takes the user.

        Raises:
            Untold: with the reason in words.
        """
        if "rabbitmq_version" not in (self._get("overview") or {}):
            raise Untold(f"what answers at {self._url} is no management API")

    def queue(self, name: str) -> dict[str, Any] | None:
        """Tell of a queue; None if it is not there.

        Raises:
            Untold: with the reason in words.
        """
        found: dict[str, Any] | None = self._get(f"queues/{self._vhost}/{quote(name, safe='')}")
        return found

    def exchange(self, name: str) -> dict[str, Any] | None:
        """Tell of an exchange; None if it is not there.

        Raises:
            Untold: with the reason in words.
        """
        found: dict[str, Any] | None = self._get(f"exchanges/{self._vhost}/{quote(name, safe='')}")
        return found

    def bindings(self, exchange: str) -> list[dict[str, Any]]:
        """List what is bound to an exchange.

        Raises:
            Untold: with the reason in words.
        """
        path = f"exchanges/{self._vhost}/{quote(exchange, safe='')}/bindings/source"
        return self._get(path) or []

    def _get(self, path: str) -> Any:
        request = Request(  # noqa: S310 - http or https, as checked above
            f"{self._url}/api/{path}", headers={"Authorization": f"Basic {self._login}"}
        )
        try:
            with self._opener.open(request, timeout=_TIMEOUT) as response:
                return json.loads(response.read())
        except HTTPError as error:
            error.close()
            if error.code == 404:
                return None
            raise Untold(self._refused(error.code)) from None
        except (URLError, OSError) as error:
            raise Untold(f"{self._url} cannot be reached: {self._words(error)}") from None
        except (HTTPException, ValueError):
            raise Untold(f"what answers at {self._url} is no management API") from None

    def _refused(self, status: int) -> str:
        if status in (401, 403):
            return (
                f"{self._url} refuses the user {self._user}: wrong password, no tag management, "
                "or not allowed in the virtual host"
            )
        return f"{self._url} answers with status {status}"

    def _words(self, error: OSError) -> str:
        reason = error.reason if isinstance(error, URLError) else error
        if isinstance(reason, ssl.SSLError):
            return tls.words(reason, self._host, self._ca)
        if isinstance(reason, OSError):
            return reason.strerror or str(reason) or type(reason).__name__
        return str(reason)


def _usable(parts: SplitResult) -> bool:
    try:
        port = parts.port
    except ValueError:
        return False
    plain = parts.netloc.isascii() and parts.netloc.isprintable() and " " not in parts.geturl()
    return parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0 and plain
