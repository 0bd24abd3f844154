import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from service.logs import about, redactor, set_up
from tests.unit.samples import delivery

TOKEN = 'tok-3f9c+x/y="\\'
PASSWORD = "hunter-qx7"
QUIETED = ("pika", "httpx", "httpcore", "asyncio", "aiohttp")


@pytest.fixture(autouse=True)
def _leave_logging_as_it_was() -> Iterator[None]:
    handlers, level = logging.root.handlers, logging.root.level
    levels = {name: logging.getLogger(name).level for name in QUIETED}
    yield
    logging.root.handlers, logging.root.level = handlers, level
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
    structlog.reset_defaults()


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (f"token {TOKEN}!", "token ***!"),
        ("tok-3f9c%2Bx%2Fy%3D%22%5C", "***"),
        (json.dumps({"token": TOKEN}), '{"token": "***"}'),
        (f"amqp://u:{PASSWORD}@h", "amqp://u:***@h"),
        ("?fields=1&access_token=other&x=1", "?fields=1&access_token=***&x=1"),
        ("access_token=other", "access_token=***"),
        ("Bearer eyJhbGciOi.eyJl_eHAi-.c2ln'", "Bearer ***'"),
        ("?access_token=%61b'", "?access_token=***'"),
        ("nothing here", "nothing here"),
    ],
)
def test_replaces_secrets_however_they_are_written(text: str, clean: str) -> None:
    assert redactor([TOKEN, PASSWORD])(text) == clean


def test_replaces_the_longer_of_two_secrets_first() -> None:
    assert redactor(["abcdef", "abcdef-x"])("abcdef-x abcdef") == "*** ***"


def test_replaces_tokens_it_does_not_know() -> None:
    assert redactor([])("GET /v2?access_token=abc") == "GET /v2?access_token=***"


@pytest.mark.parametrize("text", ['"https://h/?access_token=abc"', "'access_token=abc' is \"it\""])
def test_leaves_the_json_around_a_token_whole(text: str) -> None:
    line = json.loads(redactor([])(json.dumps({"detail": text, "next": 1})))
    assert line == {"detail": text.replace("abc", "***"), "next": 1}


Captured = pytest.CaptureFixture[str]


def begin() -> None:
    set_up("info", "json", [TOKEN, PASSWORD])


def fail(text: str) -> None:
    raise RuntimeError(text)


def lines(capsys: Captured) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_writes_one_json_line_a_fact(capsys: Captured) -> None:
    begin()
    structlog.get_logger().info("event finished", event_id="a\nb", outcome="updated")
    (line,) = lines(capsys)
    assert list(line) == ["time", "level", "message", "event_id", "outcome"]
    assert line["time"].endswith("Z")
    del line["time"]
    assert line == {
        "level": "info",
        "message": "event finished",
        "event_id": "a\nb",
        "outcome": "updated",
    }


def test_writes_what_libraries_log_in_the_same_way(capsys: Captured) -> None:
    begin()
    logging.getLogger("some.library").warning("it %s", "broke")
    (line,) = lines(capsys)
    assert (line["level"], line["message"], line["logger"]) == (
        "warning",
        "it broke",
        "some.library",
    )


def test_leaves_out_what_is_below_the_level(capsys: Captured) -> None:
    begin()
    structlog.get_logger().debug("too much")
    logging.getLogger("some.library").debug("too much")
    assert lines(capsys) == []


@pytest.mark.parametrize("name", ["httpx", "httpcore", "aiohttp", "pika", "asyncio"])
def test_keeps_chatty_libraries_quiet(capsys: Captured, name: str) -> None:
    begin()
    logging.getLogger(name).info("HTTP Request: PUT https://h/?access_token=abc")
    assert lines(capsys) == []


def test_no_secret_gets_through(capsys: Captured) -> None:
    begin()
    log = structlog.get_logger()
    log.info(f"with {TOKEN}", detail=[{"nested": TOKEN}], **{TOKEN: PASSWORD})
    logging.getLogger("some.library").error("a %s", PASSWORD)
    try:
        fail(f"at {TOKEN}")
    except RuntimeError:
        log.exception("failed")
        logging.getLogger("some.library").exception("failed")
    written = capsys.readouterr().out
    assert written.count("***") >= 6
    assert len([json.loads(line) for line in written.splitlines()]) == 4
    assert "tok-3f9c" not in written
    assert PASSWORD not in written


def test_an_exception_is_one_json_line(capsys: Captured) -> None:
    begin()
    try:
        fail("boom")
    except RuntimeError:
        structlog.get_logger().exception("an attempt failed", event_id="e")
    (line,) = lines(capsys)
    assert (line["level"], line["event_id"]) == ("error", "e")
    assert line["exception"].endswith("RuntimeError: boom")


@pytest.mark.parametrize("form", ["json", "text"])
def test_an_exception_shows_no_variables(form: str, capsys: Captured) -> None:
    set_up("info", form, [TOKEN])

    def check(email: str) -> None:
        fail(f"{len(email)} characters")

    try:
        check("".join(["jane", ".qx", "@example.com"]))
    except RuntimeError:
        structlog.get_logger().exception("an attempt failed")
    written = capsys.readouterr().out
    assert "RuntimeError" in written
    assert "jane.qx" not in written


def test_text_is_for_reading(capsys: Captured) -> None:
    set_up("debug", "text", [TOKEN])
    structlog.get_logger().debug("event finished", detail=TOKEN, outcome="updated")
    written = capsys.readouterr().out
    assert "event finished" in written
    assert "outcome=updated" in written
    assert "tok-3f9c" not in written
    assert "\x1b" not in written


TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
KEY = ("1234", "customerid==4567")


def test_an_event_is_named_by_its_ids_and_a_hash_of_its_key() -> None:
    set_up("info", "json", [], salt=TOKEN)
    named = about("evt-1", delivery(correlation_id="order-7", headers={"traceparent": TRACE}), KEY)
    profile = named.pop("profile")
    assert named == {
        "event_id": "evt-1",
        "correlation_id": "order-7",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    }
    assert len(profile) == 12
    assert profile == about("evt-2", delivery(), KEY)["profile"]
    assert profile != about("evt-2", delivery(), ("1234", "customerid==4568"))["profile"]
    set_up("info", "json", [], salt="another")
    assert profile != about("evt-2", delivery(), KEY)["profile"]


@pytest.mark.parametrize("trace", ["", "00-short-1-01", 7, TRACE.upper()])
def test_what_an_event_has_not_or_nobody_can_read_is_left_out(trace: object) -> None:
    strange = delivery(correlation_id="two\nlines", headers={"traceparent": trace})
    assert about("evt-1", strange) == {"event_id": "evt-1"}
