"""The journal: every request the API part received, for tests to look at."""

import json
import time
from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl, unquote

from tests.standin import query
from tests.standin.call import Call

LENGTH = 200_000


@dataclass(slots=True)
class Entry:
    """One request; `status` stays None when the connection was dropped instead of an answer."""

    n: int
    time: float
    call: Call
    seconds: float | None = None
    status: int | None = None
    fault: str | None = None

    def described(self) -> dict[str, Any]:
        """Describe the entry as JSON, without the token."""
        path = unquote(self.call.path.decode())
        return {
            "n": self.n,
            "time": self.time,
            "seconds": self.seconds,
            "method": self.call.method,
            "path": path,
            "query": _without_token(self.call.query),
            "body": None if _holds_token(path) else _body(self.call.body),
            "status": self.status,
            "ids": self.call.ids,
            "fault": self.fault,
        }


class Journal:
    """The last requests, numbered from 1; beyond `LENGTH` the oldest are forgotten."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=LENGTH)
        self._number = 0

    def begin(self, call: Call) -> Entry:
        """Note a request that just came in."""
        self._number += 1
        entry = Entry(self._number, time.time(), call)
        self._entries.append(entry)
        return entry

    def described(self, after: int = 0) -> list[dict[str, Any]]:
        """Describe the entries with a number above `after`, oldest first."""
        first = self._number - len(self._entries)  # the number before the oldest one
        known = min(max(after - first, 0), len(self._entries))
        later = islice(self._entries, known, None)
        return [entry.described() for entry in later]

    def reset(self) -> None:
        """Forget all entries and number from 1 again."""
        self._entries.clear()
        self._number = 0


def _without_token(written: str) -> list[tuple[str, str]]:
    pairs = parse_qsl(written, keep_blank_values=True)
    return [pair for pair in pairs if query.variable(pair[0]) != "access_token"]


def _holds_token(path: str) -> bool:
    return path.strip("/").endswith("authenticate")


def _body(body: bytes) -> Any:
    """Decode JSON, if the value can be written as JSON again; the rest is text."""
    try:
        value = json.loads(body)
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")
    return value
