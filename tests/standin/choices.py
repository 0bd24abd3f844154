"""What no source settles about the API: switches, and choices that are fixed.

Both are told at /__standin/choices, so that nobody takes them for facts. Numbers are those of the
behaviours that they are about.
"""

import argparse
import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_type_hints

from tests.standin import options
from tests.standin.behaviours import BEHAVIOURS
from tests.standin.inventions import INVENTIONS


def _switch(
    default: Any, behaviours: tuple[int, ...], text: str, kind: Any = str, metavar: str = ""
) -> Any:
    about = {"behaviours": behaviours, "text": text, "kind": kind, "metavar": metavar}
    return dataclasses.field(default=default, metadata=about)


@dataclass(frozen=True, slots=True)
class Choices:
    """The switches, each an option of the command line; the first value is the default."""

    put_result: Literal["list", "empty"] = _switch(
        "list",
        (29, 30, 31, 37),
        "what a PUT of profiles answers in version 2 and 1: list, the profiles, as the API's page "
        "promises; empty, nothing, and 303 with X-Created for a new profile, as the API does "
        "since 2020",
    )
    put_update_status: Literal[200, 303] = _switch(
        200,
        (38,),
        "status of a PUT of profiles that made none, where --put-result is empty; 303 comes with "
        "Location, the call's own URL",
        options.whole,
    )
    unknown_field: Literal["error", "ignore"] = _switch(
        "error",
        (13, 16),
        "a condition of a PUT that cannot be read or names an unknown field: error, as since "
        "2021; ignore, as before: without any condition left, every profile matches",
    )
    unknown_body_field: Literal["ignore", "error"] = _switch(
        "ignore", (26,), "a field in a body that the database does not have"
    )
    interests: Literal["merge", "replace"] = _switch(
        "merge",
        (40,),
        "interests that a body does not name: merge leaves them, replace switches them off",
    )
    unauthorized_status: Literal[401, 400] = _switch(
        401, (6,), "status for a wrong or expired token in version 4", options.whole
    )
    async_delay: float = _switch(
        0.2, (36,), "time until a call with async=1 takes effect", options.seconds, "SECONDS"
    )
    think_time: float = _switch(
        0.0,
        (39,),
        "time between search and creation of one PUT; another call may create meanwhile",
        options.seconds,
        "SECONDS",
    )
    atomic_upsert: bool = _switch(
        False, (39,), "search and create in one go, also with --think-time", bool
    )
    count_errors: Literal["yes", "no"] = _switch(
        "yes", (9,), "whether refused calls count in GET consumption"
    )
    blocked_domain: tuple[str, ...] = _switch(
        ("126.com",),
        (41,),
        "no profile is created with an e-mail address in this domain; may be repeated; the word "
        "none in place of a domain blocks nothing",
        str,
        "DOMAIN",
    )
    selection: Literal["heed", "ignore", "ignore-put"] = _switch(
        "heed",
        (56,),
        "for tests, what no API should do: ignore, every selection is every profile; ignore-put, "
        "that of a PUT is",
    )
    rate_limit: int | None = _switch(
        None,
        (57,),
        "calls that are answered within a second; the rest is turned away",
        options.calls,
        "CALLS",
    )
    rate_limit_answer: Literal[503, 429] = _switch(
        503,
        (57,),
        "how they are turned away: 503, the load balancer's page; 429, with Retry-After: 1",
        options.whole,
    )


def add_options(parser: argparse._ArgumentGroup) -> None:
    """Add one option for each switch."""
    hints = get_type_hints(Choices)
    for field in dataclasses.fields(Choices):
        name, about = "--" + field.name.replace("_", "-"), field.metadata
        if about["kind"] is bool:
            parser.add_argument(name, action="store_true", help=about["text"])
            continue
        default: Any = field.default
        repeated = isinstance(default, tuple)
        text = " ".join(default) if repeated else "no limit" if default is None else default
        parser.add_argument(
            name,
            default=None if repeated else default,
            type=about["kind"],
            action="append" if repeated else "store",
            choices=_values(hints[field.name]),
            metavar=about["metavar"] or None,
            help=f"{about['text']} (default: {text})",
        )


def chosen(given_options: argparse.Namespace) -> Choices:
    """Return the switches as the command line set them."""
    given = {
        field.name: getattr(given_options, field.name) for field in dataclasses.fields(Choices)
    }
    domains = given.pop("blocked_domain")
    if domains is not None:
        given["blocked_domain"] = tuple(name for name in domains if name != "none")
    return Choices(**given)


def described(choices: Choices) -> list[dict[str, Any]]:
    """Describe every switch and every fixed choice; free values are described by their unit."""
    hints = get_type_hints(Choices)
    switches = [
        {
            "name": field.name,
            "chosen": getattr(choices, field.name),
            "values": _values(hints[field.name]) or field.metadata["metavar"].lower(),
            "about": _about(field.metadata["behaviours"]),
            "text": field.metadata["text"],
            "mark": "switch",
        }
        for field in dataclasses.fields(Choices)
    ]
    fixed = [
        {
            "name": each.name,
            "chosen": each.chosen,
            "values": None,
            "about": _about(each.behaviours),
            "text": each.text,
            "mark": "choice",
        }
        for each in INVENTIONS
    ]
    return switches + fixed


def _about(behaviours: tuple[int, ...]) -> list[str]:
    return [BEHAVIOURS[number] for number in behaviours]


def _values(hint: Any) -> list[Any] | None:
    if hint is bool:
        return [False, True]
    return list(get_args(hint)) if getattr(hint, "__origin__", None) is Literal else None
