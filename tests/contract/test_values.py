"""What the API stores of a value: it converts, and never refuses."""

import json
import time
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from tests.contract.standins import TOKEN, StandIn, message, selection

BIG = 9223372036854775808


@pytest.mark.parametrize(
    ("field", "sent", "stored"),
    [
        ("firstname", "  Jan ", "  Jan "),
        ("firstname", True, "1"),
        ("firstname", False, ""),
        ("firstname", None, ""),
        ("firstname", 2.99, "2.99"),
        ("firstname", 1.0, "1"),
        ("firstname", -0.00001, "-1.0E-5"),
        ("firstname", 123456789.123456789, "123456789.12346"),
        ("firstname", BIG, "9.2233720368548E+18"),
        ("firstname", BIG - 1, "9223372036854775807"),
        ("firstname", 10**25, "1.0E+25"),
        ("firstname", ["a"], ""),
        ("firstname", {"a": 1}, ""),
        ("email", "no address", "no address"),
        ("phone", "+31 20 1234567", "+31 20 1234567"),
        ("notes", '😀 "quoted" \\ / back\r\n', '😀 "quoted" \\ / back\r\n'),
        ("country", "be", "be"),
        ("country", "BE", ""),
        ("country", "be ", ""),
        ("country", "fr", ""),
        ("country", None, ""),
        ("age", "   3 ", "3"),
        ("age", "12abc", "12"),
        ("age", "1,5", "1"),
        ("age", "1e3", "1000"),
        ("age", ".9", "0"),
        ("age", 2.99, "2"),
        ("age", -2.99, "-2"),
        ("age", "-2.99", "-2"),
        ("age", "abc", "0"),
        ("age", "true", "0"),
        ("age", True, "1"),
        ("age", [], "0"),
        ("age", [5], "1"),
        ("score", None, "0"),
        ("score", "", "0"),
        ("price", "1,5", "1"),
        ("price", " 2.50 euro", "2.5"),
        ("price", 3, "3"),
        ("price", None, "0"),
        ("price", "x", "0"),
    ],
)
def test_a_value_becomes_what_its_field_holds(
    api: StandIn, field: str, sent: object, stored: str
) -> None:
    """Text, choices and numbers are cast as PHP casts; behaviour 28."""
    assert api.profile(api.post({"fields": {field: sent}}))["fields"][field] == stored


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("2024-05-01", "2024-05-01 00:00:00"),
        ("2024-05-01 12:34:56", "2024-05-01 12:34:56"),
        ("2024-05-01T12:34:56", "2024-05-01 12:34:56"),
        ("2024-05-01T12:34", "2024-05-01 12:34:00"),
        (" 2024/5/1 ", "2024-05-01 00:00:00"),
        ("20240501", "2024-05-01 00:00:00"),
        ("02/01/2020", "2020-02-01 00:00:00"),
        ("02-01-2020", "2020-01-02 00:00:00"),
        ("2020-02-30", "2020-03-01 00:00:00"),
        ("2020-01-02T03:04:05Z", "2020-01-02 04:04:05"),
        ("2020-07-02T03:04:05.678Z", "2020-07-02 05:04:05"),
        ("2020-07-02T03:04:05-03:00", "2020-07-02 08:04:05"),
        ("2024-03-31 02:30:00", "2024-03-31 03:30:00"),
        ("@1596979546", "2020-08-09 15:25:46"),
    ],
)
def test_a_date_is_read_in_several_forms(api: StandIn, sent: str, stored: str) -> None:
    """Dates are read as strtotime does, and zones move to Amsterdam; behaviour 28."""
    names = ("seen", "lastlogin", "joined", "birthday")
    fields = api.profile(api.post({"fields": dict.fromkeys(names, sent)}))["fields"]
    assert [fields[name] for name in names] == [stored, stored, stored[:10], stored[:10]]


@pytest.mark.parametrize(
    "sent", ["", "abc", None, True, False, 1596979546, "2020-13-01", "32-01-2020", [], {}]
)
def test_what_is_no_date_becomes_empty(api: StandIn, sent: object) -> None:
    """The zero date, or nothing in the types that may be empty; behaviour 28."""
    names = ("seen", "lastlogin", "joined", "birthday")
    fields = api.profile(api.post({"fields": dict.fromkeys(names, sent)}))["fields"]
    assert [fields[name] for name in names] == ["0000-00-00 00:00:00", "", "0000-00-00", ""]


def test_a_year_before_the_first_is_zero(api: StandIn) -> None:
    """A negative year becomes zeros even where empty is possible."""
    fields = api.profile(api.post({"fields": {"birthday": "0000-00-00"}}))["fields"]
    assert fields["birthday"] == "0000-00-00"


def test_a_new_profile_gets_defaults(api: StandIn, key: str) -> None:
    """A field that is not sent gets its default; behaviour 31."""
    (profile,) = api.put([f"customerid=={key}"], {}, create=1).json()
    assert profile["fields"] == {
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
    }


def test_fields_stand_in_order_of_definition(api: StandIn) -> None:
    """Order and case of the names are those of the database; behaviour 53."""
    profile = api.profile(api.post({"fields": {"BATCH": "b", "Email": "e", "customerID": "c"}}))
    defined = api.call("GET", "database/1234/fields").json()["data"]
    assert list(profile["fields"]) == [field["name"] for field in defined]
    assert profile["fields"]["batch"] == "b"


def test_the_later_of_two_spellings_wins(api: StandIn) -> None:
    """One field in two spellings: the later wins, even if empty; behaviour 27."""
    for sent, stored in (({"age": 1, "AGE": 2}, "2"), ({"Notes": "x", "notes": ""}, "")):
        fields = api.profile(api.post({"fields": sent}))["fields"]
        assert fields[next(iter(sent)).lower()] == stored


def test_unknown_names_are_ignored(api: StandIn, key: str) -> None:
    """Unknown fields, interests and parts of the body have no effect; behaviours 25, 26, 35, 40."""
    number = api.post({"fields": {"customerid": key}})
    before = api.profile(number)
    body = {"fields": {"shoe": 1}, "interests": {"chess": 1}, "secret": "x", "FIELDS": {"age": 1}}
    assert api.put([f"customerid=={key}"], body).status_code == 200
    assert api.profile(number) == before


@pytest.mark.parametrize("body", ['{"fields":', "[]", "1", '"x"', "null", '{"fields": NaN}'])
def test_a_body_must_be_an_object(api: StandIn, key: str, body: str) -> None:
    """Malformed JSON, or JSON that is no object, is an error; behaviour 24."""
    query = selection([f"customerid=={key}"], create=1, access_token=TOKEN)
    url = f"/v2/database/1234/profiles?{query}"
    answer = api.send("PUT", url, content=body, headers={"Content-Type": "application/json"})
    assert message(answer) == "Invalid data provided"
    assert api.profiles([f"customerid=={key}"]) == []


def test_a_form_is_read_too(api: StandIn, key: str) -> None:
    """The content type decides: a form with PHP's brackets works as well; behaviour 23."""
    query = selection([f"customerid=={key}"], create=1, access_token=TOKEN)
    body = f"fields%5Bcustomerid%5D={key}&interests%5Bfootball%5D=1&interests%5Btennis%5D=0"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    url = f"/v2/database/1234/profiles?{query}"
    (profile,) = api.send("PUT", url, content=body, headers=headers).json()
    assert (profile["fields"]["customerid"], profile["interests"]) == (key, ["football"])


def test_a_content_type_may_name_its_charset(api: StandIn, key: str) -> None:
    """Parameters of the content type do not matter."""
    query = selection([f"customerid=={key}"], create=1, access_token=TOKEN)
    headers = {"Content-Type": "application/json; charset=utf-8"}
    body = json.dumps({"fields": {"lastname": "Müller-Łęcki"}}, ensure_ascii=False).encode()
    url = f"/v2/database/1234/profiles?{query}"
    (profile,) = api.send("PUT", url, content=body, headers=headers).json()
    assert profile["fields"]["lastname"] == "Müller-Łęcki"


def test_an_object_with_numbers_for_keys_is_a_list(api: StandIn) -> None:
    """PHP can not tell the one from the other; behaviour 40."""
    number = api.post({"interests": {"0": "football", "1": "tennis"}})
    assert api.profile(number)["interests"] == ["football", "tennis"]


def test_modified_moves_only_with_a_change(api: StandIn, key: str) -> None:
    """Equal values, also after conversion, do not touch `modified`; behaviour 34."""
    fields = {"customerid": key, "firstname": "Jan", "score": "-1"}
    before = api.profile(api.post({"fields": fields, "interests": ["football"]}))
    assert before["modified"] == before["created"]
    wait_for_the_next_second(before["created"])
    same = {"fields": {**fields, "score": -1.9}, "interests": {"football": 1, "tennis": 0}}
    assert api.put([f"customerid=={key}"], same, create=1).json() == [before]
    (after,) = api.put([f"customerid=={key}"], {"fields": {"firstname": "jan"}}).json()
    assert after["modified"] > before["modified"]
    assert after["created"] == before["created"]


def test_modified_moves_for_each_profile_apart(api: StandIn, key: str) -> None:
    """Of several matches only those that change move, interests included; behaviour 34."""
    api.post({"fields": {"customerid": key, "firstname": "Jan"}, "interests": ["tennis"]})
    api.post({"fields": {"customerid": key, "firstname": "Piet"}, "interests": ["tennis"]})
    api.post({"fields": {"customerid": key, "firstname": "Jan"}})
    before = [profile["modified"] for profile in api.profiles([f"customerid=={key}"])]
    wait_for_the_next_second(before[-1])
    body = {"fields": {"firstname": "Jan"}, "interests": ["tennis"]}
    after = [p["modified"] for p in api.put([f"customerid=={key}"], body).json()]
    assert [new > old for new, old in zip(after, before, strict=True)] == [False, True, True]


def test_times_are_those_of_amsterdam(api: StandIn) -> None:
    """`created` is the wall time of Europe/Amsterdam; behaviour 42."""
    created = api.profile(api.post({}))["created"]
    moment = datetime.fromisoformat(created).replace(tzinfo=ZoneInfo("Europe/Amsterdam"))
    assert abs(time.time() - moment.timestamp()) < 5


def wait_for_the_next_second(timestamp: str) -> None:
    """Timestamps have whole seconds: wait until the next one differs."""
    then = datetime.fromisoformat(timestamp).replace(tzinfo=ZoneInfo("Europe/Amsterdam"))
    while time.time() < then.timestamp() + 1:
        time.sleep(0.02)
