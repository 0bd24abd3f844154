from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from service.stale import FORCE, HEADER, UNLESS_STALE, is_guarded, staleness
from tests.unit.samples import delivery, profile

ZONE = ZoneInfo("Europe/Amsterdam")
NOON = datetime(2026, 11, 23, 12, 0, 0, 500_000, UTC)


def modified(*walls: str) -> list[dict[str, object]]:
    return [profile(number, modified=wall) for number, wall in enumerate(walls, start=1)]


def test_an_event_may_follow_what_was_modified_before_it() -> None:
    assert staleness(modified("2026-11-23 12:59:59"), NOON, ZONE) is None


def test_within_one_second_nobody_can_tell_and_the_event_may_be_written() -> None:
    assert staleness(modified("2026-11-23 13:00:00"), NOON, ZONE) is None


def test_an_event_is_stale_if_any_profile_was_modified_after_it() -> None:
    told = staleness(modified("2026-11-23 12:00:00", "2026-11-23 13:00:01"), NOON, ZONE)
    assert told == (
        "profile 2 was modified at 2026-11-23 13:00:01, after 2026-11-23 13:00:00; "
        "play it back with --force if it shall be written all the same"
    )


def test_in_the_hour_that_comes_twice_the_later_one_counts() -> None:
    between = datetime(2026, 10, 25, 0, 45, tzinfo=UTC)
    assert staleness(modified("2026-10-25 02:30:00"), between, ZONE) is not None


def test_a_profile_that_does_not_say_when_it_was_modified_makes_nothing_stale() -> None:
    assert staleness(modified("never"), NOON, ZONE) is None


def test_without_an_instant_an_event_is_too_old_for_any_profile_there_is() -> None:
    assert staleness([], None, ZONE) is None
    told = staleness(modified("2000-01-01 00:00:00"), None, ZONE)
    assert told is not None
    assert "no occurred_at" in told


def test_of_more_profiles_than_a_page_some_may_be_newer() -> None:
    assert staleness(modified(*["2000-01-01 00:00:00"] * 1000), NOON, ZONE) is not None


@pytest.mark.parametrize(
    ("headers", "guarded"),
    [({HEADER: UNLESS_STALE}, True), ({HEADER: FORCE}, False), ({HEADER: 1}, False), ({}, False)],
)
def test_the_header_tells_a_replay_that_must_not_be_stale(
    headers: dict[str, object], guarded: bool
) -> None:
    assert is_guarded(delivery(headers=headers)) is guarded
