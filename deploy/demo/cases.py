"""The demo's events: message bodies in files, and what each must end with."""

import hashlib
import itertools
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_NUMBER = re.compile(r"\d*")
_KEYS = {"outcome", "reason", "matched", "shows", "content_type", "why"}
_FLAGS = {"create": " or new", "async": " async"}
_EVENT_KEYS = {"id", "occurred_at", "database", "where", "expect", "coalesce"}
_EVENT_KEYS |= {"fields", "interests", *_FLAGS}
DATABASE = (1234, "Customers")  # the one that seed.json describes


class UnusableFolder(Exception):
    """The folder's files and its expected.toml do not fit; the message says where."""


@dataclass(frozen=True, slots=True)
class Case:
    """One event, as it is published, and what it must end with; see events/expected.toml."""

    name: str
    body: bytes
    outcome: str
    why: str
    reason: str | None = None
    matched: int | None = None
    shows: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"

    @property
    def asks(self) -> str:
        """What the event asks for, in a few words."""
        return _in_words(self.body)

    @property
    def routing_key(self) -> str:
        """The hash of the selected profile, as README tells senders to make it; values are ASCII.

        With it the events of one profile come by one partition. An unreadable event has no profile.
        """
        try:
            event = json.loads(self.body)
        except ValueError:
            return "unreadable"
        event = event.get("data", event)
        database = DATABASE[0] if event["database"] in DATABASE else event["database"]
        parts = sorted(condition.lower() for condition in _conditions(event))
        return hashlib.sha256("\n".join([str(database), *parts]).encode()).hexdigest()

    @property
    def fields(self) -> dict[str, Any]:
        """The values it writes, if it can be read."""
        try:
            event = json.loads(self.body)
        except ValueError:
            return {}
        return dict(event.get("fields", {}))


def read(folder: Path) -> list[list[Case]]:
    """Read a folder's events in order; those that share a number stand in one group.

    Raises:
        UnusableFolder: a file has no expectation, an expectation no file, or one is malformed.
    """
    try:
        table = tomllib.loads((folder / "expected.toml").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UnusableFolder(f"{folder}/expected.toml: {error}") from error
    files = {path.stem: path for path in folder.glob("*.json")}
    if alone := sorted(files.keys() ^ table.keys()):
        raise UnusableFolder(f"{folder}: {alone[0]} needs both a file and an expectation")
    if not files:
        raise UnusableFolder(f"{folder}: no events")
    cases = [_case(name, files[name], table[name]) for name in sorted(files)]
    grouped = itertools.groupby(cases, lambda case: _NUMBER.match(case.name)[0] or case.name)  # type: ignore[index] # matches always
    return [list(group) for _, group in grouped]


def _case(name: str, file: Path, expected: Any) -> Case:
    place = f"{file.parent}/expected.toml: {name}"
    if not isinstance(expected, dict) or not {"outcome", "why"} <= expected.keys():
        raise UnusableFolder(f"{place} needs outcome and why")
    if unknown := sorted(expected.keys() - _KEYS):
        raise UnusableFolder(f"{place}: {unknown[0]} is none of {', '.join(sorted(_KEYS))}")
    usual = {"updated": 1, "created": 1, "unmatched": 0}.get(expected["outcome"])
    return Case(name=name, body=file.read_bytes(), **{"matched": usual, **expected})


def _in_words(body: bytes) -> str:
    try:
        event = json.loads(body)
    except ValueError:
        return "no JSON: " + " ".join(body.decode(errors="replace").split())
    words = "CloudEvent " if "specversion" in event else ""
    event = event.get("data", event) if words else event
    words += "all " if event.get("expect") == "many" else ""
    words += " ".join(_conditions(event)) + "".join(
        _FLAGS[flag] for flag in _FLAGS if event.get(flag)
    )
    words += f": {_changes(event)}"
    if event.get("database") not in DATABASE:
        words += f", in {event.get('database')}"
    return words + "".join(f", {name}" for name in event.keys() - _EVENT_KEYS)


def _conditions(event: dict[str, Any]) -> list[str]:
    where = event.get("where", {})
    if isinstance(where, dict):
        return [f"{name}=={_written(value)}" for name, value in where.items()]
    return list(where)


def _changes(event: dict[str, Any]) -> str:
    interests = event.get("interests", {})
    if isinstance(interests, list):
        interests = dict.fromkeys(interests, True)
    fields = [f"{name}={_written(value)}" for name, value in event.get("fields", {}).items()]
    switches = [f"{'+' if on else '-'}{name}" for name, on in interests.items()]
    return " ".join([*fields, *switches])


def _written(value: object) -> str:
    return value if isinstance(value, str) and value else json.dumps(value)
