"""The events of a campaign, drawn from a seed, each with what must become of it."""

import json
import random
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from tests.campaign.evidence import MANY, Sent
from tests.campaign.queues import routing_key

DATABASE = 1234
KEYS = [f"key{number:02}" for number in range(40)]
HOT = "hot"

_ZIPF = [1 / rank**1.1 for rank in range(1, len(KEYS) + 1)]
_HOT, _NEW, _BAD, _MANY = 0.20, 0.05, 0.02, 0.01
_NO_ID = 0.05
_BLOCKED = "126.com"  # the domain for which the stand-in refuses to create profiles


def seed_data() -> dict[str, Any]:
    """Give the stand-in's data: the keys that are there from the start."""
    fields = [
        {"name": "customerid", "type": "text", "index": True},
        {"name": "firstname", "type": "text"},
        {"name": "lastname", "type": "text"},
        {"name": "email", "type": "email", "index": True},
    ]
    profiles = [{"fields": {"customerid": key}} for key in (*KEYS, HOT)]
    database = {"id": DATABASE, "name": "Customers", "fields": fields, "profiles": profiles}
    return {"databases": [database]}


@dataclass(frozen=True, slots=True)
class _Draft:
    key: str
    event: dict[str, Any]
    reason: str | None = None
    raw: bytes | None = None


def events(seed: int) -> Iterator[Sent]:
    """Draw events without end: updates, new keys, events for many profiles, bad events."""
    dice = random.Random(f"events {seed}")  # noqa: S311 - nothing secret
    numbers = Counter[str]()
    new, bad = count(1), count(1)
    followers = deque[str]()  # new keys that are to be written again
    while True:
        draw = dice.random()
        if draw < _HOT:
            draft = _update(HOT)
        elif draw < _HOT + _NEW:
            key = f"new{next(new)}"
            followers.extend([key] * dice.randrange(3))
            draft = _create(key)
        elif draw < _HOT + _NEW + _BAD:
            draft = _bad(dice, f"bad{next(bad)}")
        elif draw < _HOT + _NEW + _BAD + _MANY:
            draft = _for_many()
        elif followers and dice.random() < 0.1:
            draft = _create(followers.popleft())
        else:
            draft = _update(dice.choices(KEYS, _ZIPF)[0])
        numbers[draft.key] += 1
        yield _sent(draft, numbers[draft.key], with_id=dice.random() >= _NO_ID)


def _update(key: str) -> _Draft:
    return _Draft(key, {"database": DATABASE, "where": {"customerid": key}, "fields": {}})


def _create(key: str) -> _Draft:
    event = _update(key).event
    return _Draft(key, {**event, "create": True})


def _for_many() -> _Draft:
    where = ["customerid!=nobody"]
    return _Draft(MANY, {"database": DATABASE, "where": where, "expect": "many", "fields": {}})


def _bad(dice: random.Random, key: str) -> _Draft:
    good = _update(key).event
    refused = {"fields": {"email": f"someone@{_BLOCKED}"}, "create": True}
    return dice.choice([
        _Draft(key, good, "invalid-json", b'{"database": 1234, '),
        _Draft(key, {**good, "colour": "red"}, "invalid-event"),
        _Draft(key, {**good, "fields": {"lastname": None}}, "invalid-event"),
        _Draft(key, {**good, "where": {"customerid": ""}}, "unsafe-selection"),
        _Draft(key, {**good, "fields": {"fristname": "x"}}, "unknown-field"),
        _Draft(key, {**good, "fields": {"email": "nowhere"}}, "invalid-value"),
        _Draft(key, {**good, "database": 999}, "unknown-database"),
        _Draft(key, {**good, **refused}, "refused"),
    ])  # fmt: skip


def _sent(draft: _Draft, number: int, with_id: bool) -> Sent:
    uid = f"{draft.key}-{number}" if draft.key != MANY else f"many-{number}"
    field = "lastname" if draft.key == MANY else "firstname"
    event = {**draft.event, "fields": {field: f"{number}", **draft.event["fields"]}}
    named = with_id and draft.raw is None
    if named:
        event["id"] = f"evt-{uid}"
    return Sent(
        uid=uid,
        key=draft.key,
        number=number,
        body=draft.raw or json.dumps(event).encode(),
        event_id=event.get("id"),
        create="create" in event,
        reason=draft.reason,
        routing_key=_route(draft.event),
    )


def _route(event: Mapping[str, Any]) -> str:
    where = event["where"]
    if isinstance(where, dict):
        where = [f"{field}=={value}" for field, value in where.items()]
    return routing_key(event["database"], *where)
