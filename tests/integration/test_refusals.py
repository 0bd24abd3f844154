"""What a sender gets back for an event that could do harm, and what the API is asked about it."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx

from tests.integration.conftest import DEAD_LETTERS, Mail
from tests.integration.harm import (
    assert_nothing_is_left,
    calls,
    order,
    profiles,
    results_of,
    stored,
    update,
    written,
)
from tests.programs import Service, StandIn

Start = Callable[..., tuple[Service, StandIn]]

SECRET = "x5ecret"

# What an event says besides; the reason; what the detail names.
REFUSED: dict[str, tuple[dict[str, Any], str, tuple[str, ...]]] = {
    "an unknown field": (
        {"fields": {"fristname": SECRET}},
        "unknown-field",
        ("fields.fristname", "did you mean firstname?"),
    ),
    "an unknown field that selects": (
        {"where": {"costumerid": SECRET}, "create": False},
        "unknown-field",
        ("where.costumerid", "did you mean customerid?"),
    ),
    "an unknown interest": (
        {"interests": {"footbal": True}},
        "unknown-field",
        ("interests.footbal", "did you mean football?"),
    ),
    "a choice in other letters": (
        {"fields": {"country": "NL"}},
        "invalid-value",
        ("fields.country (select)", "nl, be, de"),
    ),
    "a choice that is none": (
        {"fields": {"country": SECRET}},
        "invalid-value",
        ("fields.country (select)", "nl, be, de"),
    ),
    "letters after a number": (
        {"fields": {"age": f"12{SECRET}"}},
        "invalid-value",
        ("fields.age (integer)", "like 42"),
    ),
    "a number with a comma": (
        {"fields": {"age": "1,5"}},
        "invalid-value",
        ("fields.age (integer)", "like 42"),
    ),
    "a number with an exponent": (
        {"fields": {"age": "1e3"}},
        "invalid-value",
        ("fields.age (integer)", "like 42"),
    ),
    "a number beyond 64 bits": (
        {"fields": {"age": "9223372036854775808"}},
        "invalid-value",
        ("fields.age (integer)", "64 bits"),
    ),
    "a number that selects": (
        {"where": {"age": SECRET}, "create": False},
        "invalid-value",
        ("where.age (integer)", "like 42"),
    ),
    "a date, month first": (
        {"fields": {"birthday": "02/01/2020"}},
        "invalid-value",
        ("fields.birthday (empty_date)", "2026-11-23"),
    ),
    "a day that does not exist": (
        {"fields": {"birthday": "2020-02-30"}},
        "invalid-value",
        ("fields.birthday (empty_date)", "2026-11-23"),
    ),
    "a word for a date": (
        {"fields": {"birthday": "yesterday"}},
        "invalid-value",
        ("fields.birthday (empty_date)", "2026-11-23"),
    ),
    "a timestamp for a date": (
        {"fields": {"birthday": 1596979546}},
        "invalid-value",
        ("fields.birthday (empty_date)", "2026-11-23"),
    ),
    "no date of a selection": (
        {"where": {"birthday": "0000-00-00"}, "create": False},
        "unsafe-selection",
        ("where.birthday",),
    ),
    "an e-mail address that is none": (
        {"fields": {"email": SECRET}},
        "invalid-value",
        ("fields.email (email)", "jane@example.com"),
    ),
    "a text that is cut off": (
        {"fields": {"lastname": SECRET * 50}},
        "invalid-value",
        ("fields.lastname (text)", "255"),
    ),
    "a database that is not allowed": (
        {"database": 2},
        "database-not-allowed",
        ("DATABASES",),
    ),
}


def test_an_event_that_could_do_harm_is_refused_with_words_for_its_sender(
    service: Start, mail: Mail
) -> None:
    running, api = service(DATABASES="1234, Customers", LOG_LEVEL="debug")
    events = {
        name: {**update("k", 1), "id": f"evt-{number}", **more}
        for number, (name, (more, _, _)) in enumerate(REFUSED.items())
    }
    mail.send(*events.values())

    results = {result["event_id"]: result for result in results_of(mail, [*events.values()])}
    dead = mail.take(DEAD_LETTERS, len(events))
    headers = {
        properties.headers["profile-sync-detail"]: properties.headers for _, properties, _ in dead
    }

    for name, (_, reason, hints) in REFUSED.items():
        result = results[events[name]["id"]]
        assert (result["outcome"], result["reason"], result["attempts"]) == ("rejected", reason, 0)
        for hint in hints:
            assert hint in result["detail"], name
        assert headers[result["detail"]]["profile-sync-reason"] == reason
        values = [*events[name]["fields"].values(), *events[name]["where"].values()]
        given = [str(value) for value in values if str(value) not in ("1", "k")]
        assert not [value for value in given if value in result["detail"]], name
    assert SECRET not in running.output()
    assert {entry["method"] for entry in api.journal()} == {"GET"}
    assert "/v2/database/2" not in str(api.journal())
    assert profiles(api) == []
    assert_nothing_is_left(mail, running)


def test_ids_and_names_spellings_and_notations_are_one_key(service: Start, mail: Mail) -> None:
    running, api = service("--latency", "0.05", "--think-time", "0.05")
    ways: list[dict[str, Any]] = [
        {"database": "Customers", "where": {"customerid": 4567}},
        {"database": 1234, "where": {"CustomerID": "4567"}},
        {"database": "customers", "where": ["customerid==4567"]},
        {"database": "1234", "where": ["CUSTOMERID==4567"]},
    ]
    events = [update("4567", number, **ways[number % len(ways)]) for number in range(16)]
    mail.send(*events)

    results_of(mail, events)

    assert stored(api) == [("4567", "15")]
    assert [int(written(entry)) for entry in calls(api)] == [*range(16)]
    assert {entry["path"] for entry in calls(api)} == {"/v2/database/1234/profiles"}
    assert_nothing_is_left(mail, running)


def asked(api: StandIn) -> Counter[str]:
    """Count the GETs by path, those of profiles by what they select."""
    counts: Counter[str] = Counter()
    for entry in calls(api, "GET"):
        path = entry["path"].removeprefix("/v2/database/1234/")
        selected = [value.partition("==")[0] for name, value in entry["query"] if "fields" in name]
        counts[" ".join([path, *selected])] += 1
    return counts


def test_what_a_database_knows_is_asked_once_and_again_for_a_name_that_is_new(
    service: Start, mail: Mail
) -> None:
    running, api = service("--latency", "0.02")
    events = [update(key, 1) for key in range(40)]
    mail.send(*events)
    results_of(mail, events)
    once = {"fields": 1, "interests": 1, "profiles customerid": 1}
    assert asked(api) == once

    later = [update(key, 2) for key in range(40)]
    mail.send(*later)
    results_of(mail, later)
    assert asked(api) == once

    fields = [{"name": name, "type": "text"} for name in ("customerid", "firstname", "hobby")]
    seed = {"databases": [{"id": 1234, "name": "Customers", "fields": fields}]}
    answer = httpx.put(f"{api.url}/__standin/seed", json=seed, trust_env=False)
    assert answer.status_code == 204
    new = update("new", 3)
    new["fields"]["hobby"] = "chess"
    mail.send(new)
    (result,) = mail.results(1)
    assert result["profiles"][0]["fields"]["hobby"] == "chess"
    # The catalogue has changed: whether its conditions select is asked again too.
    assert asked(api) == {"fields": 2, "interests": 2, "profiles customerid": 2}
    assert_nothing_is_left(mail, running)


def test_a_catalogue_that_cannot_be_read_holds_events_and_refuses_none(
    service: Start, mail: Mail
) -> None:
    running, api = service()
    order(api, {"status": 503, "call": "database/fields", "times": 2})
    order(api, {"status": 400, "call": "database/interests", "message": "Failed", "times": 2})
    events = [update(key, 1) for key in range(5)]
    mail.send(*events)
    assert {result["outcome"] for result in results_of(mail, events)} == {"created"}
    assert len(profiles(api)) == 5
    assert_nothing_is_left(mail, running)
