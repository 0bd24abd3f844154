from pathlib import Path

import pytest

from service.commands.sending import Found, key_of, read, remainder
from service.conditions import routing_key
from tests.unit.samples import body, event, update

ONE, OTHER = b'{"id": "1"}', b'{"id": "2", "fields": {"age": 1.50}}'


def events(tmp_path: Path, content: bytes, name: str = "events") -> list[Found]:
    (tmp_path / name).write_bytes(content)
    return list(read([tmp_path / name]))


@pytest.mark.parametrize(
    "content",
    [
        ONE,
        b'{\n  "id": "1"\n}\n',
        b"\xff\xfe",
        b'{"broken": ',
        b'{"broken": \n{"id": "1"}',
        b"\n[1,\n2]\n",
    ],
)
def test_a_file_is_one_event_as_it_is(tmp_path: Path, content: bytes) -> None:
    assert events(tmp_path, content) == [Found(1, content, str(tmp_path / "events"))]


@pytest.mark.parametrize("content", [ONE + b"\n" + OTHER, ONE + b"\r\n\n" + OTHER + b"\n"])
def test_or_one_on_each_line(tmp_path: Path, content: bytes) -> None:
    assert [found.body for found in events(tmp_path, content)] == [ONE, OTHER]


def test_a_line_that_is_no_json_is_an_event_too(tmp_path: Path) -> None:
    first, second, third = events(tmp_path, ONE + b"\nbroken\n\n" + OTHER)
    assert (first.body, second.body, third.body) == (ONE, b"broken", OTHER)
    assert third.place == f"{tmp_path / 'events'}, line 4"


@pytest.mark.parametrize("name", ["events.jsonl", "events.ndjson"])
def test_the_name_tells_lines_that_one_cannot_tell_by_sight(tmp_path: Path, name: str) -> None:
    assert [found.body for found in events(tmp_path, b"broken\n" + ONE, name)] == [b"broken", ONE]


def test_the_routing_key_is_that_of_the_profile() -> None:
    key = key_of(body(event()), 1000)
    assert key == routing_key(update().key)
    assert key == key_of(body(event(fields={"age": 5}, id="other")), 1000)
    assert key != key_of(body(event(where={"customerid": "4568"})), 1000)


@pytest.mark.parametrize("content", [b"broken", b"{}", body(event(where={})), b"x" * 1001])
def test_what_is_no_event_has_the_routing_key_of_none(content: bytes) -> None:
    assert key_of(content, 1000) == "profile.update"


def test_an_empty_file_has_no_event(tmp_path: Path) -> None:
    assert events(tmp_path, b" \n") == []
    assert events(tmp_path, b"\n\n", "none.jsonl") == []


def test_the_events_of_all_files_are_counted(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_bytes(ONE + b"\n" + OTHER)
    assert [found.number for found in read([tmp_path / "a", tmp_path / "b"])] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("begin", "taken", "said"),
    [
        (1, set(), "0 of 9 confirmed"),
        (1, {2, 3}, "2 of 9 confirmed"),
        (1, {1, 2}, "2 of 9 confirmed; `--from 3` sends the rest"),
        (
            1,
            {1, 2, 4, 6},
            "4 of 9 confirmed; `--from 3` sends the rest, and 2 of the confirmed once more",
        ),
        (5, set(), "0 of 5 confirmed; `--from 5` sends the rest"),
        (5, {5}, "1 of 5 confirmed; `--from 6` sends the rest"),
        (9, {9}, "1 of 1 confirmed"),
    ],
)
def test_what_was_not_confirmed_can_be_sent_again(begin: int, taken: set[int], said: str) -> None:
    events = [Found(number, b"", "") for number in range(begin, 10)]
    assert remainder(events, taken) == said
