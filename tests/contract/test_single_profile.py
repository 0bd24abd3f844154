"""Behaviours 41 to 48: one profile is made, changed, removed, and read afterwards."""

import re
import time
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.contract.standins import (
    EMPTY,
    NEW,
    OLD,
    TOKEN,
    VERSIONS,
    StandIn,
    Whole,
    message,
    running,
    wait_for_the_next_second,
    whole,
    written,
)

PATH = "database/1234/profiles"


def see_other(standin: StandIn, path: str, query: str = "") -> Whole:
    """Return the answer to a change of one profile: its URL without version, and nothing else."""
    joint = "&" if query else ""
    place = f"{standin.url}/{path}?{query}{joint}access_token={TOKEN}"
    return 303, {**EMPTY, "location": place}, b""


def changed(standin: StandIn, version: str, number: int) -> Whole:
    """Return the answer of a version to a change of one profile."""
    return (204, {}, b"") if version in NEW else see_other(standin, f"profile/{number}")


@pytest.mark.parametrize("version", VERSIONS)
def test_41_a_post_makes_a_new_profile_each_time(silent: StandIn, key: str, version: str) -> None:
    """201 with X-Created and no body, for the same data each time anew."""
    body: dict[str, Any] = {**written(version, {"customerid": key}), "secret": "x"}
    numbers = []
    for _ in range(2):
        answer = silent.call("POST", PATH, "", body, version)
        status, headers, content = whole(answer)
        numbers.append(headers.pop("x-created"))
        if version in NEW:
            place = headers.pop("x-location", f"{silent.url}/profile/{numbers[-1]}")
            assert place.partition("?")[0] == f"{silent.url}/profile/{numbers[-1]}"
        assert (status, headers, content) == (201, EMPTY, b"")
    profiles = silent.profiles([f"customerid=={key}"])
    assert [profile["ID"] for profile in profiles] == numbers
    assert all(profile["secret"] != "x" for profile in profiles)


def test_41_a_post_knows_neither_conditions_nor_create(silent: StandIn, key: str) -> None:
    """What is a parameter of the PUT has no effect, and interests come with it."""
    query = f"fields[]=customerid=={key}&fields[]=shoe==1&create=0&async=1"
    body = {"fields": {"customerid": key}, "interests": ["tennis"]}
    for total in (1, 2):
        assert silent.call("POST", PATH, query, body).status_code == 201
        profiles = silent.profiles([f"customerid=={key}"])
        assert [profile["interests"] for profile in profiles] == [["tennis"]] * total


def test_41_an_empty_profile_is_possible(silent: StandIn) -> None:
    """Without a body all fields have their defaults."""
    bodies: list[Any] = [None, {}, {"fields": {}}]
    for body in bodies:
        profile = silent.profile(silent.post(body))
        assert (profile["fields"]["score"], profile["fields"]["customerid"]) == ("-1", "")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("address", ["spam@126.com", "SPAM@126.COM"])
def test_41_a_blocked_domain_is_refused(
    silent: StandIn, key: str, version: str, address: str
) -> None:
    """An address of such a domain is the reason for a 400."""
    body = written(version, {"customerid": key, "email": address})
    answer = silent.call("POST", PATH, "", body, version)
    assert message(answer) == "Failed to create profile"
    assert silent.profiles([f"customerid=={key}"]) == []


def test_41_a_put_that_creates_is_refused_too(silent: StandIn, key: str) -> None:
    """An update is not: only a creation fails."""
    body = {"fields": {"customerid": key, "email": "spam@126.com"}}
    answer = silent.put([f"customerid=={key}"], body, create=1)
    assert message(answer) == "Failed to create profile"
    assert silent.profiles([f"customerid=={key}"]) == []
    number = silent.post({"fields": {"customerid": key}})
    assert silent.put([f"customerid=={key}"], body, create=1).status_code == 200
    assert silent.profile(number)["fields"]["email"] == "spam@126.com"


def test_41_other_addresses_are_not(silent: StandIn, key: str) -> None:
    """The domain counts as a whole, and in an address only."""
    for address in ("jan@1126.com", "jan@126.com.example", "126.com"):
        silent.post({"fields": {"customerid": key, "email": address}})
    silent.post({"fields": {"customerid": key, "notes": "spam@126.com"}})
    assert len(silent.profiles([f"customerid=={key}"])) == 4


def test_41_the_domains_are_a_switch(contrary: StandIn) -> None:
    """It was started with two domains of its own."""
    for domain in ("example.org", "example.net"):
        body = {"fields": {"email": f"jan@{domain}"}}
        assert message(contrary.call("POST", PATH, "", body)) == "Failed to create profile"


def test_42_a_new_profile_has_a_secret_of_28_characters(silent: StandIn) -> None:
    """Hexadecimal, and another for each."""
    secrets = {silent.profile(silent.post({}))["secret"] for _ in range(20)}
    assert len(secrets) == 20
    assert all(re.fullmatch("[0-9a-f]{28}", secret) for secret in secrets)


def test_42_created_and_modified_are_now_in_amsterdam(fixed: StandIn, silent: StandIn) -> None:
    """10:00 UTC in November is 11:00 there."""
    profile = fixed.profile(fixed.post({}))
    assert (profile["created"], profile["modified"]) == ("2026-11-23 11:00:00",) * 2
    begun = int(time.time())
    created = silent.profile(silent.post({}))["created"]
    moment = datetime.fromisoformat(created).replace(tzinfo=ZoneInfo("Europe/Amsterdam"))
    assert begun <= moment.timestamp() <= time.time()


def test_42_amsterdam_has_summer_time(key: str) -> None:
    """10:00 UTC in July is noon there."""
    with running("--deterministic", "2026-07-01T10:00:00Z") as standin:
        answer = standin.put([f"customerid=={key}"], {}, database="1234", create=1)
        (profile,) = answer.json()
        assert (profile["created"], profile["modified"]) == ("2026-07-01 12:00:00",) * 2
        assert answer.headers["Date"] == "Wed, 01 Jul 2026 10:00:00 GMT"


@pytest.mark.parametrize("version", ["", "/v2", "/v3", "/v4"])
def test_43_a_put_changes_one_profile(silent: StandIn, key: str, version: str) -> None:
    """Fields, interests and secret; 303 with its URL, or 204 in versions 3 and 4."""
    number = silent.post({"fields": {"customerid": key}, "interests": ["tennis"]})
    body = {"fields": {"AGE": "42", "shoe": 1}, "interests": {"football": 1}, "secret": "mine"}
    answer = silent.call("PUT", f"profile/{number}", "", body, version)
    assert whole(answer) == changed(silent, version, number)
    profile = silent.profile(number)
    assert profile["fields"]["age"] == "42"
    assert profile["fields"]["customerid"] == key
    assert (profile["interests"], profile["secret"]) == (["football", "tennis"], "mine")


def test_43_location_repeats_the_query(silent: StandIn) -> None:
    """As it came, bogus parameters and all."""
    number = silent.post({})
    query = "bogus=1&a=%20b+c"
    answer = silent.call("PUT", f"profile/{number}", query, {})
    assert whole(answer) == see_other(silent, f"profile/{number}", query)


@pytest.mark.parametrize("fields", ["x", 1, True, None, ""])
@pytest.mark.parametrize("version", ["", "/v2", "/v3", "/v4"])
def test_43_fields_that_are_no_array_are_ignored(
    silent: StandIn, version: str, fields: object
) -> None:
    """No error here, unlike the PUT of profiles; what stands beside them has effect."""
    number = silent.post({"fields": {"age": 5}})
    before = silent.profile(number)
    body = {"fields": fields, "secret": "mine"}
    answer = silent.call("PUT", f"profile/{number}", "", body, version)
    assert whole(answer) == changed(silent, version, number)
    assert silent.profile(number) == {**before, "secret": "mine"}


SECRETS: list[tuple[object, str]] = [
    ("mine", "mine"),
    ("", ""),
    ("café", "caf?"),
    ("žluťoučký", "?lu?ou?k?"),
    ("123", "123"),
    (None, "1"),
    ([], "1"),
    (["x"], "1"),
]


def test_43_a_secret_is_replaced_without_a_trace(silent: StandIn) -> None:
    """Non-ASCII becomes a question mark, null or an array 1; `modified` does not move."""
    before = [silent.profile(silent.post({})) for _ in SECRETS]
    wait_for_the_next_second(before[-1]["modified"])
    for profile, (secret, expected) in zip(before, SECRETS, strict=True):
        silent.call("PUT", f"profile/{profile['ID']}", "", {"secret": secret})
        assert silent.profile(int(profile["ID"])) == {**profile, "secret": expected}


@pytest.mark.parametrize("version", VERSIONS)
def test_44_the_fields_of_a_profile_are_a_flat_map(silent: StandIn, key: str, version: str) -> None:
    """303 with the URL of the profile; `interests` and `secret` are nothing but names here."""
    number = silent.post({"fields": {"customerid": key}, "interests": ["tennis"]})
    before = silent.profile(number)
    body = {"AGE": 42, "fields": {"age": 1}, "interests": [], "secret": "mine", "shoe": 1}
    answer = silent.call("PUT", f"profile/{number}/fields", "", body, version)
    assert whole(answer) == changed(silent, version, number)
    after = silent.profile(number)
    assert after["fields"] == {**before["fields"], "age": "42"}
    assert (after["interests"], after["secret"]) == (["tennis"], before["secret"])


@pytest.mark.parametrize("version", ["", "/v2", "/v3", "/v4"])
def test_45_a_post_on_a_profile_is_a_put(silent: StandIn, version: str) -> None:
    """On the profile and on its fields."""
    number = silent.post({})
    body = {"fields": {"age": 1}, "interests": ["tennis"], "secret": "mine"}
    answer = silent.call("POST", f"profile/{number}", "", body, version)
    assert whole(answer) == changed(silent, version, number)
    profile = silent.profile(number)
    assert (profile["fields"]["age"], profile["interests"]) == ("1", ["tennis"])
    assert profile["secret"] == "mine"
    answer = silent.call("POST", f"profile/{number}/fields", "", {"age": 2}, version)
    assert whole(answer) == changed(silent, version, number)
    assert silent.profile(number)["fields"]["age"] == "2"


@pytest.mark.parametrize("version", VERSIONS)
def test_46_a_delete_removes(silent: StandIn, key: str, version: str) -> None:
    """200 with X-Deleted and nothing else, 204 in versions 3 and 4; only once."""
    number = silent.post({"fields": {"customerid": key}})
    status, headers, content = whole(silent.call("DELETE", f"profile/{number}", version=version))
    told = headers.pop("x-deleted", None)
    if version in OLD:
        assert (status, headers, content, told) == (200, EMPTY, b"", f"profile {number}")
    else:
        assert (status, headers, content) == (204, {}, b"")
        assert told in (None, f"profile {number}")
    assert silent.profiles([f"customerid=={key}"]) == []
    for path in (f"profile/{number}", f"profile/{number}/extra", f"profile/{number}/fields/5"):
        answer = silent.call("DELETE", path, version=version)
        assert message(answer) == "This profile has already been removed"


def test_46_a_removal_is_no_change(silent: StandIn) -> None:
    """`modified` stays, and so does `created`."""
    number = silent.post({"fields": {"age": 5}})
    before = silent.profile(number)
    wait_for_the_next_second(before["modified"])
    silent.call("DELETE", f"profile/{number}")
    after = silent.profile(number)
    assert (after["created"], after["modified"]) == (before["created"], before["modified"])
    assert after["removed"] > before["modified"]


@pytest.mark.parametrize("number", ["999999", "0", "abc", "-1", "1.5", "9" * 40, "%20"])
@pytest.mark.parametrize("version", VERSIONS)
def test_47_an_unknown_profile_is_told(silent: StandIn, version: str, number: str) -> None:
    """Whatever is asked of it, and whatever stands behind it."""
    calls: list[tuple[str, str, Any]] = [
        ("GET", "", None),
        ("GET", "/fields", None),
        ("GET", "/nonsense", None),
        ("PUT", "", {}),
        ("PUT", "/fields", {}),
        ("POST", "", {}),
        ("DELETE", "", None),
    ]
    for method, rest, body in calls:
        answer = silent.call(method, f"profile/{number}{rest}", "", body, version)
        assert message(answer) == "No entity with supplied ID"


def test_48_a_removed_profile_is_empty(fixed: StandIn, key: str) -> None:
    """200, all fields empty, and the time of its removal in `removed`."""
    fields = {"customerid": key, "age": 5, "country": "be", "birthday": "2020-01-31"}
    number = fixed.post({"fields": fields})
    before = fixed.profile(number)
    fixed.call("DELETE", f"profile/{number}")
    answer = fixed.call("GET", f"profile/{number}")
    assert answer.status_code == 200
    empty = dict.fromkeys(before["fields"], "")
    after = answer.json()
    assert list(after) == list(before)
    after.pop("interests")
    before.pop("interests")
    assert after == {**before, "fields": empty, "removed": "2026-11-23 11:00:00"}
    assert fixed.call("GET", f"profile/{number}/fields").json() == empty


def test_48_an_update_of_a_removed_profile_only_moves_modified(silent: StandIn) -> None:
    """303 as ever, but fields stay empty; `modified` moves with every `fields` that has any."""
    number = silent.post({"fields": {"age": 5}})
    silent.call("DELETE", f"profile/{number}")
    before = silent.profile(number)
    nothing: list[Any] = [{}, {"fields": {}}]
    for body in nothing:
        wait_for_the_next_second(before["modified"])
        answer = silent.call("PUT", f"profile/{number}", "", body)
        assert whole(answer) == see_other(silent, f"profile/{number}")
        assert silent.profile(number) == before
    fields = {"age": 6}
    for path, body in (("", {"fields": fields}), ("/fields", fields)):
        wait_for_the_next_second(before["modified"])
        answer = silent.call("PUT", f"profile/{number}{path}", "", body)
        assert whole(answer) == see_other(silent, f"profile/{number}")
        after = silent.profile(number)
        assert after["modified"] > before["modified"]
        assert set(after["fields"].values()) == {""}
        assert after["removed"] == before["removed"]
        before = after
