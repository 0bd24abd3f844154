"""The same service as a competent user writes it in an afternoon with FastStream and httpx.

Written after their documentation: quorum queues, confirms, returned results raise, retries of the
API with backoff, an event that fails is rejected to the dead-letter exchange (their default), a bad
one with its reason. It takes the variables of profile-sync, and answers with the same results.
"""

import asyncio
import json
import os
import random
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import httpx
from faststream import AckPolicy, FastStream
from faststream.rabbit import (
    Channel,
    ExchangeType,
    QueueType,
    RabbitBroker,
    RabbitExchange,
    RabbitMessage,
    RabbitQueue,
)
from pydantic import BaseModel, ConfigDict, ValidationError

ATTEMPTS, BASE, LONGEST = 5, 0.1, 1.0  # seconds, as short as the campaign has them for ours

_env = {name.removeprefix("PROFILE_SYNC_"): value for name, value in os.environ.items()}
_token = Path(_env["SECRETS_DIR"], "access_token").read_text()
_in_flight = int(_env["MAX_IN_FLIGHT"])

api = httpx.AsyncClient(
    base_url=_env["API_URL"],
    params={"access_token": _token},
    timeout=float(_env["REQUEST_TIMEOUT"]),
    trust_env=False,
)
broker = RabbitBroker(
    _env["AMQP_URL"],
    default_channel=Channel(
        prefetch_count=_in_flight, publisher_confirms=True, on_return_raises=True
    ),
    graceful_timeout=float(_env["DRAIN_TIMEOUT"]),
)
app = FastStream(broker)


def _exchange(name: str) -> RabbitExchange:
    return RabbitExchange(f"profile-sync.{name}", type=ExchangeType.TOPIC, durable=True)


EVENTS, RESULTS, LETTERS = _exchange("events"), _exchange("results"), _exchange("dead-letters")
EVENT_QUEUE = RabbitQueue(
    "profile-sync.events",
    queue_type=QueueType.QUORUM,
    durable=True,
    routing_key="#",
    arguments={"x-dead-letter-exchange": LETTERS.name},
)


class Event(BaseModel):
    """The event, as the contract has it."""

    model_config = ConfigDict(extra="forbid")

    database: int
    where: dict[str, str] | list[str]
    fields: dict[str, str | int | float | bool] = {}
    interests: list[str] | dict[str, bool] = []
    create: bool = False
    expect: Literal["one", "many"] = "one"
    id: str | None = None


class Refused(Exception):
    """The event cannot be done; the text is the reason."""


def _parsed(body: bytes) -> Event:
    try:
        event = Event.model_validate_json(body)
    except ValidationError as error:
        invalid = any(each["type"] == "json_invalid" for each in error.errors())
        raise Refused("invalid-json" if invalid else "invalid-event") from None
    if isinstance(event.where, dict) and not all(event.where.values()):
        raise Refused("unsafe-selection")
    return event


async def _put(event: Event) -> httpx.Response:
    where = event.where
    if isinstance(where, dict):
        where = [f"{name}=={value}" for name, value in where.items()]
    params: dict[str, Any] = {"fields[]": where}
    if event.create:
        params["create"] = "1"
    fields = {**(event.where if isinstance(event.where, dict) else {}), **event.fields}
    body = {"fields": fields, "interests": event.interests}
    path = f"/database/{event.database}/profiles"
    for attempt in range(ATTEMPTS):
        if attempt:
            await asyncio.sleep(random.uniform(0, min(LONGEST, BASE * 2**attempt)))  # noqa: S311
        try:
            response = await api.put(path, params=params, json=body)
        except httpx.TransportError:
            continue
        if response.status_code == 400:
            message = response.json()["error"]["message"]
            raise Refused("unknown-database" if "No database" in message else "refused")
        if response.status_code < 400:
            if not response.content:
                response = await api.get(path, params={"fields[]": where})
            return response.raise_for_status()
    raise RuntimeError("the API does not answer")


async def _publish(message: RabbitMessage, outcome: str, **facts: Any) -> None:
    with_id = facts.get("event_id") or message.message_id
    result = {"outcome": outcome, "reason": None, "detail": None, "profiles": [], **facts}
    result["finished_at"] = datetime.now(UTC).isoformat()
    await broker.publish(
        json.dumps(result).encode(),
        exchange=RESULTS,
        routing_key=f"profile.{outcome}.{facts.get('database', 'unknown')}",
        message_id=str(uuid.uuid5(uuid.NAMESPACE_OID, with_id)),
        correlation_id=message.correlation_id,
        message_type=f"profile.{outcome}",
        content_type="application/json",
        persist=True,
    )


@broker.subscriber(EVENT_QUEUE, EVENTS, ack_policy=AckPolicy.REJECT_ON_ERROR, no_reply=True)
async def handle(message: RabbitMessage) -> None:
    """Put one event into the API, and publish what came of it."""
    event_id = None
    try:
        event = _parsed(message.body)
        event_id = event.id
        response = await _put(event)
    except Refused as refused:
        await broker.publish(
            message.body,
            exchange=LETTERS,
            routing_key="refused",
            headers={"profile-sync-reason": str(refused)},
            correlation_id=message.correlation_id,
            persist=True,
        )
        reason = str(refused)
        await _publish(message, "rejected", reason=reason, event_id=event_id)
        return
    outcome = "created" if "X-Created" in response.headers else "updated"
    found = response.json()
    profiles = found["data"] if isinstance(found, dict) else found
    for profile in profiles:
        profile.pop("secret", None)
    await _publish(
        message,
        outcome,
        event_id=event_id,
        database=f"{event.database}",
        profiles=profiles,
    )


@app.after_startup
async def declare_queues() -> None:
    """Make the exchanges and queues for what comes out, and bind them."""
    for name, exchange in (("results", RESULTS), ("dead-letters", LETTERS)):
        declared = await broker.declare_exchange(exchange)
        queue = await broker.declare_queue(
            RabbitQueue(f"profile-sync.{name}", queue_type=QueueType.QUORUM, durable=True)
        )
        await queue.bind(declared, "#")


if __name__ == "__main__":
    asyncio.run(app.run())
