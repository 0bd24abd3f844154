"""Dead letters as lines of JSON, to be kept, mended and replayed: one object each.

A body that is a JSON object or array stands in its line as it is, byte for byte; another is a text.
What JSON has no form for is an object with one key: bytes as `$base64`, an instant as `$time`.
"""

import json
import math
import re
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
    properties = {
        name: _to_json(value)
        for name in sorted(_PROPERTIES)
        if (value := getattr(letter.properties, name)) is not None and value is not False
    }
    at = letter.failed_at
    content = {
        "id": letter.event_id,
        "reason": letter.reason,
        "detail": letter.detail,
        "database": letter.database,
        "failed_at": at and at.isoformat(),
        "routing_key": letter.routing_key,
        "properties": properties,
        "headers": {name: _to_json(v) for name, v in letter.properties.headers.items()},
    }
    written = json.dumps(content, ensure_ascii=False).translate(_LINE_ENDS)
    return f'{written[:-1]}, "body": {_as_json(letter) or _as_text(letter.body)}}}'


# Not all programs that read lines take only \n for the end of one. In JSON those of the first kind
# stand only between its parts, those of the second only in its texts.
_GAPS = str.maketrans("\r\n", "  ")
_LINE_ENDS = {ord(end): f"\\u{ord(end):04x}" for end in "\x85\u2028\u2029"}


def _as_json(letter: Letter) -> str:
    """Give a body's own text if it is a JSON object or array, "" if it is not.

    It may lose what stands between its parts, but for a body that would so become another event:
    the id of one without a name is made of its bytes.
    """
    try:
        text = letter.body.decode()
        value = json.loads("[" * _DEEPER + text + "]" * _DEEPER, parse_constant=_refuse)
        for _ in range(_DEEPER):
            (value,) = value
    except (ValueError, RecursionError):
        return ""
    if not isinstance(value, dict | list) or (isinstance(value, dict) and value.keys() == {_BYTES}):
        return ""
    line = text.strip(" \t\r\n").translate(_GAPS).translate(_LINE_ENDS)
    body = line.encode()
    same = body == letter.body or letter.event_id == identity(body, letter.properties, len(body))[0]
    return line if same else ""


_DEEPER = 50  # levels, so that what can be written can surely be read


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _as_text(body: bytes) -> str:
    try:
        text: object = body.decode()
    except UnicodeDecodeError:
        text = _to_json(body)
    return json.dumps(text, ensure_ascii=False).translate(_LINE_ENDS)


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
            yield _letter(text.decode("utf-8-sig"), max_bytes)
        except RecursionError:
            raise NoExport(f"line {number} is nested too deeply") from None
        except UnicodeDecodeError:
            raise NoExport(f"line {number} is not UTF-8") from None
        except json.JSONDecodeError as error:
            fault = f"column {error.colno}: {error.msg}"
            raise NoExport(f"line {number} is no JSON, {fault}; a letter is one line") from None
        except ValueError as error:
            raise NoExport(f"line {number}: {error}") from None


def _letter(text: str, max_bytes: int) -> tuple[Letter, Trace]:
    content = json.loads(text)
    if not isinstance(content, dict):
        raise ValueError("an exported letter is a JSON object")  # noqa: TRY004
    unknown = content.keys() - _KEYS - {"properties", "headers"}
    if unknown:
        raise ValueError(f"unknown key {min(unknown)}")
    body = _body(content.get("body"), text)
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


def _body(body: object, line: str) -> bytes:
    """Read a body: JSON as it stands in the line, a text, or bytes."""
    if isinstance(body, list) or (isinstance(body, dict) and body.keys() != {_BYTES}):
        return _cut_out("body", line).encode()
    read = _from_json(body)
    if isinstance(read, str):
        return read.encode(errors="surrogatepass")
    if isinstance(read, bytes):
        return read
    text = f'body must be a text, a JSON object or array, or {{"{_BYTES}": "..."}}'
    raise ValueError(text)


_DECODER = json.JSONDecoder()
_GAP = re.compile(r"[ \t\r\n]*")


def _cut_out(wanted: str, line: str) -> str:
    """Cut a value out of a JSON object, which must have it: digits and escapes stay as they are."""
    found = ""
    at = _past_gap(line, line.index("{") + 1)
    while line[at] != "}":
        name, at = _DECODER.raw_decode(line, at)
        start = _past_gap(line, line.index(":", at) + 1)
        _, end = _DECODER.raw_decode(line, start)
        if name == wanted:
            found = line[start:end]
        at = _past_gap(line, end)
        if line[at] == ",":
            at = _past_gap(line, at + 1)
    return found


def _past_gap(text: str, at: int) -> int:
    gap = _GAP.match(text, at)
    return at if gap is None else gap.end()


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
            return 0 <= value < 2**64
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
        case float() if not math.isfinite(value):
            return str(value)
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
