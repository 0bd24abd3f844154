"""Read seed files: JSON with databases, their fields and interests, and profiles to start with."""

import itertools
import re
from pathlib import Path
from typing import Any, TypeAlias

from tests.standin import documents
from tests.standin.clock import Clock
from tests.standin.schema import Database, Field
from tests.standin.values import TYPES, convert, text

# Databases, each with its profiles as objects with `fields` and `interests`.
Seed: TypeAlias = list[tuple[Database, list[dict[str, Any]]]]


class SeedError(Exception):
    """The seed is not usable; the text says where and why."""


DEFAULT: dict[str, Any] = {
    "databases": [
        {
            "id": 1234,
            "name": "Customers",
            "fields": [
                {"name": "customerid", "type": "text", "index": True},
                {"name": "firstname", "type": "text"},
                {"name": "lastname", "type": "text"},
                {"name": "email", "type": "email", "index": True},
                {"name": "phone", "type": "phone"},
                {"name": "age", "type": "integer"},
                {"name": "country", "type": "select", "choices": ["nl", "be", "de"]},
                {"name": "birthday", "type": "empty_date"},
                {"name": "optin", "type": "integer"},
            ],
            "interests": ["football", "baseball", "tennis"],
        }
    ]
}

FIELD_NAME = r"[A-Za-z][A-Za-z0-9_]*"

_MOST_FIELDS = 1500  # SQLite ends at 2,000 columns


def read(path: Path | None, clock: Clock) -> Seed:
    """Return the databases of a seed file, or the default one, each with its profiles.

    Raises:
        SeedError: the file cannot be read, is no JSON, or describes something impossible.
    """
    if path is None:
        return parse(DEFAULT, clock)
    try:
        return parse(documents.read(path.read_text("utf-8")), clock)
    except OSError as error:
        raise SeedError(error.strerror) from error
    except ValueError as error:
        raise SeedError(str(error)) from error


def parse(seed: Any, clock: Clock) -> Seed:
    """Return the databases that a decoded seed describes, each with its profiles.

    Defaults of date fields are read once, by the clock.

    Raises:
        SeedError: it describes something impossible.
    """
    _known(seed, "the seed", {"databases"})
    ids = itertools.count(1)
    databases = [
        _database(entry, f"databases[{n}]", ids, clock)
        for n, entry in enumerate(_list(seed, "databases", "the seed"))
    ]
    _unique([str(database.ID) for database, _ in databases], "databases: id")
    _unique([database.name for database, _ in databases], "databases: name")
    return databases


def _database(
    entry: Any, place: str, ids: "itertools.count[int]", clock: Clock
) -> tuple[Database, list[dict[str, Any]]]:
    _known(entry, place, {"id", "name", "fields", "interests", "profiles"})
    number = entry.get("id")
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise SeedError(f"{place}: id must be a whole number from 1 up")
    fields = tuple(
        _field(field, f"{place}.fields[{n}]", next(ids), f"field{n}", clock)
        for n, field in enumerate(_list(entry, "fields", place))
    )
    if len(fields) > _MOST_FIELDS:
        raise SeedError(
            f"{place}: {len(fields)} fields, but {_MOST_FIELDS} are the most there can be"
        )
    _unique([field.name for field in fields], f"{place}.fields: name")
    interests = _texts(entry, "interests", place)
    _unique(list(interests), f"{place}.interests: name")
    database = Database(number, _name(entry, place), fields, interests)
    profiles = _list(entry, "profiles", place)
    for n, profile in enumerate(profiles):
        _check_profile(profile, f"{place}.profiles[{n}]", database)
    return database, profiles


def _field(entry: Any, place: str, number: int, column: str, clock: Clock) -> Field:
    _known(entry, place, {"name", "type", "default", "choices", "index"})
    kind = _type(entry, place)
    choices = tuple(choice.rstrip(" \t\r\n\0\v") for choice in _texts(entry, "choices", place))
    if choices and kind != "select":
        raise SeedError(f"{place}: choices belong to the type select")
    if kind == "select" and not choices:
        raise SeedError(f"{place}: type select needs choices")
    default = entry.get("default", "")
    if choices and text(default) not in ("", *choices):
        raise SeedError(f"{place}: default {default!r} is none of the choices")
    name, index = _name(entry, place), entry.get("index", False)
    if not re.fullmatch(FIELD_NAME, name):
        raise SeedError(f"{place}: name {name!r} must be a letter, then letters, digits or _")
    if not isinstance(index, bool):
        raise SeedError(f"{place}: index must be true or false, not {index!r}")
    return Field(
        ID=number,
        name=name,
        type=kind,
        default=convert(default, kind, clock, choices),
        choices=choices,
        index=index,
        column=column,
    )


def _type(entry: dict[str, Any], place: str) -> str:
    kind, known = entry.get("type"), ", ".join(sorted(TYPES))
    if kind is None:
        raise SeedError(f"{place}: type is needed, one of {known}")
    if not isinstance(kind, str) or kind not in TYPES:
        raise SeedError(f"{place}: type {kind!r} is none of {known}")
    return kind


def _check_profile(profile: Any, place: str, database: Database) -> None:
    _known(profile, place, {"fields", "interests"})
    fields = profile.get("fields", {})
    if not isinstance(fields, dict):
        raise SeedError(f"{place}: fields must be an object")
    for name in fields:
        if database.field(name) is None:
            raise SeedError(f"{place}: there is no field {name!r}")
    for name in _texts(profile, "interests", place):
        if name not in database.interests:
            raise SeedError(f"{place}: there is no interest {name!r}")


def _known(entry: Any, place: str, keys: set[str]) -> None:
    if not isinstance(entry, dict):
        raise SeedError(f"{place} must be an object")
    if unknown := sorted(entry.keys() - keys):
        raise SeedError(f"{place}: unknown key {unknown[0]!r}, known are {', '.join(sorted(keys))}")


def _list(entry: dict[str, Any], key: str, place: str) -> list[Any]:
    value = entry.get(key, [])
    if not isinstance(value, list):
        raise SeedError(f"{place}: {key} must be a list")
    return value


def _texts(entry: dict[str, Any], key: str, place: str) -> tuple[str, ...]:
    values = _list(entry, key, place)
    if not all(isinstance(value, str) for value in values):
        raise SeedError(f"{place}: {key} must be a list of texts")
    return tuple(values)


def _name(entry: dict[str, Any], place: str) -> str:
    name = entry.get("name")
    if not isinstance(name, str) or not name:
        raise SeedError(f"{place}: name must be a text")
    return name


def _unique(names: list[str], what: str) -> None:
    lowered = [name.lower() for name in names]
    for name in names:
        if lowered.count(name.lower()) > 1:
            raise SeedError(f"{what} {name!r} occurs twice")
