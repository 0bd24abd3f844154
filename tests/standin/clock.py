"""What time it is: the machine's time, or one that stands still."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

AMSTERDAM = ZoneInfo("Europe/Amsterdam")


class Clock:
    """Tells the time of the machine, or always the same instant when one is given."""

    def __init__(self, fixed: datetime | None = None) -> None:
        self._fixed = fixed

    def now(self) -> datetime:
        """Return the present instant, in UTC."""
        return self._fixed or datetime.now(UTC)

    def wall(self) -> str:
        """Return the wall time in Amsterdam, `YYYY-MM-DD hh:mm:ss`."""
        return written(self.now())


def written(instant: datetime) -> str:
    """Write an instant as wall time in Amsterdam, `YYYY-MM-DD hh:mm:ss`."""
    return instant.astimezone(AMSTERDAM).isoformat(" ", "seconds")[:19]
