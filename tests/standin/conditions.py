"""Conditions of `fields[]`: read `FIELD OPERATOR VALUE`, and write it as SQL."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tests.standin.answers import Refused
from tests.standin.schema import Database
from tests.standin.values import DATES, NUMBERS, Stored, convert, text

_FORM = re.compile(r"(.+?)([=<>!~]{1,2})(.*)", re.DOTALL)
_LIKE = "alike(?, {column})"
_SQL = {
    "==": "{column} = ?",
    "!=": "{column} <> ?",
    "<>": "{column} <> ?",
    "<": "{column} < ?",
    ">": "{column} > ?",
    "<=": "{column} <= ?",
    ">=": "{column} >= ?",
    "=~": _LIKE,
    "!~": f"NOT {_LIKE}",
}
_SPECIAL = {
    "id": ("id", "integer"),
    "code": ("secret", "text"),
    "modified": ("modified", "datetime"),
}


@dataclass(frozen=True, slots=True)
class Selection:
    """The conditions of a call as SQL; without any it selects every profile."""

    where: str
    values: tuple[Stored, ...]


def required(expressions: Iterable[object], database: Database) -> Selection:
    """Read the conditions of a PUT, which must all make sense.

    Raises:
        Refused: a condition can not be parsed, or its field does not exist.
    """
    return _selection(expressions, database, _refuse)


def optional(expressions: Iterable[object], database: Database) -> Selection:
    """Read the conditions of a GET, which ignores those that make no sense."""
    return _selection(expressions, database, lambda _: None)


def alike(pattern: str, value: Stored) -> bool:
    """Compare in any case with a pattern: `%` is any run of characters, `_` is one."""
    return _pattern(pattern).fullmatch(text(value)) is not None


def _refuse(reason: str) -> None:
    raise Refused(reason)


def _selection(
    expressions: Iterable[object], database: Database, complain: Callable[[str], None]
) -> Selection:
    clauses: list[str] = []
    values: list[Stored] = []
    for expression in expressions:
        match = _FORM.fullmatch(expression.strip()) if isinstance(expression, str) else None
        if match is None or match[2] not in _SQL:
            complain("Invalid condition in parameter fields")
            continue
        name, operator, value = match.groups()
        if not (target := _target(name, database)):
            complain(f"Field {name} does not exist")
            continue
        column, kind = target
        clauses.append(_SQL[operator].format(column=column))
        values.append(_compared(value, operator, kind))
    return Selection(" AND ".join(clauses) or "1", tuple(values))


def _target(name: str, database: Database) -> tuple[str, str] | None:
    if field := database.field(name):
        return field.column, field.type
    return _SPECIAL.get(name.lower())


def _compared(value: Any, operator: str, kind: str) -> Stored:
    """Numbers and dates are converted like stored values; text and patterns are taken literally."""
    if operator in ("=~", "!~") or kind not in NUMBERS | DATES:
        return str(value)
    return convert(value, kind)


@lru_cache(maxsize=256)
def _pattern(like: str) -> re.Pattern[str]:
    special = {"%": ".*", "_": "."}
    parts = (special.get(character) or re.escape(character) for character in like)
    return re.compile("".join(parts), re.IGNORECASE | re.DOTALL)
