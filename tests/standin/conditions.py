"""Conditions of `fields[]`: read `FIELD OPERATOR VALUE`, and write it as SQL."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

from tests.standin.answers import Refused
from tests.standin.clock import Clock
from tests.standin.schema import Database
from tests.standin.values import DATES, NUMBERS, Stored, convert, text

# What PHP trims; a no-break space is a character like others.
_BLANKS = " \t\n\r\0\v"
_FORM = re.compile(r"(.+?)([=<>!~]{1,2})(.*)", re.DOTALL)
_LIKE = "alike(?, {column})"
_SQL = {
    "==": "{compared} = ?",
    "!=": "{compared} <> ?",
    "<>": "{compared} <> ?",
    "<": "{compared} < ?",
    ">": "{compared} > ?",
    "<=": "{compared} <= ?",
    ">=": "{compared} >= ?",
    "=~": _LIKE,
    "!~": f"NOT {_LIKE}",
}


@dataclass(frozen=True, slots=True)
class _Target:
    """What a condition is about: its column, what SQL compares of it, and its type."""

    column: str
    compared: str
    type: str


_SPECIAL = {
    "id": _Target("id", "id", "integer"),
    "code": _Target("secret", "secret", "select"),
    "modified": _Target("modified", "modified", "datetime"),
}


@dataclass(frozen=True, slots=True)
class Selection:
    """The conditions of a call as SQL; without any it selects every profile."""

    where: str
    values: tuple[Stored, ...]


EVERYTHING = Selection("1", ())


def required(expressions: Iterable[object], database: Database, clock: Clock) -> Selection:
    """Read the conditions of a PUT, which must all make sense.

    Raises:
        Refused: a condition cannot be parsed, or its field does not exist.
    """
    return _selection(expressions, database, clock, _refuse)


def optional(expressions: Iterable[object], database: Database, clock: Clock) -> Selection:
    """Read the conditions of a GET, which ignores those that make no sense."""
    return _selection(expressions, database, clock, lambda _: None)


def alike(pattern: str, value: Stored) -> bool:
    """Compare in any case with a pattern: `%` is any run of characters, `_` is one."""
    return _pattern(pattern).fullmatch(text(value)) is not None


def _refuse(reason: str) -> None:
    raise Refused(reason)


def _selection(
    expressions: Iterable[object],
    database: Database,
    clock: Clock,
    complain: Callable[[str], None],
) -> Selection:
    clauses: list[str] = []
    values: list[Stored] = []
    for expression in expressions:
        match = _FORM.fullmatch(expression.strip(_BLANKS)) if isinstance(expression, str) else None
        if match is None or match[2] not in _SQL:
            complain("Invalid condition in parameter fields")
            continue
        name, operator, value = match.groups()
        target = _target(name, database)
        if target is None:
            complain(f"Field {name} does not exist")
            continue
        clauses.append(_SQL[operator].format(column=target.column, compared=target.compared))
        values.append(_compared(value, operator, target, clock))
    return Selection(" AND ".join(clauses) or "1", tuple(values))


def _target(name: str, database: Database) -> _Target | None:
    if field := database.field(name):
        return _Target(field.column, field.compared, field.type)
    return _SPECIAL.get(name.lower())


def _compared(value: str, operator: str, target: _Target, clock: Clock) -> Stored:
    """Numbers and dates are converted like stored values; text and patterns are taken literally."""
    if operator in ("=~", "!~"):
        return value
    if target.type in NUMBERS | DATES:
        return convert(value, target.type, clock)
    return value if target.compared == target.column else value.casefold()


@lru_cache(maxsize=256)
def _pattern(like: str) -> re.Pattern[str]:
    special = {"%": ".*", "_": "."}
    parts = (special.get(character) or re.escape(character) for character in like)
    return re.compile("".join(parts), re.IGNORECASE | re.DOTALL)
