"""What the client puts on the wire, byte for byte: the requests R01 to R38 that the API expects.

R01 to R24 are events on their way through parser and client. Of the calls around the PUT, those
that the service has a use for are made by its own functions; the others go through the same client
as calls made here, so that base, token, encoding and headers are those of the service.
"""

import json
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from service.conditions import Condition, parse_condition
from service.events import parse
from service.messages import Properties
from service.profiles import Call, fields_parameter, get_profile, get_profiles, put_profiles
from service.tokens import post_token
from tests.contract.clients import client
from tests.raw_server import answering, raw_server
from tests.unit.test_tokens import jwt

JWT = jwt({"iat": 0, "exp": 86400})
BY_ID = {"customerid": "4567"}
PUT = "/v2/database/1234/profiles?fields%5B%5D=customerid%3D%3D4567"


@dataclass(frozen=True)
class Row:
    """An event, and the target and body of the PUT that it must become."""

    id: str
    event: dict[str, Any]
    target: str
    body: str
    settings: dict[str, Any] = field(default_factory=dict)
    version: str = "v2"


def many(*where: str, **rest: Any) -> dict[str, Any]:
    return {"where": list(where), "expect": "many", **rest}


ROWS = [
    Row(
        "R01 upsert by customerid",
        {
            "where": BY_ID,
            "create": True,
            "fields": {
                "customerid": "4567",
                "firstname": "John",
                "lastname": "Doe",
                "email": "johndoe@example.com",
            },
            "interests": {"football": True, "baseball": False},
        },
        f"{PUT}&create=1&async=0&access_token=xxxx",
        '{"fields":{"customerid":"4567","firstname":"John","lastname":"Doe",'
        '"email":"johndoe@example.com"},"interests":{"football":1,"baseball":0}}',
    ),
    Row(
        "R02 update only",
        {"where": BY_ID, "fields": {"email": "new@example.com"}},
        f"{PUT}&create=0&async=0&access_token=xxxx",
        '{"fields":{"email":"new@example.com"}}',
    ),
    Row(
        "R03 two conditions",
        {"where": {**BY_ID, "country": "netherlands"}, "fields": {"newsletter": "yes"}},
        f"{PUT}&fields%5B%5D=country%3D%3Dnetherlands&create=0&async=0&access_token=xxxx",
        '{"fields":{"newsletter":"yes"}}',
    ),
    Row(
        "R04 database by name, with a blank",
        {"database": "My Customers", "where": {"email": "a@example.com"}, "fields": {"x": "1"}},
        "/v2/database/My%20Customers/profiles?fields%5B%5D=email%3D%3Da%40example.com"
        "&create=0&async=0&access_token=xxxx",
        '{"fields":{"x":"1"}}',
    ),
    Row(
        "R05 plus and at sign",
        {
            "where": {"email": "jane+news@example.com"},
            "create": True,
            "fields": {"email": "jane+news@example.com"},
        },
        "/v2/database/1234/profiles?fields%5B%5D=email%3D%3Djane%2Bnews%40example.com"
        "&create=1&async=0&access_token=xxxx",
        '{"fields":{"email":"jane+news@example.com"}}',
    ),
    Row(
        "R06 blank, ampersand, apostrophe, hash",
        {"where": {"company": "O'Brien & Sons #1"}, "fields": {"vat": "NL1"}},
        "/v2/database/1234/profiles?fields%5B%5D=company%3D%3DO%27Brien%20%26%20Sons%20%231"
        "&create=0&async=0&access_token=xxxx",
        '{"fields":{"vat":"NL1"}}',
    ),
    Row(
        "R07 not ASCII",
        {"where": {"lastname": "Müller"}, "fields": {"lastname": "Müller-Łęcki"}},
        "/v2/database/1234/profiles?fields%5B%5D=lastname%3D%3DM%C3%BCller"
        "&create=0&async=0&access_token=xxxx",
        '{"fields":{"lastname":"Müller-Łęcki"}}',
    ),
    Row(
        "R08 a percent sign that is one",
        {"where": {"code_text": "50%41"}, "fields": {"seen": "1"}},
        "/v2/database/1234/profiles?fields%5B%5D=code_text%3D%3D50%2541"
        "&create=0&async=0&access_token=xxxx",
        '{"fields":{"seen":"1"}}',
    ),
    Row(
        "R09 like",
        many("email=~%@example.com", fields={"segment": "example"}),
        "/v2/database/1234/profiles?fields%5B%5D=email%3D~%25%40example.com"
        "&create=0&async=0&access_token=xxxx",
        '{"fields":{"segment":"example"}}',
    ),
    Row(
        "R10 not like",
        many("email!~%@example.com", fields={"segment": "other"}),
        "/v2/database/1234/profiles?fields%5B%5D=email%21~%25%40example.com"
        "&create=0&async=0&access_token=xxxx",
        '{"fields":{"segment":"other"}}',
    ),
    Row(
        "R11 range",
        many("age>=18", "age<=65", fields={"adult": 1}),
        "/v2/database/1234/profiles?fields%5B%5D=age%3E%3D18&fields%5B%5D=age%3C%3D65"
        "&create=0&async=0&access_token=xxxx",
        '{"fields":{"adult":"1"}}',
    ),
    Row(
        "R12 not equal",
        many("status!=closed", "customerid==4567", fields={"status": "open"}),
        "/v2/database/1234/profiles?fields%5B%5D=status%21%3Dclosed"
        "&fields%5B%5D=customerid%3D%3D4567&create=0&async=0&access_token=xxxx",
        '{"fields":{"status":"open"}}',
    ),
    Row(
        "R13 by the profile's ID",
        {"where": {"id": 18381}, "fields": {"firstname": "Jan"}},
        "/v2/database/1234/profiles?fields%5B%5D=id%3D%3D18381&create=0&async=0&access_token=xxxx",
        '{"fields":{"firstname":"Jan"}}',
    ),
    Row(
        "R14 guard on modified",
        many("customerid==4567", "modified<2024-05-01 12:00:00", fields={"city": "Delft"}),
        f"{PUT}&fields%5B%5D=modified%3C2024-05-01%2012%3A00%3A00"
        "&create=0&async=0&access_token=xxxx",
        '{"fields":{"city":"Delft"}}',
    ),
    Row(
        "R15 operator characters in a value",
        {"where": {"token": "a=b<c>"}, "fields": {"seen": "1"}},
        "/v2/database/1234/profiles?fields%5B%5D=token%3D%3Da%3Db%3Cc%3E"
        "&create=0&async=0&access_token=xxxx",
        '{"fields":{"seen":"1"}}',
    ),
    Row(
        "R16 emoji, quotes and a backslash in the body",
        {"where": BY_ID, "fields": {"note": '😀 "quoted" \\ back'}},
        f"{PUT}&create=0&async=0&access_token=xxxx",
        '{"fields":{"note":"😀 \\"quoted\\" \\\\ back"}}',
    ),
    Row(
        # Nobody knows what a list does to the interests that it leaves out; the map says it.
        "R17 interests as a list go as a map",
        {"where": BY_ID, "interests": ["football", "tennis"]},
        f"{PUT}&create=0&async=0&access_token=xxxx",
        '{"interests":{"football":1,"tennis":1}}',
    ),
    Row(
        "R18 interests alone",
        {"where": BY_ID, "interests": {"football": 1, "baseball": 0}},
        f"{PUT}&create=0&async=0&access_token=xxxx",
        '{"interests":{"football":1,"baseball":0}}',
    ),
    Row(
        "R19 clear a field",
        {"where": BY_ID, "fields": {"phone": ""}},
        f"{PUT}&create=0&async=0&access_token=xxxx",
        '{"fields":{"phone":""}}',
    ),
    Row(
        "R20 every type as a string",
        {
            "where": BY_ID,
            "fields": {
                "age": 42,
                "score": 3.5,
                "optin": True,
                "birthday": "1974-04-27",
                "lastlogin": "2024-05-01 12:00:00",
            },
        },
        f"{PUT}&create=0&async=0&access_token=xxxx",
        '{"fields":{"age":"42","score":"3.5","optin":"1","birthday":"1974-04-27",'
        '"lastlogin":"2024-05-01 12:00:00"}}',
    ),
    Row(
        "R21 asynchronous mass update",
        many("segment==old", fields={"segment": "archive"}, **{"async": True}),
        "/v2/database/1234/profiles?fields%5B%5D=segment%3D%3Dold"
        "&create=0&async=1&access_token=xxxx",
        '{"fields":{"segment":"archive"}}',
    ),
    Row(
        "R22 version 3",
        {"where": BY_ID, "create": True, "fields": {"customerid": "4567"}},
        "/v3/database/1234/profiles?fields%5B%5D=customerid%3D%3D4567"
        "&create=1&async=0&access_token=xxxx",
        '{"fields":{"customerid":"4567"}}',
        version="v3",
    ),
    Row(
        "R24 a token that needs escaping",
        {"where": BY_ID, "fields": {"a": "1"}},
        f"{PUT}&create=0&async=0&access_token=ab%2Bc%2Fd%3D",
        '{"fields":{"a":"1"}}',
        {"access_token": "ab+c/d="},
    ),
]


def update_call(event: dict[str, Any]) -> Call:
    content = json.dumps({"database": 1234, **event}).encode()
    return put_profiles(parse(content, Properties(), 10_000))


def request(method: str, target: str, port: int, *more: str, body: str = "") -> bytes:
    """Write a whole request: no header but these, in this order."""
    head = [
        f"{method} {target} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Accept: application/json",
        "Accept-Encoding: identity",
        "User-Agent: profile-sync",
        *more,
    ]
    return ("\r\n".join(head) + "\r\n\r\n" + body).encode()


def typed(body: str, content_type: str = "application/json") -> tuple[str, str]:
    return f"Content-Type: {content_type}", f"Content-Length: {len(body.encode())}"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
async def test_an_event_becomes_exactly_its_request(row: Row) -> None:
    async with raw_server(answering()) as raw, client(raw.port, row.version, **row.settings) as api:
        await api.send(update_call(row.event))
    headers = typed(row.body)
    assert raw.requests == [request("PUT", row.target, raw.port, *headers, body=row.body)]


async def exchanged(call: Call) -> tuple[list[bytes], int]:
    """Make a call of version 4, whose token the same server gives."""
    given = answering(JWT.encode(), content_type="text/plain")
    async with raw_server(given, answering()) as raw, client(raw.port, "v4") as api:
        await api.send(call)
    return raw.requests, raw.port


async def test_r23_version_4_has_no_token_in_the_url() -> None:
    event = {"where": BY_ID, "create": True, "fields": {"customerid": "4567"}}
    (_, put), port = await exchanged(update_call(event))
    body = '{"fields":{"customerid":"4567"}}'
    target = "/v4/database/1234/profiles?fields%5B%5D=customerid%3D%3D4567&create=1&async=0"
    length = (typed(body)[0], f"Authorization: Bearer {JWT}", typed(body)[1])
    assert put == request("PUT", target, port, *length, body=body)


async def test_r38_the_token_of_version_4_is_asked_for_with_a_form() -> None:
    (first, *_), port = await exchanged(get_profile("1"))
    body = "access_token=xxxx"
    headers = typed(body, "application/x-www-form-urlencoded")
    assert first == request("POST", "/authenticate", port, *headers, body=body)
    assert first.endswith(post_token("xxxx").body or b"?")


def read(path: str, query: str = "") -> Call:
    """A GET that the service has no use for; its name in metrics does not matter here."""
    return Call("get-profiles", "GET", path, query)


def write(method: Literal["PUT", "POST"], path: str, body: str) -> Call:
    """A write that the service never makes."""
    return Call("put-profiles", method, path, body=body.encode())


ID = (Condition("customerid", "==", "4567"),)
PROFILES = "/database/1234/profiles"
AROUND = [
    (
        "R25 how many would match",
        read(PROFILES, f"{fields_parameter(ID)}&limit=2&total=false"),
        f"GET {PUT}&limit=2&total=false&access_token=xxxx",
    ),
    (
        "R26 read back",
        get_profiles("1234", ID),
        f"GET {PUT}&limit=1000&total=false&access_token=xxxx",
    ),
    (
        "R27 next page by ID",
        read(
            PROFILES,
            f"{fields_parameter((parse_condition('id>18381'),))}"
            "&orderby=id&order=asc&limit=1000&total=false",
        ),
        "GET /v2/database/1234/profiles?fields%5B%5D=id%3E18381&orderby=id&order=asc&limit=1000"
        "&total=false&access_token=xxxx",
    ),
    (
        "R28 changed since",
        read(
            PROFILES,
            f"{fields_parameter((parse_condition('modified>=2024-05-01 00:00:00'),))}"
            "&orderby=modified&limit=1000&total=false",
        ),
        "GET /v2/database/1234/profiles?fields%5B%5D=modified%3E%3D2024-05-01%2000%3A00%3A00"
        "&orderby=modified&limit=1000&total=false&access_token=xxxx",
    ),
    ("R29 one profile", get_profile("18381"), "GET /v2/profile/18381?access_token=xxxx"),
    (
        "R30 update one profile's fields",
        write("PUT", "/profile/18381/fields", '{"email":"new@example.com"}'),
        "PUT /v2/profile/18381/fields?access_token=xxxx",
    ),
    (
        "R31 update one profile",
        write(
            "PUT",
            "/profile/18381",
            '{"fields":{"email":"new@example.com"},"interests":{"football":1}}',
        ),
        "PUT /v2/profile/18381?access_token=xxxx",
    ),
    (
        "R32 create",
        write("POST", PROFILES, '{"fields":{"email":"a@example.com"}}'),
        "POST /v2/database/1234/profiles?access_token=xxxx",
    ),
    (
        "R33 delete",
        Call("get-profile", "DELETE", "/profile/18381"),
        "DELETE /v2/profile/18381?access_token=xxxx",
    ),
    (
        "R34 fields",
        read("/database/1234/fields", "limit=1000"),
        "GET /v2/database/1234/fields?limit=1000&access_token=xxxx",
    ),
    (
        "R35 interests",
        read("/database/1234/interests", "limit=1000"),
        "GET /v2/database/1234/interests?limit=1000&access_token=xxxx",
    ),
    ("R36 token check", read("/identity"), "GET /v2/identity?access_token=xxxx"),
    (
        "R37 consumption",
        read("/consumption", "begin=2024-05-01&end=2024-06-01"),
        "GET /v2/consumption?begin=2024-05-01&end=2024-06-01&access_token=xxxx",
    ),
]


@pytest.mark.parametrize(("call", "line"), [row[1:] for row in AROUND], ids=[r[0] for r in AROUND])
async def test_a_call_around_is_exactly_its_request(call: Call, line: str) -> None:
    async with raw_server(answering()) as raw, client(raw.port) as api:
        await api.send(call)
    method, _, target = line.partition(" ")
    body = (call.body or b"").decode()
    headers: tuple[str, ...] = typed(body) if call.body else ()
    if method == "DELETE":
        headers = ("Content-Length: 0",)  # HTTP allows it, and says no more than no body
    assert raw.requests == [request(method, target, raw.port, *headers, body=body)]


def test_every_request_has_its_row() -> None:
    rows = [row.id for row in ROWS] + [row[0] for row in AROUND]
    tests = [name.split("_")[1].upper() for name in globals() if name.startswith("test_r")]
    ids = sorted([row.partition(" ")[0] for row in rows] + tests)
    assert ids == [f"R{number:02}" for number in range(1, 39)]
