"""Start stand-ins as processes of their own, and call them over HTTP."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

TOKEN = "demo-token"
ROOT = Path(__file__).parents[2]


class StandIn:
    """A client of a running stand-in; paths come without version and token."""

    def __init__(self, url: str, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.address = (str(urlsplit(url).hostname), urlsplit(url).port or 0)
        self._client = httpx.Client(base_url=url, timeout=5)

    def close(self) -> None:
        """Close the client's connections."""
        self._client.close()

    def call(
        self, method: str, path: str, query: str = "", body: Any = None, version: str = "/v2"
    ) -> httpx.Response:
        """Send a request with the token; `query` is sent as it stands, `body` as JSON."""
        content = None if body is None else json.dumps(body)
        headers = {} if body is None else {"Content-Type": "application/json"}
        url = f"{version}/{path}?{query}{'&' if query else ''}access_token={TOKEN}"
        return self._client.request(method, url, content=content, headers=headers)

    def send(self, method: str, url: str, **options: Any) -> httpx.Response:
        """Send a request exactly as given."""
        return self._client.request(method, url, **options)

    def put(
        self,
        conditions: list[str],
        body: Any,
        *,
        database: str = "1234",
        version: str = "/v2",
        create: object = None,
        background: object = None,
    ) -> httpx.Response:
        """PUT profiles; `background` is the parameter async."""
        given = {"create": create, "async": background}
        parameters = {name: value for name, value in given.items() if value is not None}
        query = selection(conditions, **parameters)
        return self.call("PUT", f"database/{database}/profiles", query, body, version)

    def post(self, body: Any, database: str = "1234") -> int:
        """POST a new profile; return its id."""
        return int(
            self.call("POST", f"database/{database}/profiles", "", body).headers["X-Created"]
        )

    def profiles(self, conditions: list[str], database: str = "1234") -> list[dict[str, Any]]:
        """GET the profiles that match."""
        answer = self.call("GET", f"database/{database}/profiles", selection(conditions))
        data: list[dict[str, Any]] = answer.json()["data"]
        return data

    def profile(self, number: int) -> dict[str, Any]:
        """GET one profile."""
        found: dict[str, Any] = self.call("GET", f"profile/{number}").json()
        return found

    def journal(self) -> list[dict[str, Any]]:
        """Return the journal of requests."""
        entries: list[dict[str, Any]] = self._client.get("/__standin/journal").json()
        return entries


def selection(conditions: list[str], **parameters: object) -> str:
    """Write conditions and other parameters as a query."""
    pairs = [f"fields%5B%5D={quote(condition, safe='')}" for condition in conditions]
    return "&".join(pairs + [f"{name}={value}" for name, value in parameters.items()])


def message(answer: httpx.Response) -> str:
    """Return the message of an error, which must have the API's shape and status."""
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/json"
    body = answer.json()
    assert list(body) == ["error"]
    assert list(body["error"]) == ["message"]
    return str(body["error"]["message"])


def eventually(holds: Callable[[], bool], within: float = 5.0) -> None:
    """Ask until it holds; fail after `within` seconds."""
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@contextmanager
def running(*options: str) -> Iterator[StandIn]:
    """Run a stand-in on a free port while the block lasts."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.standin", "--port", "0", *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout
            ready = json.loads(process.stdout.readline())
            standin = StandIn(ready["url"], process)
            try:
                yield standin
            finally:
                standin.close()
        finally:
            process.terminate()
