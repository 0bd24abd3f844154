"""Dates as the API reads them: the useful part of PHP's strtotime, in Amsterdam wall time."""

import re
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
ZERO = "0000-00-00 00:00:00"

_TIME = (
    r"(?:(?:T|\s+)(?P<hour>[01]?\d|2[0-4]):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d)(?:\.\d+)?)?"
    r"(?:\s*(?P<zone>Z|UTC|GMT|[+-]\d\d:?\d\d))?)?"
)
_FORMS = [
    re.compile(date + _TIME, re.IGNORECASE | re.ASCII)
    for date in (
        r"(?P<year>\d{4})-(?P<month>\d\d?)-(?P<day>\d\d?)",
        r"(?P<year>\d{4})/(?P<month>\d\d?)/(?P<day>\d\d?)",
        r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)",
        r"(?P<day>\d\d?)[-.](?P<month>\d\d?)[-.](?P<year>\d{4})",
        r"(?P<month>\d\d?)/(?P<day>\d\d?)/(?P<year>\d{4})",
    )
]
_EPOCH = re.compile(r"@(-?\d{1,11})", re.ASCII)


def now() -> str:
    """Return the current wall time in Amsterdam, `YYYY-MM-DD hh:mm:ss`."""
    return _written(datetime.now(AMSTERDAM))


def moment(text: str) -> str | None:
    """Read a date with an optional time; return `YYYY-MM-DD hh:mm:ss`, or None if it is no date.

    Days beyond a month's end run on into the next month, a time with a zone moves to Amsterdam,
    and years before 1 give the zero date. Relative words ("tomorrow") are not read.
    """
    text = text.strip()
    if epoch := _EPOCH.fullmatch(text):
        try:
            return _written(datetime.fromtimestamp(int(epoch[1]), AMSTERDAM))
        except (OverflowError, ValueError):
            return ZERO
    for form in _FORMS:
        if match := form.fullmatch(text):
            return _moment(match)
    return None


def _moment(match: re.Match[str]) -> str | None:
    year, month, day = int(match["year"]), int(match["month"]), int(match["day"])
    if month > 12 or day > 31:
        return None
    if month == 0:
        year, month = year - 1, 12
    if year < 1:
        return ZERO
    clock = timedelta(
        days=day - 1,
        hours=int(match["hour"] or 0),
        minutes=int(match["minute"] or 0),
        seconds=int(match["second"] or 0),
    )
    try:
        wall = datetime(year, month, 1) + clock
        # There and back again: a time that summer time skips becomes the one an hour later.
        there = wall.replace(tzinfo=_zone(match["zone"])).astimezone(UTC)
        return _written(there.astimezone(AMSTERDAM))
    except OverflowError:
        return ZERO


def _zone(text: str | None) -> ZoneInfo | timezone:
    if text is None:
        return AMSTERDAM
    if text[0] not in "+-":
        return UTC
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return timezone(-offset if text[0] == "-" else offset)


def _written(when: datetime) -> str:
    return when.replace(tzinfo=None).isoformat(sep=" ", timespec="seconds")
