"""CloudEvents 1.0 around an event: the envelope is taken off here, and nowhere else.

Source: CloudEvents 1.0, "JSON Event Format" and "AMQP Protocol Binding".
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from service.messages import Properties, short_text

PREFIXES = ("cloudevents:", "cloudevents_", "ce-")
"""What the names of attributes begin with, in lower case, where headers have them."""

REQUIRED = ("id", "source", "specversion", "type")
STRUCTURED = "application/cloudevents+json"


class MalformedCloudEvent(Exception):
    """An envelope that breaks the specification; the text says how, `event_id` is its id or ''."""

    def __init__(self, fault: str, attributes: Mapping[str, Any]) -> None:
        super().__init__(fault)
        self.event_id = short_text(attributes.get("id"))


def unwrap(
    body: dict[str, Any], properties: Properties, event_id: str
) -> tuple[dict[str, Any], str]:
    """Return the event and its id: those of the CloudEvent, or the arguments if it is none.

    Raises:
        MalformedCloudEvent: an attribute is missing or wrong.
    """
    media_type = (properties.content_type or "").partition(";")[0].strip().lower()
    # No key of a plain event is called specversion, so a forgotten content type does no harm.
    if media_type == STRUCTURED or "specversion" in body:
        attributes, event = body, body.get("data")
        if not isinstance(event, dict):
            fault = "data: a CloudEvent carries the event object in data"
            raise MalformedCloudEvent(fault, attributes)
    else:
        attributes, event = _binary_attributes(properties.headers), body
        if "specversion" not in attributes:
            return body, event_id
    for name in REQUIRED:
        if not short_text(attributes.get(name)):
            raise MalformedCloudEvent(
                f"the CloudEvent attribute {name} must have 1 to 255 bytes, all printable",
                attributes,
            )
    if attributes["specversion"] != "1.0":
        fault = "the CloudEvent attribute specversion must be 1.0"
        raise MalformedCloudEvent(fault, attributes)
    time = attributes.get("time")
    if isinstance(time, datetime):  # an AMQP timestamp, which is in UTC
        time = time.replace(tzinfo=UTC).isoformat()
    if time is not None:
        event = {"occurred_at": time, **event}
    return event, attributes["id"]


def _binary_attributes(headers: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name.lower().removeprefix(prefix): value
        for name, value in headers.items()
        for prefix in PREFIXES
        if name.lower().startswith(prefix)
    }
