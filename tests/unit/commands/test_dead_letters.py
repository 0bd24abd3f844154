import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.commands.dead_letters import (
    Groups,
    Letter,
    Selection,
    age_words,
    event_message,
    read,
    read_age,
    renamed,
)
from service.events import parse
from service.messages import Properties
from service.results import dead_letter
from tests.unit.samples import MAX_BYTES, delivery, event
from tests.unit.test_results import rejected

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
BROKERS = [
    {
        "reason": "delivery_limit",
        "queue": "profile-sync.events",
        "exchange": "profile-sync.events",
        "routing-keys": ["profile.update"],
        "count": 1,
        "time": datetime(2026, 11, 24, 11, 0),  # as pika reads it
    }
]


def letter(content: object = None, headers: dict[str, Any] | None = None, **more: Any) -> Letter:
    """Read a letter as the service writes it."""
    content = event(id="evt-1") if content is None else content
    at = {"profile-sync-failed-at": "2026-11-24T10:30:00+00:00"}
    known = {"profile-sync-reason": "refused", "profile-sync-routing-key": "a.key", **at}
    return read(delivery(content, {**known, **(headers or {})}, **more), MAX_BYTES)


def test_a_letter_of_the_service_tells_what_became_of_its_event() -> None:
    died = delivery(event(id="evt-1"), {"mine": "x"}, message_id="m")
    written = dead_letter(died, rejected(), "dead")
    found = read(replace(died, properties=written.properties), MAX_BYTES)
    assert (found.event_id, found.database) == ("evt-1", "1234")
    assert (found.reason, found.detail, found.routing_key) == ("refused", "no", "profile.update")
    assert found.failed_at == datetime(2026, 11, 23, 10, 0, 1, tzinfo=UTC)


def test_a_letter_of_rabbitmq_tells_what_its_x_death_does() -> None:
    found = read(delivery(event(id="evt-1"), {"x-death": BROKERS}), MAX_BYTES)
    assert (found.reason, found.routing_key) == ("delivery_limit", "profile.update")
    assert found.failed_at == datetime(2026, 11, 24, 11, 0, tzinfo=UTC)
    assert "profile-sync.events" in found.detail


@pytest.mark.parametrize(
    "headers",
    [
        {"x-death": "no list"},
        {"x-death": []},
        {"x-death": ["no table"]},
        {"x-death": [{"reason": 7, "time": "soon", "routing-keys": "k", "queue": None}]},
        {"profile-sync-reason": 7, "profile-sync-failed-at": "yesterday"},
    ],
)
def test_a_letter_that_tells_nothing_is_shown_all_the_same(headers: dict[str, Any]) -> None:
    found = read(delivery(b"\xff", headers, message_id="m-1"), MAX_BYTES)
    assert (found.event_id, found.reason, found.database) == ("m-1", "unknown", "")
    assert (found.failed_at, found.routing_key) == (None, "profile.update")


@pytest.mark.parametrize(
    ("given_", "meant"),
    [
        ({}, True),
        ({"reasons": {"refused", "stale"}}, True),
        ({"reasons": {"stale"}}, False),
        ({"databases": {"1234"}}, True),
        ({"databases": {"customers"}}, False),
        ({"ids": {"evt-1"}}, True),
        ({"ids": {"evt-2"}}, False),
        ({"older_than": timedelta(hours=1)}, True),
        ({"older_than": timedelta(hours=2)}, False),
        ({"newer_than": timedelta(hours=2)}, True),
        ({"newer_than": timedelta(hours=1)}, False),
        ({"reasons": {"refused"}, "ids": {"evt-2"}}, False),
    ],
)
def test_a_selection_means_letters_to_which_all_of_it_applies(
    given_: dict[str, Any], meant: bool
) -> None:
    assert Selection(**given_).means(letter(), NOW) is meant


def test_a_database_is_meant_by_its_name_in_any_case() -> None:
    assert Selection(databases={"customers"}).means(letter(event(database="Customers")), NOW)


def test_a_letter_without_a_time_is_neither_old_nor_new() -> None:
    timeless = letter(headers={"profile-sync-failed-at": ""})
    assert timeless.failed_at is None
    assert Selection().means(timeless, NOW)
    assert not Selection(older_than=timedelta(0)).means(timeless, NOW)
    assert not Selection(newer_than=timedelta(days=9)).means(timeless, NOW)


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("15m", 900), (" 2h", 7200), ("3d", 259200)]
)
def test_an_age_is_a_number_with_its_unit(text: str, seconds: int) -> None:
    assert read_age(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "2", "h", "2w", "-1h", "1.5h", "1h30m", "٣h"])
def test_what_is_no_age_is_told_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match="write an age as"):
        read_age(text)


def test_ages_are_told_in_their_largest_unit() -> None:
    ages = [timedelta(seconds=-5), timedelta(seconds=59), timedelta(minutes=61), timedelta(days=9)]
    assert [age_words(NOW - age, NOW) for age in ages] == ["0s", "59s", "1h", "9d"]
    assert age_words(None, NOW) == "?"


def test_groups_count_by_reason_database_and_hour_with_the_most_frequent_reason_first() -> None:
    groups = Groups()
    for minute in (40, 10, 50):
        at = f"2026-11-24T10:{minute}:00+00:00"
        groups.add(letter(event(id=f"evt-{minute}"), {"profile-sync-failed-at": at}))
    groups.add(letter(headers={"profile-sync-failed-at": "2026-11-24T09:59:59+00:00"}))
    groups.add(letter(headers={"profile-sync-reason": "stale"}))
    found = [(g.reason, g.hour, g.count, g.sample) for g in groups.sorted()]
    assert found == [
        ("refused", "2026-11-24 09:00", 1, "evt-1"),
        ("refused", "2026-11-24 10:00", 3, "evt-40"),
        ("stale", "2026-11-24 10:00", 1, "evt-1"),
    ]
    middle = groups.sorted()[1]
    assert middle.oldest is not None
    assert middle.newest is not None
    assert (middle.oldest.minute, middle.newest.minute) == (10, 50)


def test_an_event_played_back_is_what_was_sent_but_for_what_was_added() -> None:
    sent = {"mine": "x", "traceparent": "00-1-2-03", "X-Own": 1, "ce-id": "c"}
    added = {
        "x-death": BROKERS,
        "x-first-death-queue": "q",
        "x-last-death-reason": "rejected",
        "x-delivery-count": 3,
        "profile-sync-replay": "force",
    }
    found = letter(headers={**sent, **added}, message_id="m", content_type="application/json")
    again = event_message(found, "events", "unless-stale")
    assert again.properties.headers == {**sent, "profile-sync-replay": "unless-stale"}
    assert (again.exchange, again.routing_key, again.body) == ("events", "a.key", found.body)
    assert (again.properties.message_id, again.properties.delivery_mode) == ("m", 2)
    assert again.properties.content_type == "application/json"


def test_what_rabbitmq_might_refuse_an_event_for_is_left_out() -> None:
    found = letter(headers={"fraction": 0.5, "BCC": ["a"]}, user_id="them", expiration="100")
    again = event_message(found, "events", "force").properties
    assert again.headers == {"profile-sync-replay": "force"}
    assert (again.user_id, again.expiration) == (None, None)


@pytest.mark.parametrize(
    "content",
    [
        event(id="evt-1"),
        event(),
        {"specversion": "1.0", "id": "evt-1", "source": "s", "type": "t", "data": event()},
        {"specversion": "1.0", "id": "c", "source": "s", "type": "t", "data": event(id="evt-1")},
    ],
    ids=["plain", "unnamed", "cloudevent", "cloudevent with an id inside"],
)
def test_a_new_id_is_the_old_one_with_what_tells_it_is_new(content: dict[str, Any]) -> None:
    found = letter(content, message_id="evt-1")
    new = renamed(found, "+replay-abc123")
    update = parse(new.body, new.properties, MAX_BYTES)
    assert new.event_id == update.event_id == "evt-1+replay-abc123"
    before = parse(found.body, found.properties, MAX_BYTES)
    assert replace(update, event_id="", named=True) == replace(before, event_id="", named=True)


def test_a_new_id_is_no_longer_than_an_id_may_be() -> None:
    new = renamed(letter(event(id="é" * 127)), "+replay-abc123")
    assert new.event_id.endswith("é+replay-abc123")
    assert parse(new.body, new.properties, MAX_BYTES).event_id == new.event_id


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b"[" * 100_000])
def test_a_body_that_cannot_be_read_keeps_its_id(body: bytes) -> None:
    found = letter(body)
    assert renamed(found, "+replay-abc123") == found


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**17), 10**17))
def test_a_new_id_changes_no_number(number: float) -> None:
    content = json.dumps(event(id="e", fields={"n": number})).encode()
    new = renamed(letter(content), "+r")
    before = parse(content, Properties(), MAX_BYTES).fields
    assert parse(new.body, Properties(), MAX_BYTES).fields == before
