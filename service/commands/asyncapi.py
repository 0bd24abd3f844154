"""What travels through RabbitMQ, and by which ways, as an AsyncAPI 3.0 document with AMQP bindings.

The properties of AMQP have no place in AsyncAPI: `x-amqp-properties` of a message is their schema.
"""

from typing import get_args
from urllib.parse import quote, unquote, urlsplit

from service import cloudevents
from service.commands import examples
from service.commands.contract import definitions
from service.outcomes import Outcome
from service.results import LONGEST_TRACE, PERSISTENT, TRACE_HEADERS
from service.settings import Settings
from service.shapes import ATTRIBUTE, Schema
from service.topology import Queue, Role, event_queues, topology

_BINDING = {"bindingVersion": "0.3.0"}
_SCHEMAS = "#/components/schemas/"
_PORTS = {"amqp": 5672, "amqps": 5671}
_TEXT: Schema = {"type": "string"}

_TRACE: Schema = {
    name: {"type": "string", "maxLength": LONGEST_TRACE, "description": "The event's, passed on"}
    for name in TRACE_HEADERS
}


def asyncapi(settings: Settings, version: str) -> Schema:
    """Make the document from the view of the service; it has no credentials."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "profile-sync",
            "version": version,
            "description": "Takes profile-update events from RabbitMQ, turns each into an API call "
            "of Copernica, and publishes what came of it. Sent and received is from the view of "
            "the service: others publish to events, and consume the queues of results and dead "
            "letters, or queues of their own.",
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": _servers(settings),
        "channels": _channels(settings),
        "operations": _operations(settings),
        "components": {
            "messages": _messages(),
            "schemas": definitions(_SCHEMAS),
            "securitySchemes": {
                "login": {"type": "userPassword", "description": "A user of RabbitMQ"},
            },
        },
    }


def _servers(settings: Settings) -> Schema:
    urls = settings.amqp_urls
    names = ["rabbitmq"] if len(urls) == 1 else [f"rabbitmq{n}" for n in range(1, len(urls) + 1)]
    return {name: _server(url) for name, url in zip(names, urls, strict=True)}


def _server(url: str) -> Schema:
    parts = urlsplit(url)
    host = parts.hostname or ""
    return {
        "host": f"{f'[{host}]' if ':' in host else host}:{parts.port or _PORTS[parts.scheme]}",
        "pathname": f"/{quote(_virtual_host(url), safe='')}",
        "protocol": parts.scheme,
        "protocolVersion": "0-9-1",
        "description": "RabbitMQ 3.10 or newer; the path is the virtual host",
        "security": [{"$ref": "#/components/securitySchemes/login"}],
    }


def _virtual_host(url: str) -> str:
    return unquote(urlsplit(url).path[1:]) or "/"


def _channels(settings: Settings) -> Schema:
    host = _virtual_host(settings.amqp_urls[0])
    any_key: Schema = {
        "routingKey": {"description": "Any: the queue is bound with #", "default": "profile.update"}
        if settings.partitions == 1
        else {"description": "SHA-256 in hex of database id and conditions, as README has it"}
    }
    event_key: Schema = {"routingKey": {"description": "The one that the event had"}}
    result_key: Schema = {
        "outcome": {"enum": list(get_args(Outcome))},
        "database": {
            "description": "The numeric id, or unknown where nobody knows it",
            "examples": ["1234"],
        },
    }
    forms = ("Event", "CloudEvent", "BinaryCloudEvent")
    letters = ("DeadLetter", "BrokerDeadLetter")
    ways = (
        ("events", "event", "{routingKey}", any_key, forms),
        ("results", "result", "profile.{outcome}.{database}", result_key, ("Result",)),
        ("deadLetters", "dead_letter", "{routingKey}", event_key, letters),
    )
    wanted = topology(settings)
    roles: dict[str, Role] = {"event": "events", "result": "results", "dead_letter": "dead letters"}
    sources = {one.destination: one.source for one in wanted.bindings if one.kind == "queue"}
    channels: Schema = {}
    for name, role, address, parameters, messages in ways:
        exchange = getattr(settings, f"{role}_exchange")
        channels[name] = _exchange(exchange, host, address, parameters, messages)
        queues = [queue for queue in wanted.queues if queue.role == roles[role]]
        for number, queue in enumerate(queues):
            key = f"{name}Queue{number if len(queues) > 1 else ''}"
            channels[key] = _queue(queue, sources[queue.name], host, messages)
    return channels


def _exchange(
    name: str, host: str, address: str, parameters: Schema, messages: tuple[str, ...]
) -> Schema:
    return {
        "address": address,
        "title": f"Exchange {name}",
        "description": "The address is the routing key.",
        "messages": _named(messages),
        "parameters": parameters,
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": {
                    "name": name,
                    "type": "topic",
                    "durable": True,
                    "autoDelete": False,
                    "vhost": host,
                },
                **_BINDING,
            }
        },
    }


def _queue(queue: Queue, source: str, host: str, messages: tuple[str, ...]) -> Schema:
    return {
        "address": queue.name,
        "title": f"Queue {queue.name}",
        "description": f"It is bound to the exchange {source} with #.",
        "messages": _named(messages),
        "bindings": {
            "amqp": {
                "is": "queue",
                "queue": {
                    "name": queue.name,
                    "durable": True,
                    "exclusive": False,
                    "autoDelete": False,
                    "vhost": host,
                },
                **_BINDING,
            }
        },
        "x-queue-arguments": dict(queue.arguments),
    }


def _named(messages: tuple[str, ...]) -> Schema:
    return {name: {"$ref": f"#/components/messages/{name}"} for name in messages}


def _operations(settings: Settings) -> Schema:
    publishing = {"deliveryMode": PERSISTENT, "mandatory": True, **_BINDING}
    return {
        "takeEvents": {
            "action": "receive",
            "channel": {"$ref": "#/channels/events"},
            "summary": "Take events, in order, and write each to the API.",
            "description": f"They come through {_ways(settings)}. An event is "
            "acknowledged once RabbitMQ has confirmed all that it ended with.",
            "bindings": {"amqp": {"ack": True, **_BINDING}},
        },
        "publishResults": {
            "action": "send",
            "channel": {"$ref": "#/channels/results"},
            "summary": "Tell what became of each event.",
            "description": "At least once: drop copies by message_id.",
            "bindings": {"amqp": publishing},
        },
        "publishDeadLetters": {
            "action": "send",
            "channel": {"$ref": "#/channels/deadLetters"},
            "messages": [{"$ref": "#/channels/deadLetters/messages/DeadLetter"}],
            "summary": "Set aside each event that was rejected or failed.",
            "description": "Those that RabbitMQ itself dead-letters come by the same exchange.",
            "bindings": {"amqp": publishing},
        },
    }


def _ways(settings: Settings) -> str:
    first, *others = event_queues(settings)
    return f"the queues {first} to {others[-1]}" if others else f"the queue {first}"


def _messages() -> Schema:
    return {
        "Event": {
            "title": "Event",
            "summary": "One update of profiles.",
            **_event("Event", "application/json", {}),
            "examples": [{"payload": example} for example in examples.EVENTS],
        },
        "CloudEvent": {
            "title": "Event as a CloudEvent in structured form",
            "summary": "The same in data of a CloudEvent 1.0.",
            **_event("CloudEvent", cloudevents.STRUCTURED, {}),
            "examples": [{"payload": examples.CLOUD_EVENT}],
        },
        "BinaryCloudEvent": {
            "title": "Event as a CloudEvent in binary form",
            "summary": "The same, with the attributes of a CloudEvent 1.0 as headers. The prefixes "
            "cloudEvents_ and ce- will do too, in any case.",
            **_event("Event", "application/json", _attributes()),
        },
        "Result": _result(),
        "DeadLetter": _dead_letter("DeadLetterHeaders", "An event that was rejected or failed."),
        "BrokerDeadLetter": _dead_letter(
            "BrokerDeadLetterHeaders", "An event that RabbitMQ itself dead-lettered."
        ),
    }


def _attributes() -> Schema:
    schemas: Schema = {
        **dict.fromkeys(cloudevents.REQUIRED, ATTRIBUTE),
        "specversion": {"const": "1.0"},
        "time": {"description": "As RFC 3339 writes it, or a timestamp of AMQP"},
    }
    return {f"cloudEvents:{name}": schema for name, schema in schemas.items()}


def _event(form: str, content_type: str, attributes: Schema) -> Schema:
    needed = [name for name in attributes if not name.endswith(":time")]
    return {
        "contentType": content_type,
        "headers": {"type": "object", "required": needed, "properties": {**attributes, **_TRACE}},
        "payload": {"$ref": f"{_SCHEMAS}{form}"},
        "x-amqp-properties": _event_properties(content_type),
    }


def _event_properties(content_type: str) -> Schema:
    return {
        "type": "object",
        "properties": {
            "content_type": {"type": "string", "examples": [content_type]},
            "content_encoding": {"type": "string", "description": "utf-8, or not there"},
            "delivery_mode": {"enum": [1, PERSISTENT], "description": "2: persistent. Use it"},
            "message_id": {"type": "string", "description": "Serves if the event has no id"},
            "correlation_id": {"type": "string", "description": "Comes back with the result"},
            "timestamp": {
                "type": "integer",
                "description": "Seconds since 1970, for the age in the metrics",
            },
        },
    }


def _result() -> Schema:
    outcomes = "|".join(get_args(Outcome))
    return {
        "title": "Result",
        "summary": "What became of one event.",
        "contentType": "application/json",
        "headers": {"type": "object", "properties": _TRACE},
        "payload": {"$ref": f"{_SCHEMAS}Result"},
        "x-amqp-properties": {
            "type": "object",
            "required": ["content_type", "delivery_mode", "message_id", "correlation_id", "type"],
            "properties": {
                "content_type": {"const": "application/json"},
                "delivery_mode": {"const": PERSISTENT},
                "message_id": {
                    "type": "string",
                    "format": "uuid",
                    "description": "The same for all results of one event id: drop copies by it",
                },
                "correlation_id": {
                    "type": "string",
                    "description": "The event's correlation_id, or else its id",
                },
                "type": {"type": "string", "pattern": f"^profile\\.({outcomes})$"},
            },
        },
        "examples": [{"payload": example} for example in examples.RESULTS],
    }


def _dead_letter(headers: str, summary: str) -> Schema:
    return {
        "title": headers.removesuffix("Headers"),
        "summary": summary,
        "description": "Its body and properties are those of the event, but for expiration, and "
        "the user of a rejected or failed one.",
        "headers": {"$ref": f"{_SCHEMAS}{headers}"},
        "payload": {"description": "Whatever the event's body was, byte for byte"},
        "x-amqp-properties": {
            "type": "object",
            "properties": {"message_id": _TEXT, "correlation_id": _TEXT, "type": _TEXT},
        },
    }
