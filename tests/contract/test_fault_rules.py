"""Behaviour 56, when something goes wrong: how rules choose calls, and how they are ordered."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.contract.standins import StandIn, eventually, message, running, selection

RULES = "/__standin/faults"


def identity(standin: StandIn) -> int:
    """Ask for the identity; return the status."""
    return standin.call("GET", "identity").status_code


def statuses(standin: StandIn, calls: int) -> list[int]:
    """Return the statuses of so many calls."""
    return [identity(standin) for _ in range(calls)]


def test_56_a_fault_happens_once_unless_said_otherwise(silent: StandIn) -> None:
    """Then all is well again."""
    with silent.faults({"status": 503}):
        assert statuses(silent, 3) == [503, 200, 200]


def test_56_a_fault_happens_as_often_as_ordered(silent: StandIn) -> None:
    """`times`."""
    with silent.faults({"status": 503, "times": 3}):
        assert statuses(silent, 5) == [503, 503, 503, 200, 200]
    with silent.faults({"status": 503, "times": 0}):
        assert statuses(silent, 1) == [200]


def test_56_a_fault_can_happen_until_reset(silent: StandIn) -> None:
    """`until_reset`: every call fails, except those to the stand-in itself."""
    with silent.faults({"status": 502, "until_reset": True}):
        assert statuses(silent, 5) == [502] * 5
        assert len(silent.journal()) == 5
    assert identity(silent) == 200


@pytest.mark.parametrize(
    ("nth", "expected"),
    [(1, [503, 200, 200, 200]), (3, [200, 200, 503, 200]), ([1, 3], [503, 200, 503, 200])],
)
def test_56_a_fault_meets_the_nth_call(silent: StandIn, nth: Any, expected: list[int]) -> None:
    """`nth`, counted from 1 over the calls since it was ordered."""
    with silent.faults({"status": 503, "nth": nth}):
        assert statuses(silent, 4) == expected


def test_56_a_fault_meets_every_so_many_calls(silent: StandIn) -> None:
    """`every`: the third, the sixth, ..."""
    with silent.faults({"status": 503, "every": 3}):
        assert statuses(silent, 7) == [200, 200, 503, 200, 200, 503, 200]
    with silent.faults({"status": 503, "every": 2, "times": 1}):
        assert statuses(silent, 4) == [200, 503, 200, 200]


def test_56_only_calls_that_match_are_counted(silent: StandIn, key: str) -> None:
    """`nth` and `every` count what the rest of the rule lets through."""
    for when in ({"nth": 2}, {"every": 2}):
        with silent.faults({"status": 503, "key": key, **when}):
            put = [silent.put([f"customerid=={key}"], {}).status_code]
            assert statuses(silent, 3) == [200, 200, 200]
            put += [silent.put([f"customerid=={key}"], {}).status_code for _ in range(2)]
            assert put == [200, 503, 200]


def test_56_a_fault_meets_a_key(silent: StandIn, key: str) -> None:
    """`key`: a text in the value of a condition or of a field, once decoded."""
    text = f"{key} é+&"
    hits: list[Callable[[], Any]] = [
        lambda: silent.put([f"customerid=={text}"], {}),
        lambda: silent.put([f"lastname=~%{text}%"], {}),
        lambda: silent.put(["customerid==nobody"], {"fields": {"lastname": f"x{text}x"}}),
        lambda: silent.put(["customerid==nobody"], {"lastname": text}, version="/v1"),
        lambda: silent.call("POST", "database/1234/profiles", "", {"fields": {"email": text}}),
        lambda: silent.call("PUT", "profile/1/fields", "", {"email": text}),
        lambda: silent.send(
            "PUT",
            f"/v2/database/1234/profiles?{selection(['age==-7'], access_token='demo-token')}",
            data={"fields[lastname]": text},
        ),
    ]
    with silent.faults({"status": 503, "key": text}):
        for hit in hits:
            assert hit().status_code == 503
        assert identity(silent) == 200
        assert silent.put([f"customerid=={key}"], {}).status_code == 200
        assert silent.put(["customerid==nobody"], {text: 1}).status_code == 200


@pytest.mark.parametrize("method", ["PUT", "put"])
def test_56_a_fault_meets_a_method(silent: StandIn, method: str) -> None:
    """`method`, in any case."""
    with silent.faults({"status": 503, "method": method, "until_reset": True}):
        assert identity(silent) == 200
        assert silent.put(["customerid==nobody"], {}).status_code == 503


def test_56_a_fault_meets_a_call(silent: StandIn) -> None:
    """`call`: the path with neither version nor ids."""
    number = silent.post({})
    silent.jwt()
    calls: dict[str, Callable[[], int]] = {
        "database/profiles": lambda: silent.put(["customerid==nobody"], {}).status_code,
        "database/fields": lambda: silent.call("GET", "database/5/fields").status_code,
        "profile": lambda: silent.call("GET", f"profile/{number}").status_code,
        "profile/fields": lambda: silent.call("GET", f"profile/{number}/fields").status_code,
        "identity": lambda: identity(silent),
        "authenticate": lambda: (
            silent.send("POST", "/authenticate", data={"access_token": "demo-token"}).status_code
        ),
    }
    for call in calls:
        with silent.faults({"status": 503, "call": call, "until_reset": True}):
            assert {name: get() for name, get in calls.items()} == {
                name: 503 if name == call else 200 for name in calls
            }


def test_56_a_fault_meets_a_version(silent: StandIn) -> None:
    """`version`; no prefix is version 2."""
    with silent.faults({"status": 503, "version": "v2", "until_reset": True}):
        found = {
            version: silent.call("GET", "identity", version=version).status_code
            for version in ("", "/v1", "/v2", "/v3")
        }
    assert found == {"": 503, "/v1": 200, "/v2": 503, "/v3": 200}


def test_56_a_fault_lasts_for_a_period(silent: StandIn) -> None:
    """`for` so many seconds, however often."""
    with silent.faults({"status": 503, "for": 1000}):
        assert statuses(silent, 5) == [503] * 5
    with silent.faults({"status": 503, "for": 0.2}):
        begun = time.monotonic()
        eventually(lambda: identity(silent) == 200)
        assert time.monotonic() - begun >= 0.19
        assert statuses(silent, 3) == [200] * 3


def test_56_a_fault_begins_later(silent: StandIn) -> None:
    """`after` so many seconds from its order, and then its period begins."""
    with silent.faults({"status": 503, "after": 1000, "until_reset": True}):
        assert statuses(silent, 3) == [200] * 3
    with silent.faults({"status": 503, "after": 0.2, "for": 1000}):
        begun = time.monotonic()
        eventually(lambda: identity(silent) == 503)
        assert time.monotonic() - begun >= 0.19
        assert statuses(silent, 3) == [503] * 3


def test_56_all_that_a_rule_says_must_hold(silent: StandIn, key: str) -> None:
    """Method, key, call and version together."""
    rule = {"method": "PUT", "key": key, "call": "database/profiles", "version": "v3"}
    with silent.faults({"status": 503, **rule}):
        for version, name, status in (("/v2", key, 200), ("/v3", "x", 204), ("/v3", key, 503)):
            answer = silent.put([f"customerid=={name}"], {}, version=version)
            assert answer.status_code == status


def test_56_the_first_rule_that_applies_decides(silent: StandIn) -> None:
    """The others keep what they have left."""
    with silent.faults({"status": 503, "nth": 1}, {"status": 502}, {"status": 504, "times": 2}):
        assert statuses(silent, 5) == [503, 502, 504, 504, 200]


def test_56_a_rate_of_one_is_always_and_of_none_is_never(silent: StandIn) -> None:
    """`rate` is a probability."""
    with silent.faults({"status": 503, "rate": 1}):
        assert statuses(silent, 20) == [503] * 20
    with silent.faults({"status": 503, "rate": 0}):
        assert statuses(silent, 20) == [200] * 20


def test_56_dice_are_seeded(tmp_path: Path) -> None:
    """The same seed fails the same calls; faults are there from the start by a file."""
    path = tmp_path / "faults.json"
    path.write_text(json.dumps([{"status": 503, "rate": 0.3}]), "utf-8")
    runs = []
    for seed in ("7", "7", "8"):
        with running("--faults", str(path), "--seed", seed) as standin:
            runs.append(statuses(standin, 200))
    assert runs[0] == runs[1] != runs[2]
    for run in runs:
        assert 30 <= run.count(503) <= 90
        assert run.count(503) + run.count(200) == 200


def test_56_a_file_may_hold_one_rule(tmp_path: Path) -> None:
    """And it counts from the start; a DELETE ends it."""
    path = tmp_path / "faults.json"
    path.write_text(json.dumps({"status": 503, "times": 2}), "utf-8")
    with running("--faults", str(path), "--latency", "0.01") as standin:
        assert statuses(standin, 3) == [503, 503, 200]
        standin.send("DELETE", RULES)
        assert statuses(standin, 1) == [200]
        assert min(entry["seconds"] for entry in standin.journal()) >= 0.009


def test_56_rules_are_put_added_shown_and_cleared(silent: StandIn) -> None:
    """PUT replaces all, POST adds, GET tells how often each happened, DELETE clears."""

    def shown() -> list[tuple[int, int, int | None]]:
        rules = silent.send("GET", RULES).json()
        return [(rule["status"], rule["happened"], rule["left"]) for rule in rules]

    with silent.faults({"status": 500, "until_reset": True}):
        assert silent.send("PUT", RULES, json={"status": 503, "times": 2}).status_code == 200
        assert shown() == [(503, 0, 2)]
        assert identity(silent) == 503
        added = [{"status": 502}, {"status": 504, "until_reset": True}]
        assert silent.send("POST", RULES, json=added).status_code == 200
        assert shown() == [(503, 1, 1), (502, 0, 1), (504, 0, None)]
        assert statuses(silent, 4) == [503, 502, 504, 504]
        assert shown() == [(503, 2, 0), (502, 1, 0), (504, 2, None)]
        assert silent.send("DELETE", RULES).is_success
        assert shown() == []
        assert identity(silent) == 200


@pytest.mark.parametrize(
    "rule",
    [
        5,
        "status",
        [[]],
        {},
        {"statsu": 503},
        {"times": 3},
        {"status": 99},
        {"status": "503"},
        {"status": 503, "reset": "after"},
        {"status": 503, "moment": "never"},
        {"status": 503, "message": "x", "body": "y"},
        {"reset": "never"},
        {"reset": True},
        {"empty": ""},
        {"cut": -2},
        {"close": "before"},
        {"status": 503, "times": -1},
        {"status": 503, "times": 1.5},
        {"status": 503, "rate": 1.5},
        {"status": 503, "rate": -0.1},
        {"status": 503, "nth": 0},
        {"status": 503, "nth": []},
        {"status": 503, "method": "BREW"},
        {"status": 503, "every": 0},
        {"status": 503, "for": -1},
        {"status": 503, "headers": [1]},
        {"latency": "slow"},
        {"latency": -1},
        {"latency": {"uniform": [1]}},
        {"latency": {"uniform": [2, 1]}},
        {"latency": {"normal": 1}},
        {"latency": {"choice": []}},
        {"latency": {"lognormal": {"median": 0, "p99": 1}}},
        [{"status": 503}, {"statsu": 503}],
    ],
)
def test_56_a_rule_that_makes_no_sense_is_refused(silent: StandIn, rule: Any) -> None:
    """A mistake in a test shows at once, and nothing is ordered."""
    with silent.faults():
        assert message(silent.send("PUT", RULES, json=rule))
        assert message(silent.send("POST", RULES, json=rule))
        assert silent.send("GET", RULES).json() == []
        assert identity(silent) == 200


def test_56_a_rule_may_have_a_name(silent: StandIn) -> None:
    """The journal tells it; without one the fault itself is told."""
    with silent.faults({"status": 503, "name": "evening"}, {"status": 502, "nth": 3}):
        assert statuses(silent, 3) == [503, 200, 502]
        told = [entry["fault"] for entry in silent.journal()]
        assert told == ["evening", None, "status 502"]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff"])
def test_56_what_is_no_json_is_refused(silent: StandIn, content: bytes) -> None:
    """With the reason in the API's shape."""
    assert message(silent.send("PUT", RULES, content=content))


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ({"statsu": 503}, "statsu: unknown key; is status meant?"),
        ({"xyz": 503}, "xyz: unknown key; --help and /openapi.json show them"),
        ([{"status": 503}, {"status": 99}], "[1].status: must be 200 or more, not 99"),
        ([], "there is no fault in the list; DELETE takes all back"),
        ([5], "[0] must be an object"),
        ({"status": "503"}, 'status: must be a whole number, not "503"'),
        ({"status": 503, "nth": []}, "nth: must list at least 1"),
        ({"status": 503, "nth": "x"}, 'nth: must be a number, or a list of numbers, not "x"'),
        ({"status": 503, "key": ""}, "key: must not be empty"),
        ({"reset": True}, 'reset: must be "before" or "after", not true'),
        ({"latency": {"uniform": [1, 2, 3]}}, "latency.uniform: must list at most 2"),
        ({"latency": {"lognormal": {"median": 1}}}, "latency.lognormal.p99: is missing"),
        (
            {"status": 503, "reset": "after"},
            "status and reset are two faults: give each an object of its own",
        ),
        (
            {"cut": False},
            "cut: must be a number of bytes; null, true or -1 for all but the last, not false",
        ),
    ],
)
def test_56_the_refusal_names_the_mistake(silent: StandIn, rule: Any, text: str) -> None:
    """Which key, in which fault, and what would do."""
    assert message(silent.send("PUT", RULES, json=rule)) == text


def test_56_a_key_that_is_written_twice_is_refused(silent: StandIn) -> None:
    """Which of them was meant, nobody knows."""
    text = message(silent.send("PUT", RULES, content=b'{"status": 503, "status": 504}'))
    assert 'the key "status" is written twice' in text


def test_56_the_document_tells_what_a_fault_is(silent: StandIn) -> None:
    """How often it happens, what a status alone answers, and whom `refuse` meets."""
    schemas = silent.send("GET", "/openapi.json").json()["components"]["schemas"]
    keys = schemas["Fault"]["properties"]
    assert "a fault happens once" in keys["times"]["description"]
    assert "the load balancer's page" in keys["status"]["description"]
    assert "is reset, then nothing listens" in keys["refuse"]["description"]
    assert "Rule" not in json.dumps(schemas)
