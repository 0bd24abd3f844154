"""Events that are played back: none may overwrite what is newer. No I/O."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from service.events import ProfileUpdate
from service.messages import Delivery
from service.outcomes import instants
from service.profiles import PAGE, Profile

HEADER = "profile-sync-replay"
"""Of an event's message, if it is played back: one of the two values below."""
Replay = Literal["unless-stale", "force"]
UNLESS_STALE: Replay = "unless-stale"
FORCE: Replay = "force"

_AGAIN = "; play it back with --force if it shall be written all the same"
_TIMELESS = "when it occurred is not known: it has no occurred_at, and its message no timestamp"
TOO_MANY = f"it matches too many profiles to tell whether one of them is newer{_AGAIN}"
_MOST = 10_000  # profiles that are remembered


def is_replay(delivery: Delivery) -> bool:
    """Tell whether an event is played back."""
    return HEADER in delivery.properties.headers


def is_guarded(delivery: Delivery) -> bool:
    """Tell whether an event shall be refused if its profiles have been modified since."""
    return is_replay(delivery) and delivery.properties.headers[HEADER] != FORCE


class Replays:
    """Knows what events that were played back have written: that makes their profiles no newer."""

    def __init__(self) -> None:
        self._written: dict[str, tuple[object, datetime]] = {}

    def older(
        self, profiles: Sequence[Profile], occurred_at: datetime | None, zone: ZoneInfo
    ) -> bool:
        """Tell whether all profiles were modified before an event occurred.

        Then what it makes of them is as old as the event. Otherwise there may be something newer in
        them, also if the event may be written as it changes nothing.
        """
        return occurred_at is not None and not any(
            self._newer(profile, occurred_at, zone) for profile in profiles
        )

    def forget(self, profiles: Iterable[Profile]) -> None:
        """Forget profiles that somebody else may have written."""
        if self._written:
            for profile in profiles:
                self._written.pop(str(profile["ID"]), None)

    def note(self, profiles: Iterable[Profile], occurred_at: datetime | None) -> None:
        """Note the profiles that an event has written, as they are now."""
        for profile in profiles:
            if occurred_at is not None:
                profile_id = str(profile["ID"])
                self._written.pop(profile_id, None)
                self._written[profile_id] = profile.get("modified"), occurred_at
        while len(self._written) > _MOST:
            del self._written[next(iter(self._written))]

    def staleness(
        self,
        update: ProfileUpdate,
        profiles: Sequence[Profile],
        occurred_at: datetime | None,
        zone: ZoneInfo,
    ) -> str | None:
        """Say why an event is too old for profiles; None if it is not.

        It never is for one that has all its values: there is nothing to overwrite, and perhaps it
        was the event itself that wrote them.

        Args:
            update: what it writes.
            profiles: what it selects now.
            occurred_at: its instant; an event without one is too old for any profile.
            zone: the wall time of the profiles' `modified`, which has whole seconds.
        """
        if len(profiles) >= PAGE:
            return TOO_MANY
        differing = [profile for profile in profiles if not _has_all(profile, update)]
        if not differing:
            return None
        if occurred_at is None:
            return f"{_TIMELESS}{_AGAIN}"
        for profile in differing:
            if newer := self._newer(profile, occurred_at, zone):
                return f"{newer}{_AGAIN}"
        return None

    def _newer(self, profile: Profile, occurred_at: datetime, zone: ZoneInfo) -> str | None:
        """Say in what way a profile is newer than an event, or may be; None if it is older."""
        modified, who = profile.get("modified"), f"profile {profile['ID']}"
        before, written_by = self._written.get(str(profile["ID"]), (None, occurred_at))
        event = f"the event occurred at {_utc(occurred_at)}"
        if modified is not None and modified == before:
            if written_by <= occurred_at:
                return None
            return (
                f"{event}, and one of {_utc(written_by)}, which is newer, was played back to {who}"
            )
        known = instants(modified, zone)
        if not known:
            return f"{who} does not tell when it was modified: it may be newer, as {event}"
        # Within one second nobody can tell which came first.
        second, latest = occurred_at.replace(microsecond=0), max(known)
        if latest < second:
            return None
        if latest < second + timedelta(seconds=1):
            return f"{who} was modified in the second in which {event}: it may be newer"
        sure = "was" if min(known) >= second else "may have been"
        return f"{who} {sure} modified at {_utc(latest)}, after {event}"


def _utc(at: datetime) -> str:
    """Write an instant, with its fraction only if it has one."""
    wall = at.astimezone(UTC)
    return f"{wall.replace(tzinfo=None).isoformat(' ', 'milliseconds').removesuffix('.000')} UTC"


def _has_all(profile: Profile, update: ProfileUpdate) -> bool:
    fields, interests = profile.get("fields"), profile.get("interests")
    held = fields if isinstance(fields, Mapping) else {}
    values = {str(name).casefold(): str(value) for name, value in held.items()}
    if any(values.get(name.casefold()) != value for name, value in update.fields.items()):
        return False
    if isinstance(interests, Mapping):
        interests = [name for name, on in interests.items() if on]
    on = {str(name).casefold() for name in interests or ()}
    return all((name.casefold() in on) is wanted for name, wanted in update.interests.items())
