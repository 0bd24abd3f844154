"""A stand-in without a socket, for tests that make many calls."""

import json
from datetime import UTC, datetime
from random import Random
from typing import Any

from service.catalogue import Catalogue, catalogue
from service.profiles import Call, Response, get_fields, get_interests, get_profiles
from tests.contract.standins import TOKEN
from tests.standin import call as standin
from tests.standin import seed
from tests.standin.calls import Api
from tests.standin.choices import Choices
from tests.standin.clock import Clock
from tests.standin.store import Store
from tests.standin.tokens import Tokens

FIELDS: list[dict[str, Any]] = [
    {"name": "CustomerID", "type": "text", "index": True},
    {"name": "Email", "type": "email"},
    {"name": "Age", "type": "integer", "default": "-1"},
    {"name": "Country", "type": "select", "choices": ["nl", "be", "de"], "default": "nl"},
    {"name": "Joined", "type": "empty_date"},
    {"name": "Notes", "type": "big"},
]
INTERESTS = ["football", "baseball", "tennis"]


def dice() -> Random:
    return Random(1)  # noqa: S311 - the secrets of one stand-in are to be those of the other


class InProcess:
    """A stand-in with one database, in this process; its clock stands still unless told not to."""

    def __init__(self, profiles: list[dict[str, Any]], clock: Clock | None = None) -> None:
        clock = clock or Clock(datetime(2026, 11, 23, 10, tzinfo=UTC))
        self._api = Api(Store(clock, dice), Tokens(TOKEN, clock, dice()), Choices(), clock)
        database = {"id": 1, "name": "Customers", "fields": FIELDS, "interests": INTERESTS}
        self._api.load(seed.parse({"databases": [{**database, "profiles": profiles}]}, clock))

    async def respond(self, call: Call) -> Response:
        """Carry out a call of the service."""
        answer = await self._api.answer(
            standin.Call(
                method=call.method,
                path=f"/v2{call.path}".encode(),
                query=f"{call.query}&access_token={TOKEN}",
                content_type=call.content_type,
                host="127.0.0.1",
                authorization="",
                body=call.body or b"",
            )
        )
        headers = {name.lower(): value for name, value in answer.headers}
        return Response(answer.status, headers, answer.body)

    async def send(self, call: Call) -> Any:
        """Carry out a call of the service; what the answer's body says."""
        answer = await self.respond(call)
        assert answer.status < 300, answer.body
        return json.loads(answer.body)

    async def known(self) -> Catalogue:
        fields = await self.send(get_fields("1", 0))
        interests = await self.send(get_interests("1", 0))
        return catalogue("1", fields["data"], interests["data"])

    async def profiles(self) -> list[Any]:
        found: list[Any] = (await self.send(get_profiles("1", ())))["data"]
        return found
