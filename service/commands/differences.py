"""How an exchange or a queue differs from its declaration, read from RabbitMQ's refusals.

RabbitMQ names one difference at a time: the declaration takes it over, and is tried again.
Source: RabbitMQ's `rabbit_misc:assert_args_equivalence` and its siblings, 3.10 to 4.0.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from service.commands.facts import Declared, Difference, Refusal
from service.topology import ExchangeType

_INEQUIVALENT = re.compile(r"inequivalent arg '([^']+)' for ")
_VALUES = re.compile(r"received (.+) but current is (.+)", re.DOTALL)
_INVALID = re.compile(r"invalid arg '([^']+)' for ")
_NO_SUCH_QUORUM_QUEUE = re.compile(r"invalid property '[^']+' for ")
_TYPED = re.compile(r"the value '(.*)' of type '(\w+)'", re.DOTALL)
_QUOTED = re.compile(r"'(.*)'", re.DOTALL)
_INTEGERS = {"signedint", "unsignedint", "long", "short", "unsignedshort", "byte", "unsignedbyte"}


class Unreadable(Exception):
    """What RabbitMQ says cannot be taken over."""


def declared_exchange(name: str, kind: ExchangeType = "topic") -> Declared:
    """Say how an exchange of the service is declared."""
    flags = {"type": kind, "durable": True, "auto_delete": False, "internal": False}
    return Declared("exchange", name, flags, {})


def declared_queue(name: str, arguments: Mapping[str, Any]) -> Declared:
    """Say how a queue of the service is declared."""
    flags = {"durable": True, "auto_delete": False, "exclusive": False}
    return Declared("queue", name, flags, arguments)


def take_over(declared: Declared, refusal: Refusal) -> tuple[Declared, Difference]:
    """Change a declaration to what RabbitMQ has, and name the difference.

    An argument that makes no sense beside what was taken over is not there either.

    Raises:
        Unreadable: the text says no difference, or not all of one.
    """
    if refusal.code != 406:
        raise Unreadable
    if match := _INVALID.search(refusal.text):
        return _without(declared, match[1])
    if _NO_SUCH_QUORUM_QUEUE.search(refusal.text):
        # With a flag that quorum queues cannot have, it is none.
        return _without(declared, "x-queue-type")
    named, values = _INEQUIVALENT.search(refusal.text), _VALUES.search(refusal.text)
    if named is None or values is None or refusal.text.endswith("..."):
        raise Unreadable
    name, current = named[1], _value(values[2])
    if _of(declared, name) == current:
        raise Unreadable
    difference = Difference(name, _text(declared, name), None if current is None else _say(current))
    return _with(declared, name, current), difference


def compare(
    declared: Declared, flags: Mapping[str, Any], arguments: Mapping[str, Any]
) -> list[Difference]:
    """List the differences where all of both sides is known."""
    wanted = {**declared.flags, **declared.arguments}
    current = {**{name: flags.get(name) for name in declared.flags}, **arguments}
    return [
        Difference(name, _say(wanted.get(name)), _say(current.get(name)))
        for name in [*wanted, *(name for name in current if name not in wanted)]
        if wanted.get(name) != current.get(name)
    ]


def _of(declared: Declared, name: str) -> Any:
    return {**declared.flags, **declared.arguments}.get(name)


def _text(declared: Declared, name: str) -> str | None:
    return _say(_of(declared, name))


def _say(value: Any) -> str | None:
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def _with(declared: Declared, name: str, value: Any) -> Declared:
    if name in declared.flags:
        return replace(declared, flags={**declared.flags, name: value})
    arguments = {n: v for n, v in declared.arguments.items() if n != name}
    return replace(declared, arguments=arguments if value is None else {**arguments, name: value})


def _without(declared: Declared, name: str) -> tuple[Declared, Difference]:
    if name not in declared.arguments:
        raise Unreadable
    return _with(declared, name, None), Difference(name, _text(declared, name), None)


def _value(text: str) -> Any:
    if text == "none":
        return None
    if match := _TYPED.fullmatch(text):
        value, kind = match[1], match[2]
        if kind in _INTEGERS:
            return int(value)
        if kind in ("bool", "boolean"):
            return value == "true"
        if kind == "longstr":
            return value
    elif match := _QUOTED.fullmatch(text):
        # Flags, the type, and delivery limits.
        plain = match[1]
        if plain.removeprefix("-").isdecimal():
            return int(plain)
        return {"true": True, "false": False}.get(plain, plain)
    raise Unreadable
