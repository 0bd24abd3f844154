"""The calls of the API: which request does what, and its answer.

Checked in this order: the token, the number of path segments, the entity, the rest of the path,
the parameters, the body.
"""

from collections.abc import Iterable
from typing import Any

from tests.standin import body, pages, query
from tests.standin.answers import Answer, Refused, empty, refusal, written
from tests.standin.call import Call
from tests.standin.changes import Changes
from tests.standin.choices import Choices
from tests.standin.clock import Clock
from tests.standin.consumption import Consumption
from tests.standin.profiles import Profiles
from tests.standin.schema import Database
from tests.standin.seed import Seed
from tests.standin.store import Store
from tests.standin.tokens import Tokens
from tests.standin.upserts import Upserts
from tests.standin.versions import Version

_IDENTITY = {"id": "1", "name": "standin", "description": "Stand-in", "company": "Example"}


class Api:
    """Answers calls from a store, to those who know the token."""

    def __init__(self, store: Store, tokens: Tokens, choices: Choices, clock: Clock) -> None:
        self._store = store
        self.tokens = tokens
        self._choices = choices
        self._clock = clock
        self._changes = Changes(choices, clock)
        self._upserts = Upserts(choices, clock, self._changes)
        self._profiles = Profiles(self._changes)
        self._consumption = Consumption(clock)

    def load(self, databases: Seed) -> None:
        """Replace all data; changes that are still to come in the background are forgotten."""
        self._upserts.clear()
        # A call that is thinking goes on with the store that it began with.
        self._store = self._store.emptied()
        for database, profiles in databases:
            self._store.add(database, profiles)

    async def answer(self, call: Call) -> Answer:
        """Do what the call asks, or refuse it; only a time to think lets other calls in between."""
        version, segments = call.target()
        if segments == ["authenticate"] and call.method == "POST":
            return self._authenticate(call)
        parameters = query.decode(call.query)
        try:
            self._check_token(call, version, parameters)
            answer = await self._route(call, version, segments, parameters)
        except Refused as refused:
            answer = refusal(str(refused), refused.status)
        if answer.status < 400 or self._choices.count_errors == "yes":
            self._consumption.count()
        return answer

    def _authenticate(self, call: Call) -> Answer:
        try:
            if self.tokens.knows(body.read(call).get("access_token")):
                return Answer(200, self.tokens.make().encode(), (("Content-Type", "text/plain"),))
        except Refused as refused:
            return refusal(str(refused))
        return refusal("Invalid access token")

    def _check_token(self, call: Call, version: Version, parameters: query.Array) -> None:
        if version.bearer:
            if not self.tokens.authorizes(call.authorization):
                raise Refused("Invalid access token", self._choices.unauthorized_status)
        elif not self.tokens.knows(parameters.get("access_token")):
            raise Refused("Invalid access token")

    async def _route(
        self, call: Call, version: Version, segments: list[str], parameters: query.Array
    ) -> Answer:
        match segments:
            case [] | ["database"] | ["profile"]:
                missing = len(segments)
                raise Refused(f"Invalid request, element {missing} is missing in 'directory' path")
            case ["identity", *_] if call.method == "GET":
                return written(200, _IDENTITY)
            case ["consumption", *_] if call.method == "GET":
                return written(200, self._consumption.described(parameters))
            case ["profile", number, *rest]:
                return self._profiles.answer(self._store, call, version, number, rest)
            case ["database", name, *rest]:
                database = self._store.database(name)
                if database is None:
                    raise Refused("No database with supplied ID")
                return await self._database(call, version, database, rest, parameters)
        raise Refused("Invalid method")

    async def _database(
        self,
        call: Call,
        version: Version,
        database: Database,
        rest: list[str],
        parameters: query.Array,
    ) -> Answer:
        match call.method, rest[:1]:
            case "GET", []:
                return written(200, database.described())
            case "PUT", ["profiles"]:
                return await self._upserts.put(self._store, call, version, database, parameters)
            case "POST", ["profiles"]:
                return self._post(call, version, database)
            case "DELETE", ["profiles"]:
                return self._delete(call, version, database)
            case "GET", ["profiles"]:
                heed = self._choices.selection != "ignore"
                page = pages.profiles(self._store, database, parameters, self._clock, heed=heed)
                return written(200, page)
            case "GET", ["fields"]:
                described = [field.described() for field in database.fields]
                return written(200, pages.listed(described, parameters))
            case "GET", ["interests"]:
                return written(200, pages.listed(_interests(database.interests), parameters))
        raise Refused("Invalid method")

    def _post(self, call: Call, version: Version, database: Database) -> Answer:
        change = self._changes.of_profiles(call, version, database)
        if not self._changes.may_create(database, change):
            raise Refused("Failed to create profile")
        number = self._store.create(database, change).ID
        call.ids.append(number)
        return version.posted(number, call.place(f"profile/{number}"))

    def _delete(self, call: Call, version: Version, database: Database) -> Answer:
        numbers = body.array(body.read(call).get("profiles"))
        if numbers is None:
            raise Refused("Invalid data provided")
        for number in numbers.values():
            found = self._store.profile(str(number))
            if found and found[0] is database and not found[1].removed:
                self._store.remove(database, found[1])
                call.ids.append(found[1].ID)
        return empty(version.done().status)


def _interests(names: Iterable[str]) -> list[dict[str, Any]]:
    return [{"ID": str(n), "name": name, "group": ""} for n, name in enumerate(names, start=1)]
