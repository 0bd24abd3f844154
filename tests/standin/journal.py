"""The journal: every request the API part received, for tests to look at."""

import json
import time
from collections import deque
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

from tests.standin.calls import Call

LENGTH = 200_000


@dataclass(slots=True)
class Entry:
    """One request; `status` stays None when the connection was dropped instead of an answer."""

    n: int
    time: float
    call: Call
    seconds: float | None = None
    status: int | None = None

    def described(self) -> dict[str, Any]:
        """Describe the entry as JSON, without the token."""
        pairs = parse_qsl(self.call.query, keep_blank_values=True)
        return {
            "n": self.n,
            "time": self.time,
            "seconds": self.seconds,
            "method": self.call.method,
            "path": unquote(self.call.path.decode()),
            "query": [pair for pair in pairs if not pair[0].startswith("access_token")],
            "body": _body(self.call.body),
            "status": self.status,
            "ids": self.call.ids,
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

    def described(self) -> list[dict[str, Any]]:
        """Describe all entries, oldest first."""
        return [entry.described() for entry in self._entries]

    def reset(self) -> None:
        """Forget all entries and number from 1 again."""
        self._entries.clear()
        self._number = 0


def _body(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")
