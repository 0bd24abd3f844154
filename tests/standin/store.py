"""Profiles in SQLite, in memory: one table for each database, one column for each field.

Statements have the same text for the same kind of call, so that SQLite prepares them once. What
compares in any case is compared as its case-folded form, which is also what an index holds: SQLite
then looks it up without asking Python.
"""

import itertools
import json
import random
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from tests.standin.clock import Clock
from tests.standin.conditions import Selection, alike
from tests.standin.schema import Change, Database, Field
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
    removed: str | None = None

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
            "removed": self.removed or False,
        }

    def fields(self, database: Database) -> dict[str, str] | list[str]:
        """Return the values by field name, in order of definition; none of a removed profile.

        Without any field it is a list, as PHP writes an array that is empty.
        """
        if self.removed:
            return {field.name: "" for field in database.fields} or []
        pairs = zip(database.fields, self.values, strict=True)
        return {field.name: text(value) for field, value in pairs} or []


class Store:
    """Every database with its profiles; the ids of profiles are one sequence over all of them.

    `dice` makes the dice for secrets and random order, the same ones each time it is called if
    they are to repeat.
    """

    def __init__(self, clock: Clock, dice: Callable[[], random.Random]) -> None:
        self._clock = clock
        self._dice = dice
        self._secrets = dice()
        self._databases: dict[int, Database] = {}
        self._homes: dict[int, Database] = {}
        self._removed: dict[int, Profile] = {}
        self._ids = itertools.count(1)
        self._link = sqlite3.connect(":memory:", isolation_level=None, cached_statements=1024)
        self._link.execute("PRAGMA journal_mode = OFF")
        self._link.create_function("casefold", 1, str.casefold, deterministic=True)
        self._link.create_function("alike", 2, alike, deterministic=True)
        self._link.create_function("chance", 0, dice().random)

    def emptied(self) -> "Store":
        """Return a store without databases that begins as this one did."""
        return Store(self._clock, self._dice)

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
            fields, interests = profile.get("fields", {}), profile.get("interests", [])
            self.create(database, database.change(fields, interests, self._clock))
        self._link.execute("COMMIT")
        for field in database.fields:
            if field.index:
                self._link.execute(
                    f"CREATE INDEX {table}_{field.column} ON {table} ({field.compared})"
                )

    def database(self, name: str) -> Database | None:
        """Return a database by id (all digits) or by name, in any case."""
        if name.isdecimal():
            return self._databases.get(_number(name))
        named = (found for found in self._databases.values() if found.name.lower() == name.lower())
        return next(named, None)

    def profile(self, number: str) -> tuple[Database, Profile] | None:
        """Return the profile of that id, also a removed one, with its database."""
        ID = _number(number) if number.isdecimal() else 0
        database = self._homes.get(ID)
        if database is None:
            return None
        removed = self._removed.get(ID)
        return database, removed or self.select(database, Selection("id = ?", (ID,)))[0]

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

    def create(self, database: Database, change: Change) -> Profile:
        """Create a profile; a field without a value gets its default."""
        now, values = self._clock.wall(), change.values
        profile = Profile(
            ID=next(self._ids),
            secret=self._secrets.randbytes(14).hex(),
            created=now,
            modified=now,
            interests=tuple(name for name in database.interests if change.switches.get(name)),
            values=tuple(values.get(n, field.default) for n, field in enumerate(database.fields)),
        )
        row = (profile.ID, profile.secret, now, now, json.dumps(profile.interests), *profile.values)
        self._link.execute(_insertion(_table(database), len(row)), row)
        self._homes[profile.ID] = database
        return profile

    def update(self, database: Database, profiles: list[Profile], change: Change) -> list[Profile]:
        """Change profiles; one whose values stay the same keeps its `modified`."""
        return [self._update(database, profile, change) for profile in profiles]

    def set_secret(self, database: Database, profile: Profile, secret: str) -> None:
        """Replace the secret of a profile, without moving its `modified`."""
        if profile.removed:
            self._removed[profile.ID] = replace(profile, secret=secret)
        else:
            statement = _update(_table(database), ("secret",))
            self._link.execute(statement, (secret, profile.ID))

    def touch(self, profile: Profile) -> Profile:
        """Move `modified` of a removed profile, which nothing else changes."""
        touched = replace(profile, modified=self._clock.wall())
        self._removed[profile.ID] = touched
        return touched

    def remove(self, database: Database, profile: Profile) -> None:
        """Remove a profile: no selection finds it any more, but its id still names it."""
        self._link.execute(f"DELETE FROM {_table(database)} WHERE id = ?", (profile.ID,))  # noqa: S608 - our own names
        self._removed[profile.ID] = replace(profile, interests=(), removed=self._clock.wall())

    def _update(self, database: Database, profile: Profile, change: Change) -> Profile:
        old, switches = profile.values, change.switches
        new = {n: value for n, value in change.values.items() if value != old[n]}
        interests = tuple(
            name for name in database.interests if switches.get(name, name in profile.interests)
        )
        if not new and interests == profile.interests:
            return profile
        now = self._clock.wall()
        columns = ("modified", "interests", *(database.fields[n].column for n in new))
        self._link.execute(
            _update(_table(database), columns),
            (now, json.dumps(interests), *new.values(), profile.ID),
        )
        merged = tuple(new.get(n, value) for n, value in enumerate(old))
        return replace(profile, modified=now, interests=interests, values=merged)


def _number(digits: str) -> int:
    return int(digits) if len(digits) < 20 else 0


def _table(database: Database) -> str:
    return f"profiles{database.ID}"


def _column_type(field: Field) -> str:
    if field.type in NUMBERS:
        return "INTEGER" if field.type == "integer" else "REAL"
    return "TEXT"


@lru_cache(maxsize=256)
def _insertion(table: str, columns: int) -> str:
    marks = ", ".join("?" * columns)
    return f"INSERT INTO {table} VALUES ({marks})"  # noqa: S608 - our own names


@lru_cache(maxsize=1024)
def _update(table: str, columns: tuple[str, ...]) -> str:
    places = ", ".join(f"{column} = ?" for column in columns)
    return f"UPDATE {table} SET {places} WHERE id = ?"  # noqa: S608 - our own names


def _profile(row: tuple[Any, ...]) -> Profile:
    interests = _names(row[4])
    return Profile(row[0], row[1], row[2], row[3], interests, row[len(_OWN) :])


@lru_cache(maxsize=1024)
def _names(written: str) -> tuple[str, ...]:
    return tuple(json.loads(written))
