import json
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.conditions import Condition
from service.events import parse
from service.messages import Properties
from service.profiles import get_profile, get_profiles, profiles_in, put_profiles
from tests.unit.samples import MAX_BYTES, body, update

BY_ID = "fields%5B%5D=customerid%3D%3D4567"


def test_makes_the_call_of_the_documentations_example() -> None:
    call = put_profiles(
        update(
            fields={"firstname": "John", "lastname": "Doe", "email": "johndoe@example.com"},
            interests={"football": 1, "baseball": 0},
            async_=True,
        )
    )
    assert (call.method, call.path) == ("PUT", "/database/1234/profiles")
    assert call.query == "fields%5B%5D=customerid%3D%3D4567&create=0&async=1"
    assert call.body == (
        b'{"fields":{"firstname":"John","lastname":"Doe","email":"johndoe@example.com"},'
        b'"interests":{"football":1,"baseball":0}}'
    )


@pytest.mark.parametrize(
    ("changes", "query", "length", "text"),
    [
        pytest.param(
            {
                "create": True,
                "fields": {
                    "customerid": "4567",
                    "firstname": "John",
                    "lastname": "Doe",
                    "email": "johndoe@example.com",
                },
                "interests": {"football": True, "baseball": False},
            },
            f"{BY_ID}&create=1&async=0",
            138,
            '{"fields":{"customerid":"4567","firstname":"John","lastname":"Doe",'
            '"email":"johndoe@example.com"},"interests":{"football":1,"baseball":0}}',
            id="upsert",
        ),
        pytest.param(
            {"fields": {"email": "new@example.com"}},
            f"{BY_ID}&create=0&async=0",
            38,
            '{"fields":{"email":"new@example.com"}}',
            id="update only",
        ),
        pytest.param(
            {
                "where": {"customerid": "4567", "country": "netherlands"},
                "fields": {"newsletter": "yes"},
            },
            f"{BY_ID}&fields%5B%5D=country%3D%3Dnetherlands&create=0&async=0",
            31,
            '{"fields":{"newsletter":"yes"}}',
            id="two conditions",
        ),
        pytest.param(
            {
                "where": {"email": "jane+news@example.com"},
                "create": True,
                "fields": {"email": "jane+news@example.com"},
            },
            "fields%5B%5D=email%3D%3Djane%2Bnews%40example.com&create=1&async=0",
            44,
            '{"fields":{"email":"jane+news@example.com"}}',
            id="plus and at sign",
        ),
        pytest.param(
            {"where": {"company": "O'Brien & Sons #1"}, "fields": {"vat": "NL1"}},
            "fields%5B%5D=company%3D%3DO%27Brien%20%26%20Sons%20%231&create=0&async=0",
            24,
            '{"fields":{"vat":"NL1"}}',
            id="blank, ampersand, apostrophe, hash",
        ),
        pytest.param(
            {"where": {"lastname": "Müller"}, "fields": {"lastname": "Müller-Łęcki"}},
            "fields%5B%5D=lastname%3D%3DM%C3%BCller&create=0&async=0",
            41,
            '{"fields":{"lastname":"Müller-Łęcki"}}',
            id="not ASCII",
        ),
        pytest.param(
            {"where": {"code_text": "50%41"}, "fields": {"seen": "1"}},
            "fields%5B%5D=code_text%3D%3D50%2541&create=0&async=0",
            23,
            '{"fields":{"seen":"1"}}',
            id="percent sign",
        ),
        pytest.param(
            {"where": ["email=~%@example.com"], "fields": {"segment": "example"}, "expect": "many"},
            "fields%5B%5D=email%3D~%25%40example.com&create=0&async=0",
            32,
            '{"fields":{"segment":"example"}}',
            id="like",
        ),
        pytest.param(
            {"where": ["email!~%@example.com"], "fields": {"segment": "other"}, "expect": "many"},
            "fields%5B%5D=email%21~%25%40example.com&create=0&async=0",
            30,
            '{"fields":{"segment":"other"}}',
            id="not like",
        ),
        pytest.param(
            {"where": ["age>=18", "age<=65"], "fields": {"adult": "1"}, "expect": "many"},
            "fields%5B%5D=age%3E%3D18&fields%5B%5D=age%3C%3D65&create=0&async=0",
            24,
            '{"fields":{"adult":"1"}}',
            id="range",
        ),
        pytest.param(
            {
                "where": ["status!=closed", "customerid==4567"],
                "fields": {"status": "open"},
                "expect": "many",
            },
            f"fields%5B%5D=status%21%3Dclosed&{BY_ID}&create=0&async=0",
            28,
            '{"fields":{"status":"open"}}',
            id="not equal",
        ),
        pytest.param(
            {"where": {"id": 18381}, "fields": {"firstname": "Jan"}},
            "fields%5B%5D=id%3D%3D18381&create=0&async=0",
            30,
            '{"fields":{"firstname":"Jan"}}',
            id="by the profile's ID",
        ),
        pytest.param(
            {
                "where": ["customerid==4567", "modified<2024-05-01 12:00:00"],
                "fields": {"city": "Delft"},
                "expect": "many",
            },
            f"{BY_ID}&fields%5B%5D=modified%3C2024-05-01%2012%3A00%3A00&create=0&async=0",
            27,
            '{"fields":{"city":"Delft"}}',
            id="guard on modified",
        ),
        pytest.param(
            {"where": {"token": "a=b<c>"}, "fields": {"seen": "1"}},
            "fields%5B%5D=token%3D%3Da%3Db%3Cc%3E&create=0&async=0",
            23,
            '{"fields":{"seen":"1"}}',
            id="operators in the value",
        ),
        pytest.param(
            {"fields": {"note": '😀 "quoted" \\ back'}},
            f"{BY_ID}&create=0&async=0",
            45,
            '{"fields":{"note":"😀 \\"quoted\\" \\\\ back"}}',
            id="emoji, quotes, backslash",
        ),
        pytest.param(
            {"fields": None, "interests": ["football", "tennis"]},
            f"{BY_ID}&create=0&async=0",
            41 - len("baseball") + len("tennis"),
            '{"interests":{"football":1,"tennis":1}}',
            id="a list of interests is sent as a map",
        ),
        pytest.param(
            {"fields": None, "interests": {"football": True, "baseball": False}},
            f"{BY_ID}&create=0&async=0",
            41,
            '{"interests":{"football":1,"baseball":0}}',
            id="interests only",
        ),
        pytest.param(
            {"fields": {"phone": ""}},
            f"{BY_ID}&create=0&async=0",
            23,
            '{"fields":{"phone":""}}',
            id="clear a field",
        ),
        pytest.param(
            {
                "fields": {
                    "age": 42,
                    "score": 3.5,
                    "optin": True,
                    "birthday": "1974-04-27",
                    "lastlogin": "2024-05-01 12:00:00",
                }
            },
            f"{BY_ID}&create=0&async=0",
            107,
            '{"fields":{"age":"42","score":"3.5","optin":"1","birthday":"1974-04-27",'
            '"lastlogin":"2024-05-01 12:00:00"}}',
            id="all values are strings",
        ),
        pytest.param(
            {"where": {"segment": "old"}, "fields": {"segment": "archive"}, "async": True},
            "fields%5B%5D=segment%3D%3Dold&create=0&async=1",
            32,
            '{"fields":{"segment":"archive"}}',
            id="asynchronous",
        ),
    ],
)
def test_makes_exactly_this_put(
    changes: dict[str, Any], query: str, length: int, text: str
) -> None:
    call = put_profiles(update(**changes))
    assert (call.name, call.method, call.path) == ("put-profiles", "PUT", "/database/1234/profiles")
    assert call.query == query
    assert call.body == text.encode()
    assert len(call.body) == length


@pytest.mark.parametrize(
    ("database", "path"),
    [
        ("My Customers", "/database/My%20Customers/profiles"),
        ("a?b#c&d", "/database/a%3Fb%23c%26d/profiles"),
        ("Ü%2F", "/database/%C3%9C%252F/profiles"),
        ("a..", "/database/a../profiles"),
    ],
)
def test_writes_a_databases_name_as_one_segment(database: str, path: str) -> None:
    assert put_profiles(update(database=database)).path == path


@pytest.mark.parametrize(("create", "written"), [(None, 1), (True, 1), (False, 0)])
def test_a_create_can_be_withheld(create: bool | None, written: int) -> None:
    assert f"&create={written}&" in put_profiles(update(create=True), create=create).query


def test_reads_profiles_by_their_selection() -> None:
    call = get_profiles("My db", (Condition("email", "==", "a+b@x"), Condition("age", ">", "1")))
    assert (call.name, call.method, call.body) == ("get-profiles", "GET", None)
    assert call.path == "/database/My%20db/profiles"
    assert call.query == (
        "fields%5B%5D=email%3D%3Da%2Bb%40x&fields%5B%5D=age%3E1&limit=1000&total=false"
    )


def test_reads_one_profile() -> None:
    call = get_profile("18381")
    assert (call.name, call.method, call.path) == ("get-profile", "GET", "/profile/18381")
    assert (call.query, call.body) == ("", None)


field_names = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,15}", fullmatch=True)
whole_values = st.text(min_size=1).filter(
    lambda text: text == text.strip() and not any(c < " " or c == "\x7f" for c in text)
)


@given(
    st.dictionaries(field_names.map(str.lower), whole_values, min_size=1, max_size=4),
    st.booleans(),
)
def test_the_query_decodes_to_the_conditions_and_no_more(
    where: dict[str, str], asynchronous: bool
) -> None:
    content = {"database": 1, "where": where, "fields": {"x": "1"}, "async": asynchronous}
    call = put_profiles(parse(body(content), Properties(), MAX_BYTES))
    assert parse_qsl(call.query, keep_blank_values=True, strict_parsing=True) == [
        *(("fields[]", f"{name}=={value}") for name, value in where.items()),
        ("create", "0"),
        ("async", str(int(asynchronous))),
    ]
    assert call.query.isascii()
    assert "+" not in call.query


@given(st.dictionaries(field_names.map(str.lower), st.text(), min_size=1, max_size=4))
def test_the_body_decodes_to_the_fields_and_no_more(fields: dict[str, str]) -> None:
    content = {"database": 1, "where": {"a": "1"}, "expect": "many", "fields": fields}
    call = put_profiles(parse(body(content), Properties(), MAX_BYTES))
    assert call.body is not None
    assert json.loads(call.body) == {"fields": fields}


@given(st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable()))
def test_a_database_stays_one_segment(name: str) -> None:
    path = get_profiles(name, (Condition("a", "==", "1"),)).path
    assert path.count("/") == 3
    assert unquote(path.split("/")[2]) == name


PROFILE: dict[str, Any] = {"ID": "1", "fields": {"a": "b"}}


@pytest.mark.parametrize(
    ("content", "found"),
    [
        pytest.param([], (), id="an empty list"),
        pytest.param([PROFILE], (PROFILE,), id="a list"),
        pytest.param({"start": 0, "count": 1, "data": [PROFILE]}, (PROFILE,), id="a wrapper"),
        pytest.param({"data": []}, (), id="an empty wrapper"),
        pytest.param(PROFILE, (PROFILE,), id="one profile"),
        pytest.param(
            [{"ID": 7, "fields": [], "interests": {}, "removed": "no", "new": None}],
            ({"ID": 7, "fields": [], "interests": {}, "removed": "no", "new": None},),
            id="a profile in another shape",
        ),
        pytest.param({"error": {"message": "x"}}, None, id="an error"),
        pytest.param({"data": {"ID": 1}}, None, id="a wrapper without list"),
        pytest.param([PROFILE, {}], None, id="a list with something else"),
        pytest.param([[]], None, id="a list of lists"),
        pytest.param({}, None, id="an empty object"),
        pytest.param("x", None, id="a string"),
        pytest.param(None, None, id="null"),
        pytest.param(1, None, id="a number"),
    ],
)
def test_finds_the_profiles_of_an_answer(content: object, found: object) -> None:
    assert profiles_in(json.dumps(content).encode()) == found


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" ",
        b"ok",
        b"<html>",
        b"[",
        b"\xff",
        b'[{"ID": NaN}]',
        b'[{"ID": "\\ud800"}]',
        b"[" * 100_000,
        b'[{"ID":' + b"9" * 5000 + b"}]",
    ],
    ids=lambda content: repr(content[:20]),
)
def test_finds_none_in_what_is_no_json(content: bytes) -> None:
    assert profiles_in(content) is None
