"""What a database knows: its fields and interests, and values in the form that its fields keep.

The API refuses no value: what does not fit a field becomes something else without a word. So a
value is sent in its one canonical form, or not at all.
Source: Copernica REST API, "GET database fields", "GET database interests"; observed conversions.
"""

import dataclasses
import difflib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

SPECIAL = {"id": "integer", "code": "text", "modified": "datetime"}
"""Fields that every database has; an own field of that name comes first."""

_LONGEST_TEXT = 255
_LOWEST, _HIGHEST = -(2**63), 2**63 - 1
_FLOAT_DIGITS = 14  # what PHP keeps of a float when it writes it

_NUMBER = re.compile(r"([+-]?)(\d{1,40})(?:\.(\d{0,40}))?", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d)(:\d\d(?:\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)?)?",
    re.ASCII,
)
_BLANKS = " \t\r\0\v"
_ZERO_DATE = re.compile(r"0000-00-00(?: 00:00:00)?")
_EMAIL = re.compile(r"[^\s@,;<>()]+@[^\s@,;<>()]+\.[^\s@,;<>().]+")


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a database; `choices` are those of a select field.

    `indexed` is None if the API does not say; it makes no other field of it.
    """

    name: str
    type: str
    choices: tuple[str, ...] = ()
    indexed: bool | None = dataclasses.field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The fields and interests of one database, by name in lower case; `database` is its id.

    Lower case, no more: `Straße` and `Strasse` are two interests. Where two differ in case alone,
    each has its own name too.
    """

    database: str
    fields: Mapping[str, Field]
    interests: Mapping[str, str]

    def field(self, name: str) -> Field | None:
        """Find a field by its name in any case."""
        return self.fields.get(name.lower())

    def interest(self, name: str) -> str | None:
        """Find an interest, as the API writes it, by its name in any case."""
        return self.interests.get(name) or self.interests.get(name.lower())

    def selectable(self, name: str) -> Field | None:
        """Find what a condition may name: a field, or one that every database has."""
        lowered = name.lower()
        kind = SPECIAL.get(lowered)
        return self.fields.get(lowered) or (Field(lowered, kind) if kind else None)


def catalogue(
    database: str, fields: Iterable[Mapping[str, object]], interests: Iterable[Mapping[str, object]]
) -> Catalogue:
    """Make a catalogue of what the API lists."""
    known = [_field(listed) for listed in fields]
    names = [str(listed.get("name", "")) for listed in interests]
    return Catalogue(database, {field.name.lower(): field for field in known}, by_name(names))


def by_name(interests: Iterable[str]) -> dict[str, str]:
    """Order interests by the names that events may give them."""
    names = list(interests)
    lowered = Counter(name.lower() for name in names)
    own = {name: name for name in names if lowered[name.lower()] > 1}
    return {**{name.lower(): name for name in names}, **own}


@lru_cache(maxsize=1024)  # one wrong sender repeats his mistake, and to look is slow
def nearest(name: str, known: frozenset[str]) -> str:
    """Suggest the known name that is most like one nobody knows; "" if none is like it."""
    by_folded = {other.casefold(): other for other in known}
    near = difflib.get_close_matches(name.casefold(), by_folded, 1)
    return f"; did you mean {by_folded[near[0]]}?" if near else ""


def canonical(field: Field, value: str, zone: ZoneInfo) -> str:
    """Write a value as its field keeps it; "" clears a field, and a number to 0.

    Raises:
        ValueError: it does not fit; the text says the rule and how to mend it, and no value.
    """
    if value == "":
        return "0" if field.type in ("integer", "float") else ""
    match field.type:
        case "integer":
            return _integer(value)
        case "float":
            return _float(value)
        case "date" | "empty_date":
            return _date(value)
        case "datetime" | "empty_datetime":
            return _datetime(value, zone)
        case "select":
            return _choice(value, field.choices)
        case "big":
            return value
        case "email" if not _EMAIL.fullmatch(value):
            raise ValueError("is no e-mail address; write one like jane@example.com")
        case _ if len(value) > _LONGEST_TEXT:
            raise ValueError(f"has more than the {_LONGEST_TEXT} characters that are kept")
    return value


def _field(listed: Mapping[str, object]) -> Field:
    kind = str(listed.get("type", "text"))
    choices: tuple[str, ...] = ()
    if kind == "select":
        # One a line, trimmed as PHP does; a star marks the default, at least until 2022.
        lines = str(listed.get("value", "")).split("\n")
        stripped = (line.rstrip(_BLANKS).removesuffix("*").rstrip(_BLANKS) for line in lines)
        choices = tuple(filter(None, stripped))
    index = listed.get("index")
    indexed = index if isinstance(index, bool) else None
    return Field(str(listed.get("name", "")), kind, choices, indexed)


def _integer(value: str) -> str:
    match = _NUMBER.fullmatch(value)
    if match is None or (match[3] or "").strip("0"):
        raise ValueError("is no whole number; write digits alone, like 42")
    number = int(match[1] + match[2])
    if not _LOWEST <= number <= _HIGHEST:
        raise ValueError("is beyond the 64 bits of a whole number")
    return str(number)


def _float(value: str) -> str:
    match = _NUMBER.fullmatch(value)
    if match is None:
        raise ValueError("is no number; write it with a decimal point and no exponent, like 3.5")
    sign, whole, fraction = match.groups(default="")
    digits = (whole + fraction).strip("0")
    if len(digits) > _FLOAT_DIGITS:
        raise ValueError(f"has more than the {_FLOAT_DIGITS} digits that are kept; round it")
    number = f"{whole.lstrip('0') or '0'}.{fraction}".rstrip("0").removesuffix(".")
    return f"-{number}" if sign == "-" and digits else number


def _date(value: str) -> str:
    if _ZERO_DATE.fullmatch(value):
        return ""
    # No moment: some day's midnight has been skipped in most zones.
    if not _DAY.fullmatch(value) or not _exists(value):
        raise ValueError("is no date that exists; write it like 2026-11-23")
    return value


def _exists(day: str) -> bool:
    try:
        date.fromisoformat(day)
    except ValueError:
        return False
    return True


def _datetime(value: str, zone: ZoneInfo) -> str:
    if _ZERO_DATE.fullmatch(value):
        return ""
    moment = _wall_time(value, zone)
    if moment is None:
        raise ValueError(
            "is no moment that exists; write it like 2026-11-23 10:00:00, or with a zone, ...Z"
        )
    return moment.isoformat(sep=" ")


def _wall_time(value: str, zone: ZoneInfo) -> datetime | None:
    """Read a date with or without a time, as wall time of the zone; None if there is no such."""
    match = _MOMENT.fullmatch(value)
    if match is None:
        return None
    day, minutes, seconds, offset = match.groups(default="")
    offset = offset.upper().replace("Z", "+00:00")
    whole = f"{day}T{minutes or '00:00'}{seconds[:3] or ':00'}{offset}"
    try:
        moment = datetime.fromisoformat(whole)
        if moment.tzinfo is not None:
            return moment.astimezone(zone).replace(tzinfo=None)
        # There and back again: summer time skips an hour of spring.
        there = moment.replace(tzinfo=zone).astimezone(UTC)
        return moment if there.astimezone(zone).replace(tzinfo=None) == moment else None
    except (ValueError, OverflowError):
        return None


def _choice(value: str, choices: tuple[str, ...]) -> str:
    if value in choices:
        return value
    shown = ", ".join(choices[:10]) + (", ..." if len(choices) > 10 else "")
    raise ValueError(f"is none of its choices, in these letters: {shown}")
