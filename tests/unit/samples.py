"""Events, updates, deliveries and settings to test with."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from service.events import InvalidEvent, ProfileUpdate, parse
from service.messages import Delivery, Properties
from service.settings import Settings
from tests.unit.agreement import verdict

TOKEN = "tok-3f9c+x/y="
MAX_BYTES = 262144


def event(**changes: Any) -> dict[str, Any]:
    """A valid event; `None` takes a key out."""
    merged = {
        "database": 1234,
        "where": {"customerid": "4567"},
        "fields": {"firstname": "John"},
        **changes,
    }
    return {name: value for name, value in merged.items() if value is not None}


def body(content: object) -> bytes:
    """Write a message body; bytes stay as they are."""
    return content if isinstance(content, bytes) else json.dumps(content).encode()


def update(**changes: Any) -> ProfileUpdate:
    """What a valid event is parsed to, and valid for the schema; `async_` stands for `async`."""
    if "async_" in changes:
        changes["async"] = changes.pop("async_")
    content = body(event(**changes))
    assert verdict(content) == "taken"
    return parse(content, Properties(), MAX_BYTES)


def refused(content: object, properties: Properties | None = None) -> InvalidEvent:
    """Why an event is invalid; for the schema too, if its body alone makes it so."""
    if properties is None:
        assert verdict(body(content)) != "taken"
    with pytest.raises(InvalidEvent) as caught:
        parse(body(content), properties or Properties(), MAX_BYTES)
    return caught.value


def delivery(
    content: object = b"{}", headers: Mapping[str, Any] | None = None, **properties: Any
) -> Delivery:
    """A message as it comes from RabbitMQ; its acknowledgement goes nowhere."""
    return Delivery(
        body(content),
        Properties(headers=headers or {}, **properties),
        "profile-sync.events",
        "profile.update",
        False,
        lambda: None,
    )


def settings(**values: Any) -> Settings:
    """Settings with a token; the environment of the unit tests is empty."""
    return Settings.load(**{"access_token": TOKEN, **values})


def profile(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A profile as the API writes it."""
    return {
        "ID": str(number),
        "fields": {"customerid": "4567", "firstname": "John"},
        "interests": ["football"],
        "database": "1234",
        "secret": "e5903b43c08",
        "created": "2013-01-06 14:19:51",
        "modified": "2020-02-03 10:00:00",
        "removed": False,
        **changes,
    }
