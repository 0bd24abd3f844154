import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.answers import RULES, Rule, judge, see
from service.profiles import Answer, NoResponse, Response
from tests.unit.doubles import error, response

HTML = b"<html><head><title>Loadbalancer Error</title></head></html>"


def rule(begins: str) -> Rule:
    (found,) = (one for one in RULES if one.answer.startswith(begins))
    return found


# One answer at least for each row; the row is named by how README begins it.
ROWS: list[tuple[str, list[Answer]]] = [
    ("no connection", [NoResponse("unreachable", "")]),
    ("a certificate", [NoResponse("misconfigured", "")]),
    ("AUTH_URL refuses", [NoResponse("token-refused", "")]),
    ("sent, but no answer", [NoResponse("no-answer", "")]),
    ("an HTML page", [response(status, HTML) for status in (200, 204, 299, 303, 400, 500, 503)]),
    (
        "2xx, 303, 400, 404 with",
        [error("Invalid access token", status) for status in (200, 303, 400, 404)],
    ),
    ("the same with `No database", [error("No database with supplied ID", n) for n in (400, 404)]),
    (
        "the same with `Invalid method`",
        [
            error("Invalid method"),
            error("Invalid request, element 1 is missing in 'directory' path"),
        ],
    ),
    ("the same with `URL parameter", [error("URL parameter fields is required")]),
    ("2xx or 303 with another", [error("Failed", 200), error("Failed", 303)]),
    ("2xx or 303, whatever", [response(status) for status in (200, 201, 202, 204, 206, 299, 303)]),
    ("400 whose body", [Response(400, {}, b'{"error":{"mess', cut=True)]),
    (
        "400 otherwise",
        [
            response(400),
            error("Invalid data provided"),
            response(413),
            Response(413, {}, b"", cut=True),
            response(414),
            error("", 422),
        ],
    ),
    ("401, 403", [response(401), response(403), error("Invalid method", 401), response(403, HTML)]),
    ("408, 425, 429", [response(408), response(425), response(429, HTML)]),
    ("5xx", [response(500), response(599), error("Invalid access token", 503)]),
    (
        "any other",
        [response(n) for n in (100, 199, 300, 301, 302, 304, 307, 308, 404, 405, 410, 418, 499)],
    ),
]


@pytest.mark.parametrize(("row", "answers"), ROWS, ids=[row for row, _ in ROWS])
def test_an_answer_has_its_row(row: str, answers: list[Answer]) -> None:
    for answer in answers:
        assert judge(answer) is rule(row)


def test_every_row_is_tried() -> None:
    assert [rule(row) for row, _ in ROWS] == list(RULES)


@given(
    st.integers(-1, 1000),
    st.dictionaries(st.just("content-type"), st.text()),
    st.binary() | st.text().map(lambda text: json.dumps({"error": {"message": text}}).encode()),
    st.booleans(),
)
def test_any_answer_has_a_row(
    status: int, headers: dict[str, str], content: bytes, cut: bool
) -> None:
    meaning = judge(Response(status, headers, content, cut)).meaning
    assert meaning != "success" or 200 <= status < 300 or status == 303


@given(st.text(), st.sampled_from([200, 303, 400, 404]))
def test_what_a_sender_wrote_steers_nothing_from_the_middle_of_a_text(
    echoed: str, status: int
) -> None:
    answer = error(f"Field x may not be {echoed}", status)
    assert judge(answer).meaning == ("configuration" if status == 404 else "refused")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'"error"',
        b'{"error":"x"}',
        b'{"error":{"message":7}}',
        b'{"error":' + b"[" * 999,
    ],
)
def test_another_shape_has_no_text(body: bytes) -> None:
    assert see(Response(400, {}, body)).text == ""


def test_json_that_is_labelled_as_a_page_is_no_page() -> None:
    labels = {"content-type": "text/html"}
    assert not see(Response(200, labels, b' [{"ID": "1"}]')).page
    assert see(Response(200, labels, b"Down for maintenance")).page
    assert see(Response(200, {}, b"\n <!doctype html>")).page
