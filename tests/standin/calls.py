"""The calls of the API: which request does what, and its answer.

Checked in this order: the token, the number of path segments, the entity, the rest of the path,
the parameters, the body.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import unquote

from tests.standin import body, conditions, pages, query
from tests.standin.answers import Answer, Refused, refusal, written
from tests.standin.schema import Database
from tests.standin.store import Profile, Store
from tests.standin.values import truth

PutResult = Literal["list", "empty"]

_IDENTITY = {"id": "1", "name": "standin", "description": "Stand-in", "company": "Example"}


@dataclass(slots=True)
class Call:
    """A request as it came in; `ids` collects the profiles it touches."""

    method: str
    path: bytes
    query: str
    content_type: str
    host: str
    body: bytes
    ids: list[int] = field(default_factory=list)


class Api:
    """Answers calls from a store.

    `put_result` says what a PUT of profiles answers: the list of profiles that the page promises,
    or the empty body that the API sends since 2020. `async_delay` is in seconds.
    """

    def __init__(self, store: Store, token: str, put_result: PutResult, async_delay: float) -> None:
        self._store = store
        self._token = token
        self._put_result = put_result
        self._async_delay = async_delay
        self._waiting: deque[Callable[[], object]] = deque()

    def answer(self, call: Call) -> Answer:
        """Do what the call asks, or refuse it."""
        segments = [unquote(part) for part in call.path.decode().split("/") if part]
        version = segments.pop(0) if segments[:1] in (["v2"], ["v3"]) else "v2"
        parameters = query.decode(call.query)
        try:
            self._check_token(parameters)
            return self._route(call, version, segments, parameters)
        except Refused as refused:
            return refusal(str(refused))

    def _check_token(self, parameters: query.Array) -> None:
        if parameters.get("access_token") != self._token:
            raise Refused("Invalid access token")

    def _route(
        self, call: Call, version: str, segments: list[str], parameters: query.Array
    ) -> Answer:
        match segments:
            case [] | ["database"] | ["profile"]:
                missing = len(segments)
                raise Refused(f"Invalid request, element {missing} is missing in 'directory' path")
            case ["identity", *_] if call.method == "GET":
                return written(200, _IDENTITY)
            case ["profile", number, *rest]:
                return self._profile(call, number, rest)
            case ["database", name, *rest]:
                database = self._store.database(name)
                if database is None:
                    raise Refused("No database with supplied ID")
                return self._database(call, version, database, rest, parameters)
        raise Refused("Invalid method")

    def _database(
        self,
        call: Call,
        version: str,
        database: Database,
        rest: list[str],
        parameters: query.Array,
    ) -> Answer:
        match call.method, rest[:1]:
            case "PUT", ["profiles"]:
                return self._put(call, version, database, parameters)
            case "POST", ["profiles"]:
                return self._post(call, database)
            case "GET", ["profiles"]:
                return written(200, pages.profiles(self._store, database, parameters))
            case "GET", ["fields"]:
                described = [field.described() for field in database.fields]
                return written(200, pages.listed(described, parameters))
            case "GET", ["interests"]:
                interests = [
                    {"ID": str(n), "name": name, "group": ""}
                    for n, name in enumerate(database.interests, start=1)
                ]
                return written(200, pages.listed(interests, parameters))
        raise Refused("Invalid method")

    def _profile(self, call: Call, number: str, rest: list[str]) -> Answer:
        found = self._store.profile(int(number[:18])) if number.isdecimal() else None
        if found is None:
            raise Refused("No entity with supplied ID")
        database, profile = found
        match call.method, rest[:1]:
            case "GET", []:
                return written(200, profile.described(database))
            case "GET", ["fields"]:
                return written(200, profile.fields(database))
        raise Refused("Invalid method")

    def _put(self, call: Call, version: str, database: Database, parameters: query.Array) -> Answer:
        expressions = parameters.get("fields")
        if not isinstance(expressions, dict):
            raise Refused("URL parameter fields is required")
        selection = conditions.required(expressions.values(), database)
        sent = body.read(call.body, call.content_type)
        values = database.values(body.fields(sent))
        switches = database.switches(sent.get("interests"))
        create = truth(parameters.get("create"))

        def apply() -> tuple[list[Profile], bool]:
            matches = self._store.select(database, selection)
            creates = create and not matches
            if creates:
                touched = [self._store.create(database, values, switches)]
            else:
                touched = self._store.update(database, matches, values, switches)
            call.ids.extend(profile.ID for profile in touched)
            return touched, creates

        if truth(parameters.get("async")):
            self._later(apply)
            return Answer(204, headers=()) if version == "v3" else Answer(200)
        touched, created = apply()
        return self._put_answer(call, version, [p.described(database) for p in touched], created)

    def _put_answer(
        self, call: Call, version: str, profiles: list[dict[str, Any]], created: bool
    ) -> Answer:
        if version == "v3" and not created:
            return Answer(204, headers=())
        if version == "v2" and self._put_result == "list":
            return written(200, profiles)
        if not created:
            return Answer(200)
        number = profiles[0]["ID"]
        place = f"http://{call.host}/profile/{number}"
        if version == "v3":
            return _created(number, 201, ("X-location", place))
        return _created(number, 303, ("Location", f"{place}?{call.query}"))

    def _post(self, call: Call, database: Database) -> Answer:
        sent = body.read(call.body, call.content_type)
        values = database.values(body.fields(sent))
        switches = database.switches(sent.get("interests"))
        profile = self._store.create(database, values, switches)
        call.ids.append(profile.ID)
        return _created(str(profile.ID), 201)

    def _later(self, change: Callable[[], object]) -> None:
        self._waiting.append(change)
        asyncio.get_running_loop().call_later(self._async_delay, self._apply_oldest)

    def _apply_oldest(self) -> None:
        # A timer applies the oldest change, not its own, so that changes keep their order.
        self._waiting.popleft()()


def _created(number: str, status: int, *headers: tuple[str, str]) -> Answer:
    return Answer(status, headers=(*Answer(status).headers, ("X-Created", number), *headers))
