"""Behaviours 1 to 9: versions, paths, tokens, connections, and what is counted."""

import base64
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest

from tests.contract.standins import (
    EMPTY,
    NEW,
    OLD,
    TOKEN,
    VERSIONS,
    StandIn,
    eventually,
    message,
    running,
    selection,
)
from tests.contract.wire import IDENTITY, Wire, request

DAY = 24 * 60 * 60
PERIOD = "begin=2000-01-01&end=2099-12-31"


@pytest.mark.parametrize("version", VERSIONS)
def test_01_every_version_is_served_under_one_port(silent: StandIn, version: str) -> None:
    """`/v1` to `/v4`, and no prefix at all."""
    answer = silent.call("GET", "identity", version=version)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.json() == silent.call("GET", "identity").json()


def test_01_no_prefix_is_like_version_2(silent: StandIn, key: str) -> None:
    """The body has parts, a creation answers 303."""
    body = {"fields": {"customerid": key}, "interests": ["tennis"]}
    answer = silent.put([f"customerid=={key}"], body, version="", create=1)
    assert answer.status_code == 303
    profile = silent.profile(int(answer.headers["X-Created"]))
    assert (profile["fields"]["customerid"], profile["interests"]) == (key, ["tennis"])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "nonsense"),
        ("GET", "Identity"),
        ("PUT", "identity"),
        ("GET", "DATABASE/1234/profiles"),
        ("GET", "database/1234/PROFILES"),
        ("PUT", "database/1234/Profiles"),
        ("PUT", "database/1234/nonsense"),
        ("PATCH", "database/1234/profiles"),
        ("PUT", "database/1234/fields"),
        ("GET", "PROFILE/{}"),
        ("GET", "profile/{}/FIELDS"),
        ("PATCH", "profile/{}"),
    ],
)
@pytest.mark.parametrize("version", ["", "/v2", "/v4"])
def test_02_an_unknown_path_is_an_invalid_method(
    silent: StandIn, version: str, method: str, path: str
) -> None:
    """Keywords count in their case; so does the verb."""
    answer = silent.call(method, path.format(silent.post({})), version=version)
    assert message(answer) == "Invalid method"


@pytest.mark.parametrize("version", ["/V2", "/v5", "/v"])
def test_02_an_unknown_version_is_an_invalid_method(silent: StandIn, version: str) -> None:
    """The version is a keyword of the path like others."""
    assert message(silent.call("GET", "identity", version=version)) == "Invalid method"


@pytest.mark.parametrize("extra", ["", "/", "//", "/extra", "/extra/5/", "/PROFILES"])
def test_03_segments_after_profiles_are_ignored(silent: StandIn, key: str, extra: str) -> None:
    """Trailing slashes and further segments, for GET, POST and PUT."""
    path, query = f"database/1234/profiles{extra}", selection([f"customerid=={key}"])
    made = silent.call("POST", path, "", {"fields": {"customerid": key}})
    assert made.status_code == 201
    assert silent.call("PUT", path, query, {"fields": {"age": 5}}).status_code == 200
    (profile,) = silent.call("GET", path, query).json()["data"]
    assert (profile["ID"], profile["fields"]["age"]) == (made.headers["X-Created"], "5")


@pytest.mark.parametrize("extra", ["", "/", "/extra", "/extra/5/"])
def test_03_segments_after_the_fields_of_a_profile_are_ignored(
    silent: StandIn, key: str, extra: str
) -> None:
    """`profile/X/fields` takes anything behind it, for GET and PUT."""
    number = silent.post({"fields": {"customerid": key}})
    path = f"profile/{number}/fields{extra}"
    assert silent.call("PUT", path, "", {"age": 5}).status_code == 303
    fields = silent.call("GET", path).json()
    assert (fields["customerid"], fields["age"]) == (key, "5")


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE"])
def test_03_a_segment_after_a_profile_is_an_invalid_method(silent: StandIn, method: str) -> None:
    """After `profile/X` a slash is ignored, a segment is not."""
    number = silent.post({})
    body = None if method in ("GET", "DELETE") else {"fields": {"age": 5}}
    assert message(silent.call(method, f"profile/{number}/extra", "", body)) == "Invalid method"
    assert silent.profile(number)["fields"]["age"] == "0"
    assert silent.call("GET", f"profile/{number}/").json() == silent.profile(number)


@pytest.mark.parametrize("path", ["database", "database/", "profile", "profile/"])
@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE"])
def test_04_too_few_segments_are_told(silent: StandIn, method: str, path: str) -> None:
    """The element that is missing has a number."""
    reason = "Invalid request, element 1 is missing in 'directory' path"
    for version in VERSIONS:
        assert message(silent.call(method, path, version=version)) == reason


def test_05_the_checks_have_an_order(silent: StandIn) -> None:
    """Token, number of segments, entity, rest of the path, parameters, body."""
    bad: dict[str, Any] = {"content": "{", "headers": {"Content-Type": "application/json"}}
    steps = [
        ("database?access_token=wrong", "Invalid access token"),
        ("database", "Invalid request, element 1 is missing in 'directory' path"),
        ("database/99/nonsense", "No database with supplied ID"),
        ("database/1234/nonsense", "Invalid method"),
        ("database/1234/profiles", "URL parameter fields is required"),
        ("database/1234/profiles?fields[]=shoe==1", "Field shoe does not exist"),
        ("database/1234/profiles?fields[]=age==1", "Invalid data provided"),
        ("profile/999999/nonsense", "No entity with supplied ID"),
    ]
    for path, reason in steps:
        joint = "&" if "?" in path else "?"
        url = path if "access_token" in path else f"{path}{joint}access_token={TOKEN}"
        assert message(silent.send("PUT", f"/v2/{url}", **bad)) == reason
    for path, reason in steps[1:]:
        headers = {**bad["headers"], "Authorization": f"Bearer {silent.jwt()}"}
        answer = silent.send("PUT", f"/v4/{path}", content="{", headers=headers)
        assert message(answer) == reason
    assert message(silent.send("PUT", "/v4/database", **bad), 401) == "Invalid access token"


@pytest.mark.parametrize("version", [*OLD, "/v3"])
@pytest.mark.parametrize(
    "query",
    [
        "",
        "access_token=",
        "access_token=wrong",
        f"access_token={TOKEN}x",
        f"access_token={TOKEN.upper()}",
        f"access_token[]={TOKEN}",
        f"ACCESS_TOKEN={TOKEN}",
        f"access_token={TOKEN}&access_token=wrong",
    ],
)
def test_06_the_token_is_needed_in_the_query(silent: StandIn, version: str, query: str) -> None:
    """Missing or wrong is the same 400; a header or a body does not help."""
    url = f"{version}/identity?{query}"
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert message(silent.send("GET", url, headers=headers)) == "Invalid access token"
    headers = {"Authorization": f"Bearer {silent.jwt()}"}
    assert message(silent.send("GET", url, headers=headers)) == "Invalid access token"
    answer = silent.send("POST", url, data={"access_token": TOKEN})
    assert message(answer) == "Invalid access token"


@pytest.mark.parametrize("query", ["a=1&access_token={}&b=2", "access%5Ftoken={}"])
def test_06_the_token_stands_anywhere_in_the_query(silent: StandIn, query: str) -> None:
    """Position and spelling do not matter."""
    assert silent.send("GET", f"/v2/identity?{query.format(TOKEN)}").status_code == 200


def test_06_a_token_may_need_escapes(seed_file: Any) -> None:
    """The token in the query is decoded."""
    token = "ab+c/d="
    with running("--seed-file", str(seed_file), "--token", token) as standin:
        written = quote(token, safe="")
        assert standin.send("GET", f"/v2/identity?access_token={written}").status_code == 200
        answer = standin.send("GET", f"/v2/identity?access_token={token}")
        assert message(answer) == "Invalid access token"


def forged(jwt: str) -> str:
    """Write the same claims under no signature at all."""
    head = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    return f"{head}.{jwt.split('.')[1]}."


def altered(jwt: str) -> str:
    """Move the end of a JWT's life, under the old signature."""
    head, _, signature = jwt.split(".")
    later = {**claims(jwt), "exp": claims(jwt)["exp"] + DAY}
    body = base64.urlsafe_b64encode(json.dumps(later).encode()).rstrip(b"=").decode()
    return f"{head}.{body}.{signature}"


@pytest.mark.parametrize(
    "header",
    [
        lambda _: None,
        lambda _: "",
        lambda _: "Bearer",
        lambda _: f"Bearer {TOKEN}",
        lambda _: "Bearer a.b.c",
        lambda _: "Bearer é",
        lambda jwt: jwt,
        lambda jwt: f"Basic {jwt}",
        lambda jwt: f"Bearer {jwt}x",
        lambda jwt: f"Bearer {jwt[:-5]}",
        lambda jwt: f"Bearer {forged(jwt)}",
        lambda jwt: f"Bearer {altered(jwt)}",
    ],
)
def test_06_version_4_wants_a_jwt_in_a_header(
    silent: StandIn, contrary: StandIn, header: Callable[[str], str | None]
) -> None:
    """401 with the same JSON, or 400 by a switch; the token in the query does not help."""
    for standin, status in ((silent, 401), (contrary, 400)):
        written = header(standin.jwt())
        headers = {} if written is None else {"Authorization": written.encode()}
        url = f"/v4/identity?access_token={TOKEN}"
        answer = standin.send("GET", url, headers=headers)
        assert message(answer, status) == "Invalid access token"


def test_06_version_4_takes_its_jwt(silent: StandIn) -> None:
    """A header is all it needs; the scheme is written in any case."""
    for scheme in ("Bearer", "bearer"):
        headers = {"Authorization": f"{scheme} {silent.jwt()}"}
        assert silent.send("GET", "/v4/identity", headers=headers).status_code == 200


def test_06_a_jwt_expires() -> None:
    """An expired JWT is like a wrong one; a new one helps."""
    with running("--jwt-seconds", "1") as standin:
        headers = {"Authorization": f"Bearer {standin.jwt()}"}

        def status() -> int:
            return standin.send("GET", "/v4/identity", headers=headers).status_code

        eventually(lambda: status() == 401)
        answer = standin.send("GET", "/v4/identity", headers=headers)
        assert message(answer, 401) == "Invalid access token"
        issued = claims(headers["Authorization"])
        assert issued["exp"] - issued["iat"] == 1


def claims(jwt: str) -> dict[str, int]:
    """Return what a JWT says."""
    middle = jwt.split(".")[1]
    read: dict[str, int] = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    return read


def test_07_a_form_with_the_token_gives_a_jwt_for_a_day(silent: StandIn) -> None:
    """The reply is the JWT itself, as plain text; `exp` is 24 hours ahead."""
    begun = int(time.time())
    answer = silent.send("POST", "/authenticate", data={"access_token": TOKEN})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].partition(";")[0] == "text/plain"
    assert answer.text.count(".") == 2
    issued = claims(answer.text)
    assert begun <= issued["iat"] <= time.time()
    assert issued["exp"] == issued["iat"] + DAY
    head = answer.text.partition(".")[0]
    algorithm = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    assert algorithm == {"alg": "HS256", "typ": "JWT"}


def test_07_a_fixed_clock_gives_fixed_times(fixed: StandIn) -> None:
    """`iat` and `exp` count from the stand-in's own clock, and version 4 believes them."""
    now = int(datetime(2026, 11, 23, 10, tzinfo=UTC).timestamp())
    issued = claims(fixed.jwt())
    assert (issued["iat"], issued["exp"]) == (now, now + DAY)
    assert fixed.call("GET", "identity", version="/v4").status_code == 200


@pytest.mark.parametrize(
    "form", [{}, {"access_token": ""}, {"access_token": "wrong"}, {"access_token[]": TOKEN}]
)
def test_07_a_wrong_token_gives_no_jwt(silent: StandIn, form: dict[str, str]) -> None:
    """400, as for any other call."""
    answer = silent.send("POST", "/authenticate", data=form)
    assert message(answer) == "Invalid access token"


def test_08_a_connection_is_kept(silent: StandIn, key: str) -> None:
    """HTTP/1.1: one connection carries many calls, and nobody has to ask for it."""
    query = selection([f"customerid=={key}"], create=1)
    with Wire(silent) as wire:
        for line in ("HTTP/1.1 303 See Other", "HTTP/1.1 200 OK", "HTTP/1.1 200 OK"):
            wire.send("PUT", "database/1234/profiles", query, {"fields": {"customerid": key}})
            answer = wire.answer()
            assert (answer.line, answer.headers.get("connection")) == (line, None)
        wire.send("GET", "nonsense")
        assert wire.answer().line == "HTTP/1.1 400 Bad Request"
        wire.socket.sendall(IDENTITY)
        assert wire.answer().line == "HTTP/1.1 200 OK"


def test_08_a_client_may_end_the_connection(silent: StandIn) -> None:
    """`Connection: close` closes it after the answer."""
    with Wire(silent) as wire:
        wire.socket.sendall(IDENTITY.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert wire.answer().line == "HTTP/1.1 200 OK"
        assert wire.rest() == b""


def test_08_requests_may_come_in_pieces_or_together(silent: StandIn, key: str) -> None:
    """The borders of packets mean nothing; answers keep the order of requests."""
    body = {"fields": {"customerid": key, "lastname": "Müller"}}
    query = selection([f"customerid=={key}"], create=1)
    written = request("PUT", "database/1234/profiles", query, body)
    with Wire(silent) as wire:
        for n in range(0, len(written), 50):
            wire.socket.sendall(written[n : n + 50])
        first = wire.answer()
        wire.socket.sendall(written + IDENTITY + request("GET", "nonsense"))
        lines = [wire.answer().line for _ in range(3)]
    assert first.line == "HTTP/1.1 303 See Other"
    assert [line.split()[1] for line in lines] == ["200", "200", "400"]
    assert silent.profile(int(first.headers["x-created"]))["fields"]["lastname"] == "Müller"


@pytest.mark.parametrize("version", ["", "/v1", "/v2"])
def test_08_successful_writes_are_empty_json(silent: StandIn, key: str, version: str) -> None:
    """`Content-Type: application/json` and `Content-Length: 0`, with nothing behind."""
    number = silent.post({"fields": {"customerid": key}})
    query = selection([f"customerid=={key}"])
    calls: list[tuple[str, str, str, Any]] = [
        ("PUT", "database/1234/profiles", query, {}),
        ("PUT", "database/1234/profiles", "fields[]=customerid==nobody&create=1", {}),
        ("POST", "database/1234/profiles", "", {}),
        ("PUT", f"profile/{number}", "", {}),
        ("PUT", f"profile/{number}/fields", "", {}),
        ("DELETE", f"profile/{number}", "", None),
    ]
    statuses = []
    for method, path, parameters, body in calls:
        answer = silent.call(method, path, parameters, body, version)
        statuses.append(answer.status_code)
        assert EMPTY.items() <= dict(answer.headers).items()
        assert "transfer-encoding" not in answer.headers
        assert answer.content == b""
    assert statuses == [200, 303, 201, 303, 303, 200]


@pytest.mark.parametrize("version", NEW)
def test_08_an_answer_without_content_has_no_length(
    silent: StandIn, key: str, version: str
) -> None:
    """204 carries neither a body nor headers about one."""
    answer = silent.put([f"customerid=={key}"], {"fields": {"age": 1}}, version=version)
    assert answer.status_code == 204
    assert not {"content-length", "content-type", "transfer-encoding"} & set(answer.headers)


def consumed(standin: StandIn) -> int:
    """Ask how many calls were counted."""
    count: int = standin.call("GET", "consumption", PERIOD).json()["apicalls"]
    return count


@pytest.mark.parametrize(("chosen", "counted"), [("silent", 4), ("contrary", 2)])
def test_09_every_answered_call_counts(
    request: pytest.FixtureRequest, key: str, chosen: str, counted: int
) -> None:
    """Also those that fail, unless a switch says otherwise."""
    standin: StandIn = request.getfixturevalue(chosen)
    before = consumed(standin)
    standin.put([f"customerid=={key}"], {})
    assert standin.call("GET", "nonsense").status_code == 400
    assert standin.send("GET", "/v2/identity?access_token=wrong").status_code == 400
    # One of the two calls that ask counts as well, whichever it is.
    assert consumed(standin) - before == counted
