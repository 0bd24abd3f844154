"""Start stand-ins as processes of their own, and call them over HTTP."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo

import httpx

TOKEN = "demo-token"
ROOT = Path(__file__).parents[2]
OLD = ("", "/v1", "/v2")
NEW = ("/v3", "/v4")
VERSIONS = OLD + NEW
EMPTY = {"content-type": "application/json", "content-length": "0"}

Whole = tuple[int, dict[str, str], bytes]


class StandIn:
    """A client of a running stand-in; paths come without version and token."""

    def __init__(self, url: str, process: subprocess.Popen[str]) -> None:
        self.url = url
        self.process = process
        self.address = (str(urlsplit(url).hostname), urlsplit(url).port or 0)
        # The stand-in closes idle connections after some seconds; the client must be the first.
        kept = httpx.Limits(keepalive_expiry=2)
        self._client = httpx.Client(base_url=url, timeout=30, trust_env=False, limits=kept)
        self._jwt = ""

    def close(self) -> None:
        """Close the client's connections."""
        self._client.close()

    def call(
        self, method: str, path: str, query: str = "", body: Any = None, version: str = "/v2"
    ) -> httpx.Response:
        """Send a request with the token; `query` is sent as it stands, `body` as JSON."""
        content = None if body is None else json.dumps(body)
        headers = {} if body is None else {"Content-Type": "application/json"}
        if version == "/v4":
            headers["Authorization"] = f"Bearer {self.jwt()}"
        else:
            query = f"{query}{'&' if query else ''}access_token={TOKEN}"
        url = f"{version}/{path}?{query}" if query else f"{version}/{path}"
        return self._client.request(method, url, content=content, headers=headers)

    def send(self, method: str, url: str, **options: Any) -> httpx.Response:
        """Send a request exactly as given."""
        return self._client.request(method, url, **options)

    def jwt(self) -> str:
        """Return a JWT for version 4, the same one for all calls of this client."""
        if not self._jwt:
            answer = self._client.post("/authenticate", data={"access_token": TOKEN})
            self._jwt = answer.raise_for_status().text
        return self._jwt

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

    def post(self, body: Any, database: str = "1234", version: str = "/v2") -> int:
        """POST a new profile; return its id."""
        answer = self.call("POST", f"database/{database}/profiles", "", body, version)
        return int(answer.headers["X-Created"])

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

    def forget(self) -> None:
        """Empty the journal."""
        self._client.delete("/__standin/journal").raise_for_status()

    @contextmanager
    def faults(self, *rules: dict[str, Any]) -> Iterator[None]:
        """Order faults while the block lasts, the journal being empty at its begin."""
        self.forget()
        if rules:
            self._client.put("/__standin/faults", json=list(rules)).raise_for_status()
        try:
            yield
        finally:
            self._client.delete("/__standin/faults").raise_for_status()


def selection(conditions: list[str], **parameters: object) -> str:
    """Write conditions and other parameters as a query."""
    pairs = [f"fields%5B%5D={quote(condition, safe='')}" for condition in conditions]
    return "&".join(pairs + [f"{name}={value}" for name, value in parameters.items()])


def written(version: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Write fields as the body of a version: version 1 has nothing but fields."""
    return fields if version == "/v1" else {"fields": fields}


def whole(answer: httpx.Response) -> Whole:
    """Return all of an answer but its date, which it must have: status, headers, body."""
    headers = {name.lower(): value for name, value in answer.headers.items()}
    assert headers.pop("date").endswith(" GMT")
    return answer.status_code, headers, answer.content


def updated(version: str) -> Whole:
    """Return the answer to a PUT that created nothing."""
    return (204, {}, b"") if version in NEW else (200, EMPTY, b"")


def message(answer: httpx.Response, status: int = 400) -> str:
    """Return the message of an error, which must have the API's shape and status."""
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/json"
    body = answer.json()
    assert list(body) == ["error"]
    assert list(body["error"]) == ["message"]
    return str(body["error"]["message"])


def eventually(holds: Callable[[], bool], within: float = 30.0) -> None:
    """Ask until it holds; fail after `within` seconds."""
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def wait_for_the_next_second(timestamp: str) -> None:
    """Timestamps have whole seconds: wait until the next one differs."""
    then = datetime.fromisoformat(timestamp).replace(tzinfo=ZoneInfo("Europe/Amsterdam"))
    while time.time() < then.timestamp() + 1:
        time.sleep(0.02)


@contextmanager
def running(*options: str) -> Iterator[StandIn]:
    """Run a stand-in on a free port while the block lasts; it must not complain on stderr."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as complaints:
        with _started(options, complaints) as standin:
            yield standin
        complaints.seek(0)
        assert complaints.read() == ""


@contextmanager
def _started(options: tuple[str, ...], complaints: IO[str]) -> Iterator[StandIn]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.standin", "--port", "0", *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=complaints,
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
