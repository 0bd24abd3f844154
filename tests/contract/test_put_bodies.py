"""Behaviours 21 to 27: which database a PUT means, what its parameters and its body say."""

import json
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from tests.contract.standins import TOKEN, VERSIONS, StandIn, message, selection, written

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
INVALID = "Invalid data provided"


def send(
    standin: StandIn, key: str, content: str | bytes, content_type: str | None, version: str = "/v2"
) -> httpx.Response:
    """PUT a body as it stands, with create=1."""
    headers = {} if content_type is None else {"Content-Type": content_type}
    query = selection([f"customerid=={key}"], create=1, access_token=TOKEN)
    url = f"{version}/database/1234/profiles?{query}"
    return standin.send("PUT", url, content=content, headers=headers)


def made(standin: StandIn, answer: httpx.Response) -> dict[str, Any]:
    """Return the profile that an answer says it made."""
    assert answer.status_code == 303
    return standin.profile(int(answer.headers["X-Created"]))


@pytest.mark.parametrize(
    ("database", "number"),
    [
        ("1234", "1234"),
        ("Customers", "1234"),
        ("customers", "1234"),
        ("CUSTOMERS", "1234"),
        ("My%20Customers", "77"),
        ("my%20customers", "77"),
        ("9", "9"),
    ],
)
def test_21_a_database_has_an_id_and_a_name(
    api: StandIn, key: str, database: str, number: str
) -> None:
    """Digits are an id; all else is a name, in any case."""
    body = {"fields": {"customerid": key}}
    answer = api.put([f"customerid=={key}"], body, database=database, create=1)
    assert [profile["database"] for profile in answer.json()] == [number]
    assert len(api.profiles([f"customerid=={key}"], database=database)) == 1


@pytest.mark.parametrize("database", ["99", "nobody", "2024", "Customer", "Customers%20", "12345"])
@pytest.mark.parametrize("version", VERSIONS)
def test_21_an_unknown_database_is_told(silent: StandIn, version: str, database: str) -> None:
    """Also a database whose name is all digits can not be named."""
    path = f"database/{database}"
    query = selection(["customerid==x"], create=1)
    answers = [
        silent.call("PUT", f"{path}/profiles", query, {}, version),
        silent.call("POST", f"{path}/profiles", "", {}, version),
        silent.call("GET", f"{path}/profiles", query, None, version),
        silent.call("GET", f"{path}/fields", "", None, version),
        silent.call("GET", f"{path}/interests", "", None, version),
    ]
    assert [message(answer) for answer in answers] == ["No database with supplied ID"] * 5


TRUE = ["1", "yes", "YES", "Yes", "true", "TRUE", "True", "2", "-1", "1.5", "-2.5", "01"]
FALSE = ["0", "no", "false", "on", "y", "t", "", "0.5", "-0.5", "%20true%20", "yes!", "null"]


@pytest.mark.parametrize("value", TRUE)
def test_22_a_parameter_is_true(api: StandIn, key: str, value: str) -> None:
    """1, yes, true in any case, and numbers with an absolute value of 1 or more."""
    assert len(api.put([f"customerid=={key}"], {}, create=value).json()) == 1
    assert api.put([f"customerid=={key}"], {}, background=value).content == b""


@pytest.mark.parametrize("value", FALSE)
def test_22_all_else_is_false(api: StandIn, key: str, value: str) -> None:
    """Whatever it may mean elsewhere."""
    assert api.put([f"customerid=={key}"], {}, create=value).json() == []
    assert api.put([f"customerid=={key}"], {}, background=value).json() == []


@pytest.mark.parametrize("content_type", [JSON, f"{JSON}; charset=utf-8", f"{JSON};charset=UTF-8"])
def test_23_json_is_read(silent: StandIn, key: str, content_type: str) -> None:
    """The content type decides; its parameters do not matter."""
    fields = {"customerid": key, "lastname": "Müller-Łęcki"}
    body = json.dumps({"fields": fields, "interests": ["tennis"]}, ensure_ascii=False).encode()
    profile = made(silent, send(silent, key, body, content_type))
    assert fields.items() <= profile["fields"].items()
    assert profile["interests"] == ["tennis"]


@pytest.mark.parametrize("content_type", [FORM, f"{FORM}; charset=utf-8", "text/plain", None])
def test_23_all_else_is_a_form(silent: StandIn, key: str, content_type: str | None) -> None:
    """A form with PHP's brackets, whether the content type says so, another, or nothing."""
    pairs = [
        ("fields[customerid]", key),
        ("fields[lastname]", "Müller & Łęcki + 1"),
        ("fields[AGE]", "42"),
        ("interests[football]", "1"),
        ("interests[tennis]", "0"),
    ]
    profile = made(silent, send(silent, key, urlencode(pairs), content_type))
    assert profile["fields"]["customerid"] == key
    assert profile["fields"]["lastname"] == "Müller & Łęcki + 1"
    assert profile["fields"]["age"] == "42"
    assert profile["interests"] == ["football"]
    unescaped = f"fields[customerid]={key}&interests[]=football&interests[]=tennis"
    answer = send(silent, key, unescaped, content_type)
    assert answer.status_code == 200
    assert silent.profile(int(profile["ID"]))["interests"] == ["football", "tennis"]


@pytest.mark.parametrize("content_type", [FORM, "text/plain", None])
def test_23_json_under_another_type_says_nothing(
    silent: StandIn, key: str, content_type: str | None
) -> None:
    """Read as a form it has no fields: the profile is empty."""
    body = json.dumps({"fields": {"customerid": key}})
    profile = made(silent, send(silent, key, body, content_type))
    assert profile["fields"]["customerid"] == ""


def test_23_a_form_is_flat_in_version_1(silent: StandIn, key: str) -> None:
    """As its JSON is."""
    answer = send(silent, key, urlencode({"customerid": key, "age": "42"}), FORM, "/v1")
    fields = made(silent, answer)["fields"]
    assert (fields["customerid"], fields["age"]) == (key, "42")
    other = send(silent, f"{key}b", urlencode({"customerid": key}), FORM, "/v2")
    assert made(silent, other)["fields"]["customerid"] == ""


BROKEN = {
    "cut": '{"fields":',
    "text": "hello",
    "list": "[]",
    "number": "1",
    "string": '"x"',
    "null": "null",
    "single quotes": "{'fields': {}}",
    "trailing comma": '{"fields": {},}',
    "nan": '{"fields": {"age": NaN}}',
    "infinity": '{"fields": {"age": Infinity}}',
    "two": "{}{}",
    "bytes": b'{"fields": {"lastname": "\xff"}}',
    "depth": "[" * 100_000,
    "deep object": '{"a":' * 100_000,
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("version", VERSIONS)
def test_24_a_body_must_be_an_object(silent: StandIn, key: str, version: str, name: str) -> None:
    """Malformed JSON, or JSON that is no object, is an error, and nothing happens."""
    headers = {"Content-Type": JSON}
    token = f"&access_token={TOKEN}"
    if version == "/v4":
        headers["Authorization"], token = f"Bearer {silent.jwt()}", ""
    path, query = f"{version}/database/1234/profiles", selection([f"customerid=={key}"], create=1)
    for method in ("PUT", "POST"):
        answer = silent.send(
            method, f"{path}?{query}{token}", content=BROKEN[name], headers=headers
        )
        assert message(answer) == INVALID
    assert silent.profiles([f"customerid=={key}"]) == []


@pytest.mark.parametrize("fields", ["x", "", 1, 0, 1.5, True, False])
@pytest.mark.parametrize("version", ["", "/v2", "/v3", "/v4"])
def test_24_fields_must_be_an_array(
    silent: StandIn, key: str, version: str, fields: object
) -> None:
    """`fields` that is present and neither a list nor an object is an error."""
    body = {"fields": fields}
    assert message(silent.put([f"customerid=={key}"], body, version=version)) == INVALID
    answer = silent.call("POST", "database/1234/profiles", "", body, version)
    assert message(answer) == INVALID


@pytest.mark.parametrize(
    "content", ["", "{}", '{"fields":{}}', '{"fields":[]}', '{"fields":["x"]}']
)
def test_24_an_update_may_say_nothing(silent: StandIn, key: str, content: str) -> None:
    """An empty body, no fields, or an empty list (which PHP can not tell from an object)."""
    number = silent.post({"fields": {"customerid": key, "age": 5}})
    before = silent.profile(number)
    assert send(silent, key, content, JSON).status_code == 200
    assert silent.profile(number) == before


def test_25_the_body_of_version_1_is_the_fields(silent: StandIn, key: str) -> None:
    """The whole object is the map of fields; `fields` and `interests` are names as others."""
    body = {"customerid": key, "AGE": 42, "fields": {"lastname": "Smit"}, "interests": ["tennis"]}
    answer = silent.put([f"customerid=={key}"], body, version="/v1", create=1)
    profile = made(silent, answer)
    assert (profile["fields"]["customerid"], profile["fields"]["age"]) == (key, "42")
    assert (profile["fields"]["lastname"], profile["interests"]) == ("", [])


@pytest.mark.parametrize("version", ["", "/v2", "/v3", "/v4"])
def test_25_later_versions_know_fields_and_interests(
    silent: StandIn, key: str, version: str
) -> None:
    """All other keys are ignored, and keys count in their case."""
    body = {
        "fields": {"customerid": key},
        "customerid": "flat",
        "FIELDS": {"age": 1},
        "Interests": ["tennis"],
        "create": 1,
    }
    number = silent.put([f"customerid=={key}"], body, version=version, create=1).headers[
        "X-Created"
    ]
    profile = silent.profile(int(number))
    assert (profile["fields"]["customerid"], profile["fields"]["age"]) == (key, "0")
    assert profile["interests"] == []


@pytest.mark.parametrize("version", VERSIONS)
def test_26_unknown_fields_are_ignored(silent: StandIn, key: str, version: str) -> None:
    """They have no effect, and the known ones beside them have theirs."""
    number = silent.post({"fields": {"customerid": key}})
    before = silent.profile(number)
    body = written(version, {"shoe": 1, "ID": 5, "id": 5, "": 1})
    assert silent.put([f"customerid=={key}"], body, version=version).is_client_error is False
    assert silent.profile(number) == before
    body = written(version, {"shoe": 1, "age": 42})
    silent.put([f"customerid=={key}"], body, version=version)
    assert silent.profile(number)["fields"]["age"] == "42"


@pytest.mark.parametrize("version", VERSIONS)
def test_26_by_a_switch_they_are_an_error(contrary: StandIn, key: str, version: str) -> None:
    """A 400, and no field is changed, neither with nor without a match."""
    number = contrary.post({"fields": {"customerid": key}})
    before = contrary.profile(number)
    body = written(version, {"age": 42, "shoe": 1})
    for conditions in ([f"customerid=={key}"], [f"customerid=={key}new"]):
        assert "shoe" in message(contrary.put(conditions, body, version=version, create=1))
    assert contrary.profile(number) == before
    assert contrary.profiles([f"customerid=={key}new"]) == []
    contrary.put([f"customerid=={key}"], written(version, {"AGE": 42}), version=version)
    assert contrary.profile(number)["fields"]["age"] == "42"


@pytest.mark.parametrize(
    ("content", "field", "stored"),
    [
        ('{"fields":{"age":1,"AGE":2}}', "age", "2"),
        ('{"fields":{"AGE":1,"age":2}}', "age", "2"),
        ('{"fields":{"Age":1,"age":2,"AGE":3}}', "age", "3"),
        ('{"fields":{"Notes":"x","notes":""}}', "notes", ""),
        ('{"fields":{"notes":"x","notes":"y"}}', "notes", "y"),
        ('{"fields":{"notes":"x","NOTES":null}}', "notes", ""),
    ],
)
def test_27_the_later_of_two_spellings_wins(
    silent: StandIn, key: str, content: str, field: str, stored: str
) -> None:
    """One field in two spellings: the later counts, even if it is empty."""
    profile = made(silent, send(silent, key, content, JSON))
    assert profile["fields"][field] == stored
