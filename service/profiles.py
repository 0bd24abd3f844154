"""The API's calls as bytes, and the profiles in its answers. No I/O here.

Source: Copernica REST API, "PUT database profiles", "GET database profiles", "GET profile".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

from pydantic_core import from_json, to_json

from service.conditions import Condition
from service.events import ProfileUpdate

CallName = Literal[
    "put-profiles",
    "get-profiles",
    "get-profile",
    "get-database",
    "get-fields",
    "get-interests",
    "probe-selection",
    "get-identity",
    "post-token",
]
Failure = Literal["unreachable", "misconfigured", "token-refused", "no-answer"]
Profile = Mapping[str, Any]

JSON = "application/json"

PAGE = 1000  # the most the API gives in one answer


@dataclass(frozen=True, slots=True)
class Call:
    """One request: a path below the API's version, a ready query without the token, a body.

    `name` is what it is called in metrics.
    """

    name: CallName
    method: Literal["GET", "PUT", "POST", "DELETE"]
    path: str
    query: str = ""
    body: bytes | None = None
    content_type: str = JSON


@dataclass(frozen=True, slots=True)
class Response:
    """An answer; header names in lower case, `cut` if the body is not whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    cut: bool = False


@dataclass(frozen=True, slots=True)
class NoResponse:
    """No answer came, and why in one word and in many.

    With every `failure` but "no-answer" the API surely never saw the request.
    """

    failure: Failure
    error: str
    after: float | None = None
    """Seconds that AUTH_URL asked to wait."""


Answer = Response | NoResponse


def put_profiles(update: ProfileUpdate, *, create: bool | None = None) -> Call:
    """Make the call that writes an update; `create` overrides the event's own."""
    wanted = update.create if create is None else create
    body: dict[str, Mapping[str, str] | Mapping[str, int]] = {}
    if update.fields:
        body["fields"] = update.fields
    if update.interests:
        # The map names what it means for each interest; what a list does to the others is unknown.
        body["interests"] = {name: int(on) for name, on in update.interests.items()}
    return Call(
        "put-profiles",
        "PUT",
        f"/database/{quote(update.database, safe='')}/profiles",
        f"{fields_parameter(update.conditions)}&create={int(wanted)}&async={int(update.asynchronous)}",
        to_json(body),
    )


def get_profiles(database: str, conditions: tuple[Condition, ...], limit: int = PAGE) -> Call:
    """Make the call that reads the profiles of a selection, at most `PAGE`."""
    return Call(
        "get-profiles",
        "GET",
        f"/database/{quote(database, safe='')}/profiles",
        f"{fields_parameter(conditions)}&limit={limit}&total=false",
    )


def get_profile(profile_id: str) -> Call:
    """Make the call that reads one profile by its ID."""
    return Call("get-profile", "GET", f"/profile/{quote(profile_id, safe='')}")


def get_database(database: str) -> Call:
    """Make the call that finds a database's id by its name."""
    return Call("get-database", "GET", f"/database/{quote(database, safe='')}")


def get_fields(database: str, start: int) -> Call:
    """Make the call that lists a database's fields, from the `start`th on."""
    return _list_of("get-fields", f"/database/{database}/fields", start)


def get_interests(database: str, start: int) -> Call:
    """Make the call that lists a database's interests, from the `start`th on."""
    return _list_of("get-interests", f"/database/{database}/interests", start)


def get_identity() -> Call:
    """Make the cheapest call: it shows that the API answers, and takes the token."""
    return Call("get-identity", "GET", "/identity")


def probe_selection(database: str, condition: Condition) -> Call:
    """Make the call that shows whether the API heeds a condition."""
    query = f"{fields_parameter((condition,))}&limit=1&total=false"
    return Call("probe-selection", "GET", f"/database/{database}/profiles", query)


def _list_of(name: CallName, path: str, start: int) -> Call:
    query = f"limit={PAGE}" + (f"&start={start}" if start else "")
    return Call(name, "GET", path, query)


def profiles_in(body: bytes) -> tuple[Profile, ...] | None:
    """Read the profiles of an answer: a list, a wrapper with `data`, or one profile.

    Returns None if the body is none of these, such as an empty one.
    """
    try:
        content = from_json(body, allow_inf_nan=False)
    except ValueError:
        return None
    if isinstance(content, dict):
        content = content.get("data", [content])
    if not isinstance(content, list):
        return None
    if not all(isinstance(item, dict) and "ID" in item for item in content):
        return None
    return tuple(content)


def present(profiles: tuple[Profile, ...]) -> tuple[Profile, ...]:
    """Leave out a profile that has been removed, as only one that is read by its ID can be."""
    return tuple(profile for profile in profiles if not profile.get("removed"))


def fields_parameter(conditions: tuple[Condition, ...]) -> str:
    """Write conditions as the query's `fields[]`, one for each."""
    # Nothing is safe: a raw + reads as a blank, a raw & or # ends the condition.
    return "&".join(f"fields%5B%5D={quote(str(condition), safe='')}" for condition in conditions)
