"""What the API makes of a value: it never refuses one, it converts it to the type of the field.

Conversions are those of PHP's casts. A stored value is text, or a number for numeric fields.
"""

import re
from typing import Any, TypeAlias

from tests.standin import dates
from tests.standin.clock import Clock

Stored: TypeAlias = str | int | float

DATES = frozenset(("date", "datetime", "empty_date", "empty_datetime"))
NUMBERS = frozenset(("integer", "float"))
TEXTS = frozenset(
    ("text", "email", "select", "big", "phone", "phone_fax", "phone_gsm", "foreign_key")
)
TYPES = DATES | NUMBERS | TEXTS

_LOWEST, _HIGHEST = -(2**63), 2**63 - 1
_NUMBER = re.compile(r"[ \t\n\r\v\f]*([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)", re.ASCII)


def convert(value: Any, kind: str, clock: Clock, choices: tuple[str, ...] = ()) -> Stored:
    """Convert a JSON value to what a field of this type stores; a date may depend on the clock."""
    if kind in NUMBERS:
        return integer(value) if kind == "integer" else floating(value)
    if kind in DATES:
        return _date(value, kind, clock)
    written = text(value)
    if kind == "select":
        return written if written in choices else ""
    return written


def text(value: Any) -> str:
    """Cast to text: true is "1", false, null, lists and objects are empty."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "1" if value else ""
    if isinstance(value, int):
        return str(value) if _LOWEST <= value <= _HIGHEST else _written(float(value))
    return _written(value) if isinstance(value, float) else ""


def integer(value: Any) -> int:
    """Cast to a whole number of 64 bits: the leading number of a text, or 0."""
    if isinstance(value, str):
        match = _NUMBER.match(value)
        if not match:
            return 0
        digits = match[1]
        plain = digits.lstrip("+-")
        whole = len(plain) < 20 and plain.isdigit()
        value = int(digits) if whole else float(digits)
    if isinstance(value, (list, dict)):
        return 1 if value else 0
    return int(min(max(value or 0, _LOWEST), _HIGHEST))


def floating(value: Any) -> float:
    """Cast to a number with a fraction: the leading number of a text, or 0."""
    if isinstance(value, str):
        match = _NUMBER.match(value)
        return float(match[1]) if match else 0.0
    if isinstance(value, (list, dict)):
        return 1.0 if value else 0.0
    return float(value or 0)


def truth(value: object) -> bool:
    """Read a boolean parameter: `yes` and `true` in any case, and numbers from 1 up or -1 down."""
    if isinstance(value, str):
        return value.lower() in ("yes", "true") or abs(floating(value)) >= 1
    return value is not None


def _date(value: Any, kind: str, clock: Clock) -> str:
    empty = "" if kind.startswith("empty_") else dates.ZERO
    if value is None or isinstance(value, bool):
        moment = empty
    else:
        found = dates.moment(text(value), clock)
        moment = empty if found is None else found
    return moment if kind.endswith("datetime") else moment[:10]


def _written(number: float) -> str:
    """Write a float as PHP does: 14 digits, `1.0E+25` with its point, exponents unpadded."""
    mantissa, exponent, power = f"{number:.14G}".partition("E")
    if not exponent:
        return mantissa
    if "." not in mantissa:
        mantissa += ".0"
    return f"{mantissa}E{power[0]}{power[1:].lstrip('0')}"
