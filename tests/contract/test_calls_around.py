"""Behaviours 49 to 55: lists of profiles, what is in them, and the other calls that read."""

import re
from typing import Any

import pytest

from tests.contract.standins import VERSIONS, StandIn, message, wait_for_the_next_second

PROFILE = ["ID", "fields", "interests", "database", "secret", "created", "modified", "removed"]
MANY = "database/6/profiles"


def page(standin: StandIn, path: str, query: str = "", version: str = "/v2") -> dict[str, Any]:
    """GET a list with its wrapper."""
    answer = standin.call("GET", path, query, version=version)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    read: dict[str, Any] = answer.json()
    return read


def names(standin: StandIn, query: str) -> list[str]:
    """Return the customerids of a page of the database Seeded."""
    data = page(standin, "database/5/profiles", query)["data"]
    return [profile["fields"]["customerid"] for profile in data]


@pytest.mark.parametrize("version", VERSIONS)
def test_49_a_list_has_a_wrapper(api: StandIn, version: str) -> None:
    """start, limit, count, data, nextid and total, in this order."""
    found = page(api, "database/Seeded/profiles", "limit=1&start=1&fields[]=rank>2", version)
    assert list(found) == ["start", "limit", "count", "data", "nextid", "total"]
    (profile,) = found.pop("data")
    assert profile == api.profile(int(profile["ID"]))
    assert profile["fields"] == {"customerid": "two", "rank": "10"}
    next_id = int(profile["ID"]) + 1
    assert found == {"start": 1, "limit": 1, "count": 1, "nextid": next_id, "total": 2}


def test_49_a_list_holds_100_profiles_or_1000_at_most(api: StandIn) -> None:
    """100 by default; more than 1000 are not to be had."""
    for query, count in (("", 100), ("limit=1000", 1000), ("limit=5000", 1000), ("limit=1", 1)):
        found = page(api, MANY, query)
        assert (len(found["data"]), found["count"], found["total"]) == (count, count, 1001)
    assert page(api, MANY)["limit"] == 100


def test_49_nextid_leads_to_the_next_page(api: StandIn) -> None:
    """As a condition on the id it goes on where the page ended."""
    first = page(api, MANY, "limit=1000")
    second = page(api, MANY, f"limit=1000&fields[]=id>={first['nextid']}")
    assert [profile["fields"]["n"] for profile in second["data"]] == ["1001"]
    assert "nextid" not in page(api, MANY, "orderby=n")


@pytest.mark.parametrize("value", ["", "true", "1", "yes", "TRUE", "2"])
def test_49_the_total_is_told(api: StandIn, value: str) -> None:
    """By default, and whenever it is asked for."""
    query = f"total={value}" if value else ""
    assert page(api, "database/5/profiles", query)["total"] == 3


@pytest.mark.parametrize("value", ["", "false", "0", "no", "on", "0.5"])
def test_49_the_total_may_be_left_out(api: StandIn, value: str) -> None:
    """All that is not true is false."""
    found = page(api, "database/5/profiles", f"total={value}")
    assert list(found) == ["start", "limit", "count", "data", "nextid"]


def test_49_removed_profiles_are_hidden(api: StandIn, key: str) -> None:
    """Neither listed nor counted."""
    numbers = [api.post({"fields": {"customerid": key}}) for _ in range(3)]
    api.call("DELETE", f"profile/{numbers[1]}")
    found = page(api, "database/1234/profiles", f"fields[]=customerid=={key}")
    assert [profile["ID"] for profile in found["data"]] == [str(numbers[0]), str(numbers[2])]
    assert (found["count"], found["total"]) == (2, 2)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["one", "two", "three"]),
        ("order=asc", ["one", "two", "three"]),
        ("order=desc", ["three", "two", "one"]),
        ("order=DESC", ["three", "two", "one"]),
        ("order=Descending", ["three", "two", "one"]),
        ("order=descend", ["one", "two", "three"]),
        ("orderby=id&order=desc", ["three", "two", "one"]),
        ("orderby=rank", ["three", "one", "two"]),
        ("orderby=RANK&order=descending", ["two", "one", "three"]),
        ("orderby=customerid", ["one", "three", "two"]),
        ("orderby=nonsense&order=nonsense", ["one", "two", "three"]),
        ("orderby=rank,customerid", ["one", "two", "three"]),
        ("orderby=modified&limit=1&start=2", ["three"]),
        ("limit=2&start=1", ["two", "three"]),
        ("limit=2abc", ["one", "two"]),
        ("limit=%201", ["one"]),
        ("limit=1.9", ["one"]),
        ("start=2", ["three"]),
        ("start=3", []),
        ("start=x", ["one", "two", "three"]),
        ("limit=x", []),
        ("limit=0", []),
        ("LIMIT=1&Start=1", ["one", "two", "three"]),
    ],
)
def test_50_a_list_has_order_and_window(api: StandIn, query: str, expected: list[str]) -> None:
    """One order at a time; numbers are cast to whole ones."""
    assert names(api, query) == expected


@pytest.mark.parametrize("query", ["limit=-3", "start=-3", "limit=-3&start=-3"])
def test_50_negative_numbers_give_no_rows(api: StandIn, query: str) -> None:
    """They are echoed."""
    found = page(api, "database/5/profiles", query)
    assert (found["data"], found["count"], found["total"]) == ([], 0, 3)
    for name in ("limit", "start"):
        if name in query:
            assert found[name] == -3


def test_50_a_list_may_be_in_any_order(api: StandIn) -> None:
    """`random` gives the same profiles."""
    orders = {tuple(names(api, "orderby=random")) for _ in range(50)}
    assert {tuple(sorted(order)) for order in orders} == {("one", "three", "two")}
    assert len(orders) > 1


def test_50_a_field_has_an_id_to_order_by(api: StandIn) -> None:
    """The one that the list of fields tells."""
    fields = page(api, "database/5/fields")["data"]
    (number,) = [field["ID"] for field in fields if field["name"] == "rank"]
    assert names(api, f"orderby={number}") == ["three", "one", "two"]


def test_50_modified_orders_by_the_time_of_change(api: StandIn, key: str) -> None:
    """Also where a field of that name exists, which only conditions mean."""
    query = f"fields[]=customerid=={key}&orderby=modified"
    numbers = []
    for text in ("ccc", "aaa", "bbb"):
        numbers.append(api.post({"fields": {"customerid": key, "modified": text}}, database="77"))

    def order(more: str = "") -> list[str]:
        data = page(api, "database/77/profiles", query + more)["data"]
        return [profile["fields"]["modified"] for profile in data]

    assert order() == ["ccc", "aaa", "bbb"]
    wait_for_the_next_second(api.profile(numbers[-1])["modified"])
    api.call("PUT", f"profile/{numbers[1]}/fields", "", {"modified": "aab"})
    assert order() == ["ccc", "bbb", "aab"]
    assert order("&order=desc")[0] == "aab"


@pytest.mark.parametrize("value", ["true", "1", "yes"])
def test_51_a_list_can_hold_data_only(api: StandIn, value: str) -> None:
    """ID, fields, interests and modified are left."""
    data = page(api, "database/5/profiles", f"dataonly={value}")["data"]
    full = page(api, "database/5/profiles")["data"]
    kept = ("ID", "fields", "interests", "modified")
    assert data == [{name: profile[name] for name in kept} for profile in full]
    assert list(data[0]) == list(kept)


@pytest.mark.parametrize("value", ["false", "0", "", "on"])
def test_51_by_default_it_holds_all(api: StandIn, value: str) -> None:
    """A profile has eight parts."""
    data = page(api, "database/5/profiles", f"dataonly={value}")["data"]
    assert all(list(profile) == PROFILE for profile in data)


def test_52_values_are_texts_and_numbers_of_the_wrapper_are_numbers(api: StandIn, key: str) -> None:
    """ID, database and all field values are strings; `removed` is false."""
    fields = {"customerid": key, "age": 42, "price": 2.5, "birthday": "2020-01-31"}
    api.post({"fields": fields, "interests": ["tennis"]})
    found = page(api, "database/1234/profiles", f"fields[]=customerid=={key}")
    assert all(type(found[name]) is int for name in ("start", "limit", "count", "nextid", "total"))
    (profile,) = found["data"]
    assert re.fullmatch("[1-9][0-9]*", profile["ID"])
    assert profile["database"] == "1234"
    assert all(type(value) is str for value in profile["fields"].values())
    assert (profile["fields"]["age"], profile["fields"]["price"]) == ("42", "2.5")
    assert profile["interests"] == ["tennis"]
    assert profile["removed"] is False
    for name in ("created", "modified"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", profile[name])


def test_53_fields_stand_in_order_of_definition(api: StandIn) -> None:
    """Order and case of the names are those of the database, all of them."""
    number = api.post({"fields": {"BATCH": "b", "Email": "e", "customerID": "c"}})
    profile = api.profile(number)
    defined = page(api, "database/1234/fields")["data"]
    assert list(profile["fields"]) == [field["name"] for field in defined]
    assert profile["fields"]["batch"] == "b"
    assert list(api.call("GET", f"profile/{number}/fields").json().items()) == list(
        profile["fields"].items()
    )


def test_53_a_database_without_fields_has_an_empty_list(api: StandIn) -> None:
    """PHP writes an array without anything in it as a list."""
    assert api.profile(api.post({}, database="Bare"))["fields"] == []


@pytest.mark.parametrize("version", VERSIONS)
def test_54_the_fields_of_a_database_are_listed(api: StandIn, version: str) -> None:
    """Ids and lengths are texts, flags booleans, choices one per line."""
    found = page(api, "database/customers/fields", "limit=1000", version)
    data = found.pop("data")
    assert found.items() >= {"start": 0, "limit": 1000, "count": 16, "total": 16}.items()
    keys = "ID name type value displayed ordered length textlines hidden index".split()  # noqa: SIM905 - a line, not ten
    assert all(list(field)[: len(keys)] == keys for field in data)
    for field in data:
        assert all(type(field[name]) is str for name in ("ID", "name", "type", "value"))
        assert all(type(field[name]) is str for name in ("length", "textlines"))
        assert all(type(field[name]) is bool for name in ("displayed", "ordered", "hidden"))
    fields = {field["name"]: field for field in data}
    assert fields["country"]["value"] == "nl*\r\nbe\r\nde"
    assert (fields["score"]["value"], fields["score"]["type"]) == ("-1", "integer")
    assert (fields["email"]["index"], fields["batch"]["index"]) == (True, False)
    assert fields["customerid"]["ID"].isdecimal()


@pytest.mark.parametrize("version", VERSIONS)
def test_54_the_interests_of_a_database_are_listed(api: StandIn, version: str) -> None:
    """ID, name and group."""
    found = page(api, "database/1234/interests", "limit=2", version)
    assert [interest["name"] for interest in found["data"]] == ["football", "baseball"]
    assert all(list(interest) == ["ID", "name", "group"] for interest in found["data"])
    assert (found["start"], found["limit"], found["count"], found["total"]) == (0, 2, 2, 3)
    assert page(api, "database/77/interests")["data"] == []


@pytest.mark.parametrize("version", VERSIONS)
def test_54_the_identity_is_told(api: StandIn, version: str) -> None:
    """The cheapest check of a token."""
    identity = page(api, "identity", "", version)
    assert list(identity) == ["id", "name", "description", "company"]
    assert all(type(value) is str for value in identity.values())
    assert identity["id"].isdecimal()


KINDS = "emails texts fax webpages apicalls litmustests twofiftyoktests"


@pytest.mark.parametrize("version", VERSIONS)
def test_54_the_consumption_is_told(api: StandIn, version: str) -> None:
    """Seven numbers, of which calls of the API are the one that grows."""
    found = page(api, "consumption", "begin=2000-01-01&end=2099-12-31", version)
    assert list(found) == KINDS.split()
    assert all(type(value) is int for value in found.values())
    assert found.pop("apicalls") > 0
    assert set(found.values()) == {0}


def test_54_the_consumption_is_that_of_a_period(api: StandIn) -> None:
    """What happened before or after does not count."""
    for period in ("begin=2000-01-01&end=2000-12-31", "begin=2098-01-01&end=2099-12-31"):
        assert page(api, "consumption", period)["apicalls"] == 0


@pytest.mark.parametrize("query", ["", "begin=2000-01-01", "end=2099-12-31", "Begin=1&END=2"])
def test_54_the_consumption_needs_a_period(api: StandIn, query: str) -> None:
    """Without begin or end it is refused."""
    assert message(api.call("GET", "consumption", query))


def test_55_ids_are_one_sequence_over_all_databases(api: StandIn) -> None:
    """Unique in the account, and never used again."""
    numbers = [api.post({}, database) for database in ("1234", "77", "1234", "77", "9")]
    assert numbers == sorted(set(numbers))
    api.call("DELETE", f"profile/{numbers[-1]}")
    assert api.post({}, "1234") > numbers[-1]
