"""What the service makes of the API's answers, P01 to P40: bytes in, a verdict out."""

import asyncio
import json
import re
import socket
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from service.events import ProfileUpdate
from service.outcomes import Done, Refused, Retry, Verdict, decide, found
from service.profiles import Answer, NoResponse, get_profiles, put_profiles
from tests.contract.clients import client
from tests.raw_server import Handler, answering, raw_server, writing
from tests.unit.samples import event, update
from tests.unit.test_tokens import jwt
from tests.unit.world import World

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
DATE = "Mon, 23 Nov 2026 10:00:00 GMT"
PROFILE = {
    "ID": "42",
    "fields": {"customerid": "4567", "firstname": "John"},
    "interests": ["football"],
    "database": "1234",
    "secret": "e5903b43c08",
    "created": "2013-01-06 14:19:51",
    "modified": "2020-02-03 10:00:00",
    "removed": False,
}
NEW = {**PROFILE, "created": "2026-11-23 11:00:00", "modified": "2026-11-23 11:00:00"}
QUERY = "?fields[]=customerid==4567&create=1&async=0&access_token=xxxx"
PLACE = f"https://api.copernica.com/profile/42{QUERY}"
SELF = f"https://api.copernica.com/database/1234/profiles{QUERY}"
BALANCER = (
    b"<html><head><title>Loadbalancer Error</title></head>"
    b"<body>There are too many requests to handle.</body></html>"
)


def listed(*profiles: Any, **more: Any) -> bytes:
    count = len(profiles)
    return json.dumps({"start": 0, "limit": 100, "count": count, "data": profiles, **more}).encode()


def error(message: str, status: str = "400 Bad Request") -> Handler:
    return answering(json.dumps({"error": {"message": message}}).encode(), status)


def page(status: str, content: bytes = BALANCER, **headers: str) -> Handler:
    return answering(content, status, "text/html; charset=utf-8", **headers)


def see_other(body: bytes = b"", **headers: str) -> Handler:
    return answering(body, "303 See Other", **headers)


def empty(status: str, **headers: str) -> Handler:
    """An answer without the type of a body, as a status alone."""
    return writing(head(status, "Content-Length: 0", *(f"{n}: {v}" for n, v in headers.items())))


def head(status: str, *lines: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode()


async def reset(_request: bytes, writer: asyncio.StreamWriter) -> None:
    writer.transport.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0"
    )
    writer.transport.abort()


async def silence(_request: bytes, _writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


AGAIN = Retry("outage", "")
MAYBE = Retry("outage", "", ambiguous=True)
TOKEN = Retry("token", "")
CONFIGURATION = Retry("configuration", "")
REFUSED = Refused("refused", "")


@dataclass(frozen=True)
class Row:
    """Answers of the API to a create, and the verdict on each; words are not compared."""

    id: str
    verdict: Verdict
    answers: list[Handler]
    settings: dict[str, Any] = field(default_factory=dict)


ROWS = [
    Row("P01 200, nothing", Done("updated"), [empty("200 OK")]),
    Row("P02 200, nothing with a type", Done("updated"), [answering()]),
    Row(
        "P03 200, no chunks",
        Done("updated"),
        [writing(head("200 OK", "Transfer-Encoding: chunked") + b"0\r\n\r\n")],
    ),
    Row(
        "P04 303, created", Done("created", None, "42"), [see_other(x_created="42", location=PLACE)]
    ),
    Row("P05 303 to the request itself", Done("updated"), [see_other(location=SELF)]),
    Row(
        "P06 303, a header in other letters, no blank",
        Done("created", None, "42"),
        [writing(head("303 See Other", "x-created:42", f"LOCATION:{PLACE}", "content-length:0"))],
    ),
    Row(
        # Read back by its selection, and so looked up.
        "P07 303 without Location, or with a body",
        Done("updated", unsure=True),
        [see_other(), see_other(b"See elsewhere"), see_other(b"See elsewhere", location=SELF)],
    ),
    Row(
        "P08 201, created",
        Done("created", None, "42"),
        [
            empty("201 Created", **{"X-Created": "42"}),
            empty("201 Created", **{"X-Created": "42", "X-location": PLACE}),
            empty("201 Created", **{"X-location": PLACE}),
        ],
    ),
    Row("P09 204", Done("updated"), [writing(head("204 No Content"))]),
    Row(
        "P10 200, a list of profiles",
        Done("updated", (PROFILE, PROFILE)),
        [answering(json.dumps([PROFILE, PROFILE]).encode())],
    ),
    Row(
        "P10 200, a list with the new profile",
        Done("created", (NEW,)),
        [answering(json.dumps([NEW]).encode(), date=DATE)],
    ),
    Row("P11 200, an empty list", Done("unmatched", ()), [answering(b"[]")]),
    Row("P12 200, a wrapper", Done("updated", (PROFILE,)), [answering(listed(PROFILE, total=1))]),
    Row(
        "P13 200, one profile",
        Done("updated", (PROFILE,)),
        [answering(json.dumps(PROFILE).encode())],
    ),
    Row("P14 200, an error", REFUSED, [error("Not today", "200 OK")]),
    Row("P15 invalid token", TOKEN, [error("Invalid access token")]),
    Row(
        "P16 no such database",
        Refused("unknown-database", ""),
        [error("No database with supplied ID")],
    ),
    Row("P17 the selection is missing", CONFIGURATION, [error("URL parameter fields is required")]),
    Row("P18 invalid data", REFUSED, [error("Invalid data provided")]),
    Row("P19 failed to create", REFUSED, [error("Failed to create profile")]),
    Row("P20 another text", REFUSED, [error("Field shoe does not exist"), error("Nee")]),
    Row(
        "P21 400 in another shape",
        REFUSED,
        [
            answering(b"no", "400 Bad Request", "text/plain"),
            answering(b"", "400 Bad Request"),
            answering(b'{"error":"no"}', "400 Bad Request"),
            answering(b'{"errors":[{"message":"no"}]}', "400 Bad Request"),
        ],
    ),
    Row(
        "P22 invalid method",
        CONFIGURATION,
        [
            error("Invalid method"),
            error("Invalid request, element 1 is missing in 'directory' path"),
        ],
    ),
    Row("P23 401, 403", TOKEN, [empty("401 Unauthorized"), error("No", "403 Forbidden")]),
    Row(
        "P24 404, 405, 410",
        CONFIGURATION,
        [
            empty("404 Not Found"),
            error("Not found", "404 Not Found"),
            page("404 Not Found"),
            empty("405 Method Not Allowed"),
            empty("410 Gone"),
        ],
    ),
    Row("P25 413, 414", REFUSED, [page("413 Too Large"), empty("414 URI Too Long")]),
    Row("P26 429", AGAIN, [empty("429 Too Many Requests"), page("429 Too Many Requests")]),
    Row(
        "P26 429 with seconds",
        Retry("outage", "", 5.0),
        [empty("429 Too Many Requests", **{"Retry-After": "5"})],
    ),
    Row(
        "P26 429 with a date",
        Retry("outage", "", 60.0),
        [
            empty(
                "429 Too Many Requests",
                **{"Retry-After": "Mon, 23 Nov 2026 10:01:00 GMT", "Date": DATE},
            )
        ],
    ),
    Row(
        "P26 429 with a long time",
        Retry("outage", "", 300.0),
        [empty("429 Too Many Requests", **{"Retry-After": "86400"})],
    ),
    Row("P27 500", MAYBE, [empty("500 Internal Server Error"), error("Oops", "500 Oops")]),
    Row("P28 502", MAYBE, [page("502 Bad Gateway", b"<h1>502 Server Error</h1>")]),
    Row("P29 503", MAYBE, [page("503 Service Unavailable")]),
    Row(
        "P29 503 with seconds",
        Retry("outage", "", 7.0, ambiguous=True),
        [page("503 Service Unavailable", retry_after="7")],
    ),
    Row("P30 504", MAYBE, [page("504 Gateway Timeout")]),
    Row(
        "P31 redirects",
        CONFIGURATION,
        [
            page(f"{status} Moved", location="https://elsewhere.example/")
            for status in (301, 302, 307, 308)
        ],
    ),
    Row("P33 reset", MAYBE, [reset]),
    Row("P33 empty reply", MAYBE, [writing(b"", close=True)]),
    Row("P33 no answer in time", MAYBE, [silence], {"request_timeout": 0.2}),
    Row("P33 half a head", MAYBE, [writing(b"HTTP/1.1 200 OK\r\nX-Crea", close=True)]),
    Row(
        "P34 a body cut short or broken",
        Done("updated", unsure=True),
        [
            writing(head("200 OK", "Content-Length: 99") + b'[{"ID"', close=True),
            answering(b'[{"ID": "42", "fiel'),
            answering(b"\xff\xfe"),
            answering(b"[1, 2]"),
            answering(b'"profiles"'),
        ],
    ),
    Row(
        "P36 a profile in another shape",
        Done("updated", ({"ID": 42, "fields": [], "interests": {"a": 1}, "removed": "x"},)),
        [answering(b'[{"ID": 42, "fields": [], "interests": {"a": 1}, "removed": "x"}]')],
    ),
    Row(
        "P40 2xx with a page",
        MAYBE,
        [page("200 OK"), page("203 OK"), answering(b"<!doctype html>"), see_other(BALANCER)],
    ),
]


def without_words(verdict: Verdict) -> Verdict:
    match verdict:
        case Retry(cause, _, after, ambiguous):
            return Retry(cause, "", after, ambiguous)
        case Refused(reason, _):
            return Refused(reason, "")
        case done:
            return done


def words(verdict: Verdict) -> str:
    return verdict.detail if isinstance(verdict, Retry | Refused) else ""


def judged(wanted: ProfileUpdate, answer: Answer) -> Verdict:
    return decide(wanted, answer, AMSTERDAM)


CREATE = update(create=True)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
async def test_an_answer_has_its_verdict(row: Row) -> None:
    for handler in row.answers:
        async with raw_server(handler) as raw, client(raw.port, **row.settings) as api:
            verdict = judged(CREATE, await api.send(put_profiles(CREATE)))
        assert without_words(verdict) == row.verdict
        assert len(raw.requests) == 1
        assert isinstance(verdict, Done) or words(verdict)
        assert "xxxx" not in repr(verdict)


async def test_p21_the_text_is_kept_in_short() -> None:
    body = f"No entry for John, token xxxx-xxxx-xxxx: {'x' * 500}".encode()
    handler = answering(body, "400 Bad Request", "text/plain")
    async with raw_server(handler) as raw, client(raw.port, access_token="xxxx-xxxx-xxxx") as api:
        verdict = judged(CREATE, await api.send(put_profiles(CREATE)))
    text = f"No entry for ***, token ***: {'x' * 500}"[:200]
    assert verdict == Refused("refused", f"status 400: {text}")


@pytest.mark.parametrize("last", ["204 No Content", "401 Unauthorized"])
async def test_p23_version_4_renews_its_token_once(last: str) -> None:
    tokens = [answering(jwt({"iat": 0, "exp": 86400 + n}).encode()) for n in range(2)]
    refused = empty("401 Unauthorized")
    answers = (tokens[0], refused, tokens[1], writing(head(last, "Content-Length: 0")))
    async with raw_server(*answers) as raw, client(raw.port, "v4") as api:
        verdict = judged(CREATE, await api.send(put_profiles(CREATE)))
    assert [request[:4] for request in raw.requests] == [b"POST", b"PUT ", b"POST", b"PUT "]
    assert without_words(verdict) == (Done("updated") if last[:3] == "204" else TOKEN)


async def unsent(**settings: Any) -> Answer:
    async with client(1, connect_timeout=1, **settings) as api:
        return await api.send(put_profiles(CREATE))


async def test_p32_what_was_never_sent_is_never_ambiguous() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    refused = await unsent(api_url=f"http://127.0.0.1:{port}/v2")
    unknown = await unsent(api_url="https://no-such-host.invalid/v2")
    async with raw_server(answering()) as raw:
        no_tls = await unsent(api_url=f"https://127.0.0.1:{raw.port}/v2")
    assert raw.requests == []
    for answer in (refused, unknown, no_tls):
        assert isinstance(answer, NoResponse)
        assert without_words(judged(CREATE, answer)) == AGAIN


async def test_p35_a_kept_connection_that_closes_is_not_used_again() -> None:
    ended = asyncio.Event()

    async def answer_and_end(_request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(head("204 No Content"))
        writer.close()
        await writer.wait_closed()
        ended.set()

    async with raw_server(answer_and_end, answering()) as raw, client(raw.port) as api:
        first = await api.send(put_profiles(CREATE))
        await ended.wait()
        for _ in range(3):  # turns of the loop, in which the client reads the end
            await asyncio.sleep(0)
        second = await api.send(put_profiles(CREATE))
    assert [judged(CREATE, answer) for answer in (first, second)] == [Done("updated")] * 2
    assert (raw.connections, len(raw.requests)) == (2, 2)


async def test_p35_one_that_closes_upon_a_request_makes_it_ambiguous() -> None:
    closing = writing(b"", close=True)
    async with raw_server(answering(), closing) as raw, client(raw.port) as api:
        await api.send(put_profiles(CREATE))
        verdict = judged(CREATE, await api.send(put_profiles(CREATE)))
    assert without_words(verdict) == MAYBE
    assert (raw.connections, len(raw.requests)) == (1, 2)


async def read_back(body: bytes) -> object:
    """Give what the service finds in an answer to its read-back."""
    wanted = update()
    async with raw_server(answering(body)) as raw, client(raw.port) as api:
        return found(wanted, await api.send(get_profiles("1234", wanted.conditions)))


@pytest.mark.parametrize(
    "count", [0, 1, 2, 5], ids=["none", "one", "two: duplicates", "five: duplicates"]
)
async def test_p37_a_read_back_tells_how_many_there_are(count: int) -> None:
    profiles = tuple({**PROFILE, "ID": str(number)} for number in range(count))
    assert await read_back(listed(*profiles)) == profiles


async def test_p38_a_removed_profile_is_none() -> None:
    removed = {**PROFILE, "fields": {"customerid": ""}, "removed": "2024-01-01 00:00:00"}
    created = see_other(x_created="42", location=PLACE)
    # The selection finds it no more, and so it is read by its ID.
    answers = (created, answering(listed()), answering(json.dumps(removed).encode()))
    async with raw_server(*answers) as raw, client(raw.port) as api:
        world = World(api=lambda _settings, _metrics: api)
        result = await world.end_soon(event(create=True))
    assert (result["outcome"], result["matched"], result["profiles"]) == ("created", 0, [])


@pytest.mark.parametrize(
    "more",
    [{}, {"total": 1}, {"nextid": 43, "total": 1}, {"weather": {"rain": [1]}, "total": None}],
    ids=str,
)
async def test_p39_what_a_list_has_besides_does_not_matter(more: dict[str, Any]) -> None:
    stranger = {**PROFILE, "shoe": {"size": 44}}
    assert await read_back(listed(stranger, **more)) == (stranger,)


def test_every_response_has_its_row() -> None:
    named = re.findall(r"test_(p\d\d)_", " ".join(globals()))
    ids = {row.id[:3] for row in ROWS} | {name.upper() for name in named}
    assert sorted(ids) == [f"P{number:02}" for number in range(1, 41)]
