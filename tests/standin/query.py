"""Decode query strings and form bodies as PHP does: `fields[]=a&fields[x]=b` makes one array."""

import re
from typing import TypeAlias
from urllib.parse import unquote_plus

Value: TypeAlias = "str | dict[str, Value]"
Array: TypeAlias = dict[str, Value]

_KEYS = re.compile(r"\[([^\]]*)\]")
_RENAMED = str.maketrans(" .", "__")


def decode(query: str) -> Array:
    """Return names with their last value; a name with brackets becomes an array.

    A plus sign is a blank, names are case-sensitive, and arrays are dicts with PHP's keys as text.
    """
    result: Array = {}
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if name:
            _place(result, unquote_plus(name).lstrip(), unquote_plus(value))
    return result


def variable(name: str) -> str:
    """Return the variable that PHP makes of a decoded parameter name: `access.token[]` is
    `access_token`.
    """
    return _split(name.partition("\0")[0].lstrip())[0]


def _place(result: Array, name: str, value: str) -> None:
    base, keys = _split(name)
    target, key = result, base
    for inner in keys:
        child = target.get(key)
        if not isinstance(child, dict):
            child = target[key] = {}
        target, key = child, inner or _next_index(child)
    target[key] = value


def _split(name: str) -> tuple[str, list[str]]:
    start = name.find("[")
    if start <= 0 or "]" not in name[start:]:
        return name.translate(_RENAMED).replace("[", "_"), []
    keys: list[str] = []
    end = start
    while match := _KEYS.match(name, end):
        keys.append(match[1])
        end = match.end()
    return name[:start].translate(_RENAMED), keys


def _next_index(array: Array) -> str:
    return str(max((int(key) for key in array if key.isdecimal()), default=-1) + 1)
