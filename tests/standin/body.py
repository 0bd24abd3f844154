"""Read the body of a request as the API does: JSON or a form, by its content type."""

import json
from typing import Any

from tests.standin import query
from tests.standin.answers import JSON, Refused


def read(body: bytes, content_type: str) -> dict[str, Any]:
    """Return the body as an object; an empty body is an empty object.

    Raises:
        Refused: the body is no JSON, or JSON but no object.
    """
    if content_type.partition(";")[0].strip().lower() != JSON:
        return dict(query.decode(body.decode("utf-8", "replace")))
    if not body.strip():
        return {}
    try:
        value = json.loads(body, parse_int=_whole, parse_constant=_unknown)
        if b"\\u" in body:
            json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise Refused("Invalid data provided")
    return value


def fields(body: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a body; a list counts as an object, as in PHP.

    Raises:
        Refused: there is something else than an object.
    """
    sent = body.get("fields", {})
    if isinstance(sent, list):
        return {str(n): value for n, value in enumerate(sent)}
    if not isinstance(sent, dict):
        raise Refused("Invalid data provided")
    return sent


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) < 20 else float(digits)


def _unknown(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
