import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.profiles import NoResponse, Response
from service.tokens import Token, post_token, read_token
from tests.unit.doubles import error, response

NOW = 1_800_000_000.0
HOUR = 3600.0
PAGE = "with an HTML page, at AUTH_URL: is it right?"
HTML = b"<html>Too many requests</html>"


def jwt(payload: Any) -> str:
    """A JWT with that payload; its head and signature say nothing."""
    content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return f"eyJhbGciOiJ9.{base64.urlsafe_b64encode(content).decode().rstrip('=')}.c2ln"


def usable(payload: Any) -> float:
    token = read_token(response(200, jwt(payload).encode()), NOW)
    assert isinstance(token, Token)
    return token.usable


@pytest.mark.parametrize(
    ("token", "written"),
    [("xxxx", b"access_token=xxxx"), ("a+b/c=&d", b"access_token=a%2Bb%2Fc%3D%26d")],
)
def test_asks_for_a_token_with_a_form(token: str, written: bytes) -> None:
    call = post_token(token)
    assert (call.method, call.path, call.query, call.body) == ("POST", "", "", written)
    assert call.content_type == "application/x-www-form-urlencoded"


@pytest.mark.parametrize("around", ["{}", " {}\n", '"{}"'])
def test_the_whole_answer_is_the_token(around: str) -> None:
    text = jwt({"iat": 1, "exp": 86401})
    answer = response(200, around.format(text).encode(), content_type="text/plain")
    assert read_token(answer, NOW) == Token(text, 86_340.0)


@pytest.mark.parametrize(
    ("payload", "seconds"),
    [
        ({"iat": NOW - 9999, "exp": NOW - 9999 + HOUR}, HOUR - 60),
        ({"exp": NOW + HOUR}, HOUR - 60),
        ({"iat": 0, "exp": 100}, 50),
        ({"iat": 0, "exp": 0.5}, 0.25),
        ({"iat": "0", "exp": "7200"}, 7140),
    ],
    ids=str,
)
def test_is_used_until_shortly_before_its_end(payload: object, seconds: float) -> None:
    assert usable(payload) == seconds


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"exp": NOW - 1},
        {"exp": None},
        {"exp": "soon"},
        {"iat": 0, "exp": 10**12},
        {"iat": 0, "exp": 10**400},
        b'{"exp": NaN}',
        b'{"exp": Infinity}',
        [],
        7,
        b"\xff",
        b"[" * 5000,
    ],
    ids=lambda payload: str(payload)[:20],
)
def test_one_that_does_not_say_its_end_is_used_for_an_hour(payload: object) -> None:
    assert usable(payload) == HOUR


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [
        (
            NoResponse("unreachable", "the server could not be reached (X)"),
            NoResponse("unreachable", "the server could not be reached (X), at AUTH_URL"),
        ),
        (
            NoResponse("no-answer", "no answer came (X)"),
            NoResponse("unreachable", "no answer came (X), at AUTH_URL"),
        ),
        (NoResponse("misconfigured", "x"), NoResponse("misconfigured", "x, at AUTH_URL")),
        (
            response(503, HTML, retry_after="30"),
            NoResponse("unreachable", f"status 503 {PAGE}", 30.0),
        ),
        (
            Response(200, {}, jwt({})[:-1].encode(), cut=True),
            NoResponse("unreachable", "the token of AUTH_URL was cut short"),
        ),
        (
            response(200, HTML),
            NoResponse("unreachable", f"status 200 {PAGE}"),
        ),
        *(
            (refused, NoResponse("token-refused", "AUTH_URL refuses the access token"))
            for refused in (
                error("Invalid access token"),
                error("Something else"),
                response(400),
                response(401),
                response(403),
            )
        ),
        (response(404), NoResponse("misconfigured", "status 404, at AUTH_URL: is it right?")),
        (response(302), NoResponse("misconfigured", "status 302, at AUTH_URL: is it right?")),
        *(
            (
                response(200, content),
                NoResponse("misconfigured", "AUTH_URL answers no token: is it right?"),
            )
            for content in (b"", b"[]", b"xxxx", b"a.b", b"a.b.c d", b"a.b.c\r\nX: y", b"\xff.a.b")
        ),
    ],
    ids=str,
)
def test_without_a_token_nothing_is_sent(answer: Any, refusal: NoResponse) -> None:
    assert read_token(answer, NOW) == refusal


@given(st.binary() | st.binary().map(lambda payload: jwt(payload).encode()), st.integers(100, 599))
def test_any_answer_is_a_token_or_says_why_not(content: bytes, status: int) -> None:
    token = read_token(response(status, content), NOW)
    if isinstance(token, Token):
        assert token.usable > 0
        assert token.text.isascii()
        assert token.text.isprintable()
    else:
        assert token.failure in {"unreachable", "misconfigured", "token-refused"}


def test_its_repr_does_not_show_it() -> None:
    assert "eyJ" not in repr(read_token(response(200, jwt({}).encode()), NOW))
