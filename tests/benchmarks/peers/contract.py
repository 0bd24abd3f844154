"""What all peers share: what is set, what an event holds, the call it becomes, and the result.

The variables begin with PEER_; each peer brings its own clients for RabbitMQ and HTTP.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Literal

import uvloop
from pydantic import BaseModel, TypeAdapter
from pydantic_settings import BaseSettings, SettingsConfigDict

Loop = Literal["asyncio", "uvloop"]
LOOPS: tuple[Loop, ...] = ("asyncio", "uvloop")


class Settings(BaseSettings):
    """Where everything is, and how much may be under way."""

    model_config = SettingsConfigDict(env_prefix="PEER_")

    amqp_url: str
    api_url: str
    access_token: str
    loop: Loop = "asyncio"
    prefetch: int = 200
    connections: int = 64
    timeout: float = 30
    event_queue: str = "profile-sync.events"
    result_exchange: str = "profile-sync.results"


class Event(BaseModel):
    """What a message asks for."""

    id: str
    database: int
    where: dict[str, str]
    create: bool = False
    fields: dict[str, str] = {}
    interests: dict[str, bool] = {}

    @property
    def path(self) -> str:
        """The path of the call, below the API's URL."""
        return f"/database/{self.database}/profiles"

    @property
    def routing_key(self) -> str:
        """The routing key of the result."""
        return f"profile.updated.{self.database}"

    def query(self, access_token: str) -> tuple[tuple[str, str], ...]:
        """Return the parameters of the call."""
        conditions = [("fields[]", f"{name}=={value}") for name, value in self.where.items()]
        return (*conditions, ("create", f"{self.create:d}"), ("access_token", access_token))

    def body(self) -> dict[str, Any]:
        """Return the JSON of the call."""
        return {"fields": self.fields, "interests": self.interests}


class Profile(BaseModel):
    """A profile of the API's answer."""

    ID: str
    fields: dict[str, str]
    interests: list[str]
    database: str
    created: str
    modified: str
    removed: bool


class Result(BaseModel):
    """What is published."""

    event_id: str
    outcome: str
    database: str
    profiles: list[Profile]


_profiles = TypeAdapter(list[Profile])


def result(event: Event, answer: bytes) -> bytes:
    """Make the result of an event from the API's answer."""
    return (
        Result(
            event_id=event.id,
            outcome="updated",
            database=f"{event.database}",
            profiles=_profiles.validate_json(answer),
        )
        .model_dump_json()
        .encode()
    )


def run(program: Coroutine[Any, Any, None], loop: Loop) -> None:
    """Run a program on the chosen event loop, until it is ended."""
    factory = uvloop.new_event_loop if loop == "uvloop" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(program)
