"""Behaviour 56, what can go wrong: each kind of fault, seen from the wire, with what it changed."""

import json
import statistics
import time
from email.utils import parsedate_to_datetime
from random import Random
from typing import Any

import pytest
from pydantic import TypeAdapter

from tests.contract.standins import StandIn, message, running, selection, whole
from tests.contract.wire import IDENTITY, Raw, Wire
from tests.standin import latency

PATH = "database/1234/profiles"


def upsert(wire: Wire, key: str) -> None:
    """Send a PUT that creates."""
    body = {"fields": {"customerid": key}}
    wire.send("PUT", PATH, selection([f"customerid=={key}"], create=1), body)


def count(standin: StandIn, key: str) -> int:
    """Count the profiles of a key."""
    return len(standin.profiles([f"customerid=={key}"]))


def get(standin: StandIn) -> Raw:
    """Ask for the identity on a connection of its own."""
    with Wire(standin) as wire:
        wire.socket.sendall(IDENTITY)
        return wire.answer()


@pytest.mark.parametrize("status", [500, 503, 504])
def test_56_a_status_comes_with_the_page_of_a_load_balancer(
    silent: StandIn, key: str, status: int
) -> None:
    """HTML under the title "Loadbalancer Error", and nothing is changed."""
    with silent.faults({"status": status}):
        answer = silent.put([f"customerid=={key}"], {"fields": {"customerid": key}}, create=1)
        assert answer.status_code == status
        assert answer.headers["Content-Type"].partition(";")[0] == "text/html"
        assert "<title>Loadbalancer Error</title>" in answer.text
        assert "X-Created" not in answer.headers
        assert count(silent, key) == 0
        assert [entry["status"] for entry in silent.journal()] == [status, 200]


def test_56_a_bad_gateway_has_a_page_of_its_own(silent: StandIn) -> None:
    """502 Server Error."""
    with silent.faults({"status": 502}):
        answer = silent.call("GET", "identity")
        assert (answer.status_code, "502 Server Error" in answer.text) == (502, True)


def test_56_a_success_may_be_a_page(silent: StandIn, key: str) -> None:
    """200 with HTML, as from a proxy, and nothing is changed."""
    with silent.faults({"status": 200}):
        answer = silent.put([f"customerid=={key}"], {"fields": {"customerid": key}}, create=1)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].partition(";")[0] == "text/html"
        assert answer.text.lstrip().lower().startswith(("<html", "<!doctype html"))
        assert count(silent, key) == 0


@pytest.mark.parametrize(("moment", "made"), [("before", 0), ("after", 1)])
def test_56_a_status_may_come_after_the_change(
    silent: StandIn, key: str, moment: str, made: int
) -> None:
    """A gateway gives up while the API works on."""
    with silent.faults({"status": 504, "moment": moment}):
        answer = silent.put([f"customerid=={key}"], {"fields": {"customerid": key}}, create=1)
        assert (answer.status_code, "Loadbalancer Error" in answer.text) == (504, True)
        assert count(silent, key) == made
        first = silent.journal()[0]
        assert (first["status"], len(first["ids"])) == (504, made)


@pytest.mark.parametrize(
    "rule", [{"status": 400, "message": "Invalid access token"}, {"invalid_token": True}]
)
def test_56_a_message_makes_an_error_of_the_api(silent: StandIn, rule: dict[str, Any]) -> None:
    """A status with a message has the API's shape."""
    with silent.faults(rule):
        assert message(silent.call("GET", "identity")) == "Invalid access token"
        assert silent.call("GET", "identity").status_code == 200


def test_56_a_status_may_have_a_body(silent: StandIn) -> None:
    """Any body, under any type."""
    with silent.faults({"status": 400, "body": "<oops>", "content_type": "text/x-oops"}):
        answer = silent.call("GET", "identity")
        assert (answer.status_code, answer.content) == (400, b"<oops>")
        assert answer.headers["Content-Type"].partition(";")[0] == "text/x-oops"


def test_56_a_status_may_bring_headers(silent: StandIn) -> None:
    """429 with Retry-After in seconds."""
    with silent.faults({"status": 429, "headers": {"Retry-After": "5", "X-Other": "a, b"}}):
        answer = silent.call("GET", "identity")
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "5")
        assert answer.headers["X-Other"] == "a, b"


def test_56_retry_after_may_be_a_date(fixed: StandIn) -> None:
    """So many seconds ahead of the Date beside it."""
    with fixed.faults({"status": 503, "headers": {"Retry-After": "date+5"}}):
        answer = fixed.call("GET", "identity")
        assert answer.headers["Date"] == "Mon, 23 Nov 2026 10:00:00 GMT"
        assert answer.headers["Retry-After"] == "Mon, 23 Nov 2026 10:00:05 GMT"


def test_56_a_date_is_ahead_of_the_real_clock(silent: StandIn) -> None:
    """Without a fixed clock as well."""
    with silent.faults({"status": 503, "headers": {"Retry-After": "date+3600"}}):
        headers = silent.call("GET", "identity").headers
    ahead = parsedate_to_datetime(headers["Retry-After"]) - parsedate_to_datetime(headers["Date"])
    assert 3599 <= ahead.total_seconds() <= 3601


@pytest.mark.parametrize(("moment", "made"), [("before", 0), ("after", 1)])
def test_56_a_connection_is_reset(silent: StandIn, key: str, moment: str, made: int) -> None:
    """RST instead of an answer, whether the change was made or not."""
    with silent.faults({"reset": moment}):
        with Wire(silent) as wire:
            upsert(wire, key)
            with pytest.raises(ConnectionResetError):
                wire.socket.recv(1)
        assert count(silent, key) == made
        first = silent.journal()[0]
        assert (first["status"], len(first["ids"])) == (None, made)


@pytest.mark.parametrize(("moment", "made"), [("before", 0), ("after", 1)])
def test_56_an_answer_is_empty(silent: StandIn, key: str, moment: str, made: int) -> None:
    """The connection ends in order without a byte, whether the change was made or not."""
    with silent.faults({"empty": moment}):
        with Wire(silent) as wire:
            upsert(wire, key)
            assert wire.rest() == b""
        assert count(silent, key) == made
        first = silent.journal()[0]
        assert (first["status"], len(first["ids"])) == (None, made)


@pytest.mark.parametrize(("cut", "missing"), [(5, None), (0, None), (True, 1), (None, 1)])
def test_56_a_body_is_cut(api: StandIn, key: str, cut: int | None, missing: int | None) -> None:
    """The head promises more than comes before the connection is closed; the change is made."""
    with api.faults({"cut": cut}):
        with Wire(api) as wire:
            upsert(wire, key)
            answer = wire.answer()
            assert wire.rest() == b""
        full = json.dumps(api.profiles([f"customerid=={key}"]), separators=(",", ":"))
    promised = int(answer.headers["content-length"])
    assert answer.line == "HTTP/1.1 200 OK"
    assert len(answer.body) == (promised - missing if missing else cut)
    assert answer.body.startswith(b'[{"ID"'[: len(answer.body)])
    assert promised == len(full)


def test_56_a_body_is_garbled(api: StandIn, key: str) -> None:
    """The status is that of the answer, the JSON is broken; the change is made."""
    with api.faults({"garbled": True, "times": 2}):
        with Wire(api) as wire:
            for _ in range(2):
                upsert(wire, key)
                answer = wire.answer()
                assert answer.line == "HTTP/1.1 200 OK"
                assert answer.headers["content-type"] == "application/json"
                assert len(answer.body) == int(answer.headers["content-length"]) > 0
                with pytest.raises(ValueError, match=r".+"):
                    json.loads(answer.body)
        assert count(api, key) == 1


def test_56_an_answer_trickles(api: StandIn, key: str) -> None:
    """One byte after the other, with a pause between them; in the end it is whole."""
    pause = 0.002
    with api.faults({"trickle": pause}):
        with Wire(api) as wire:
            upsert(wire, key)
            begun = time.monotonic()
            answer = wire.answer()
            elapsed = time.monotonic() - begun
        assert len(answer.body) == int(answer.headers["content-length"]) > 1
        assert elapsed >= pause * (len(answer.body) - 2)
        (profile,) = json.loads(answer.body)
        assert profile == api.profile(int(profile["ID"]))


def test_56_others_do_not_wait_for_a_trickle(api: StandIn) -> None:
    """It is slow on its own connection only, and its end may not be waited for."""
    with api.faults({"trickle": 60, "times": 1}), Wire(api) as slow:
        slow.socket.sendall(IDENTITY)
        slow.socket.recv(1)
        assert get(api).line == "HTTP/1.1 200 OK"


def test_56_a_connection_closes_behind_an_answer(silent: StandIn, key: str) -> None:
    """The answer is whole and says nothing of it; the next call finds the connection closed."""
    with silent.faults({"close": "after"}):
        with Wire(silent) as wire:
            upsert(wire, key)
            answer = wire.answer()
            assert answer.line == "HTTP/1.1 303 See Other"
            assert answer.headers["x-created"].isdecimal()
            assert "connection" not in answer.headers
            assert wire.rest() == b""
        assert count(silent, key) == 1


@pytest.mark.parametrize("version", ["", "/v2"])
def test_56_a_creation_does_not_say_where(silent: StandIn, key: str, version: str) -> None:
    """303 without Location and X-Created, though the profile is there."""
    with silent.faults({"no_location": True}):
        body = {"fields": {"customerid": key}}
        answer = silent.put([f"customerid=={key}"], body, version=version, create=1)
        status, headers, content = whole(answer)
        assert (status, content) == (303, b"")
        assert not {"location", "x-created", "x-location"} & headers.keys()
        assert count(silent, key) == 1


def test_56_connections_are_refused_for_a_while(seed_file: Any) -> None:
    """The call that meets the rule is reset, so are idle connections; then nobody gets in."""
    with running("--seed-file", str(seed_file)) as standin, Wire(standin) as idle:
        idle.socket.sendall(IDENTITY)
        idle.answer()
        standin.send("PUT", "/__standin/faults", json={"refuse": 1.5})
        begun = time.monotonic()
        with Wire(standin) as wire:
            wire.socket.sendall(IDENTITY)
            with pytest.raises(ConnectionResetError):
                wire.socket.recv(1)
        with pytest.raises(ConnectionResetError):
            idle.socket.recv(1)
        refused = 0
        while True:
            try:
                answer = get(standin)
                break
            except ConnectionRefusedError:
                refused += 1
                time.sleep(0.02)
        assert time.monotonic() - begun >= 1.5
        assert answer.line == "HTTP/1.1 200 OK"
        assert refused > 0


def delays(standin: StandIn, latency: object, calls: int = 40) -> list[float]:
    """Return how long calls took under a latency, all sent at once, in seconds."""
    with standin.faults({"latency": latency}):
        wires = [Wire(standin) for _ in range(calls)]
        for wire in wires:
            wire.socket.sendall(IDENTITY)
        for wire in wires:
            assert wire.answer().line == "HTTP/1.1 200 OK"
            wire.socket.close()
        return [entry["seconds"] for entry in standin.journal()]


def test_56_latency_delays_each_call_but_does_not_block(silent: StandIn) -> None:
    """Calls wait beside each other: forty of them not forty times as long."""
    begun = time.monotonic()
    seconds = delays(silent, 0.5)
    assert time.monotonic() - begun < 40 * 0.5
    assert min(seconds) >= 0.49


def test_56_a_latency_stays_until_it_is_ordered_otherwise(silent: StandIn) -> None:
    """Unlike other faults it is not over after one call."""
    with silent.faults({"latency": 0.01}):
        for _ in range(5):
            silent.call("GET", "identity")
        assert min(entry["seconds"] for entry in silent.journal()) >= 0.009


def test_56_a_latency_may_be_uniform(silent: StandIn) -> None:
    """Between two numbers of seconds."""
    seconds = delays(silent, {"uniform": [0.05, 0.5]})
    assert min(seconds) >= 0.049
    assert len(set(seconds)) > 10


def test_56_a_latency_may_be_exponential(silent: StandIn) -> None:
    """By its mean, up to a greatest value."""
    assert len(set(delays(silent, {"exponential": 0.1, "max": 0.3}))) > 10


def test_56_a_latency_may_be_lognormal(silent: StandIn) -> None:
    """By its median and the value that one in a hundred exceeds."""
    assert len(set(delays(silent, {"lognormal": {"median": 0.1, "p99": 0.4}}))) > 10


def test_56_a_latency_may_be_a_choice(silent: StandIn) -> None:
    """One of several numbers."""
    seconds = delays(silent, {"choice": [0.0, 1.0]})
    slow = [each for each in seconds if each >= 0.9]
    assert 0 < len(slow) < len(seconds)


LATENCY: TypeAdapter[latency.Latency] = TypeAdapter(latency.Latency)


@pytest.mark.parametrize(
    ("shape", "hundredths"),
    [
        (0.25, {1: 0.25, 50: 0.25, 99: 0.25}),
        ({"uniform": [1, 3]}, {1: 1.02, 25: 1.5, 50: 2, 75: 2.5, 99: 2.98}),
        ({"exponential": 2, "max": 9}, {25: 0.575, 50: 1.386, 75: 2.773, 95: 5.99, 99: 9}),
        ({"lognormal": {"median": 0.1, "p99": 1}}, {1: 0.01, 50: 0.1, 99: 1}),
        ({"choice": [1, 1, 1, 2]}, {1: 1, 70: 1, 80: 2, 99: 2}),
    ],
)
def test_56_a_latency_has_the_shape_that_it_says(
    shape: object, hundredths: dict[int, float]
) -> None:
    """Twenty thousand draws from seeded dice."""
    dice = Random(0)  # noqa: S311 - no secret comes of it
    drawn = [latency.drawn(LATENCY.validate_python(shape), dice) for _ in range(20_000)]
    found = statistics.quantiles(drawn, n=100)
    assert {n: found[n - 1] for n in hundredths} == pytest.approx(hundredths, rel=0.1)


def test_56_a_latency_goes_together_with_another_fault(silent: StandIn) -> None:
    """In one rule, or as a rule beside it."""
    both: dict[str, Any] = {"status": 503, "latency": 0.05}
    for rules in (
        [both],
        [{"latency": 0.05}, {"status": 503}],
        [{"status": 503}, {"latency": 0.05}],
    ):
        with silent.faults(*rules):
            assert silent.call("GET", "identity").status_code == 503
            (entry,) = silent.journal()
            assert entry["seconds"] >= 0.04


def test_56_a_creation_may_take_time_to_think(silent: StandIn, key: str) -> None:
    """Two calls at once then make two profiles; others are not held up."""
    with silent.faults({"think_time": 1, "key": key}):
        with Wire(silent) as one, Wire(silent) as other:
            upsert(one, key)
            upsert(other, key)
            assert silent.put(["customerid==nobody"], {}).status_code == 200
            lines = [wire.answer().line for wire in (one, other)]
        assert lines == ["HTTP/1.1 303 See Other"] * 2
        assert count(silent, key) == 2
