"""Dead letters as lines of JSON, to be kept, mended and replayed: one object each.

What JSON has no form for is an object with one key: bytes as `$base64`, an instant as `$time`.
"""

import json
from base64 import b64decode, b64encode
from binascii import Error as NoBase64
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

from service.commands.dead_letters import UNKNOWN, Letter, Trace, identity, instant
from service.messages import Properties

_BYTES, _TIME, _TABLE = "$base64", "$time", "$table"
_PROPERTIES = {field.name for field in fields(Properties)} - {"headers"}
_KEYS = {"id", "reason", "detail", "database", "failed_at", "routing_key", "body"}
_LONGEST = 255  # bytes of what AMQP calls a short string


class NoExport(Exception):
    """A line is no exported dead letter; the text says which, and why."""


def line(letter: Letter) -> str:
    """Write a letter as one line of JSON, without its end."""
    try:
        body: object = letter.body.decode()
    except UnicodeDecodeError:
        body = _to_json(letter.body)
    properties = {
        name: _to_json(value)
        for name in sorted(_PROPERTIES)
        if (value := getattr(letter.properties, name)) not in (None, False)
    }
    at = letter.failed_at
    content = {
        "id": letter.event_id,
        "reason": letter.reason,
        "detail": letter.detail,
        "database": letter.database,
        "failed_at": at and at.isoformat(),
        "routing_key": letter.routing_key,
        "body": body,
        "properties": properties,
        "headers": {name: _to_json(v) for name, v in letter.properties.headers.items()},
    }
    return json.dumps(content, ensure_ascii=False).translate(_LINE_ENDS)


# Not all programs that read lines take only \n for the end of one.
_LINE_ENDS = {ord(end): f"\\u{ord(end):04x}" for end in "\x85\u2028\u2029"}


def letters(lines: Iterable[bytes], max_bytes: int) -> Iterator[tuple[Letter, Trace]]:
    """Read exported lines, edited or not, with the trace of what was exported.

    Empty lines are skipped.

    Raises:
        NoExport: a line cannot be read; it is named.
    """
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        try:
            yield _letter(json.loads(text), max_bytes)
        except RecursionError:
            raise NoExport(f"line {number} is nested too deeply") from None
        except UnicodeDecodeError:
            raise NoExport(f"line {number} is not UTF-8") from None
        except json.JSONDecodeError as error:
            fault = f"column {error.colno}: {error.msg}"
            raise NoExport(f"line {number} is no JSON, {fault}; a letter is one line") from None
        except ValueError as error:
            raise NoExport(f"line {number}: {error}") from None


def _letter(content: object, max_bytes: int) -> tuple[Letter, Trace]:
    if not isinstance(content, dict):
        raise ValueError("an exported letter is a JSON object")  # noqa: TRY004
    unknown = content.keys() - _KEYS - {"properties", "headers"}
    if unknown:
        raise ValueError(f"unknown key {min(unknown)}")
    body = _body(content.get("body"))
    properties = _properties(content.get("properties", {}), content.get("headers", {}))
    event_id, database = identity(body, properties, max_bytes)
    letter = Letter(
        event_id,
        _string(content, "reason") or UNKNOWN,
        _string(content, "detail"),
        database,
        instant(content.get("failed_at")),
        _short(content, "routing_key"),
        body,
        properties,
    )
    return letter, replace(letter, event_id=_string(content, "id")).trace


def _body(body: object) -> bytes:
    """Read a body: a text, an object in its place as an editor may leave it, or bytes."""
    if isinstance(body, dict) and body.keys() != {_BYTES}:
        return json.dumps(body, ensure_ascii=False).encode()
    read = _from_json(body)
    if isinstance(read, str):
        return read.encode(errors="surrogatepass")
    if isinstance(read, bytes):
        return read
    raise ValueError(f'body must be a text, a JSON object, or {{"{_BYTES}": "..."}}')


def _properties(properties: object, headers: object) -> Properties:
    if not isinstance(properties, dict) or not isinstance(headers, dict):
        raise ValueError("properties and headers must be objects")  # noqa: TRY004
    unknown = properties.keys() - _PROPERTIES
    if unknown:
        raise ValueError(f"unknown property {min(unknown)}")
    _refuse_lone_surrogates([properties, headers])
    read = {name: _from_json(value) for name, value in properties.items()}
    for name, value in read.items():
        if not _fits(name, value):
            raise ValueError(f"property {name} has a value that it cannot have")
    for name in headers:
        _check_short(name, "a header's name")
    return Properties(**read, headers={name: _from_json(value) for name, value in headers.items()})


def _fits(name: str, value: object) -> bool:
    match name, value:
        case "undecodable_headers", _:
            return isinstance(value, bool)
        case (("delivery_mode" | "priority"), int()):
            return 0 <= value < 2**8
        case "timestamp", int():
            return 0 <= value < 2**63
        case (("delivery_mode" | "priority" | "timestamp"), _):
            return False
        case _:
            return isinstance(value, str) and len(value.encode()) <= _LONGEST


def _refuse_lone_surrogates(content: object) -> None:
    try:
        json.dumps(content, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("a text has half of a surrogate pair, which is no character") from None


def _check_short(text: str, what: str) -> None:
    if len(text.encode(errors="replace")) > _LONGEST:
        raise ValueError(f"{what} has more than {_LONGEST} bytes")


def _short(content: Mapping[str, Any], name: str) -> str:
    text = _string(content, name)
    _refuse_lone_surrogates(text)
    _check_short(text, name)
    return text


def _string(content: Mapping[str, Any], name: str) -> str:
    value = content.get(name, "")
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a string")  # noqa: TRY004
    return value


def _to_json(value: object) -> object:
    match value:
        case bytes():
            return {_BYTES: b64encode(value).decode()}
        case datetime():
            return {_TIME: value.isoformat()}
        case list():
            return [_to_json(item) for item in value]
        case dict():
            table = {str(name): _to_json(item) for name, item in value.items()}
            marks = len(table) == 1 and table.keys() <= {_BYTES, _TIME, _TABLE}
            return {_TABLE: table} if marks else table
        case None | bool() | int() | float() | str():
            return value
        case _:
            return str(value)


def _from_json(value: object) -> Any:
    match value:
        case {"$base64": str(text), **rest} if not rest:
            try:
                return b64decode(text, validate=True)
            except NoBase64:
                raise ValueError(f"what stands at {_BYTES} is no base64") from None
        case {"$time": str(text), **rest} if not rest:
            return datetime.fromisoformat(text)
        case {"$table": dict(table), **rest} if not rest:
            return {name: _from_json(item) for name, item in table.items()}
        case dict():
            return {name: _from_json(item) for name, item in value.items()}
        case list():
            return [_from_json(item) for item in value]
        case _:
            return value
