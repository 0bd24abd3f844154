"""JSON that users of the stand-in write: seeds, faults and latencies, read strictly."""

import json
from typing import Any


def read(text: str | bytes) -> Any:
    """Return the value; unlike requests to the API it must be beyond doubt.

    Raises:
        ValueError: it is no JSON, cannot be written again, or has a key twice in one object.
    """
    try:
        value = json.loads(text, object_pairs_hook=_object)
        # Half a surrogate pair is no text, and NaN is no number.
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {json.dumps(key)[:80]} is written twice in one object")
        found[key] = value
    return found
