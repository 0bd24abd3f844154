"""The API's `fields` parameter: conditions that select profiles, and what makes them safe.

Source: Copernica REST API, "The fields parameter".
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

EQUAL = "=="
OPERATORS = ("==", "!=", "<>", "<=", ">=", "=~", "!~", "<", ">")
SPECIAL_FIELDS = frozenset({"id", "code", "modified"})
MODIFIED = "modified"  # what every update changes

FIELD_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")

_CONDITION = re.compile(r"([A-Za-z][A-Za-z0-9_]*)(==|!=|<>|<=|>=|=~|!~|<|>)(.*)", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

Key = tuple[str, ...]


class UnsafeSelection(Exception):
    """A selection that the API could read as another one; the text says which rule it breaks."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One `field operator value`; `str()` gives the API's notation."""

    field: str
    operator: str
    value: str

    def __str__(self) -> str:
        return f"{self.field}{self.operator}{self.value}"


def is_field_name(name: str) -> bool:
    """Tell whether the API can have a field of this name: a letter, then letters, digits, `_`."""
    return FIELD_NAME.fullmatch(name) is not None


def parse_condition(text: str) -> Condition:
    """Read one condition in the API's notation, such as `age>=18`.

    Raises:
        UnsafeSelection: it is no condition, or the API would parse it differently.
    """
    parts = _CONDITION.fullmatch(text)
    if parts is None:
        raise UnsafeSelection(
            "a condition is a field name, one of " + " ".join(OPERATORS) + ", and a value"
        )
    field, operator, value = parts.groups()
    # The API takes up to two operator characters, so "a<~b" would name an operator "<~".
    if len(operator) == 1 and value.startswith(("=", "<", ">", "!", "~")):
        raise UnsafeSelection(
            f"the value after {field}{operator} may not start with an operator character"
        )
    return Condition(field, operator, value)


def check_selection(conditions: Iterable[Condition], *, many: bool) -> None:
    """Refuse conditions that could select profiles the sender did not mean.

    Raises:
        UnsafeSelection: naming the field and the rule, never the value.
    """
    empty = True
    for condition in conditions:
        empty = False
        name, value = condition.field, condition.value
        if not is_field_name(name):
            raise UnsafeSelection("a field name is a letter followed by letters, digits or _")
        if value != value.strip():
            raise UnsafeSelection(
                f"the value of {name} starts or ends with a blank, which the API would cut off"
            )
        if _CONTROL.search(value):
            raise UnsafeSelection(f"the value of {name} has a control character")
        if not many and condition.operator != EQUAL:
            raise UnsafeSelection(
                f"{name} is compared with {condition.operator}: only == selects one profile; "
                'set "expect": "many" if many are meant'
            )
        if not many and not value:
            raise UnsafeSelection(
                f"the value of {name} is empty, which selects every profile without one; "
                'set "expect": "many" if that is meant'
            )
    if empty:
        raise UnsafeSelection("there is no condition: every profile would be selected")


def _selects_one(value: str) -> bool:
    return bool(value) and value == value.strip() and not _CONTROL.search(value)


def selection_key(database: str, conditions: Iterable[Condition]) -> Key:
    """Make the key of a selection: equal keys must be applied in order.

    The API compares text without regard to case, and perhaps to accents, so the key does too: two
    selections that might be one share a key.
    """
    return (database.casefold(), *sorted({_folded(str(condition)) for condition in conditions}))


def routing_key(key: Key) -> str:
    """Make the routing key of a profile's events: SHA-256, as no value shall be read there."""
    return hashlib.sha256("\n".join(key).encode()).hexdigest()


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower()
    letters = unicodedata.normalize("NFKD", text)
    return "".join(one for one in letters if not unicodedata.combining(one)).casefold()


def after_update(
    conditions: tuple[Condition, ...], fields: Mapping[str, str]
) -> tuple[Condition, ...] | None:
    """Say how to find the selected profiles once `fields` are written; None if nothing can."""
    written = {name.casefold(): value for name, value in fields.items()}
    found = []
    for condition in conditions:
        name = condition.field.casefold()
        if name == MODIFIED and name not in written:
            return None
        value = written.get(name, condition.value)
        if value != condition.value:
            if condition.operator != EQUAL or not _selects_one(value):
                return None
            condition = Condition(condition.field, EQUAL, value)  # noqa: PLW2901
        found.append(condition)
    return tuple(found)
