"""The event: a message body in, one validated `ProfileUpdate` out, or the reason why not."""

import difflib
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from service import shapes
from service.cloudevents import MalformedCloudEvent, unwrap
from service.conditions import (
    MODIFIED,
    SPECIAL_FIELDS,
    Condition,
    Key,
    UnsafeSelection,
    check_selection,
    selection_key,
)
from service.messages import Properties, name_id, short_text
from service.values import (
    quoted,
    read_database,
    read_fields,
    read_id,
    read_instant,
    read_interests,
    read_number,
    read_where,
)

Expect = Literal["one", "many"]
InvalidReason = Literal[
    "invalid-json",
    "invalid-event",
    "too-large",
    "unsupported-encoding",
    "unsafe-selection",
    "unknown-field",
    "invalid-value",
    "database-not-allowed",
    "undecodable-headers",
]

# Names this service's events in UUID5; any fixed value does, it must only never change.
_NAMESPACE = uuid.UUID("6f1d0c0e-6c0b-5d2e-9a43-0d5f0f3c7f11")
_MOST_FAULTS = 5
_WORDS = {
    "bool_type": "must be true or false",
    "literal_error": 'must be "one" or "many"',
    "missing": "is required",
    "string_type": "must be a string",
}
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class InvalidEvent(Exception):
    """An event that no retry can mend.

    `detail` says what is wrong, where, and what to do; it holds names, never values.
    `event_id` and `database` are what could still be read of the event.
    """

    event_id = ""
    database = ""

    def __init__(self, reason: InvalidReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason: InvalidReason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class ProfileUpdate:
    """One event: which profiles, and what to write. All values are strings, as the API has them."""

    event_id: str
    occurred_at: datetime | None
    database: str
    conditions: tuple[Condition, ...]
    expect: Expect
    create: bool
    asynchronous: bool
    coalesce: bool
    fields: Mapping[str, str]
    interests: Mapping[str, bool]
    key: Key
    moves: bool
    named: bool = True
    """False if its sender gave it no id, so that another one may look the same."""
    opaque: frozenset[str] = frozenset()
    """Fields of the selection whose values the database may keep in another form."""

    @property
    def barrier(self) -> bool:
        """True if the update may touch profiles of other keys in its database."""
        return self.expect == "many" or self.moves


def parse(body: bytes, properties: Properties, max_bytes: int) -> ProfileUpdate:
    """Read a message body, plain or as a CloudEvent (structured or binary).

    Args:
        body: a JSON object in UTF-8.
        properties: those of its message; `message_id` stands in for a missing id.
        max_bytes: the largest body to look at.

    Raises:
        InvalidEvent: for anything that is no event; nothing else is raised.
    """
    event_id = short_text(properties.message_id)
    database = ""
    try:
        event = _load(body, properties, max_bytes)
        event, event_id = unwrap(event, properties, event_id)
        given = short_text(event.get("id")) or event_id
        event_id = given or body_id(body)
        database = _readable_database(event.get("database"))
        _refuse_undecodable(properties)
        return _update(Event.model_validate(event), event_id, named=bool(given))
    except InvalidEvent as error:
        invalid = error
    except UnsafeSelection as error:
        invalid = InvalidEvent("unsafe-selection", str(error))
    except ValidationError as error:
        invalid = InvalidEvent("invalid-event", _faults(error))
    except MalformedCloudEvent as error:
        invalid = InvalidEvent("invalid-event", str(error))
        event_id = error.event_id or event_id
    invalid.event_id, invalid.database = event_id or body_id(body), database
    raise invalid


def body_id(body: bytes) -> str:
    """Name a message that brings no id: a UUID5 of its body, the same for equal bodies."""
    return name_id(_NAMESPACE, body)


def _refuse_undecodable(properties: Properties) -> None:
    if properties.undecodable_headers:
        raise InvalidEvent(
            "undecodable-headers",
            "the message's headers cannot be read: a timestamp beyond the year 9999, or tables "
            "nested too deep",
        )


def _load(body: bytes, properties: Properties, max_bytes: int) -> dict[str, Any]:
    if len(body) > max_bytes:
        raise InvalidEvent("too-large", f"the body has {len(body)} bytes, over {max_bytes}")
    encoding = (properties.content_encoding or "").strip().lower()
    if encoding not in {"", "identity", "utf-8", "utf8"}:
        raise InvalidEvent("unsupported-encoding", "content_encoding must be empty or utf-8")
    charset = re.search(r"charset=\"?([^\s;\"]+)", (properties.content_type or "").lower())
    if charset and charset[1] not in {"utf-8", "utf8", "us-ascii"}:
        raise InvalidEvent("unsupported-encoding", "the charset of content_type must be utf-8")
    try:
        event = _DECODER.decode(body.decode())
    except UnicodeDecodeError as error:
        raise InvalidEvent(
            "invalid-json", f"the body is not UTF-8: byte {error.start} does not decode"
        ) from None
    except json.JSONDecodeError as error:
        raise InvalidEvent(
            "invalid-json", f"line {error.lineno}, column {error.colno}: {error.msg}"
        ) from None
    except RecursionError:
        raise InvalidEvent("invalid-json", "the body is nested too deeply") from None
    except ValueError:
        raise InvalidEvent("invalid-json", "a number has too many digits") from None
    if not isinstance(event, dict):
        raise InvalidEvent("invalid-event", "the body must be a JSON object")
    if _ESCAPED_SURROGATE.search(body):
        _refuse_lone_surrogates(event)
    return event


def _refuse_lone_surrogates(event: dict[str, Any]) -> None:
    try:
        json.dumps(event, ensure_ascii=False).encode()
    except RecursionError:
        raise InvalidEvent("invalid-json", "the body is nested too deeply") from None
    except UnicodeEncodeError:
        raise InvalidEvent(
            "invalid-json", "a string has half of a surrogate pair, which is no character"
        ) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise InvalidEvent("invalid-json", f"{quoted(twice)} stands twice in one object")
    return result


def _no_constant(text: str) -> Any:
    raise InvalidEvent("invalid-json", f"{text} is not JSON")


def _readable_database(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return ""
    return str(value) if len(str(value)) <= 100 else ""


# Made once: json.loads would make one for each body.
_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_no_constant, parse_float=read_number
)


class Event(BaseModel):
    """An event as its sender writes it: one update of profiles."""

    model_config = ConfigDict(
        extra="forbid", strict=True, hide_input_in_errors=True, json_schema_extra=shapes.TOGETHER
    )

    id: Annotated[Annotated[str, AfterValidator(read_id)] | None, WithJsonSchema(shapes.ID)] = (
        Field(
            default=None,
            description="Names the event, in logs too: no personal data. Without it the message's "
            "message_id serves, or a UUID made from the body",
        )
    )
    occurred_at: Annotated[
        datetime | None, BeforeValidator(read_instant), WithJsonSchema(shapes.OCCURRED_AT)
    ] = Field(default=None, description="When it happened, for the age in the metrics")
    database: Annotated[str, BeforeValidator(read_database), WithJsonSchema(shapes.DATABASE)] = (
        Field(description="The database's numeric id, or its name")
    )
    where: Annotated[Any, BeforeValidator(read_where), WithJsonSchema(shapes.WHERE)] = Field(
        description="What selects the profiles: the value of each field, or conditions as the API "
        "writes them"
    )
    expect: Expect = Field(
        default="one",
        description="one: only equality selects, and no empty value. many: any operator does",
    )
    create: bool = Field(
        default=False,
        description="Make the profile if none matches, with the fields of where added to it",
    )
    asynchronous: bool = Field(
        default=False,
        alias="async",
        description="The API answers at once and works on in the background",
    )
    coalesce: bool = Field(
        default=True,
        description="With COALESCE several events of a profile may share a call; false: this one "
        "has a call of its own",
    )
    fields: Annotated[
        dict[str, str], BeforeValidator(read_fields), WithJsonSchema(shapes.FIELDS)
    ] = Field(
        default_factory=dict,
        description="The values to write; an empty string clears a field. Leave out what stays",
    )
    interests: Annotated[
        dict[str, bool], BeforeValidator(read_interests), WithJsonSchema(shapes.INTERESTS)
    ] = Field(
        default_factory=dict,
        description="Interests to switch on, or each with a switch; others stay as they are",
    )

    @model_validator(mode="after")
    def _writes_something(self) -> "Event":
        if not self.fields and not self.interests:
            raise ValueError("give at least one of fields and interests")
        return self


def _update(event: Event, event_id: str, *, named: bool) -> ProfileUpdate:
    conditions: tuple[Condition, ...] = event.where
    check_selection(conditions, many=event.expect == "many")
    fields = event.fields
    if event.create:
        fields = _with_key_fields(event, conditions)
    written = {name.casefold(): value for name, value in fields.items()}
    moves = any(
        condition.field.casefold() == MODIFIED
        or written.get(condition.field.casefold(), condition.value).casefold()
        != condition.value.casefold()
        for condition in conditions
    )
    return ProfileUpdate(
        event_id=event_id,
        occurred_at=event.occurred_at,
        database=event.database,
        conditions=conditions,
        expect=event.expect,
        create=event.create,
        asynchronous=event.asynchronous,
        coalesce=event.coalesce,
        fields=fields,
        interests=event.interests,
        key=selection_key(event.database, conditions),
        moves=moves,
        named=named,
    )


def _with_key_fields(event: Event, conditions: tuple[Condition, ...]) -> dict[str, str]:
    """Copy the selection into the body: the API creates a profile from the body alone.

    Without the key field in it, each repeat of the event would create one more profile.
    """
    if event.expect == "many":
        raise InvalidEvent("invalid-event", 'create goes with "expect": "one" only')
    written = {name.casefold(): value for name, value in event.fields.items()}
    fields = dict(event.fields)
    for condition in conditions:
        name = condition.field.casefold()
        if name in SPECIAL_FIELDS:
            raise InvalidEvent(
                "unsafe-selection", f"{condition.field} cannot be given to a new profile: no create"
            )
        if name not in written:
            fields[condition.field] = written[name] = condition.value
        elif not _may_be_one(written[name], condition.value):
            raise InvalidEvent("invalid-event", differing(condition.field))
    return fields


def differing(field: str) -> str:
    """Say that a create writes another value than it selects by."""
    return f"fields.{field} differs from where.{field}: a created profile would not be found again"


def _may_be_one(value: str, other: str) -> bool:
    """Tell whether two values may be written the same; only the field's type tells for sure."""
    try:
        return value == other or Decimal(value) == Decimal(other)
    except InvalidOperation:
        return bool(_INSTANT.match(value) and _INSTANT.match(other))


def _place(part: str | int) -> str:
    name = str(part)
    return name if name.isprintable() and len(name) <= 40 else quoted(name)


def _nearest(key: str) -> str:
    keys = [field.alias or name for name, field in Event.model_fields.items()]
    near = difflib.get_close_matches(key, keys, 1)
    return f"; did you mean {near[0]}?" if near else "; the keys are " + ", ".join(keys)


def _faults(error: ValidationError) -> str:
    """List what is wrong by place, without any value."""
    errors = error.errors(include_url=False, include_input=False, include_context=False)
    faults = []
    for fault in errors[:_MOST_FAULTS]:
        place = ".".join(_place(part) for part in fault["loc"])
        text = _WORDS.get(fault["type"]) or fault["msg"].removeprefix("Value error, ")
        if fault["type"] == "extra_forbidden":
            text = "unknown key" + _nearest(place)
        faults.append(f"{place}: {text}" if place else text)
    if len(errors) > _MOST_FAULTS:
        faults.append(f"and {len(errors) - _MOST_FAULTS} more")
    return "; ".join(faults)
