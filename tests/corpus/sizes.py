"""Bodies and parts of them that are large, deep or many."""

import json
from typing import Any

from tests.corpus.case import Case, document, event, text

LIMIT = 262_144
"""MAX_EVENT_BYTES, as it is by default."""


def _sized(name: str, size: int, ends: str) -> Case:
    """Fill an event with a note until it has a size."""
    empty = len(json.dumps(document(name, {"fields": {"note": ""}})))
    return event(name, ends, fields={"note": "n" * (size - empty)})


def _deep(opening: str, closing: str, depth: int, middle: str = "1") -> str:
    return opening * depth + middle + closing * depth


def _many(number: int, first: str = "f") -> dict[str, Any]:
    return {f"{first}{one}": "x" for one in range(number)}


CASES: tuple[Case, ...] = (
    _sized("sizes: one byte below the limit", LIMIT - 1, "created"),
    _sized("sizes: at the limit", LIMIT, "created"),
    _sized("sizes: one byte over the limit", LIMIT + 1, "too-large"),
    _sized("sizes: 2 MB", 2_000_000, "too-large"),
    _sized("sizes: 64 KB", 65_536, "created"),
    text("sizes: 15 MB of nothing", "too-large", " " * 15_000_000),
    text("sizes: 15 MB of brackets", "too-large", "[" * 15_000_000),
    text("sizes: blanks up to the limit", "invalid-json", " " * LIMIT),
    text("sizes: lists, 33 deep", "invalid-event", '{"x": ' + _deep("[", "]", 33) + "}"),
    text("sizes: lists, 500 deep", "invalid-event", '{"x": ' + _deep("[", "]", 500) + "}"),
    text("sizes: lists, 100,000 deep", "invalid-json", '{"x": ' + _deep("[", "]", 100_000) + "}"),
    text("sizes: lists, 200,000 deep and open", "invalid-json", "[" * 200_000),
    text("sizes: objects, 33 deep", "invalid-event", _deep('{"x":', "}", 33)),
    text("sizes: objects, 40,000 deep", "invalid-json", _deep('{"x":', "}", 40_000)),
    text("sizes: objects, 50,000 deep and open", "invalid-json", '{"x":' * 50_000),
    text("sizes: list of 80,000 numbers", "invalid-event", json.dumps({"x": [0] * 80_000})),
    text("sizes: object of 15,000 keys", "invalid-event", json.dumps(_many(15_000))),
    event("sizes: 10,000 fields", "unknown-field", fields=_many(10_000)),
    event("sizes: 10,000 interests", "unknown-field", interests=dict.fromkeys(_many(10_000), True)),
    event("sizes: interests as a list of 10,000", "unknown-field", interests=list(_many(10_000))),
    event("sizes: 5,000 conditions", "unknown-field", where=_many(5_000)),
    event("sizes: key of 200 KB", "invalid-event", {"k" * 200_000: 1}),
    event("sizes: field's name of 200 KB", "unknown-field", fields={"f" * 200_000: "x"}),
    event("sizes: interest's name of 200 KB", "unknown-field", interests=["i" * 200_000]),
    event(
        "sizes: id of 255 bytes", "created", id="i" * 255, properties={"correlation_id": "id-255"}
    ),
    event("sizes: id of 256 bytes", "invalid-event", id="i" * 256),
    event("sizes: id of 128 letters in 256 bytes", "invalid-event", id="\xeb" * 128),
    event("sizes: id of 100 KB", "invalid-event", id="i" * 100_000),
    event("sizes: text of 255 characters", "created", fields={"firstname": "t" * 255}),
    event("sizes: text of 256 characters", "invalid-value", fields={"firstname": "t" * 256}),
    event("sizes: text of 255 emojis", "created", fields={"firstname": "\U0001f600" * 255}),
    event("sizes: selected by 255 characters", "created", where={"customerid": "s" * 255}),
    event("sizes: selected by 256 characters", "invalid-value", where={"customerid": "s" * 256}),
    event(
        "sizes: selected by 10,000 characters", "invalid-value", where={"customerid": "s" * 10_000}
    ),
    event("sizes: database's name of 100 characters", "unknown-database", database="d" * 100),
    event("sizes: database's name of 101 characters", "invalid-event", database="d" * 101),
    event("sizes: instant of 10,000 digits", "invalid-event", occurred_at="2" * 10_000),
)
