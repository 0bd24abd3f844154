"""Read the body of a request as the API does: JSON or a form, by its content type."""

import json
from typing import Any

from tests.standin import query
from tests.standin.answers import JSON, Refused
from tests.standin.call import Call


def read(call: Call) -> dict[str, Any]:
    """Return the body as an object; an empty body is an empty object.

    Raises:
        Refused: the body is no JSON, or JSON but no object.
    """
    body = call.body
    if call.content_type.partition(";")[0].strip().lower() != JSON:
        return dict(query.decode(body.decode("utf-8", "replace")))
    if not body.strip():
        return {}
    try:
        value = _JSON.decode(body.decode())
        if b"\\u" in body:
            json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise Refused("Invalid data provided")
    return value


def array(value: object) -> dict[str, Any] | None:
    """Return an object, or a list as an object as in PHP; None if it is neither."""
    if isinstance(value, list):
        return {str(n): item for n, item in enumerate(value)}
    return value if isinstance(value, dict) else None


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) <= 20 else float(digits)


def _unknown(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


_JSON = json.JSONDecoder(parse_int=_whole, parse_constant=_unknown)
