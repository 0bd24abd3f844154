"""Each part of an event with a value of each wrong type."""

from typing import Any

from tests.corpus.case import Case, event

_VALUES: dict[str, Any] = {
    "null": None,
    "true": True,
    "number": 12,
    "fraction": 1.5,
    "empty string": "",
    "string": "text",
    "empty list": [],
    "list of lists": [[]],
    "list of objects": [{"customerid": "1"}],
    "list of null": [None],
    "empty object": {},
    "object of objects": {"firstname": {"a": 1}},
    "object of lists": {"firstname": ["a"]},
    "object of null": {"firstname": None},
}

# What is not refused, or for another reason than its type.
_ENDS: dict[tuple[str, str], str] = {
    ("id", "null"): "created",
    ("id", "string"): "created",
    ("database", "string"): "unknown-database",
    ("database", "number"): "unknown-database",
    ("where", "empty list"): "unsafe-selection",
    ("where", "empty object"): "unsafe-selection",
    ("create", "true"): "created",
    ("async", "true"): "accepted",
    ("coalesce", "true"): "created",
    ("interests", "empty list"): "created",
    ("interests", "empty object"): "created",
}

_PARTS = (
    "id",
    "occurred_at",
    "database",
    "where",
    "expect",
    "create",
    "async",
    "coalesce",
    "fields",
    "interests",
)


def _case(part: str, what: str) -> Case:
    name = f"types: {part} is {what}"
    ends = _ENDS.get((part, what), "invalid-event")
    return event(name, ends, {part: _VALUES[what]}, properties={"correlation_id": name})


CASES: tuple[Case, ...] = (
    *(_case(part, what) for part in _PARTS for what in _VALUES),
    event("types: no database", "invalid-event", without="database"),
    event("types: no where", "invalid-event", without="where"),
    event("types: no fields", "invalid-event", without="fields"),
    event("types: no id", "created", without="id", properties={"correlation_id": "types: no id"}),
    event("types: nothing to write", "invalid-event", fields={}, interests=[]),
    event("types: interests alone", "created", without="fields", interests=["tennis"]),
    event("types: create as 1", "invalid-event", create=1),
    event("types: create as a string", "invalid-event", create="true"),
    event("types: expect in capitals", "invalid-event", expect="ONE"),
    event("types: expect as a number", "invalid-event", expect=1),
    event("types: unknown key", "invalid-event", extra=1),
    event("types: key in capitals", "invalid-event", Database=1234),
    event("types: key with a blank", "invalid-event", {"fields ": {}}),
    event("types: empty key", "invalid-event", {"": 1}),
    event("types: misspelled key", "invalid-event", feilds={"firstname": "x"}),
    event("types: prototype", "invalid-event", {"__proto__": {"create": True}}),
    event("types: python's class", "invalid-event", {"__class__": "Event"}),
)
