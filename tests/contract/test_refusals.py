"""What the service must refuse to send, N01 to N20, each tried through the service's worker.

The API is a socket: what it was sent is known to the byte. RabbitMQ is a list.
"""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from service.events import InvalidReason
from service.settings import Settings, WrongSettings
from tests.contract.clients import client
from tests.raw_server import Handler, RawServer, answering, raw_server, writing
from tests.unit.samples import event
from tests.unit.test_tokens import jwt
from tests.unit.world import World

PROFILE = b'{"ID": "42", "fields": {}, "created": "2020-01-01 00:00:00"}'
NOBODY = answering(b'{"start":0,"limit":1000,"count":0,"data":[]}')
SOMEBODY = answering(b'{"start":0,"limit":1000,"count":1,"data":[' + PROFILE + b"]}")
LOST = writing(b"", close=True)

# Seconds; a real loop has to wait for them here.
QUICK: dict[str, Any] = {"heartbeat": 1, "request_timeout": 0.1, "ambiguous_wait": 1.1}


@asynccontextmanager
async def world(
    *handlers: Handler, version: str = "v2", **settings: Any
) -> AsyncIterator[tuple[World, RawServer]]:
    """A worker with the real client before a socket."""
    answers = handlers or (answering(),)
    async with raw_server(*answers) as raw, client(raw.port, version, **settings) as api:
        yield World(api=lambda _settings, _metrics: api, **settings), raw


async def result_of(content: object, *handlers: Handler, **settings: Any) -> tuple[Any, RawServer]:
    """End one event; give its result, and the API with the requests it got."""
    async with world(*handlers, **settings) as (made, raw):
        return await made.end_soon(content), raw


def written(field: str, value: str) -> bytes:
    """An event with a value as it stands, JSON or not."""
    return f'{{"database":1,"where":{{"a":"1"}},"{field}":{{"b":{value}}}}}'.encode()


UNSAFE: InvalidReason = "unsafe-selection"
INVALID: InvalidReason = "invalid-event"
FULL = {"customerid": "1", "age": "7"}

NO_BOOLEANS: list[object] = ["yes", "1", "true", 2, 1, 0, -1, [], None]

REFUSED: list[tuple[str, object, InvalidReason]] = [
    ("N01 no condition", event(where={}), UNSAFE),
    ("N01 no condition in a list", event(where=[]), UNSAFE),
    ("N01 no condition, though many are meant", event(where=[], expect="many"), UNSAFE),
    ("N01 no selection at all", event(where=None), INVALID),
    ("N03 empty value", event(where={"customerid": ""}), UNSAFE),
    ("N03 empty value in a list", event(where=["customerid=="]), UNSAFE),
    ("N03 one of two is empty", event(where={"customerid": "1", "country": ""}), UNSAFE),
    ("N05 blank before the operator", event(where=["customerid ==1"]), UNSAFE),
    ("N05 blank after the operator", event(where=["customerid== 1"]), UNSAFE),
    ("N05 blank before the field", event(where=[" customerid==1"]), UNSAFE),
    ("N05 leading blank in a value", event(where={"customerid": " 1"}), UNSAFE),
    ("N05 trailing blank in a value", event(where={"customerid": "1 "}), UNSAFE),
    ("N05 nothing but a blank", event(where={"customerid": " "}), UNSAFE),
    ("N05 trailing line break", event(where={"customerid": "1\n"}), UNSAFE),
    ("N06 digit first", event(where={"1st": "1"}), UNSAFE),
    ("N06 dash", event(where={"customer-id": "1"}), UNSAFE),
    ("N06 operator in the name", event(where={"a==b": "1"}), UNSAFE),
    ("N06 brackets", event(where={"fields[]": "1"}), UNSAFE),
    ("N06 not ASCII", event(where={"naïf": "1"}), UNSAFE),
    ("N06 no name", event(where={"": "1"}), UNSAFE),
    ("N06 in the body", event(fields={"customer-id": "1"}), INVALID),
    ("N07 =", event(where=["customerid=1"], expect="many"), UNSAFE),
    ("N07 ~", event(where=["customerid~1"], expect="many"), UNSAFE),
    ("N07 ~=", event(where=["customerid~=1"], expect="many"), UNSAFE),
    ("N07 =<", event(where=["age=<1"], expect="many"), UNSAFE),
    ("N07 =>", event(where=["age=>1"], expect="many"), UNSAFE),
    ("N07 <~", event(where=["age<~1"], expect="many"), UNSAFE),
    ("N07 none", event(where=["customerid"], expect="many"), UNSAFE),
    ("N08 create with another key", event(create=True, fields={"customerid": "2"}), INVALID),
    ("N08 in other letters", event(create=True, fields={"CustomerID": "2"}), INVALID),
    ("N09 create with a range", event(create=True, where=["age>=18"]), UNSAFE),
    ("N09 create with many", event(create=True, where=["age>=18"], expect="many"), INVALID),
    ("N09 create with a guard", event(create=True, where=["a==1", "modified<2024"]), UNSAFE),
    *(
        (f"N10 {name} is {value!r}", {**event(), name: value}, INVALID)
        for name in ("create", "async")
        for value in NO_BOOLEANS
    ),
    ("N11 fields without brackets", {**event(where=None), "fields=": "a==1"}, INVALID),
    ("N11 Fields[]", event(where={"Fields[]": "a==1"}), UNSAFE),
    ("N13 list", event(fields={"a": ["x"]}), INVALID),
    ("N13 object", event(fields={"a": {"b": "x"}}), INVALID),
    ("N13 too many digits", written("fields", "123456789.123456789"), INVALID),
    ("N13 rounded integer", written("fields", "9007199254740993.0"), INVALID),
    ("N13 beyond a double", written("fields", "1e999"), INVALID),
    ("N15 two spellings", event(fields={"email": "a", "Email": "b"}), INVALID),
    ("N15 two interests", event(interests={"tennis": 1, "Tennis": 0}), INVALID),
    ("N15 one key twice", b'{"database":1,"where":{"a":"1"},"where":{}}', "invalid-json"),
    ("N16 nothing to write", event(fields=None), INVALID),
    ("N16 nothing in it", event(fields={}, interests=[]), INVALID),
    ("N16 nothing to create with", event(fields=None, create=True), INVALID),
    ("N20 like where one is meant", event(where=["email=~%@example.com"]), UNSAFE),
    ("N20 like with create", event(where=["email=~a%"], create=True), UNSAFE),
]


@pytest.mark.parametrize(
    ("content", "reason"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
async def test_is_refused_before_a_byte_is_sent(content: object, reason: InvalidReason) -> None:
    result, raw = await result_of(content)
    assert (result["outcome"], result["reason"], result["attempts"]) == ("rejected", reason, 0)
    assert result["detail"]
    assert (raw.connections, raw.requests) == (0, [])


FIELDS = [
    {"ID": "1", "name": "customerid", "type": "text", "value": ""},
    {"ID": "2", "name": "firstname", "type": "text", "value": ""},
    {"ID": "3", "name": "age", "type": "integer", "value": "0"},
    {"ID": "4", "name": "birthday", "type": "empty_date", "value": ""},
    {"ID": "5", "name": "country", "type": "select", "value": "nl*\r\nbe"},
    {"ID": "6", "name": "email", "type": "email", "value": ""},
]


async def playing_a_catalogue(request: bytes, writer: asyncio.StreamWriter) -> None:
    """Answer every question about database 1234; nobody has what is selected."""
    items = FIELDS if request.startswith(b"GET /v2/database/1234/fields?") else []
    body = json.dumps({"start": 0, "limit": 1000, "count": len(items), "data": items})
    await answering(body.encode())(request, writer)


KNOWN: list[tuple[str, object, InvalidReason]] = [
    ("N02 no such field", event(where={"no_such_field": "1"}), "unknown-field"),
    ("N02 one of two", event(where={"customerid": "1", "Nothing": "1"}), "unknown-field"),
    ("N04 text for a number", event(where={"age": "abc"}), "invalid-value"),
    ("N04 a number and text", event(where={"age": "12abc"}), "invalid-value"),
    ("N04 zero for a number", event(where={"age": 0}), UNSAFE),
    ("N04 no date", event(where={"birthday": "2020-13-01"}), "invalid-value"),
    ("N04 the date of zeros", event(where={"birthday": "0000-00-00"}), UNSAFE),
    ("N13 beyond 64 bits", event(fields={"age": 2**63}), "invalid-value"),
    ("N14 no choice", event(fields={"country": "fr"}), "invalid-value"),
    ("N14 a choice in other letters", event(fields={"country": "NL"}), "invalid-value"),
    ("N14 no address", event(fields={"email": "nobody"}), "invalid-value"),
    ("N14 overlong", event(fields={"firstname": "x" * 256}), "invalid-value"),
]


@pytest.mark.parametrize(
    ("content", "reason"), [row[1:] for row in KNOWN], ids=[row[0] for row in KNOWN]
)
async def test_is_refused_once_the_fields_are_known(content: object, reason: InvalidReason) -> None:
    result, raw = await result_of(content, playing_a_catalogue, field_check="strict")
    assert (result["outcome"], result["reason"], result["attempts"]) == ("rejected", reason, 0)
    assert [request.split(b" ")[:2] for request in raw.requests] == [
        [b"GET", b"/v2/database/1234/fields?limit=1000&access_token=xxxx"],
        [b"GET", b"/v2/database/1234/interests?limit=1000&access_token=xxxx"],
    ]


async def test_n08_a_create_carries_its_key() -> None:
    content = event(where={"customerid": "1", "country": "nl"}, create=True)
    _, raw = await result_of(content)
    body = json.loads(raw.requests[0].partition(b"\r\n\r\n")[2])
    assert body["fields"] == {"firstname": "John", "customerid": "1", "country": "nl"}


@pytest.mark.parametrize("value", [False, True])
async def test_n10_create_and_async_are_0_or_1_and_always_there(value: bool) -> None:
    _, raw = await result_of({**event(create=value), "async": value}, answering(), SOMEBODY)
    query = raw.requests[0].split(b" ")[1].partition(b"?")[2].split(b"&")
    assert query[1:3] == [b"create=%d" % value, b"async=%d" % value]


HOSTILE = "a+b&fields[]=x#%41 é\u2028😀;'\"<>\\^`{|}~=!"


async def test_n11_and_n12_a_query_is_safe_whatever_the_value() -> None:
    _, raw = await result_of(event(database="Ünïcode & co", where={"customerid": HOSTILE}))
    path, _, query = raw.requests[0].split(b" ")[1].decode().partition("?")
    assert re.fullmatch(r"[/A-Za-z0-9_.~%-]+", path)
    assert re.fullmatch(r"fields%5B%5D=[A-Za-z0-9_.~%-]+&create=0&async=0&access_token=xxxx", query)


async def test_n13_an_integer_beyond_64_bits_goes_in_its_digits() -> None:
    _, raw = await result_of(written("fields", "123456789012345678901234567890"))
    assert raw.requests[0].endswith(b'{"fields":{"b":"123456789012345678901234567890"}}')


@pytest.mark.parametrize(
    "values",
    [
        {"api_url": "http://api.copernica.com/v2"},
        {"auth_url": "http://authenticate.copernica.com"},
        {"access_token": ""},
        {"access_token": " "},
    ],
    ids=str,
)
def test_n17_neither_plain_http_nor_an_empty_token(values: dict[str, str]) -> None:
    with pytest.raises(WrongSettings):
        Settings.load(**{"access_token": "xxxx", **values})


@pytest.mark.parametrize("version", ["v2", "v4"])
async def test_n17_no_log_line_has_the_token(
    version: str, caplog: pytest.LogCaptureFixture
) -> None:
    token, bearer = "tok-3f9c-secret", jwt({"iat": 0, "exp": 86400})
    refused = answering(b'{"error":{"message":"No"}}', "400 Bad Request")
    down = answering(status="503 Service Unavailable")
    # Every level, and before any redaction: the line itself must not have it.
    with capture_logs() as ours, caplog.at_level("DEBUG"):
        logging.getLogger("httpx").debug("a library's line")
        for answer in (answering(), down, refused, LOST):
            answers = [answer, answering(PROFILE)]
            if version == "v4":
                answers.insert(0, answering(bearer.encode()))
            await result_of(
                event(), *answers, version=version, access_token=token, retry_base=0.001, **QUICK
            )
    assert [line["event"] for line in ours].count("event finished") == 4
    assert "a library's line" in caplog.text
    for shown in (repr(ours), caplog.text):
        assert token not in shown
        assert bearer not in shown


async def test_n18_a_redirect_is_not_followed() -> None:
    place = "http://127.0.0.1:1/profile/42?access_token=xxxx"
    created = answering(status="303 See Other", x_created="42", location=place)
    result, raw = await result_of(event(create=True), created, answering(PROFILE))
    assert result["outcome"] == "created"
    assert [request.split(b" ")[1] for request in raw.requests[1:]] == [
        # The service's own call, not the place named.
        b"/v2/database/1234/profiles?fields%5B%5D=customerid%3D%3D4567"
        b"&limit=11&total=false&access_token=xxxx"
    ]


@pytest.mark.parametrize("background", [False, True], ids=["", "async"])
@pytest.mark.parametrize("seen", [NOBODY, SOMEBODY], ids=["nobody there", "somebody there"])
async def test_n19_an_ambiguous_create_is_looked_up_before_it_is_repeated(
    background: bool, seen: Handler
) -> None:
    content = {**event(create=True), "async": background}
    _, raw = await result_of(content, LOST, seen, answering(b"[]"), **QUICK)
    assert [request[:3] for request in raw.requests[:3]] == [b"PUT", b"GET", b"PUT"]
    assert (b"create=1" in raw.requests[2]) is (seen is NOBODY)


async def test_n20_a_pattern_in_a_value_is_compared_as_it_stands() -> None:
    _, raw = await result_of(event(where={"email": "%@example.com"}))
    assert b"?fields%5B%5D=email%3D%3D%25%40example.com&" in raw.requests[0]
    _, raw = await result_of(event(where={"email": "=~%"}))
    assert b"?fields%5B%5D=email%3D%3D%3D~%25&" in raw.requests[0]


def test_every_refusal_has_its_row() -> None:
    rows = [row[0] for row in REFUSED] + [row[0] for row in KNOWN]
    named = "_".join(name for name in globals() if name.startswith("test_n"))
    ids = {row[:3] for row in rows} | {found.upper() for found in re.findall(r"n\d\d", named)}
    assert sorted(ids) == [f"N{number:02}" for number in range(1, 21)]
