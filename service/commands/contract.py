"""What senders and readers rely on, as JSON Schema 2020-12, made from what the code really uses."""

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from service.commands import examples
from service.events import Event
from service.messages import Kind
from service.results import Marks, Result, header
from service.shapes import ATTRIBUTE, OCCURRED_AT, Schema

_PARTS: Mapping[Kind, tuple[str, ...]] = {
    "event": ("Event", "CloudEvent"),
    "result": ("Result", "Profile"),
    "dead-letter": ("DeadLetterHeaders", "BrokerDeadLetterHeaders"),
}
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_ABOUT: Mapping[Kind, str] = {
    "event": "The body of a message to the event exchange, plain or as a CloudEvent in structured "
    "form. No schema can tell all: refused are also a key that stands twice, a number with more "
    "digits than JSON numbers keep, one name in two spellings, a create that writes another value "
    "than it selects by, and names and values that do not fit the database.",
    "result": "The body of a message from the result exchange: what became of one event. More keys "
    "may come.",
    "dead-letter": "The headers of a message from the dead-letter exchange. Its body is that of "
    "the event, byte for byte, whatever it is.",
}

_RESULT: Mapping[str, Schema] = {
    "event_id": {
        "minLength": 1,
        "maxLength": 255,
        "description": "The event's id, or its message's message_id, or a UUID made from the body",
    },
    "outcome": {
        "description": "updated: profiles matched and were updated. created: none matched, a new "
        "one was made. unmatched: none matched, nothing changed. accepted: the API works on in "
        "the background. rejected: the event is invalid, or the API refused it. failed: the API "
        "kept failing on it while it answered others"
    },
    "database": {
        "minLength": 1,
        "description": "The numeric id; the name, or unknown, where nobody knows it",
    },
    "profiles": {"description": "As the API gives them back, without their secret"},
    "matched": {"description": "How many profiles matched, a new one included; null if unknown"},
    "source": {
        "description": "Where the profiles come from. put: the API's answer. read-back: one more "
        "call. none: there are none"
    },
    "coalesced": {
        "minimum": 1,
        "description": "How many events its call carried: with COALESCE several may share one",
    },
    "attempts": {"minimum": 0, "description": "PUTs made for the event; 0 if nothing was sent"},
    "status": {"description": "The HTTP status of the last PUT; null if there was none"},
    "reason": {"description": "Why it was rejected or failed; else null"},
    "detail": {"description": "The same in words; or why profiles are missing"},
    "received_at": {"description": "When the event came from RabbitMQ"},
    "finished_at": {"description": "When its end was known"},
}

_MARKS: Mapping[str, Schema] = {
    "reason": {"description": "Why the event was rejected or failed, as in its result"},
    "detail": {"maxLength": 1000, "description": "The same in words, without the event's values"},
    "status": {"description": "The HTTP status of the last PUT, if there was one"},
    "attempts": {"minimum": 0, "description": "PUTs made for the event"},
    "failed_at": {"format": "date-time", "description": "When the event ended"},
    "exchange": {"description": "Where the event was published"},
    "routing_key": {"description": "The routing key it had"},
    "dropped_headers": {
        "description": "Names of the event's headers and properties that are missing here, with "
        "commas between; * if none could be read"
    },
}


class _Generator(GenerateJsonSchema):
    """Makes schemas in the order of the code, without titles, and defaults that say nothing."""

    def sort(self, value: Schema, parent_key: str | None = None) -> Schema:  # noqa: ARG002
        return value

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> Schema:
        made = super().default_schema(schema)
        if self.mode == "serialization" or made.get("default", made) is None:
            made.pop("default", None)
        return made


def document(kind: Kind | None = None) -> Schema:
    """Make the schema of one kind of message, or one document that has all three in `$defs`."""
    parts = definitions("#/$defs/")
    if kind is None:
        return {
            "$schema": _DIALECT,
            "title": "profile-sync",
            "description": "The messages of profile-sync: #/$defs/event, #/$defs/result, "
            "#/$defs/dead-letter.",
            "$defs": {**{each: _whole(each) for each in get_args(Kind)}, **parts},
        }
    return {
        "$schema": _DIALECT,
        "title": f"profile-sync {kind}",
        **_whole(kind),
        "$defs": {name: parts[name] for name in _PARTS[kind]},
    }


def definitions(place: str) -> dict[str, Schema]:
    """Make the schemas of all forms by name; `place` is what refers to where they will be."""
    return {
        "Event": _event(),
        "CloudEvent": _cloud_event(place),
        "Result": _result(place),
        "Profile": _PROFILE,
        "DeadLetterHeaders": _dead_letter(),
        "BrokerDeadLetterHeaders": _BROKER_DEAD_LETTER,
    }


def _whole(kind: Kind) -> Schema:
    first, second = ({"$ref": f"#/$defs/{part}"} for part in _PARTS[kind])
    match kind:
        case "event":
            # Not anyOf: a validator then says what is wrong with the one form that is meant.
            chosen: Schema = {"if": {"required": ["specversion"]}, "then": second, "else": first}
        case "result":
            chosen = first
        case "dead-letter":
            chosen = {"anyOf": [first, second]}
    return {"description": _ABOUT[kind], **chosen}


def _event() -> Schema:
    made = Event.model_json_schema(by_alias=True, schema_generator=_Generator)
    return {**made, "examples": list(examples.EVENTS)}


def _cloud_event(place: str) -> Schema:
    names = ("specversion", "id", "source", "type")
    return {
        "title": "CloudEvent",
        "description": "A CloudEvent 1.0 in structured form; further attributes do no harm. Its id "
        "and time serve if the event in data has none.",
        "type": "object",
        "required": [*names, "data"],
        "properties": {
            **dict.fromkeys(names, ATTRIBUTE),
            "specversion": {"const": "1.0"},
            "data": {"$ref": f"{place}Event"},
        },
        "anyOf": [
            {"properties": {"time": {"anyOf": [OCCURRED_AT, {"type": "null"}]}}},
            {"properties": {"data": {"required": ["occurred_at"]}}},
        ],
        "examples": [examples.CLOUD_EVENT],
    }


def _result(place: str) -> Schema:
    made = _described(Result, _RESULT)
    made["properties"]["profiles"]["items"] = {"$ref": f"{place}Profile"}
    return {
        **made,
        "title": "Result",
        "description": "What became of one event.",
        "required": list(made["properties"]),
        "if": {"properties": {"outcome": {"enum": ["rejected", "failed"]}}},
        "then": {"properties": {"reason": {"type": "string"}}},
        "else": {"properties": {"reason": {"type": "null"}}},
        "examples": list(examples.RESULTS),
    }


def _dead_letter() -> Schema:
    made = _described(Marks, _MARKS)
    return {
        "title": "DeadLetterHeaders",
        "description": "The headers of a rejected or failed event, besides its own.",
        "type": "object",
        "required": [header(name) for name in made["required"]],
        "properties": {
            header(name): _without_null(schema) for name, schema in made["properties"].items()
        },
        "examples": [examples.DEAD_LETTER],
    }


def _described(kind: type, words: Mapping[str, Schema]) -> Schema:
    """Make the schema of a dataclass as it is written to JSON, and say what its keys mean."""
    made = TypeAdapter(kind).json_schema(schema_generator=_Generator, mode="serialization")
    properties = {
        name: {**_in_one(schema), **words[name]} for name, schema in made["properties"].items()
    }
    return {**made, "properties": properties}


def _in_one(schema: Schema) -> Schema:
    """Write a choice of simple kinds, such as a number or null, as one kind."""
    kinds = schema.get("anyOf")
    if kinds is None:
        return schema
    types = list(dict.fromkeys(kind["type"] for kind in kinds))
    choices = [choice for kind in kinds for choice in kind.get("enum", ())]
    if not choices:
        return {"type": types}
    return {"type": types, "enum": [*choices, *([None] if "null" in types else [])]}


def _without_null(schema: Schema) -> Schema:
    """Take null out: a header that would be null is not there."""
    match schema:
        case {"type": [kind, "null"], "enum": choices, **rest}:
            return {"type": kind, "enum": [one for one in choices if one is not None], **rest}
        case {"type": [kind, "null"], **rest}:
            return {"type": kind, **rest}
        case _:
            return schema


_PROFILE: Schema = {
    "title": "Profile",
    "description": "A profile as the API writes it; all values are strings but for what is named "
    "here otherwise. secret is there with RESULT_INCLUDE_SECRET alone.",
    "type": "object",
    "required": ["ID"],
    "properties": {
        "ID": {"type": ["string", "integer"]},
        "fields": {"description": "The value of each field, by name"},
        "interests": {"description": "The names of the interests that are switched on"},
        "database": {"type": ["string", "integer"], "description": "The database's numeric id"},
        "created": {"description": "Wall time of the account, like 2026-11-23 11:00:00"},
        "modified": {"description": "Likewise"},
        "removed": {"description": "false, or when it was removed"},
        "secret": {"description": "A code that gives access to the profile"},
    },
}

_BROKER_DEAD_LETTER: Schema = {
    "title": "BrokerDeadLetterHeaders",
    "description": "The headers that RabbitMQ itself adds to an event that it dead-letters. It has "
    "no result.",
    "type": "object",
    "required": ["x-death"],
    "properties": {
        "x-death": {
            "description": "The newest first.",
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["reason", "queue"],
                "properties": {
                    "reason": {
                        "type": "string",
                        "description": "delivery_limit: delivered DELIVERY_LIMIT times. expired: "
                        "its sender gave it an expiration",
                    },
                    "queue": {"type": "string"},
                    "exchange": {"type": "string"},
                    "routing-keys": {"type": "array", "items": {"type": "string"}},
                    "count": {"type": "integer"},
                },
            },
        }
    },
    "examples": [examples.BROKER_DEAD_LETTER],
}
