"""Events that are played back: none may overwrite what is newer. No I/O."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

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


def is_guarded(delivery: Delivery) -> bool:
    """Tell whether an event shall be refused if its profiles have been modified since."""
    return delivery.properties.headers.get(HEADER) == UNLESS_STALE


def staleness(
    profiles: Sequence[Profile], occurred_at: datetime | None, zone: ZoneInfo
) -> str | None:
    """Say why an event is too old for profiles; None if it is not.

    Args:
        profiles: what it selects now.
        occurred_at: its instant; an event without one is too old for any profile.
        zone: the wall time of the profiles' `modified`, which has whole seconds.
    """
    if not profiles:
        return None
    if occurred_at is None:
        return f"{_TIMELESS}{_AGAIN}"
    if len(profiles) >= PAGE:
        return TOO_MANY
    for profile in profiles:
        modified = profile.get("modified")
        if any(instant > occurred_at for instant in instants(modified, zone)):
            when = occurred_at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
            return f"profile {profile['ID']} was modified at {modified}, after {when}" + _AGAIN
    return None
