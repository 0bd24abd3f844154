"""The paths for tests: journal, faults, choices, data, token, OpenAPI document; not of the API."""

import difflib
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.standin import choices, documents, faults, openapi, seed
from tests.standin.answers import JSON, Answer, empty, lines, refusal, written
from tests.standin.calls import Api
from tests.standin.clock import Clock
from tests.standin.journal import Journal

_INDEX = {
    "journal": "/__standin/journal",
    "faults": "/__standin/faults",
    "choices": "/__standin/choices",
    "seed": "/__standin/seed",
    "token": "/__standin/token",
    "openapi": "/openapi.json",
}

_DOCUMENT = json.dumps(openapi.document(), indent=2).encode()

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]


class Control:
    """The paths for tests. `start_seed` is the data to go back to."""

    def __init__(
        self,
        api: Api,
        chosen: choices.Choices,
        rules: faults.Faults,
        journal: Journal,
        *,
        start_seed: seed.Seed,
        clock: Clock,
    ) -> None:
        self._api = api
        self._chosen = chosen
        self._faults = rules
        self._journal = journal
        self._start_seed = start_seed
        self._clock = clock

    def application(self) -> Starlette:
        """Return the application that serves them."""
        methods = {
            "/__standin": (self._index, ["GET"]),
            "/__standin/journal": (self._about_journal, ["GET", "DELETE"]),
            "/__standin/faults": (self._about_faults, ["GET", "PUT", "POST", "DELETE"]),
            "/__standin/choices": (self._about_choices, ["GET"]),
            "/__standin/seed": (self._about_seed, ["PUT", "DELETE"]),
            "/__standin/token": (self._about_token, ["PUT"]),
            "/openapi.json": (self._about_api, ["GET"]),
        }
        return Starlette(
            routes=[
                Route(path, _guarded(endpoint), methods=allowed)
                for path, (endpoint, allowed) in methods.items()
            ],
            exception_handlers={HTTPException: _refused},
        )

    async def _index(self, _: Request) -> Answer:
        return written(200, _INDEX)

    async def _about_journal(self, request: Request) -> Answer:
        if request.method == "DELETE":
            self._journal.reset()
            return empty(204)
        after = request.query_params.get("after", "0")
        if not re.fullmatch(r"[0-9]{1,1000}", after):
            raise _Mistake("after must be the number of an entry, from 0 up")
        return lines(self._journal.described(int(after)))

    async def _about_faults(self, request: Request) -> Answer:
        try:
            match request.method:
                case "DELETE":
                    self._faults.replace([])
                case "PUT":
                    self._faults.replace(faults.parse(await _value(request)))
                case "POST":
                    self._faults.add(faults.parse(await _value(request)))
        except faults.FaultError as error:
            raise _Mistake(str(error)) from error
        return lines(self._faults.described())

    async def _about_choices(self, request: Request) -> Answer:
        described = choices.described(self._chosen)
        name = request.query_params.get("name")
        if name is None:
            return lines(described)
        found = [choice for choice in described if choice["name"] == name]
        if not found:
            near = difflib.get_close_matches(name, [choice["name"] for choice in described])
            hint = f"; is {' or '.join(near)} meant?" if near else ""
            raise _Mistake(f"there is no choice of that name{hint}")
        return lines(found)

    async def _about_seed(self, request: Request) -> Answer:
        if request.method == "DELETE":
            self._api.load(self._start_seed)
            return empty(204)
        try:
            self._api.load(seed.parse(await _value(request), self._clock))
        except seed.SeedError as error:
            raise _Mistake(str(error)) from error
        return empty(204)

    async def _about_token(self, request: Request) -> Answer:
        match await _value(request):
            case {"token": str(token), **rest} if token and not rest:
                self._api.tokens.replace(token)
                return empty(204)
        raise _Mistake('the body must be {"token": "..."}, with a text that is not empty')

    async def _about_api(self, _: Request) -> Answer:
        return Answer(200, _DOCUMENT)


class _Mistake(Exception):
    """The request makes no sense; the text says why."""


def _guarded(endpoint: Callable[[Request], Awaitable[Answer]]) -> Endpoint:
    async def guarded(request: Request) -> Response:
        try:
            answer = await endpoint(request)
        except _Mistake as mistake:
            answer = refusal(str(mistake))
        return _response(answer)

    return guarded


def _response(answer: Answer) -> Response:
    return Response(_line(answer), answer.status, dict(answer.headers))


def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    answer = refusal(error.detail, error.status_code)
    return Response(_line(answer), answer.status, error.headers, JSON)


def _line(answer: Answer) -> bytes:
    """End a body with a line end: it is read in terminals."""
    return answer.body and answer.body + b"\n"


async def _value(request: Request) -> Any:
    body = await request.body()
    try:
        return documents.read(body)
    except ValueError as error:
        raise _Mistake(f"the body cannot be read as JSON: {error}") from error
