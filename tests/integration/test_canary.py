"""Nothing secret leaves: a token, a password and field values that are sought in all that does."""

import base64
import html
import json
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

import httpx
import pytest

from tests.integration.conftest import DEAD_LETTERS, RESULTS, Mail, wait_for
from tests.programs import Service, StandIn, without_settings
from tests.rabbitmq import Broker, Vhost

TOKEN = "Tok-Cq7/+x=9&canary"
PASSWORD = "Pw-Cq7/+x=9&canary"
VALUE = 'Val-Cq7/+x=9&"canary"é\u200d'


def forms(canary: str) -> set[bytes]:
    """Write a text in the ways in which it could leave."""
    plain = canary.encode()
    texts = {
        canary,
        quote(canary, safe=""),
        quote(canary),
        quote_plus(canary),
        quote(quote(canary, safe=""), safe=""),
        json.dumps(canary)[1:-1],
        json.dumps(canary, ensure_ascii=False)[1:-1],
        json.dumps(json.dumps(canary))[3:-3],
        html.escape(canary),
        repr(canary)[1:-1],
    }
    # Base64 at each of the three places that its beginning can have; what its neighbours decide
    # is left out.
    encoded = {base64.b64encode(b"\0" * shift + plain)[4:-4] for shift in range(3)}
    return {text.encode() for text in texts} | encoded


def leaks(said: Mapping[str, bytes], *canaries: str) -> list[str]:
    """Name what holds a canary, in any form and in letters of any case, or how it begins."""
    return [
        f"{name}: {canary}"
        for name, text in said.items()
        for canary in canaries
        if any(form.lower() in text.lower() for form in forms(canary) | {canary[:7].encode()})
    ]


def test_a_leak_in_any_form_is_found() -> None:
    for form in (VALUE, quote_plus(VALUE), json.dumps(VALUE), repr(VALUE), html.escape(VALUE)):
        assert leaks({"log": b"before " + form.encode() + b" after"}, VALUE) == [f"log: {VALUE}"]
    for before in ("", "a", "ab"):
        text = base64.b64encode(f"{before}{VALUE} after".encode())
        assert leaks({"log": text}, VALUE) == [f"log: {VALUE}"]
    assert leaks({"log": VALUE[:-3].upper().encode()}, VALUE) == [f"log: {VALUE}"]
    assert leaks({"log": b"Val-Cq8"}, VALUE) == []


class Collector:
    """Takes whatever is sent to it, uncompressed."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                received.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.server.server_port}",
            "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
        }


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.fixture
def amqp_url(broker: Broker, vhost: Vhost) -> Iterator[str]:
    """Make a user whose password is a canary."""
    name = f"canary-{secrets.token_hex(4)}"
    broker.api("PUT", f"/users/{name}", {"password": PASSWORD, "tags": "administrator"})
    allowed = dict.fromkeys(("configure", "write", "read"), ".*")
    broker.api("PUT", f"/permissions/{quote(vhost.name, safe='')}/{name}", allowed)
    parts = urlsplit(vhost.amqp_url)
    host = parts.netloc.rpartition("@")[2]
    yield parts._replace(netloc=f"{name}:{quote(PASSWORD, safe='')}@{host}").geturl()
    broker.api("DELETE", f"/users/{name}")


def event(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"evt-{number}",
        "database": 1234,
        "where": {"customerid": f"{VALUE} {number}"},
        "create": True,
        "fields": {"firstname": VALUE, "lastname": f"{number}"},
        **changes,
    }


REJECTED: tuple[dict[str, Any] | bytes, ...] = (
    event(10, fields={"fristname": VALUE}),
    event(11, fields={"age": VALUE}),
    event(12, fields={"email": VALUE}),
    event(13, where=[f"customerid=={VALUE}", "age>0"]),
    event(14, where={"customerid": f" {VALUE}"}),
    event(15, where={"customerid": f"{VALUE}\n"}),
    event(16, fields={"firstname": VALUE, "customerid": f"another {VALUE}"}),
    event(17, fields={"firstname": [VALUE]}),
    event(18, interests={"football": VALUE}),
    event(19, occurred_at=VALUE),
    event(20, expect=VALUE),
    event(21, create=VALUE),
    b'{"id": "evt-22", "fields": {"firstname": ' + json.dumps(VALUE).encode() + b"}, oops",
)

# What the API answers to the PUT of an event; the pages and texts repeat what was sent.
ECHO = f"refused: {VALUE} access_token={TOKEN}"
FAULTS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"status": 400, "message": ECHO}, "refused"),
    ({"status": 400, "body": ECHO, "content_type": "text/plain"}, "refused"),
    ({"status": 413, "body": json.dumps(ECHO)}, "refused"),
    ({"status": 200, "message": ECHO}, "refused"),
    ({"status": 503, "body": f"<html>{html.escape(ECHO)}</html>"}, "unmatched"),
    ({"status": 502, "body": ECHO}, "unmatched"),
    ({"status": 303, "headers": {"Location": f"/x?{quote(TOKEN)}"}, "body": ""}, "unmatched"),
    ({"reset": "before"}, "unmatched"),
    ({"empty": "after"}, "unmatched"),
    ({"garbled": True}, "unmatched"),
    ({"status": 200, "body": f"[{json.dumps(ECHO)}]"}, "unmatched"),
)


def run(env: Mapping[str, str], *arguments: str, given: bytes = b"") -> bytes:
    """Run a command to its end; give all it prints."""
    command = [sys.executable, "-m", "service", *arguments]
    variables = {**without_settings(), **env}
    return subprocess.run(
        command, env=variables, input=given, stdout=-1, stderr=-2, check=False
    ).stdout


def order(api: StandIn, what: str, content: object) -> None:
    """Tell the stand-in by its paths for tests."""
    httpx.put(f"{api.url}/__standin/{what}", json=content).raise_for_status()


def only(number: int) -> dict[str, Any]:
    """Make a fault one of the first PUT of an event."""
    return {"key": f"{VALUE} {100 + number}", "method": "PUT", "times": 1}


def mistakes(amqp_url: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Make settings that are wrong, by what is."""
    for name, setting, value in (
        ("several settings", "PREFETCH", "many"),
        ("another API", "API_URL", "ftp://example.com"),
        ("virtual host", "AMQP_URL", f"{amqp_url.rpartition('/')[0]}/nowhere"),
        ("password", "AMQP_URL", amqp_url.replace("@", "x@")),
    ):
        yield f"wrong {name}", {f"PROFILE_SYNC_{setting}": value}


QUICK = {"HEARTBEAT": "5", "REQUEST_TIMEOUT": "2", "AMBIGUOUS_WAIT": "7"}

COMMANDS = {
    "check": ("check", "--database", "1234", "--where", "customerid"),
    "check for scripts": ("check", "--database", "1234", "--json"),
    "list": ("dead-letters", "list"),
    "list for scripts": ("dead-letters", "list", "--json"),
    "show": ("dead-letters", "show", "evt-10"),
    "dry run": ("dead-letters", "replay", "--dry-run"),
    "permissions": ("topology", "--permissions"),
    "definitions": ("topology", "--print"),
}


@pytest.mark.slow
def test_no_secret_and_no_value_leaves(
    *,
    standin: Callable[..., StandIn],
    environment: Callable[..., dict[str, str]],
    run_service: Callable[[Mapping[str, str]], Service],
    mail: Mail,
    amqp_url: str,
    collector: Collector,
) -> None:
    api = standin()
    order(api, "token", {"token": TOKEN})
    variables = environment(api, ACCESS_TOKEN=TOKEN, AMQP_URL=amqp_url, **QUICK)
    running = run_service({**variables, **collector.variables})
    running.wait_ready()
    order(api, "faults", [{**fault, **only(number)} for number, (fault, _) in enumerate(FAULTS)])
    mail.send(event(1), *REJECTED)
    mail.send(*(event(100 + number, create=False) for number in range(len(FAULTS))))
    results = mail.take(RESULTS, 1 + len(REJECTED) + len(FAULTS))
    told = {result["event_id"]: result for result in (json.loads(body) for *_, body in results)}
    ends = [told[f"evt-{100 + number}"] for number in range(len(FAULTS))]
    assert [end["reason"] or end["outcome"] for end in ends] == [end for _, end in FAULTS]
    assert told["evt-1"]["outcome"] == "created"

    order(api, "token", {"token": "another"})
    mail.send(event(2))
    wait_for(lambda: "token" in httpx.get(f"{running.http_url}/readyz").text, "no token")
    said = {"metrics": httpx.get(f"{running.http_url}/metrics").content}
    order(api, "token", {"token": TOKEN})
    results += mail.take(RESULTS, 1)
    said |= {name: run(variables, *command) for name, command in COMMANDS.items()}
    said |= {name: run({**variables, **wrong}, "check") for name, wrong in mistakes(amqp_url)}
    letters = mail.take(DEAD_LETTERS, sum(result["reason"] is not None for result in told.values()))
    assert running.terminate() == 0
    said |= {"log": running.output().encode(), "spans": b"".join(collector.received)}
    assert b"/database/{id}/profiles" in said["spans"]
    assert [name for name, text in said.items() if len(text) < 20] == []

    for number, (method, properties, _) in enumerate(results + letters):
        said[f"message {number}"] = f"{method.routing_key} {vars(properties)}".encode()
    for mark, result in told.items():
        said[f"result of {mark}"] = repr({**result, "profiles": None}).encode()
    assert leaks(said, TOKEN, PASSWORD, VALUE) == []
    bodies = {f"body {number}": body for number, (*_, body) in enumerate(results)}
    assert not any(b'"secret"' in body for body in bodies.values())
    assert leaks(bodies, TOKEN, PASSWORD) == []
