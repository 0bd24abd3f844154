"""What the stand-in adds to the API: start and end, journal, faults, latency, speed."""

import json
import re
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.contract.standins import ROOT, TOKEN, StandIn, eventually, message, running
from tests.standin import seed

IDENTITY = f"GET /v2/identity?access_token={TOKEN} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


@pytest.fixture
def faults(silent: StandIn) -> Iterator[StandIn]:
    """The stand-in, with an empty journal; whatever faults a test orders end with it."""
    silent.send("DELETE", "/__standin/journal")
    yield silent
    silent.send("DELETE", "/__standin/faults")


def order(standin: StandIn, fault: dict[str, Any]) -> httpx.Response:
    return standin.send("PUT", "/__standin/faults", json=fault)


def test_the_journal_tells_every_request(faults: StandIn, key: str) -> None:
    """Time, method, path, query without token, body, status and ids; behaviour 58."""
    body = {"fields": {"customerid": key}}
    begun = time.time()
    number = int(faults.put([f"customerid=={key}"], body, create=1).headers["X-Created"])
    faults.send("POST", "/v2/nonsense?a=&a=%20b&access_token=wrong", content=b"{no json")
    first, second = faults.journal()
    assert begun - 1 < first.pop("time") < time.time() + 1
    assert 0 <= first.pop("seconds") < 1
    assert first == {
        "n": 1,
        "method": "PUT",
        "path": "/v2/database/1234/profiles",
        "query": [["fields[]", f"customerid=={key}"], ["create", "1"]],
        "body": body,
        "status": 303,
        "ids": [number],
    }
    assert (second["n"], second["status"], second["ids"]) == (2, 400, [])
    assert (second["query"], second["body"]) == ([["a", ""], ["a", " b"]], "{no json")


def test_the_journal_can_be_reset(faults: StandIn) -> None:
    """A DELETE forgets all and counts from 1 again; calls of the journal are not in it."""
    faults.call("GET", "identity")
    assert faults.send("DELETE", "/__standin/journal").status_code == 204
    assert faults.journal() == []
    faults.call("GET", "identity")
    assert [entry["n"] for entry in faults.journal()] == [1]


def test_async_calls_apply_in_order(faults: StandIn, key: str) -> None:
    """Changes in the background keep their order; their ids appear when made; behaviour 36."""
    number = faults.post({"fields": {"customerid": key}})
    for name in "ABCDE":
        body = {"fields": {"firstname": name}}
        faults.put([f"customerid=={key}"], body, background=1)
    assert faults.journal()[1]["ids"] == []
    eventually(lambda: all(entry["ids"] == [number] for entry in faults.journal()[:6]))
    assert faults.profile(number)["fields"]["firstname"] == "E"


def test_a_status_fails_as_often_as_ordered(faults: StandIn, key: str) -> None:
    """503 with the load balancer's page, and nothing is changed; behaviour 56."""
    assert order(faults, {"status": 503, "times": 2}).json()["left"] == 2
    for _ in range(2):
        answer = faults.put([f"customerid=={key}"], {}, create=1)
        assert answer.status_code == 503
        assert answer.headers["Content-Type"] == "text/html"
        assert "<title>Loadbalancer Error</title>" in answer.text
    assert faults.profiles([f"customerid=={key}"]) == []
    assert [entry["status"] for entry in faults.journal()] == [503, 503, 200]
    assert faults.send("GET", "/__standin/faults").json()["left"] == 0


def test_a_status_can_fail_until_reset(faults: StandIn) -> None:
    """`until_reset` fails every call but those of `/__standin/`."""
    order(faults, {"status": 502, "until_reset": True})
    for _ in range(5):
        answer = faults.call("GET", "identity")
        assert (answer.status_code, "502 Server Error" in answer.text) == (502, True)
    assert len(faults.journal()) == 5
    faults.send("DELETE", "/__standin/faults")
    assert faults.call("GET", "identity").status_code == 200


def test_a_message_makes_an_error_of_the_api(faults: StandIn) -> None:
    """A status with a message has the API's shape; a fault happens once unless said otherwise."""
    order(faults, {"status": 400, "message": "Invalid access token"})
    assert message(faults.call("GET", "identity")) == "Invalid access token"
    assert faults.call("GET", "identity").status_code == 200


def test_a_status_can_bring_headers(faults: StandIn) -> None:
    """429 with Retry-After; behaviour 56."""
    order(faults, {"status": 429, "headers": {"Retry-After": "5"}})
    answer = faults.call("GET", "identity")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "5")


@pytest.mark.parametrize(("moment", "made"), [("before", 0), ("after", 1)])
def test_a_connection_is_reset(faults: StandIn, key: str, moment: str, made: int) -> None:
    """No answer comes, whether the change was made or not; behaviour 56."""
    order(faults, {"reset": moment})
    with pytest.raises(httpx.ReadError):
        faults.put([f"customerid=={key}"], {"fields": {"customerid": key}}, create=1)
    assert len(faults.profiles([f"customerid=={key}"])) == made
    dropped = faults.journal()[0]
    assert (dropped["status"], len(dropped["ids"])) == (None, made)


def test_latency_delays_but_does_not_block(faults: StandIn) -> None:
    """Calls wait beside each other; behaviour 56."""
    order(faults, {"latency": 0.2})
    begun = time.monotonic()
    sockets = [socket.create_connection(faults.address, timeout=5) for _ in range(20)]
    for each in sockets:
        each.sendall(IDENTITY)
    answers = [each.recv(65536) for each in sockets]
    elapsed = time.monotonic() - begun
    for each in sockets:
        each.close()
    assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)
    assert 0.2 <= elapsed < 2
    assert all(entry["seconds"] >= 0.19 for entry in faults.journal())


@pytest.mark.parametrize(
    "fault",
    [
        [],
        {"statsu": 503},
        {"status": 99},
        {"status": 503, "reset": "after"},
        {"reset": "never"},
        {"status": 503, "times": -1},
        {"latency": "slow"},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(faults: StandIn, fault: Any) -> None:
    """A mistake in a test shows at once, and nothing is ordered."""
    assert message(order(faults, fault))
    assert faults.call("GET", "identity").status_code == 200


def test_an_answer_is_one_piece_and_quick(api: StandIn, key: str) -> None:
    """Head and body come together on a kept connection, in less than 5 ms."""
    body = json.dumps({"fields": {"customerid": key}}).encode()
    head = (
        f"PUT /v2/database/1234/profiles?fields[]=customerid=={key}&create=1"
        f"&access_token={TOKEN} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    elapsed = []
    with socket.create_connection(api.address, timeout=5) as connection:
        for _ in range(50):
            begun = time.perf_counter()
            connection.sendall(head.encode() + body)
            answer = connection.recv(65536)
            elapsed.append(time.perf_counter() - begun)
            assert answer.endswith(b'"removed":false}]')
    assert statistics.median(elapsed) < 0.005


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_quickly(number: signal.Signals) -> None:
    """SIGTERM and SIGINT end with 0, whether connections are idle or waiting."""
    with running() as standin, socket.create_connection(standin.address, timeout=5) as waiting:
        assert standin.call("GET", "database/customers/fields").json()["count"] == 9
        order(standin, {"latency": 60})
        waiting.sendall(IDENTITY)
        eventually(lambda: len(standin.journal()) == 2)
        standin.process.send_signal(number)
        rest, _ = standin.process.communicate(timeout=3)
        assert (standin.process.returncode, rest, waiting.recv(100)) == (0, "", b"")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "Expecting"),
        ("[]", "the seed must be an object"),
        ('{"databases": [{"id": "1", "name": "x"}]}', "databases[0]: id must be"),
        ('{"databases": [{"id": 1}]}', "databases[0]: name must be a text"),
        (
            '{"databases": [{"id": 1, "name": "x", "fields": [{"name": "a", "type": "int"}]}]}',
            "databases[0].fields[0]: type 'int' is none of big, date",
        ),
        (
            '{"databases": [{"id": 1, "name": "x", "profiles": [{"fields": {"a": 1}}]}]}',
            "databases[0].profiles[0]: there is no field 'a'",
        ),
        ('{"databases": [{"id": 1, "name": "x", "intrests": []}]}', "unknown key 'intrests'"),
    ],
)
def test_a_bad_seed_is_explained(tmp_path: Path, text: str, complaint: str) -> None:
    """The complaint names the place and the mistake."""
    path = tmp_path / "seed.json"
    path.write_text(text, "utf-8")
    with pytest.raises(seed.SeedError, match=re.escape(complaint)):
        seed.read(path)


def test_a_bad_seed_file_ends_the_start(tmp_path: Path) -> None:
    """One line on stderr without a traceback, and exit code 1."""
    command = [sys.executable, "-m", "tests.standin", "--seed-file", str(tmp_path / "absent")]
    ended = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=10
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("seed file ")
    assert ended.stderr.count("\n") == 1
