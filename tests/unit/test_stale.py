from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from service.stale import FORCE, HEADER, UNLESS_STALE, Replays, is_guarded, is_replay
from tests.unit.samples import delivery, profile, update

ZONE = ZoneInfo("Europe/Amsterdam")
NOON = datetime(2026, 11, 23, 12, 0, 0, 500_000, UTC)
WRITES: dict[str, Any] = {"fields": {"firstname": "Jan"}}


def modified(*walls: object) -> list[dict[str, Any]]:
    return [profile(number, modified=wall) for number, wall in enumerate(walls, start=1)]


def staleness(
    profiles: Sequence[Mapping[str, Any]], occurred_at: datetime | None = NOON, **changes: Any
) -> str | None:
    return Replays().staleness(update(**(changes or WRITES)), profiles, occurred_at, ZONE)


def test_an_event_may_follow_what_was_modified_before_it() -> None:
    assert staleness(modified("2026-11-23 12:59:59")) is None


AGAIN = "; play it back with --force if it shall be written all the same"


def test_within_one_second_nobody_can_tell_and_nothing_is_overwritten() -> None:
    assert staleness(modified("2026-11-23 13:00:00")) == (
        "profile 1 was modified in the second in which the event occurred at "
        f"2026-11-23 12:00:00.500 UTC: it may be newer{AGAIN}"
    )


def test_an_event_is_stale_if_any_profile_was_modified_after_it() -> None:
    assert staleness(modified("2026-11-23 12:00:00", "2026-11-23 13:00:01")) == (
        "profile 2 was modified at 2026-11-23 12:00:01 UTC, after the event occurred at "
        f"2026-11-23 12:00:00.500 UTC{AGAIN}"
    )


def test_in_the_hour_that_comes_twice_the_later_one_counts() -> None:
    between = datetime(2026, 10, 25, 0, 45, tzinfo=UTC)
    assert staleness(modified("2026-10-25 02:30:00"), between) == (
        "profile 1 may have been modified at 2026-10-25 01:30:00 UTC, after the event "
        f"occurred at 2026-10-25 00:45:00 UTC{AGAIN}"
    )


@pytest.mark.parametrize("wall", ["never", "2020-01-01T10:00:00Z", None])
def test_a_profile_that_does_not_say_when_it_was_modified_may_be_newer(wall: object) -> None:
    assert staleness(modified(wall)) == (
        "profile 1 does not tell when it was modified: it may be newer, as the event occurred at "
        f"2026-11-23 12:00:00.500 UTC{AGAIN}"
    )


def test_without_an_instant_an_event_is_too_old_for_any_profile_there_is() -> None:
    assert staleness([], None) is None
    told = staleness(modified("2000-01-01 00:00:00"), None)
    assert told is not None
    assert "no occurred_at" in told


@pytest.mark.parametrize("changes", [WRITES, {"fields": {"firstname": "John"}}], ids=str)
def test_of_more_profiles_than_a_page_some_may_be_newer(changes: dict[str, Any]) -> None:
    assert staleness(modified(*["2000-01-01 00:00:00"] * 1000), **changes) is not None


NEWER = "2026-11-23 14:00:00"


@pytest.mark.parametrize(
    "changes",
    [
        {"fields": {"FirstName": "John"}},
        {"fields": {"firstname": "John"}, "interests": {"Football": True, "tennis": False}},
        {"interests": ["football"], "fields": None},
    ],
)
@pytest.mark.parametrize("interests", [["football"], {"football": 1, "tennis": 0}])
def test_a_profile_that_has_all_the_values_already_has_nothing_to_lose(
    changes: dict[str, Any], interests: object
) -> None:
    assert staleness([profile(modified=NEWER, interests=interests)], **changes) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"fields": {"firstname": "John", "lastname": "Doe"}},
        {"fields": {"firstname": "john"}},
        {"interests": {"football": False}},
        {"interests": ["tennis"]},
    ],
)
def test_one_that_lacks_any_of_them_has(changes: dict[str, Any]) -> None:
    assert staleness([profile(modified=NEWER)], **changes) is not None


class TestReplays:
    """Two events of one profile, played back one after the other."""

    def later(self, seconds: float, now: str = NEWER) -> str | None:
        """Judge one that occurred so much later than the one before, which made NEWER of it."""
        replays = Replays()
        replays.note([profile(modified=NEWER)], NOON)
        instant = NOON + timedelta(seconds=seconds)
        return replays.staleness(update(**WRITES), [profile(modified=now)], instant, ZONE)

    def test_a_newer_one_may_follow_an_older_one(self) -> None:
        assert self.later(300) is None
        assert self.later(0) is None

    def test_an_older_one_may_not_follow_a_newer_one(self) -> None:
        assert self.later(-0.1) == (
            "the event occurred at 2026-11-23 12:00:00.400 UTC, and one of "
            f"2026-11-23 12:00:00.500 UTC, which is newer, was played back to profile 1{AGAIN}"
        )

    def test_somebody_elses_update_comes_in_between(self) -> None:
        assert self.later(300, now="2026-11-23 14:00:01") is not None

    def test_what_others_may_have_written_since_is_forgotten(self) -> None:
        replays, later = Replays(), NOON + timedelta(seconds=300)
        replays.note([profile(modified=NEWER)], NOON)
        replays.forget([profile(modified=NEWER)])
        assert replays.staleness(update(**WRITES), [profile(modified=NEWER)], later, ZONE)

    def test_only_so_many_profiles_are_remembered(self) -> None:
        replays = Replays()
        replays.note([profile(n, modified=NEWER) for n in range(10_001)], NOON)
        event, later = update(**WRITES), NOON + timedelta(seconds=1)
        assert replays.staleness(event, [profile(0, modified=NEWER)], later, ZONE) is not None
        assert replays.staleness(event, [profile(1, modified=NEWER)], later, ZONE) is None


@pytest.mark.parametrize(
    ("headers", "replay", "guarded"),
    [
        ({HEADER: UNLESS_STALE}, True, True),
        ({HEADER: FORCE}, True, False),
        ({HEADER: "unless_stale"}, True, True),
        ({HEADER: 1}, True, True),
        ({}, False, False),
    ],
)
def test_the_header_tells_a_replay_which_is_guarded_unless_forced(
    headers: dict[str, object], replay: bool, guarded: bool
) -> None:
    assert is_replay(delivery(headers=headers)) is replay
    assert is_guarded(delivery(headers=headers)) is guarded
