"""Behaviours 57 to 60: rate limit, journal, seed, fixed clock, and the list of choices."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.contract.conftest import CONTRARY
from tests.contract.standins import StandIn, eventually, message, running, selection
from tests.contract.wire import IDENTITY, Wire
from tests.standin.behaviours import BEHAVIOURS

TOKEN = "hush-hush-token"


def burst(standin: StandIn, calls: int) -> list[str]:
    """Send calls all at once, one a connection; return the statuses."""
    wires = [Wire(standin) for _ in range(calls)]
    for wire in wires:
        wire.socket.sendall(IDENTITY)
    lines = [wire.answer().line for wire in wires]
    for wire in wires:
        wire.socket.close()
    return [line.split()[1] for line in lines]


def test_57_calls_beyond_the_rate_are_refused() -> None:
    """503 and the load balancer's page, until time has passed; nothing is changed by them."""
    with running("--rate-limit", "5") as standin:
        found = burst(standin, 40)
        assert set(found) == {"200", "503"}
        refused: list[httpx.Response] = []

        def is_refused() -> bool:
            refused.append(standin.put(["customerid==x"], {}, database="1234", create=1))
            return refused[-1].status_code == 503

        eventually(lambda: burst(standin, 40).count("503") > 0 and is_refused())
        assert "<title>Loadbalancer Error</title>" in refused[-1].text
        assert refused[-1].headers["Content-Type"].partition(";")[0] == "text/html"
        standin.forget()
        for _ in range(20):
            assert standin.send("GET", "/__standin/journal").status_code == 200
        eventually(lambda: standin.call("GET", "identity").status_code == 200)


def test_57_the_refusal_may_be_429() -> None:
    """By a switch, with Retry-After."""
    with running("--rate-limit", "1", "--rate-limit-answer", "429") as standin:
        answers: list[httpx.Response] = []

        def is_refused() -> bool:
            answers.append(standin.call("GET", "identity"))
            return answers[-1].status_code == 429

        eventually(is_refused)
        assert answers[0].status_code == 200
        assert answers[-1].headers["Retry-After"] == "1"
        begun = time.monotonic()
        eventually(lambda: not is_refused())
        assert time.monotonic() - begun < 30
        assert {answer.status_code for answer in answers} == {200, 429}


def test_58_the_journal_tells_every_request(silent: StandIn, key: str) -> None:
    """Time, method, path, query without token, body, status and ids."""
    body = {"fields": {"customerid": key}}
    with silent.faults():
        begun = time.time()
        query = selection([f"customerid=={key}"], create=1)
        answer = silent.call("PUT", "database/My%20Customers/profiles", query, body)
        number = int(answer.headers["X-Created"])
        silent.send("POST", "/v2/nonsense?a=&a=%20b&access_token=wrong", content=b"{no json")
        ended = time.time()
        first, second = silent.journal()
    assert begun - 1 <= first.pop("time") <= ended + 1
    assert 0 <= first.pop("seconds") <= ended - begun + 1
    assert first == {
        "n": 1,
        "method": "PUT",
        "path": "/v2/database/My Customers/profiles",
        "query": [["fields[]", f"customerid=={key}"], ["create", "1"]],
        "body": body,
        "status": 303,
        "ids": [number],
        "fault": None,
    }
    assert (second["n"], second["status"], second["ids"]) == (2, 400, [])
    assert (second["query"], second["body"]) == ([["a", ""], ["a", " b"]], "{no json")


def test_58_the_journal_knows_the_ids_of_all_that_was_touched(silent: StandIn, key: str) -> None:
    """Of every match, and of a new profile."""
    with silent.faults():
        numbers = [silent.post({"fields": {"customerid": key}}) for _ in range(3)]
        silent.put([f"customerid=={key}"], {})
        silent.put(["customerid==nobody"], {})
        silent.call("PUT", f"profile/{numbers[0]}", "", {})
        silent.call("DELETE", f"profile/{numbers[1]}")
        ids = [entry["ids"] for entry in silent.journal()]
    assert ids[:5] == [*([number] for number in numbers), numbers, []]
    assert ids[5:] == [[numbers[0]], [numbers[1]]]


def test_58_the_journal_can_be_reset(silent: StandIn) -> None:
    """A DELETE forgets all and counts from 1 again; calls of the journal are not in it."""
    silent.call("GET", "identity")
    assert silent.send("DELETE", "/__standin/journal").status_code == 204
    assert silent.journal() == []
    silent.call("GET", "identity")
    assert [entry["n"] for entry in silent.journal()] == [1]


def test_58_the_journal_can_be_read_on(silent: StandIn) -> None:
    """`after` gives the entries behind a number."""
    with silent.faults():
        for _ in range(5):
            silent.call("GET", "identity")
        for after, expected in (("0", [1, 2, 3, 4, 5]), ("3", [4, 5]), ("5", []), ("9", [])):
            entries = silent.send("GET", f"/__standin/journal?after={after}").json()
            assert [entry["n"] for entry in entries] == expected
        assert message(silent.send("GET", "/__standin/journal?after=x"))


@pytest.fixture(scope="module")
def hushed(seed_file: Path) -> Iterator[StandIn]:
    """A stand-in whose token is like no other text."""
    with running("--seed-file", str(seed_file), "--token", TOKEN) as standin:
        yield standin


def test_58_the_token_can_be_replaced(seed_file: Path) -> None:
    """The old one is refused from then on, as one that was revoked."""
    with running("--seed-file", str(seed_file), "--token", TOKEN) as standin:

        def status(token: str) -> int:
            return standin.send("GET", f"/v2/identity?access_token={token}").status_code

        assert (status(TOKEN), status("another")) == (200, 400)
        assert standin.send("PUT", "/__standin/token", json={"token": "another"}).is_success
        assert (status(TOKEN), status("another")) == (400, 200)
        refused = standin.send("GET", f"/v2/identity?access_token={TOKEN}")
        assert message(refused) == "Invalid access token"
        wrong: list[object] = [{}, {"token": ""}, {"token": 1}, {"token": "x", "for": 5}, []]
        for bad in wrong:
            assert message(standin.send("PUT", "/__standin/token", json=bad))
        assert status("another") == 200


SPELLINGS = [
    "access_token=",
    "a=1&access_token=",
    "access%5Ftoken=",
    "%61ccess_token=",
    "access_token[]=",
    "access_token%5B%5D=",
    "access_token[x][y]=",
    "access.token=",
    "access+token=",
    "access%20token=",
    "access[token=",
    "+access_token=",
    "%20access_token=",
    "access_token%00=",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_58_the_journal_never_shows_the_token_of_a_query(hushed: StandIn, spelling: str) -> None:
    """In no spelling that PHP would take for it."""
    hushed.send("GET", f"/v2/identity?b=2&{spelling}{TOKEN}&c=3")
    hushed.send("PUT", f"/v2/database/1234/profiles?{spelling}{TOKEN}", json={})
    text = hushed.send("GET", "/__standin/journal").text
    assert "/v2/identity" in text
    assert TOKEN not in text


def test_58_the_journal_never_shows_the_token_elsewhere(hushed: StandIn) -> None:
    """Not from the form of /authenticate, whatever its shape, nor a header."""
    answer = hushed.send("POST", "/authenticate", data={"access_token": TOKEN})
    jwt = answer.raise_for_status().text
    hushed.send("POST", "/authenticate", json={"access_token": TOKEN})
    hushed.send("POST", "/authenticate", content=f"access_token={TOKEN}")
    hushed.send("POST", "/authenticate", content=f"access_token[]={TOKEN}&a={TOKEN}")
    hushed.send("POST", "/authenticate/", content=TOKEN)
    hushed.send("POST", f"/authenticate?access_token={TOKEN}")
    hushed.send("GET", "/v4/identity", headers={"Authorization": f"Bearer {jwt}"})
    hushed.send("GET", "/v4/identity", headers={"Authorization": f"Bearer {TOKEN}"})
    text = hushed.send("GET", "/__standin/journal").text
    assert text.count("/authenticate") == 6
    assert TOKEN not in text
    assert jwt not in text


def test_58_its_own_calls_are_neither_noted_nor_faulted(silent: StandIn) -> None:
    """What is for tests works in the middle of all faults."""
    paths = ("", "/journal", "/faults", "/choices")
    with silent.faults({"status": 503, "until_reset": True}, {"latency": 0.001}):
        for path in paths:
            answer = silent.send("GET", f"/__standin{path}")
            assert (answer.status_code, path) == (200, path)
            assert answer.json() is not None
        assert silent.send("GET", "/openapi.json").json()["openapi"].startswith("3.1")
        assert silent.journal() == []


def test_58_what_is_for_tests_ends_its_lines(silent: StandIn) -> None:
    """So that a prompt begins a line of its own; lists have an item a line."""
    for path in ("/__standin", "/openapi.json", "/__standin/choices", "/__standin/nothing"):
        assert silent.send("GET", path).text.endswith(("}\n", "]\n"))
    choices = silent.send("GET", "/__standin/choices")
    assert len(choices.text.splitlines()) == len(choices.json())
    assert silent.send("GET", "/__standin/faults").text == "[]\n"


def test_58_there_is_an_index_of_what_is_for_tests(silent: StandIn) -> None:
    """It names the other addresses."""
    text = json.dumps(silent.send("GET", "/__standin").json())
    for name in ("journal", "faults", "choices", "seed"):
        assert f"/__standin/{name}" in text
    assert "/openapi.json" in text


def test_58_data_can_be_replaced(seed_file: Path) -> None:
    """A seed replaces all databases and profiles; DELETE brings the first ones back."""
    fields = [{"name": "customerid", "type": "text"}]
    profiles = [{"fields": {"customerid": "x"}}]
    fresh = {"databases": [{"id": 3, "name": "Fresh", "fields": fields, "profiles": profiles}]}
    with running("--seed-file", str(seed_file), "--async-delay", "0.2") as standin:
        standin.put(["customerid==later"], {"fields": {"rank": 5}}, database="5", background=1)
        standin.put(["customerid==later"], {}, database="5", create=1, background=1)
        standin.post({"fields": {"customerid": "y"}}, database="5")
        assert standin.send("PUT", "/__standin/seed", json=fresh).is_success
        found = standin.profiles([], database="Fresh")
        assert [profile["fields"] for profile in found] == [{"customerid": "x"}]
        answer = standin.call("GET", "database/5/profiles")
        assert message(answer) == "No database with supplied ID"
        bad = {"databases": [{"id": 4, "name": "Bad", "fields": [{"name": "a", "type": "int"}]}]}
        assert "type 'int'" in message(standin.send("PUT", "/__standin/seed", json=bad))
        assert message(standin.send("PUT", "/__standin/seed", content=b"{"))
        assert len(standin.profiles([], database="3")) == 1
        # What was to be changed in the background is gone, and does no harm.
        number = standin.post({"fields": {"customerid": "z"}}, database="3")
        standin.put(["customerid==z"], {"fields": {"customerid": "w"}}, database="3", background=1)
        eventually(lambda: standin.profile(number)["fields"]["customerid"] == "w")
        assert standin.send("DELETE", "/__standin/seed").is_success
        names = [p["fields"]["customerid"] for p in standin.profiles([], database="5")]
        assert names == ["one", "two", "three"]


def transcript(*options: str) -> list[tuple[int, list[tuple[str, str]], bytes]]:
    """Run a stand-in and make some calls; return all it answered, but for its port."""
    answers = []
    with running("--put-result", "list", *options) as standin:
        number = standin.post({"fields": {"customerid": "a"}}, database="1234")
        body = {"fields": {"customerid": "b"}}
        for answer in (
            standin.send("POST", "/authenticate", data={"access_token": "demo-token"}),
            standin.put(["customerid==b"], body, database="1234", create=1),
            standin.call("GET", "database/1234/profiles", "orderby=random"),
            standin.call("GET", "database/1234/fields"),
            standin.call("DELETE", f"profile/{number}"),
            standin.call("GET", f"profile/{number}"),
            standin.call("GET", "nonsense"),
        ):
            answers.append((answer.status_code, answer.headers.multi_items(), answer.content))
    return answers


def test_59_a_fixed_clock_and_seeded_secrets_repeat_every_answer() -> None:
    """Byte for byte, the date and the JWT included; another seed has other secrets."""
    first, again = transcript("--deterministic"), transcript("--deterministic")
    assert first == again
    assert {dict(headers)["date"] for _, headers, _ in first} == {"Mon, 23 Nov 2026 10:00:00 GMT"}
    other = transcript("--deterministic", "--seed", "5")
    secrets = [json.loads(answers[1][2])[0]["secret"] for answers in (first, other)]
    assert secrets[0] != secrets[1]
    assert first[0][2] != other[0][2]


def test_59_the_instant_may_be_chosen() -> None:
    """With any offset."""
    answers = transcript("--deterministic", "2024-02-29T23:30:00+01:00")
    assert dict(answers[0][1])["date"] == "Thu, 29 Feb 2024 22:30:00 GMT"
    assert json.loads(answers[1][2])[0]["created"] == "2024-02-29 23:30:00"


def test_59_the_fixed_clock_rules_data_that_is_put_there_too() -> None:
    """A default such as "today" is the day of the clock."""
    field = {"name": "joined", "type": "date", "default": "today"}
    database = {"id": 5, "name": "Fresh", "fields": [field], "profiles": [{}]}
    with running("--deterministic", "2024-02-29T12:00:00Z") as standin:
        standin.send("PUT", "/__standin/seed", json={"databases": [database]})
        (profile,) = standin.profiles([], "5")
    assert profile["fields"] == {"joined": "2024-02-29"}


def described(standin: StandIn) -> list[dict[str, Any]]:
    """Ask for the choices."""
    found: list[dict[str, Any]] = standin.send("GET", "/__standin/choices").json()
    return found


def test_60_every_choice_is_explained(silent: StandIn) -> None:
    """Name, value, what else it could be, which behaviours, a sentence, and a mark."""
    choices = described(silent)
    names = [choice["name"] for choice in choices]
    assert len(set(names)) == len(names)
    for choice in choices:
        assert set(choice) == {"name", "chosen", "values", "about", "text", "mark"}
        assert choice["mark"] in ("choice", "switch")
        assert len(choice["text"]) > 20
        assert choice["about"]
        assert set(choice["about"]) <= set(BEHAVIOURS.values())
        if choice["mark"] == "choice":
            assert choice["values"] is None
        elif isinstance(choice["values"], list):
            assert choice["chosen"] in choice["values"]
        else:
            assert isinstance(choice["values"], str)


# What the list of behaviours calls a choice, an invention, unknown, or a switch.
UNSETTLED = {
    6,
    7,
    9,
    12,
    13,
    16,
    17,
    20,
    23,
    24,
    26,
    34,
    35,
    36,
    37,
    38,
    39,
    40,
    41,
    49,
    54,
    55,
    57,
}


def test_60_nothing_that_is_unsettled_is_missing(silent: StandIn) -> None:
    """All choices and inventions are listed, so that nobody takes them for facts."""
    told = {sentence for choice in described(silent) for sentence in choice["about"]}
    assert {BEHAVIOURS[number] for number in UNSETTLED} - told == set()


def test_60_one_choice_can_be_asked_for(silent: StandIn) -> None:
    """By its name; a name that is none is told, with those that are near."""
    (found,) = silent.send("GET", "/__standin/choices?name=put_result").json()
    assert (found["name"], found["chosen"]) == ("put_result", "empty")
    answer = silent.send("GET", "/__standin/choices?name=put_results")
    assert message(answer).startswith("there is no choice of that name; is put_result ")


SWITCHES = {
    "put_result": "list",
    "put_update_status": 200,
    "unknown_field": "error",
    "unknown_body_field": "ignore",
    "interests": "merge",
    "unauthorized_status": 401,
    "async_delay": 0.2,
    "think_time": 0,
    "atomic_upsert": False,
    "count_errors": "yes",
    "rate_limit": None,
    "rate_limit_answer": 503,
    "blocked_domain": ["126.com"],
}


def test_60_switches_tell_their_defaults() -> None:
    """A stand-in without options."""
    with running() as standin:
        chosen = {choice["name"]: choice["chosen"] for choice in described(standin)}
    assert {name: chosen[name] for name in SWITCHES} == SWITCHES


def test_60_switches_tell_what_was_chosen(contrary: StandIn) -> None:
    """Each as it was given on the command line."""
    chosen = {choice["name"]: choice["chosen"] for choice in described(contrary)}
    for option in CONTRARY:
        name, _, value = option.removeprefix("--").partition("=")
        found = chosen[name.replace("-", "_")]
        if isinstance(found, list):
            assert value in found
        elif isinstance(found, int | float):
            assert found == float(value)
        else:
            assert found == value
