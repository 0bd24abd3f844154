"""PUT database/{id}/profiles: change the profiles that match, or create one."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from tests.standin import conditions, query
from tests.standin.answers import Answer, Refused, written
from tests.standin.background import Background
from tests.standin.call import Call
from tests.standin.changes import Changes
from tests.standin.choices import Choices
from tests.standin.clock import Clock
from tests.standin.conditions import Selection
from tests.standin.schema import Change, Database
from tests.standin.store import Profile, Store
from tests.standin.values import truth
from tests.standin.versions import Version


@dataclass(frozen=True, slots=True)
class _Upsert:
    """One PUT of profiles, read; `allowed` says whether it may create, `ids` collects."""

    store: Store
    database: Database
    selection: Selection
    change: Change
    create: bool
    allowed: bool
    ids: list[int]

    def search(self) -> list[Profile]:
        return self.store.select(self.database, self.selection)

    def apply(self, matches: list[Profile]) -> list[Profile]:
        if matches or not self.create:
            touched = self.store.update(self.database, matches, self.change)
        elif self.allowed:
            touched = [self.store.create(self.database, self.change)]
        else:
            raise Refused("Failed to create profile")
        self.ids.extend(profile.ID for profile in touched)
        return touched

    def in_background(self) -> None:
        with suppress(Refused):
            self.apply(self.search())


class Upserts:
    """Carries out PUTs of profiles."""

    def __init__(self, choices: Choices, clock: Clock, changes: Changes) -> None:
        self._choices = choices
        self._clock = clock
        self._changes = changes
        self._background = Background(choices.async_delay)

    def clear(self) -> None:
        """Forget changes that are still to come."""
        self._background.clear()

    async def put(
        self,
        store: Store,
        call: Call,
        version: Version,
        database: Database,
        parameters: query.Array,
    ) -> Answer:
        """Change the profiles that match, or create one if none does and `create` is true.

        Raises:
            Refused: parameters or body make no sense, or the new profile is not allowed.
        """
        upsert = self._read(store, call, version, database, parameters)
        if truth(parameters.get("async")):
            self._background.add(upsert.in_background)
            return version.done()
        matches = upsert.search()
        seconds = self._choices.think_time if call.think_time is None else call.think_time
        if upsert.create and not matches and seconds:
            await asyncio.sleep(seconds)
            if self._choices.atomic_upsert:
                matches = upsert.search()
        touched = upsert.apply(matches)
        if self._choices.put_result == "list" and version.redirects:
            return written(200, [profile.described(database) for profile in touched])
        if touched and not matches:
            number = touched[0].ID
            return version.created(number, call.place(f"profile/{number}"))
        if self._choices.put_update_status == 303 and version.redirects:
            return version.changed(call.own_place())
        return version.done()

    def _read(
        self,
        store: Store,
        call: Call,
        version: Version,
        database: Database,
        parameters: query.Array,
    ) -> _Upsert:
        expressions = parameters.get("fields")
        if not isinstance(expressions, dict):
            raise Refused("URL parameter fields is required")
        legacy = self._choices.unknown_field == "ignore"
        read = conditions.optional if legacy else conditions.required
        selection = read(expressions.values(), database, self._clock)
        if self._choices.selection != "heed":
            selection = conditions.EVERYTHING
        change = self._changes.of_profiles(call, version, database)
        return _Upsert(
            store=store,
            database=database,
            selection=selection,
            change=change,
            create=truth(parameters.get("create")),
            allowed=self._changes.may_create(database, change),
            ids=call.ids,
        )
