"""Behaviours 29 to 40: what a PUT of profiles changes, and what it answers."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.contract.standins import (
    EMPTY,
    NEW,
    OLD,
    TOKEN,
    VERSIONS,
    StandIn,
    Whole,
    eventually,
    running,
    selection,
    updated,
    wait_for_the_next_second,
    whole,
    written,
)
from tests.contract.wire import Wire

PATH = "database/1234/profiles"


@pytest.mark.parametrize("create", [None, 0, 1])
@pytest.mark.parametrize("version", VERSIONS)
def test_29_every_match_gets_the_fields_and_nothing_comes_back(
    silent: StandIn, key: str, version: str, create: int | None
) -> None:
    """200 and an empty body without X-Created; 204 in versions 3 and 4."""
    numbers = [silent.post({"fields": {"customerid": key}}) for _ in range(3)]
    other = silent.post({"fields": {"customerid": f"{key}x"}})
    body = written(version, {"age": "42"})
    answer = silent.put([f"customerid=={key}"], body, version=version, create=create)
    assert whole(answer) == updated(version)
    assert [silent.profile(number)["fields"]["age"] for number in numbers] == ["42"] * 3
    assert silent.profile(other)["fields"]["age"] == "0"


@pytest.mark.parametrize("create", [None, 0])
@pytest.mark.parametrize("version", VERSIONS)
def test_30_no_match_answers_the_same(
    silent: StandIn, key: str, version: str, create: int | None
) -> None:
    """Nothing tells "updated five" from "updated none"."""
    body = written(version, {"customerid": key})
    answer = silent.put([f"customerid=={key}"], body, version=version, create=create)
    assert whole(answer) == updated(version)
    assert silent.profiles([f"customerid=={key}"]) == []


DEFAULTS = {
    "customerid": "",
    "firstname": "",
    "lastname": "",
    "email": "",
    "phone": "",
    "notes": "",
    "age": "0",
    "score": "-1",
    "price": "0",
    "country": "nl",
    "joined": "0000-00-00",
    "birthday": "",
    "seen": "0000-00-00 00:00:00",
    "lastlogin": "",
    "batch": "",
    "number": "",
}


@pytest.mark.parametrize("version", OLD)
def test_31_a_creation_answers_see_other(silent: StandIn, key: str, version: str) -> None:
    """303 with X-Created, and Location with the whole query but no version."""
    query = selection([f"customerid=={key}"], create=1, bogus="a+b%20c")
    answer = silent.call("PUT", PATH, query, written(version, {"customerid": key}), version)
    number = answer.headers["X-Created"]
    place = f"{silent.url}/profile/{number}?{query}&access_token={TOKEN}"
    assert whole(answer) == (303, {**EMPTY, "x-created": number, "location": place}, b"")
    profile = silent.profile(int(number))
    assert profile["fields"] == {**DEFAULTS, "customerid": key}
    assert silent.send("GET", place).json() == profile


@pytest.mark.parametrize("version", NEW)
def test_31_versions_3_and_4_answer_created(silent: StandIn, key: str, version: str) -> None:
    """201 with X-Created and X-location."""
    body = {"fields": {"customerid": key}}
    answer = silent.put([f"customerid=={key}"], body, version=version, create=1)
    number = answer.headers["X-Created"]
    place = answer.headers["X-location"]
    assert place.partition("?")[0] == f"{silent.url}/profile/{number}"
    headers = {**EMPTY, "x-created": number, "x-location": place}
    assert whole(answer) == (201, headers, b"")
    assert silent.profile(int(number))["fields"] == {**DEFAULTS, "customerid": key}


def test_31_a_sent_value_is_no_default(silent: StandIn) -> None:
    """A field that is sent as null or empty does not get its default."""
    for value in ("", None):
        number = silent.post({"fields": {"score": value, "country": value}})
        fields = silent.profile(number)["fields"]
        assert (fields["score"], fields["country"]) == ("0", "")
    assert silent.profile(silent.post({}))["fields"] == DEFAULTS


@pytest.mark.parametrize("version", VERSIONS)
def test_32_the_selection_is_not_copied(silent: StandIn, key: str, version: str) -> None:
    """A body without the key makes one more profile with every call."""
    numbers = []
    for _ in range(2):
        body = written(version, {"batch": key})
        answer = silent.put([f"customerid=={key}"], body, version=version, create=1)
        numbers.append(answer.headers["X-Created"])
    profiles = silent.profiles([f"batch=={key}"])
    assert [profile["ID"] for profile in profiles] == numbers
    assert [profile["fields"]["customerid"] for profile in profiles] == ["", ""]


@pytest.mark.parametrize("version", VERSIONS)
def test_33_with_a_match_create_only_updates(silent: StandIn, key: str, version: str) -> None:
    """The profile is found from the next call on."""
    for n in range(3):
        body = written(version, {"customerid": key, "age": n})
        answer = silent.put([f"customerid=={key}"], body, version=version, create=1)
        assert ("X-Created" in answer.headers) == (n == 0)
    assert whole(answer) == updated(version)
    assert [profile["fields"]["age"] for profile in silent.profiles([f"customerid=={key}"])] == [
        "2"
    ]


def test_34_modified_moves_only_with_a_change(silent: StandIn, key: str) -> None:
    """Equal values, also after conversion, do not touch it; a creation sets it."""
    fields = {"customerid": key, "firstname": "Jan", "score": "-1"}
    number = silent.post({"fields": fields, "interests": ["football"]})
    before = silent.profile(number)
    assert before["modified"] == before["created"]
    wait_for_the_next_second(before["created"])
    same = {"fields": {**fields, "score": -1.9}, "interests": {"football": 1, "tennis": 0}}
    nothing: list[dict[str, Any]] = [{"fields": {}}, {}]
    for body in (same, *nothing):
        silent.put([f"customerid=={key}"], body, create=1)
        silent.call("PUT", f"profile/{number}", "", body)
    silent.call("PUT", f"profile/{number}/fields", "", same["fields"])
    assert silent.profile(number) == before
    silent.put([f"customerid=={key}"], {"fields": {"firstname": "jan"}})
    after = silent.profile(number)
    assert after["modified"] > before["modified"]
    assert after["created"] == before["created"]


def test_34_modified_moves_for_each_profile_apart(silent: StandIn, key: str) -> None:
    """Of several matches only those that change move; interests count as a change."""
    silent.post({"fields": {"customerid": key, "firstname": "Jan"}, "interests": ["tennis"]})
    silent.post({"fields": {"customerid": key, "firstname": "Piet"}, "interests": ["tennis"]})
    silent.post({"fields": {"customerid": key, "firstname": "Jan"}})
    before = [profile["modified"] for profile in silent.profiles([f"customerid=={key}"])]
    wait_for_the_next_second(before[-1])
    body = {"fields": {"firstname": "Jan"}, "interests": ["tennis"]}
    silent.put([f"customerid=={key}"], body)
    after = [profile["modified"] for profile in silent.profiles([f"customerid=={key}"])]
    assert [new > old for new, old in zip(after, before, strict=True)] == [False, True, True]


def test_35_a_secret_is_ignored(silent: StandIn, key: str) -> None:
    """Neither a new profile nor an old one takes it from this body."""
    body = {"fields": {"customerid": key}, "secret": "mine"}
    number = int(silent.put([f"customerid=={key}"], body, create=1).headers["X-Created"])
    before = silent.profile(number)
    assert before["secret"] != "mine"
    silent.put([f"customerid=={key}"], body)
    assert silent.profile(number) == before


@pytest.mark.parametrize("version", VERSIONS)
def test_36_async_answers_before_anything_happens(
    contrary: StandIn, key: str, version: str
) -> None:
    """200 or 204 without an id, whether it will update, create or do nothing."""
    number = contrary.post({"fields": {"customerid": key}})
    body = written(version, {"customerid": key, "age": 42})
    for conditions in ([f"customerid=={key}"], [f"customerid=={key}new"]):
        for create in (0, 1):
            answer = contrary.put(conditions, body, version=version, create=create, background=1)
            assert whole(answer) == updated(version)
    assert [p["ID"] for p in contrary.profiles([f"customerid=={key}"])] == [str(number)]
    assert contrary.profile(number)["fields"]["age"] == "0"


@pytest.mark.parametrize("version", VERSIONS)
def test_36_the_change_comes_later(silent: StandIn, key: str, version: str) -> None:
    """After a delay, in the order of the calls."""
    for n in range(20):
        body = written(version, {"customerid": key, "age": n})
        conditions = [f"customerid=={key}"]
        answer = silent.put(conditions, body, version=version, create=1, background=1)
        assert whole(answer) == updated(version)
    eventually(
        lambda: [p["fields"]["age"] for p in silent.profiles([f"customerid=={key}"])] == ["19"]
    )


def test_36_ids_of_later_changes_show_in_the_journal(silent: StandIn, key: str) -> None:
    """They are not known when the call is answered; afterwards they are."""
    with silent.faults():
        number = silent.post({"fields": {"customerid": key}})
        for name in "ABCDE":
            body = {"fields": {"firstname": name}}
            silent.put([f"customerid=={key}"], body, background=1)
        eventually(lambda: all(entry["ids"] == [number] for entry in silent.journal()[:6]))
    assert silent.profile(number)["fields"]["firstname"] == "E"


@pytest.mark.parametrize("version", OLD)
def test_37_by_a_switch_the_profiles_come_back(api: StandIn, key: str, version: str) -> None:
    """200 and an array of whole profiles: none, the new one, or all that matched."""

    def put(create: int) -> Whole:
        body = written(version, {"customerid": key, "age": 42})
        return whole(api.put([f"customerid=={key}"], body, version=version, create=create))

    def expected(profiles: list[dict[str, Any]], got: Whole) -> Whole:
        headers = {"content-type": "application/json", "content-length": str(len(got[2]))}
        answer = api.call("GET", PATH, selection([f"customerid=={key}"]))
        assert answer.json()["data"] == json.loads(got[2]) == profiles
        return 200, headers, got[2]

    none = put(0)
    assert none == expected([], none)
    assert none[2] == b"[]"
    for total in (1, 2):
        new = put(1)
        profiles = api.profiles([f"customerid=={key}"])
        assert new == expected(profiles, new)
        assert len(profiles) == total
        api.post({"fields": {"customerid": key, "age": 42}})


@pytest.mark.parametrize("version", VERSIONS)
def test_37_async_brings_no_list(api: StandIn, key: str, version: str) -> None:
    """Nothing is known yet."""
    api.post({"fields": {"customerid": key}})
    body = written(version, {"age": 42})
    for conditions in ([f"customerid=={key}"], [f"customerid=={key}new"]):
        answer = api.put(conditions, body, version=version, create=1, background=1)
        assert whole(answer) == updated(version)


@pytest.mark.parametrize("version", NEW)
def test_37_versions_3_and_4_have_no_list(api: StandIn, key: str, version: str) -> None:
    """The page that promises it is that of version 2."""
    body = {"fields": {"customerid": key}}
    conditions = [f"customerid=={key}"]
    assert whole(api.put(conditions, body, version=version)) == updated(version)
    assert api.put(conditions, body, version=version, create=1).status_code == 201
    assert whole(api.put(conditions, body, version=version, create=1)) == updated(version)


@pytest.mark.parametrize("version", OLD)
def test_38_by_a_switch_updates_answer_see_other(contrary: StandIn, key: str, version: str) -> None:
    """303 with the URL of the call itself as Location, and no X-Created."""
    contrary.post({"fields": {"customerid": key}})
    for name in (key, f"{key}new"):
        query = selection([f"customerid=={name}"], create=0)
        answer = contrary.call("PUT", PATH, query, written(version, {"age": 1}), version)
        place = f"{contrary.url}/{PATH}?{query}&access_token={TOKEN}"
        assert whole(answer) == (303, {**EMPTY, "location": place}, b"")
    body = written(version, {"customerid": f"{key}new"})
    answer = contrary.put([f"customerid=={key}new"], body, version=version, create=1)
    assert answer.headers["Location"].startswith(
        f"{contrary.url}/profile/{answer.headers['X-Created']}?"
    )


@pytest.mark.parametrize("version", NEW)
def test_38_versions_3_and_4_answer_204_all_the_same(
    contrary: StandIn, key: str, version: str
) -> None:
    """The switch is about the versions that know 303."""
    answer = contrary.put([f"customerid=={key}"], {}, version=version)
    assert whole(answer) == updated(version)


def upserts(standin: StandIn, key: str) -> list[str]:
    """Send two PUTs for one new key at the same time; return their first lines."""
    query = selection([f"customerid=={key}"], create=1)
    with Wire(standin) as one, Wire(standin) as other:
        for wire in (one, other):
            wire.send("PUT", PATH, query, {"fields": {"customerid": key}})
        return [wire.answer().line.split()[1] for wire in (one, other)]


def test_39_two_upserts_at_once_can_make_two_profiles(seed_file: Path, key: str) -> None:
    """Search and creation are two steps, with time to think between them."""
    options = ("--seed-file", str(seed_file), "--put-result=empty", "--think-time=1")
    with running(*options) as standin:
        assert upserts(standin, key) == ["303", "303"]
        assert len(standin.profiles([f"customerid=={key}"])) == 2


def test_39_by_a_switch_upserts_are_atomic(seed_file: Path, key: str) -> None:
    """The second finds what the first has made."""
    options = ("--seed-file", str(seed_file), "--put-result=empty", "--think-time=0.2")
    with running(*options, "--atomic-upsert") as standin:
        assert sorted(upserts(standin, key)) == ["200", "303"]
        assert len(standin.profiles([f"customerid=={key}"])) == 1


def test_39_without_time_to_think_they_do_not_meet(silent: StandIn, key: str) -> None:
    """One call after the other is carried out."""
    for n in range(5):
        assert sorted(upserts(silent, f"{key}-{n}")) == ["200", "303"]


@pytest.mark.parametrize(
    ("sent", "merged", "replaced"),
    [
        ({"tennis": 1, "football": 0}, ["baseball", "tennis"], ["tennis"]),
        ({"tennis": "1", "football": "0"}, ["baseball", "tennis"], ["tennis"]),
        (["tennis"], ["football", "baseball", "tennis"], ["tennis"]),
        (
            {"0": "tennis", "1": "football"},
            ["football", "baseball", "tennis"],
            ["football", "tennis"],
        ),
        (["chess"], ["football", "baseball"], []),
        ({"chess": 1, "tennis": 1}, ["football", "baseball", "tennis"], ["tennis"]),
        ([], ["football", "baseball"], None),
        (None, ["football", "baseball"], ["football", "baseball"]),
    ],
)
def test_40_interests_are_switched(  # noqa: PLR0917 - two stand-ins and a line of the table
    silent: StandIn,
    contrary: StandIn,
    key: str,
    sent: Any,
    merged: list[str],
    replaced: list[str] | None,
) -> None:
    """A map sets, a list switches on, unknown names do nothing; a switch clears the others."""
    body = {"fields": {"age": 1}} if sent is None else {"interests": sent}
    for standin, expected in ((silent, merged), (contrary, replaced)):
        fields = {"customerid": key}
        number = standin.post({"fields": fields, "interests": ["football", "baseball"]})
        standin.put([f"customerid=={key}"], body)
        assert expected in (None, standin.profile(number)["interests"])
