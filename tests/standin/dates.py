"""Dates as the API reads them: the useful part of PHP's strtotime, in Amsterdam wall time."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tests.standin.clock import AMSTERDAM, Clock, written

ZERO = "0000-00-00 00:00:00"

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_MONTH = (
    r"(?P<name>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)(?![a-z])"
)
_WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_WEEKDAY = r"(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?(?![a-z])"
_DAY = r"(?P<day>\d\d?)(?:st|nd|rd|th)?"
_UNIT = r"(?P<unit>sec(?:ond)?|min(?:ute)?|hour|day|week|fortnight|month|year)s?(?![a-z])"

# Hours east of Greenwich. A single letter is a military zone; j is none.
_ZONES: dict[str, int] = {
    **{letter: hours for hours, letter in enumerate("abcdefghiklm", start=1)},
    **{letter: -hours for hours, letter in enumerate("nopqrstuvwxy", start=1)},
    **dict.fromkeys(("z", "utc", "gmt", "wet"), 0),
    **dict.fromkeys(("cet", "bst", "west"), 1),
    **dict.fromkeys(("eet", "cest"), 2),
    **dict.fromkeys(("eest", "msk"), 3),
    **dict.fromkeys(("edt",), -4),
    **dict.fromkeys(("est", "cdt"), -5),
    **dict.fromkeys(("cst", "mdt"), -6),
    **dict.fromkeys(("mst", "pdt"), -7),
    **dict.fromkeys(("pst",), -8),
}
_SECONDS = {"sec": 1, "second": 1, "min": 60, "minute": 60, "hour": 3600}
_DAYS = {"day": 1, "week": 7, "fortnight": 14}
# The hour they set, and the days they move.
_WORDS = {
    "today": (0, 0),
    "midnight": (0, 0),
    "noon": (12, 0),
    "yesterday": (0, -1),
    "tomorrow": (0, 1),
}
_TIMES = {"next": 1, "this": 0, "last": -1, "previous": -1}


class _Unreadable(Exception):
    """The text is no date after all."""


@dataclass(slots=True)
class _Reading:
    """What has been read of a text so far; None stands for what has not been named."""

    year: int | None = None
    month: int | None = None
    day: int | None = None
    time: timedelta | None = None
    timed: bool = False
    offset: timedelta | None = None
    weekday: int | None = None
    months: int = 0
    days: int = 0
    seconds: int = 0

    def written(self, clock: Clock) -> str:
        """Write it as wall time; what has not been named is as it is now."""
        now = clock.now().astimezone(AMSTERDAM)
        time = self.time
        if time is None:
            passed = timedelta(hours=now.hour, minutes=now.minute, seconds=now.second)
            time = passed if self.month is None else timedelta()
        year = now.year if self.year is None else self.year
        month = now.month if self.month is None else self.month
        day = now.day if self.day is None else self.day
        try:
            if self.weekday is not None:
                first = _first(year, month, 0).weekday()
                day += (self.weekday - first - (day - 1)) % 7
            wall = _first(year, month, self.months) + timedelta(days=day - 1 + self.days) + time
            # There and back: a time that summer time skips becomes the one an hour later.
            there = (
                wall.replace(tzinfo=AMSTERDAM).astimezone(UTC)
                if self.offset is None
                else wall.replace(tzinfo=UTC) - self.offset
            )
            return written(there + timedelta(seconds=self.seconds))
        except (OverflowError, ValueError):
            return ZERO


def _first(year: int, month: int, later: int) -> datetime:
    """Return the first of a month, so many months later; months count from 0, too."""
    year, month = divmod(year * 12 + month - 1 + later, 12)
    return datetime(year, month + 1, 1)


def moment(text: str, clock: Clock) -> str | None:
    """Read a date; return `YYYY-MM-DD hh:mm:ss`, or None if it is none.

    Days beyond a month's end run on into the next month, a time with a zone moves to Amsterdam,
    and years before 1 or after 9999 give the zero date.
    """
    text = text.strip()
    reading, position = _Reading(), 0
    try:
        while position < len(text):
            position = _read_on(reading, text, position)
    except _Unreadable:
        return None
    return reading.written(clock) if text else None


def _read_on(reading: _Reading, text: str, position: int) -> int:
    for form, take in _FORMS:
        if match := form.match(text, position):
            take(reading, match)
            return match.end()
    raise _Unreadable


def _epoch(reading: _Reading, match: re.Match[str]) -> None:
    if reading.month is not None or reading.timed or reading.offset is not None:
        raise _Unreadable
    reading.year, reading.month, reading.day = 1970, 1, 1
    reading.time, reading.timed, reading.offset = timedelta(), True, timedelta()
    reading.seconds += int(match[1])


def _date(reading: _Reading, match: re.Match[str]) -> None:
    found = match.groupdict()
    name = found.get("name")
    month = _MONTHS.index(name[:3].lower()) + 1 if name else int(found["month"])
    day = int(found.get("day") or 1)
    if reading.month is not None or month > 12 or day > 31:
        raise _Unreadable
    reading.month, reading.day = month, day
    if year := found.get("year"):
        # Two digits are a year from 1970 to 2069.
        century = 0 if len(year) > 2 else 2000 if int(year) < 70 else 1900
        reading.year = century + int(year)


def _time(reading: _Reading, match: re.Match[str]) -> None:
    found = match.groupdict()
    hour, minute = int(found["hour"]), int(found.get("minute") or 0)
    second, half = int(found.get("second") or 0), (found.get("half") or "").lower()
    if reading.timed or minute > 59 or second > 59:
        raise _Unreadable
    if hour > 24 or (half and not 1 <= hour <= 12):
        raise _Unreadable
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    reading.time, reading.timed = timedelta(hours=hour, minutes=minute, seconds=second), True


def _four_digits(reading: _Reading, match: re.Match[str]) -> None:
    # 1959 is a minute before eight, and 1960, which is no time, a year.
    hour, minute = int(match[0][:2]), int(match[0][2:])
    if hour > 24 or minute > 59 or reading.timed:
        reading.year = int(match[0])
    else:
        reading.time, reading.timed = timedelta(hours=hour, minutes=minute), True


def _word(reading: _Reading, match: re.Match[str]) -> None:
    hour, days = _WORDS[match[0].lower()]
    reading.time, reading.timed = timedelta(hours=hour), hour > 0
    reading.days += days


def _weekday(reading: _Reading, match: re.Match[str]) -> None:
    reading.weekday = _WEEKDAYS.index(match[0][:3].lower())
    reading.time, reading.timed = timedelta(), False


def _relative(reading: _Reading, match: re.Match[str]) -> None:
    found = match.groupdict()
    if word := found.get("word"):
        amount = _TIMES[word.lower()]
    else:
        amount = int(found["amount"]) * (-1 if found["signs"].count("-") % 2 else 1)
    unit = found["unit"].lower()
    reading.seconds += amount * _SECONDS.get(unit, 0)
    reading.days += amount * _DAYS.get(unit, 0)
    reading.months += amount * {"month": 1, "year": 12}.get(unit, 0)


def _ago(reading: _Reading, _: re.Match[str]) -> None:
    reading.seconds, reading.days = -reading.seconds, -reading.days
    reading.months = -reading.months


def _offset(reading: _Reading, match: re.Match[str]) -> None:
    hours, minutes = int(match["hours"]), int(match["minutes"] or 0)
    if reading.offset is not None or hours > 24 or minutes > 59:
        raise _Unreadable
    reading.offset = timedelta(hours=hours, minutes=minutes) * (-1 if match["sign"] == "-" else 1)


def _zone(reading: _Reading, match: re.Match[str]) -> None:
    hours = _ZONES.get(match[0].lower())
    if reading.offset is not None or hours is None:
        raise _Unreadable
    reading.offset = timedelta(hours=hours)


def _nothing(reading: _Reading, _: re.Match[str]) -> None:
    """Take note of nothing: a separator, or the word now."""


# The first that fits is taken, so longer forms stand before their beginnings.
_FORMS: list[tuple[re.Pattern[str], Callable[[_Reading, re.Match[str]], None]]] = [
    (re.compile(form, re.IGNORECASE | re.ASCII), take)
    for form, take in (
        (r"[\s,]+", _nothing),
        (r"@(-?\d{1,11})(?!\d)", _epoch),
        (r"(?P<year>-?\d{4})-(?P<month>\d\d?)-(?P<day>\d\d?)(?!\d)", _date),
        (r"(?P<year>\d{4})/(?P<month>\d\d?)/(?P<day>\d\d?)(?!\d)", _date),
        (r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)(?!\d)", _date),
        (r"(?P<day>\d\d?)[-.](?P<month>\d\d?)[-.](?P<year>\d{4})(?!\d)", _date),
        (r"(?P<month>\d\d?)/(?P<day>\d\d?)(?:/(?P<year>\d{4}|\d\d))?(?!\d)", _date),
        (_DAY + r"[\s.-]*" + _MONTH + r"(?:[\s.,-]*(?P<year>\d{4})(?![\d:]))?", _date),
        (_MONTH + r"[\s.-]*" + _DAY + r"(?!\d)(?:[\s.,-]+(?P<year>\d{4})(?![\d:]))?", _date),
        (_MONTH + r"[\s.-]*(?P<year>\d{4})(?!\d)", _date),
        (_WEEKDAY, _weekday),
        (r"(?P<signs>[+-]*)\s*(?P<amount>\d{1,9})\s*" + _UNIT, _relative),
        (r"(?P<word>next|this|last|previous)\s+" + _UNIT, _relative),
        (r"ago(?![a-z])", _ago),
        (
            r"t?(?P<hour>\d\d?):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,]\d+)?)?(?!\d)"
            r"(?:\s*(?P<half>[ap])\.?m\.?(?![a-z]))?",
            _time,
        ),
        (r"(?P<hour>\d\d?)\s*(?P<half>[ap])\.?m\.?(?![a-z])", _time),
        (r"t(?P<hour>\d\d)(?P<minute>\d\d)(?P<second>\d\d)?(?!\d)", _time),
        (r"\d{4}(?!\d)", _four_digits),
        (r"now(?![a-z])", _nothing),
        (r"(?:today|midnight|noon|yesterday|tomorrow)(?![a-z])", _word),
        (r"(?:gmt|utc)?(?P<sign>[+-])(?P<hours>\d\d?):?(?P<minutes>\d\d)?(?!\d)", _offset),
        (r"[a-z]{1,6}(?![a-z])", _zone),
    )
]
