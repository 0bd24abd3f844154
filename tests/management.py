"""A running RabbitMQ, its virtual hosts and its queues, over the management API.

Standard library only.
"""

import json
import os
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit

HOST = "127.0.0.1"
GUEST = "guest"


class ApiError(Exception):
    """The management API refused a request."""

    def __init__(self, method: str, path: str, status: int, answer: str) -> None:
        super().__init__(f"{method} {path}: {status} {answer}")
        self.status = status


class Broker:
    """A running RabbitMQ, reached over AMQP and its management API."""

    def __init__(self, amqp: str, management: str) -> None:
        """Take an AMQP URL, whose path is ignored, and the management plugin's base URL.

        Metrics for Prometheus are thought to be where its plugin serves them by default.
        """
        self._amqp = urlsplit(amqp)
        self.management_url = management.rstrip("/")
        self.prometheus_url = f"http://{_in_url(self._amqp.hostname)}:15692/metrics"
        self.user = unquote(self._amqp.username or GUEST)
        password = unquote(self._amqp.password or GUEST)
        self._login = b64encode(f"{self.user}:{password}".encode()).decode()
        # A proxy that the environment names is not meant for this.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Broker | None":
        """Return the broker that PROFILE_SYNC_TEST_AMQP_URL names, or nothing if it is not set."""
        amqp = environ.get("PROFILE_SYNC_TEST_AMQP_URL")
        if not amqp:
            return None
        management = environ.get("PROFILE_SYNC_TEST_MANAGEMENT_URL")
        return cls(amqp, management or f"http://{_in_url(urlsplit(amqp).hostname)}:15672")

    def amqp_url(self, vhost: str = "/") -> str:
        """Return the AMQP URL of a virtual host, its name percent-encoded."""
        return self._amqp._replace(path="/" + quote(vhost, safe="")).geturl()

    def api(self, method: str, path: str, body: object = None) -> Any:
        """Call the management API and return its JSON, or None where it answers nothing.

        `path` follows `/api`, its parts percent-encoded. Raises ApiError.
        """
        request = urllib.request.Request(  # noqa: S310 - the broker's own URL
            f"{self.management_url}/api{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Basic {self._login}",
                "Content-Type": "application/json",
            },
        )
        try:
            with self._opener.open(request, timeout=30) as response:
                content = response.read()
        except urllib.error.HTTPError as refusal:
            with refusal:
                raise ApiError(
                    method, path, refusal.code, refusal.read().decode(errors="replace")
                ) from None
        return json.loads(content) if content else None

    def create_vhost(self, name: str) -> "Vhost":
        """Create a virtual host that the broker's user may use fully."""
        self.api("PUT", f"/vhosts/{_part(name)}", {})
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        self.api("PUT", f"/permissions/{_part(name)}/{_part(self.user)}", everything)
        return Vhost(self, name)

    def delete_vhost(self, name: str) -> None:
        """Delete a virtual host and all in it; its connections are closed."""
        self.api("DELETE", f"/vhosts/{_part(name)}")

    def queue(self, vhost: str, name: str) -> dict[str, Any]:
        """Return a queue's type, arguments and numbers of messages, as they are now.

        Of a quorum queue the numbers are as old as its last tick: half a second on a private
        node, five seconds by RabbitMQ's default. Raises ApiError.
        """
        found = self.queues(vhost).get(name)
        if found is None:
            raise ApiError("GET", f"/queues/{_part(vhost)}/{_part(name)}", 404, "no such queue")
        return found

    def queues(self, vhost: str) -> dict[str, dict[str, Any]]:
        """Return what `queue` does of each queue, by name. Raises ApiError."""
        # Of a single queue the API would tell what it sampled up to five seconds ago.
        listed = self.api(
            "GET", f"/queues/{_part(vhost)}?disable_stats=true&enable_queue_totals=true"
        )
        return {queue["name"]: queue for queue in listed}

    def close_connections(self, vhost: str, timeout: float = 10) -> int:
        """Close a virtual host's connections, as an operator can, and return their number.

        The API lists a connection up to five seconds after it was opened: the first is waited for.
        """
        deadline = time.monotonic() + timeout
        while not (connections := self.api("GET", f"/vhosts/{_part(vhost)}/connections")):
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        for connection in connections:
            with suppress(ApiError):  # one that has just ended by itself
                self.api("DELETE", f"/connections/{_part(connection['name'])}")
        return len(connections)


@dataclass(frozen=True)
class Vhost:
    """One virtual host of a broker."""

    broker: Broker
    name: str

    @property
    def amqp_url(self) -> str:
        """The AMQP URL of this virtual host."""
        return self.broker.amqp_url(self.name)

    def queue(self, name: str) -> dict[str, Any]:
        """Return a queue's type, arguments and numbers of messages, as Broker.queue does."""
        return self.broker.queue(self.name, name)

    def close_connections(self) -> int:
        """Close the connections, as Broker.close_connections does, and return their number."""
        return self.broker.close_connections(self.name)


def _in_url(host: str | None) -> str:
    return f"[{host}]" if host and ":" in host else host or HOST


def _part(name: str) -> str:
    return quote(name, safe="")
