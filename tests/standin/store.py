"""Profiles in SQLite, in memory: one table for each database, one column for each field."""

import itertools
import json
import secrets
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.standin import dates
from tests.standin.conditions import Selection, alike
from tests.standin.schema import Database, Field
from tests.standin.values import NUMBERS, Stored, text

_OWN = ("id", "secret", "created", "modified", "interests")


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile as stored; `values` stand in the order of the database's fields."""

    ID: int
    secret: str
    created: str
    modified: str
    interests: tuple[str, ...]
    values: tuple[Stored, ...]

    def described(self, database: Database) -> dict[str, Any]:
        """Describe the profile as the API does: every field value is a text."""
        return {
            "ID": str(self.ID),
            "fields": self.fields(database),
            "interests": list(self.interests),
            "database": str(database.ID),
            "secret": self.secret,
            "created": self.created,
            "modified": self.modified,
            "removed": False,
        }

    def fields(self, database: Database) -> dict[str, str]:
        """Return the values by field name, in order of definition."""
        return {
            field.name: text(value)
            for field, value in zip(database.fields, self.values, strict=True)
        }


class Store:
    """Every database with its profiles; the ids of profiles are one sequence over all of them."""

    def __init__(self) -> None:
        self._databases: dict[int, Database] = {}
        self._ids = itertools.count(1)
        self._link = sqlite3.connect(":memory:", isolation_level=None)
        self._link.create_collation("anycase", _compare)
        self._link.create_function("alike", 2, alike, deterministic=True)

    def close(self) -> None:
        """Forget everything."""
        self._link.close()

    def add(self, database: Database, profiles: Iterable[dict[str, Any]]) -> None:
        """Add a database with its profiles, each an object with `fields` and `interests`."""
        columns = [f"{field.column} {_column_type(field)} NOT NULL" for field in database.fields]
        own = ["id INTEGER PRIMARY KEY", "secret TEXT", "created TEXT", "modified TEXT"]
        table = _table(database)
        self._link.execute(
            f"CREATE TABLE {table} ({', '.join([*own, 'interests TEXT', *columns])})"
        )
        self._databases[database.ID] = database
        self._link.execute("BEGIN")
        for profile in profiles:
            values = database.values(profile.get("fields", {}))
            self.create(database, values, database.switches(profile.get("interests", [])))
        self._link.execute("COMMIT")
        for field in database.fields:
            if field.index:
                self._link.execute(
                    f"CREATE INDEX {table}_{field.column} ON {table} ({field.column})"
                )

    def database(self, name: str) -> Database | None:
        """Return a database by id (all digits) or by name, in any case."""
        if name.isdecimal():
            return self._databases.get(int(name[:18]))
        named = (found for found in self._databases.values() if found.name.lower() == name.lower())
        return next(named, None)

    def profile(self, number: int) -> tuple[Database, Profile] | None:
        """Return the profile of that id, with its database."""
        for database in self._databases.values():
            if found := self.select(database, Selection("id = ?", (number,))):
                return database, found[0]
        return None

    def select(
        self, database: Database, selection: Selection, order: str = "id", page: str = ""
    ) -> list[Profile]:
        """Return the profiles that a selection matches; `order` and `page` are SQL."""
        rows = self._link.execute(
            f"SELECT * FROM {_table(database)} WHERE {selection.where} ORDER BY {order} {page}",  # noqa: S608 - our own names
            selection.values,
        )
        return [_profile(row) for row in rows]

    def count(self, database: Database, selection: Selection) -> int:
        """Count the profiles that a selection matches."""
        rows = self._link.execute(
            f"SELECT count(*) FROM {_table(database)} WHERE {selection.where}",  # noqa: S608 - our own names
            selection.values,
        )
        return int(rows.fetchone()[0])

    def create(
        self, database: Database, values: dict[int, Stored], switches: dict[str, bool]
    ) -> Profile:
        """Create a profile; a field without a value gets its default."""
        now = dates.now()
        profile = Profile(
            ID=next(self._ids),
            secret=secrets.token_hex(14),
            created=now,
            modified=now,
            interests=tuple(name for name in database.interests if switches.get(name)),
            values=tuple(values.get(n, field.default) for n, field in enumerate(database.fields)),
        )
        row = (profile.ID, profile.secret, now, now, json.dumps(profile.interests), *profile.values)
        marks = ", ".join("?" * len(row))
        self._link.execute(f"INSERT INTO {_table(database)} VALUES ({marks})", row)  # noqa: S608 - our own names
        return profile

    def update(
        self,
        database: Database,
        profiles: list[Profile],
        values: dict[int, Stored],
        switches: dict[str, bool],
    ) -> list[Profile]:
        """Change profiles, all or none; one whose values stay the same keeps its `modified`."""
        self._link.execute("BEGIN")
        changed = [self._update(database, profile, values, switches) for profile in profiles]
        self._link.execute("COMMIT")
        return changed

    def _update(
        self,
        database: Database,
        profile: Profile,
        values: dict[int, Stored],
        switches: dict[str, bool],
    ) -> Profile:
        new = {n: value for n, value in values.items() if value != profile.values[n]}
        interests = tuple(
            name for name in database.interests if switches.get(name, name in profile.interests)
        )
        if not new and interests == profile.interests:
            return profile
        now = dates.now()
        columns = "".join(f", {database.fields[n].column} = ?" for n in new)
        self._link.execute(
            f"UPDATE {_table(database)} SET modified = ?, interests = ?{columns} WHERE id = ?",  # noqa: S608 - our own names
            (now, json.dumps(interests), *new.values(), profile.ID),
        )
        merged = tuple(new.get(n, value) for n, value in enumerate(profile.values))
        return Profile(profile.ID, profile.secret, profile.created, now, interests, merged)


def _table(database: Database) -> str:
    return f"profiles{database.ID}"


def _column_type(field: Field) -> str:
    """Text compares in any case; choices compare exactly; dates sort as text."""
    if field.type in NUMBERS:
        return "INTEGER" if field.type == "integer" else "REAL"
    exact = field.type == "select" or "date" in field.type
    return "TEXT" if exact else "TEXT COLLATE anycase"


def _compare(one: str, other: str) -> int:
    one, other = one.casefold(), other.casefold()
    return (one > other) - (one < other)


def _profile(row: tuple[Any, ...]) -> Profile:
    interests = tuple(json.loads(row[4]))
    return Profile(row[0], row[1], row[2], row[3], interests, row[len(_OWN) :])
