"""The parts of an event: a JSON value in, our value out.

Each `read_` function raises ValueError with a text that says how to write it, and names no value.
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from service.conditions import EQUAL, Condition, is_field_name, parse_condition
from service.messages import short_text

# As RFC 3339 writes it; \d would be more digits than those of ASCII to some who read the schema.
INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
DATABASE_ID = re.compile(r"[1-9][0-9]{0,17}")
LONGEST_NAME = 100  # characters


class InexactNumber(float):
    """A JSON number some of whose digits a float does not keep."""


def read_number(text: str) -> float:
    """Read a JSON number with a fraction or an exponent."""
    number = float(text)
    if len(text) <= 15 and "e" not in text.lower():
        return number
    try:
        exact = Decimal(text) == Decimal(repr(number))
    except ArithmeticError:
        exact = False
    return number if exact else InexactNumber(number)


def read_instant(value: object) -> datetime:
    """Read an RFC 3339 instant; it has a zone."""
    if not isinstance(value, str) or not INSTANT.fullmatch(value):
        raise ValueError("write an instant as 2026-11-23T10:00:00Z")
    try:
        return datetime.fromisoformat(value.upper())
    except ValueError:
        raise ValueError("there is no such instant") from None


def read_id(value: str) -> str:
    """Read an event's id, which AMQP must be able to carry."""
    if not short_text(value):
        raise ValueError("an id has 1 to 255 bytes and no control characters")
    return value


def read_database(value: object) -> str:
    """Read a database's numeric id, as text, or its name."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise ValueError("name a database by its numeric id or its name")  # noqa: TRY004
    if DATABASE_ID.fullmatch(value):
        return value
    if (
        not 1 <= len(value) <= LONGEST_NAME
        or not value.isprintable()
        or value != value.strip()
        or not any(character.isalpha() for character in value)
        or "/" in value
        or "\\" in value
    ):
        raise ValueError(
            "a database is a positive id, or a name of up to 100 printable characters with a "
            "letter and without slashes"
        )
    return value


def _text(value: object) -> str:
    """Write a JSON value as the API's string; numbers without exponent, booleans as 1 and 0."""
    match value:
        case str():
            return value
        case bool():
            return "1" if value else "0"
        case int():
            return str(value)
        case InexactNumber():
            raise ValueError("has more digits than a JSON number keeps: write it as a string")
        case float():
            return format(Decimal(repr(value)), "f")
        case None:
            raise ValueError('null is not a value: leave the field out, or write "" to clear it')
        case _:
            raise ValueError("a value is a string, a number or a boolean")


def read_where(value: object) -> tuple[Condition, ...]:
    """Read a selection: equality on each field, or conditions in the API's notation."""
    if isinstance(value, list):
        if not all(isinstance(item, str) for item in value):
            raise ValueError('write conditions as strings, like ["customerid==4567"]')
        return tuple(parse_condition(item) for item in value)
    if isinstance(value, dict):
        for name, item in value.items():
            if item is None:
                raise ValueError(f"{quoted(name)}: null is not a value to select by")
        return tuple(Condition(name, EQUAL, _named(name, item)) for name, item in value.items())
    raise ValueError('write {"field": value}, or a list of conditions like ["age>=18"]')


def read_fields(value: object) -> dict[str, str]:
    """Read field names and values."""
    if not isinstance(value, dict):
        raise ValueError('write {"field": value}')  # noqa: TRY004
    fields = {name: _named(name, item) for name, item in value.items()}
    for name in fields:
        if not is_field_name(name):
            raise ValueError(
                f"{quoted(name)} is no field name: a letter followed by letters, digits or _"
            )
    _refuse_two_spellings(fields)
    return fields


def read_interests(value: object) -> dict[str, bool]:
    """Read interests: a list of names to switch on, or names with a switch."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        value = dict.fromkeys(value, True)
    if not isinstance(value, dict):
        raise ValueError('write a list of names, or {"name": true or false}')  # noqa: TRY004
    for name, switch in value.items():
        if not name or not name.isprintable() or name != name.strip():
            raise ValueError(f"{quoted(name)} is no interest name")
        if not isinstance(switch, int) or switch not in (0, 1):
            raise ValueError(f"{quoted(name)}: an interest is true, false, 1 or 0")
    if "0" in value and all(map(str.isdecimal, value)):
        # PHP does not tell {"0": 1} from [1].
        raise ValueError('the API reads names like "0" and "1" as a list: name another one as well')
    _refuse_two_spellings(value)
    return {name: bool(switch) for name, switch in value.items()}


def _named(name: str, value: object) -> str:
    try:
        return _text(value)
    except ValueError as error:
        raise ValueError(f"{quoted(name)}: {error}") from None


def _refuse_two_spellings(names: Mapping[str, object]) -> None:
    folded: dict[str, str] = {}
    for name in names:
        other = folded.setdefault(name.lower(), name)
        if other != name:
            raise ValueError(f"{quoted(other)} and {quoted(name)} name the same thing for the API")


def quoted(name: str) -> str:
    """Quote a name that came from outside, short and on one line."""
    return json.dumps(shortened(name))


def shortened(name: str) -> str:
    """Cut a name that came from outside."""
    return name if len(name) <= 40 else name[:40] + "…"
