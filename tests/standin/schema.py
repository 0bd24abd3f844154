"""Databases as a seed file describes them: their fields and interests, and changes of both."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tests.standin.clock import Clock
from tests.standin.values import DATES, NUMBERS, Stored, convert

_OFF: tuple[Any, ...] = (0, "", "0", None, [], {})


@dataclass(frozen=True, slots=True)
class Change:
    """What profiles are to become: values by the position of their field, interests by name."""

    values: dict[int, Stored]
    switches: dict[str, bool]


@dataclass(frozen=True)
class Field:
    """A field of a database; `column` is its column in the store."""

    ID: int
    name: str
    type: str
    default: Stored
    choices: tuple[str, ...]
    index: bool
    column: str

    @cached_property
    def compared(self) -> str:
        """What SQL compares: text in any case, choices exactly, dates as text, numbers as such."""
        exact = self.type == "select" or self.type in DATES | NUMBERS
        return self.column if exact else f"casefold({self.column})"

    def convert(self, value: Any, clock: Clock) -> Stored:
        """Convert a JSON value to what this field stores."""
        return convert(value, self.type, clock, self.choices)

    def described(self) -> dict[str, Any]:
        """Describe the field as `GET database/{id}/fields` does."""
        return {
            "ID": str(self.ID),
            "name": self.name,
            "type": self.type,
            "value": self._value(),
            "displayed": True,
            "ordered": False,
            "length": "50",
            "textlines": "1",
            "hidden": False,
            "index": self.index,
        }

    def _value(self) -> str:
        if self.type != "select":
            return str(self.default)
        return "\r\n".join(
            choice + "*" * (choice == self.default and choice != "") for choice in self.choices
        )


@dataclass(frozen=True)
class Database:
    """A database with its fields in order of definition."""

    ID: int
    name: str
    fields: tuple[Field, ...]
    interests: tuple[str, ...]

    def described(self) -> dict[str, str]:
        """Describe the database as `GET database/{id}` does, without what belongs to it."""
        return {"ID": str(self.ID), "name": self.name, "description": "", "created": ""}

    @cached_property
    def positions(self) -> dict[str, int]:
        """Positions of the fields by their name in lower case."""
        return {field.name.lower(): n for n, field in enumerate(self.fields)}

    def field(self, name: str) -> Field | None:
        """Return the field of that name, in any case."""
        position = self.positions.get(name.lower())
        return None if position is None else self.fields[position]

    def change(self, fields: dict[str, Any], interests: object, clock: Clock) -> Change:
        """Convert fields and interests by name; unknown names are left out."""
        found = ((self.positions.get(name.lower()), value) for name, value in fields.items())
        values = {n: self.fields[n].convert(value, clock) for n, value in found if n is not None}
        return Change(values, self._switches(interests))

    def _switches(self, sent: object) -> dict[str, bool]:
        """Read interests, a list of names or a map to 0 or 1.

        An object with the keys 0, 1, 2 is a list, as in PHP.
        """
        if isinstance(sent, dict) and list(sent) == [str(n) for n in range(len(sent))]:
            sent = list(sent.values())
        if isinstance(sent, list):
            return {name: True for name in sent if name in self.interests}
        if isinstance(sent, dict):
            return {name: sent[name] not in _OFF for name in sent if name in self.interests}
        return {}
