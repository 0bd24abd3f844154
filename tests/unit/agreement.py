"""That the schema of events and what reads them agree on a body, as far as a schema can tell."""

import json
import re
from typing import Literal

from service.events import InvalidEvent, parse
from service.messages import Properties
from tests.schemas import faults, validator

# What takes more than one place to see, or more than the digits that a JSON reader keeps.
_TWO_PLACES = (
    "there is no such instant",
    "has more digits than a JSON number keeps",
    "name the same thing for the API",
    "differs from where.",
)
# Letters, blanks and digits of all languages are beyond the patterns that every dialect knows.
_BEYOND_ASCII = (
    "an id has 1 to 255 bytes",
    "starts or ends with a blank",
    "is no interest name",
    "a database is a positive id",
    "the API reads names like",
)
# 1.0 is an integer for JSON Schema.
_WHOLE_FLOAT = ("name a database by", "an interest is true, false, 1 or 0")


def verdict(body: bytes) -> Literal["taken", "refused", "beyond a schema"]:
    """Have a body read and validated; fail if only one of both takes it, and none may."""
    try:
        wrong = faults(validator("event"), json.loads(body))
    except (ValueError, RecursionError):
        wrong = ["it is not JSON"]
    error = _refusal(body)
    if error is None:
        assert not wrong, f"only the schema refuses it: {wrong}"
        return "taken"
    if wrong:
        return "refused"
    assert _beyond_a_schema(error, body), f"only the schema takes it: {error.detail}"
    return "beyond a schema"


def _refusal(body: bytes) -> InvalidEvent | None:
    try:
        parse(body, Properties(), len(body))  # how long it is, no schema tells
    except InvalidEvent as error:
        return error
    return None


def _beyond_a_schema(error: InvalidEvent, body: bytes) -> bool:
    """Tell whether an event is refused for what no schema can tell."""
    if error.reason == "invalid-json":
        return True
    text = json.dumps(json.loads(body), ensure_ascii=False)
    known = list(_TWO_PLACES)
    if not text.isascii():
        known += _BEYOND_ASCII
    if re.search(r"\d\.0\b|\de", text):
        known += _WHOLE_FLOAT
    return all(any(words in part for words in known) for part in error.detail.split("; "))
