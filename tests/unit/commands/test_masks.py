import json
from typing import Any

import pytest

from service.commands.masks import masked_body, plain_body, shown_headers
from tests.unit.samples import body, event

SECRET = "jane@example.com"


def shown(content: object) -> Any:
    return json.loads(masked_body(body(content)))


def test_names_stay_and_values_become_their_kind_and_length() -> None:
    content = event(
        id="evt-1",
        occurred_at="2026-11-23T10:00:00Z",
        create=True,
        where={"email": SECRET},
        fields={"email": SECRET, "age": 42, "gone": None, "optin": True},
        interests={"football": True},
    )
    assert shown(content) == {
        "id": "evt-1",
        "occurred_at": "2026-11-23T10:00:00Z",
        "database": 1234,
        "create": True,
        "where": {"email": "<string of 16>"},
        "fields": {
            "email": "<string of 16>",
            "age": "<number of 2>",
            "gone": "<null>",
            "optin": "<boolean>",
        },
        "interests": {"football": "<boolean>"},
    }


def test_conditions_keep_their_field_and_operator() -> None:
    content = event(where=["age>=18", f"email=~{SECRET}", SECRET, 7], interests=["football"])
    assert shown(content)["where"] == [
        "age>=<string of 2>",
        "email=~<string of 16>",
        "<string of 16>",
        "<number of 1>",
    ]
    assert shown(content)["interests"] == ["football"]


@pytest.mark.parametrize(
    "wrong",
    [
        event(fields=SECRET),
        event(where=SECRET),
        event(fields={"a": {"b": SECRET}, "c": [SECRET]}),
        event(interests=SECRET),
        event(interests=[{"a": SECRET}]),
        event(unknown=SECRET),
        event(occurred_at=SECRET),
        event(expect=SECRET),
        event(create=SECRET),
        event(id=[SECRET]),
        event(database=[SECRET]),
        [SECRET],
        f"{{{SECRET}".encode(),
        {"specversion": "1.0", "subject": SECRET, "data": event(fields={"a": SECRET})},
        {"specversion": SECRET + "\n", "data": SECRET},
    ],
    ids=repr,
)
def test_a_value_in_the_wrong_place_is_hidden_too(wrong: object) -> None:
    assert SECRET not in masked_body(body(wrong))


def test_the_data_of_a_cloudevent_is_an_event() -> None:
    content = {"specversion": "1.0", "id": "c", "data": event(fields={"age": 42})}
    told = shown(content)
    assert (told["specversion"], told["id"]) == ("1.0", "c")
    assert told["data"]["fields"] == {"age": "<number of 2>"}


def test_what_is_no_json_shows_its_length() -> None:
    assert masked_body(b"\xff\xfe") == "<2 bytes that are no JSON>"
    assert masked_body(b"[" * 100_000) == "<100000 bytes that are no JSON>"


def test_a_body_is_shown_as_it_is_if_that_is_wanted() -> None:
    assert plain_body(b'{"a": "\xc3\xa9"}') == '{"a": "é"}'
    assert plain_body(b"\xff") == "\\xff"


def test_headers_of_the_sender_are_hidden_unless_wanted() -> None:
    headers = {
        "profile-sync-reason": "refused",
        "x-death": [1],
        "x-mail": SECRET,
        "ce-id": "e",
        "ce-subject": SECRET,
        "mail": SECRET,
        "n": b"12",
    }
    assert shown_headers(headers, values=False) == {
        "profile-sync-reason": "refused",
        "x-death": "[1]",
        "x-mail": "<string of 16>",
        "ce-id": "e",
        "ce-subject": "<string of 16>",
        "mail": "<string of 16>",
        "n": "<2 bytes>",
    }
    assert shown_headers(headers, values=True)["mail"] == SECRET
