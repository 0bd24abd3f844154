"""Answers of the API, and how it refuses a call."""

import json
from dataclasses import dataclass
from typing import Any

JSON = "application/json"

_ENCODER = json.JSONEncoder(separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, body and headers; Content-Length is added when it is sent."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = (("Content-Type", JSON),)


class Refused(Exception):
    """The API refuses a call; the text is its message."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def written(status: int, value: Any) -> Answer:
    """Answer with a value as JSON."""
    return Answer(status, _ENCODER.encode(value).encode())


def lines(values: list[Any]) -> Answer:
    """Answer with a list as JSON, one item a line."""
    items = ",\n ".join(_ENCODER.encode(value) for value in values)
    return Answer(200, f"[{items}]".encode())


def empty(status: int, *headers: tuple[str, str]) -> Answer:
    """Answer without a body; 204 needs no content type."""
    usual = () if status == 204 else (("Content-Type", JSON),)
    return Answer(status, headers=usual + headers)


def refusal(message: str, status: int = 400) -> Answer:
    """Answer with the API's one shape of an error."""
    return written(status, {"error": {"message": message}})
