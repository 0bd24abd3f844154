import json
from typing import Any

import pytest

from service.commands.cli_watch import seen


def result(**changes: Any) -> bytes:
    content = {
        "event_id": "evt-1",
        "outcome": "updated",
        "database": "1234",
        "matched": 1,
        "attempts": 1,
        "reason": None,
        "detail": None,
        "finished_at": "2026-11-23T10:00:00.775+00:00",
    }
    return json.dumps({**content, **changes}).encode()


def test_a_line_tells_when_how_where_what_and_how_many() -> None:
    told = seen(result())
    assert (told.outcome, told.event_id) == ("updated", "evt-1")
    assert told.line.split() == ["10:00:00", "updated", "1234", "evt-1", "1", "matched"]


@pytest.mark.parametrize(
    ("changes", "end"),
    [
        ({"outcome": "rejected", "reason": "refused", "detail": "no"}, "refused: no"),
        ({"matched": 0, "attempts": 3}, "0 matched, 3 attempts"),
        ({"matched": None, "detail": "not read back"}, "  not read back"),
        ({"matched": None}, "evt-1"),
    ],
)
def test_it_ends_with_why(changes: Any, end: str) -> None:
    assert seen(result(**changes)).line.endswith(end)


def test_what_others_write_stays_on_its_line_and_colours_nothing() -> None:
    line = seen(result(event_id="\x1b[31mred\r\n", detail="\u202e")).line
    assert "\\x1b[31mred\\r\\n" in line
    assert line.isprintable()


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b"3", b'{"outcome": "updated"}'])
def test_a_message_that_is_no_result_is_shown_as_such(body: bytes) -> None:
    assert seen(body).outcome == "unreadable"
    assert f"{len(body)} bytes" in seen(body).line
