"""Bodies that are no JSON, or not quite."""

import json

from tests.corpus.case import Case, document, text

_WHOLE = json.dumps(document("whole", {}))
_INVALID = "invalid-json"

_BODIES: dict[str, str | bytes] = {
    "empty": "",
    "blank": " ",
    "newlines": "\n\r\n\t",
    "nul": "\0",
    "byte order mark": "\ufeff" + _WHOLE,
    "utf-16": _WHOLE.encode("utf-16"),
    "utf-16 big-endian without a mark": _WHOLE.encode("utf-16-be"),
    "utf-16 little-endian without a mark": _WHOLE.encode("utf-16-le"),
    "utf-32": _WHOLE.encode("utf-32"),
    "latin-1": b'{"database": 1234, "fields": {"firstname": "Zo\xeb"}}',
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
    "form": "database=1234&fields[firstname]=x",
    "xml": "<event><database>1234</database></event>",
    "yaml": "database: 1234\nfields:\n  firstname: x\n",
    "message pack": b"\x82\xa8database\xcd\x04\xd2",
    "open bracket": "[",
    "closing brace": "}",
    "open string": '"abc',
    "key without colon": '{"database"}',
    "key without value": '{"database":}',
    "no comma": '{"database": 1 "where": {}}',
    "comma first": '{,"database": 1}',
    "comma last": '{"database": 1,}',
    "two commas": '{"database": 1,, "create": true}',
    "comma last in a list": '{"where": ["a==1",]}',
    "semicolon": '{"database": 1; "create": true}',
    "single quotes": "{'database': 1}",
    "bare key": "{database: 1}",
    "number as key": "{1: 2}",
    "line comment": '{"database": 1} // comment',
    "block comment": '{/* comment */ "database": 1}',
    "hash comment": '{"database": 1} # comment',
    "two documents": _WHOLE + _WHOLE,
    "lines of documents": _WHOLE + "\n" + _WHOLE,
    "text behind": _WHOLE + "x",
    "brace behind": _WHOLE + "}",
    "nul behind": _WHOLE + "\0",
    "text before": "x" + _WHOLE,
    "callback": f"callback({_WHOLE})",
    "anti-hijacking prefix": ")]}',\n" + _WHOLE,
    "True": '{"create": True}',
    "None": '{"create": None}',
    "undefined": '{"create": undefined}',
    "NULL": '{"create": NULL}',
    "tru": '{"create": tru}',
    "raw newline in a string": '{"id": "a\nb"}',
    "raw tab in a string": '{"id": "a\tb"}',
    "raw nul in a string": '{"id": "a\0b"}',
    "raw escape character in a string": '{"id": "a\x1bb"}',
    "wrong escape": '{"id": "\\x41"}',
    "octal escape": '{"id": "\\101"}',
    "short escape": '{"id": "\\u12"}',
    "escape with wrong digits": '{"id": "\\u12g4"}',
    "backslash at the end": '{"id": "a\\"}',
    "non-breaking space between": '{"database":\u00a01}',
    "full-width colon": '{"database"\uff1a1}',
    "typographic quotes": "{\u201cdatabase\u201d: 1}",
}

_TWICE = {
    "key twice": '{"database": 1234, "database": 1235}',
    "key twice, the same value": '{"database": 1234, "database": 1234}',
    "field twice": '{"database": 1234, "fields": {"city": "a", "city": "b"}}',
    "condition twice": '{"database": 1234, "where": {"customerid": "a", "customerid": "b"}}',
    "interest twice": '{"database": 1234, "interests": {"tennis": true, "tennis": false}}',
    "key twice, once escaped": '{"database": 1234, "d\\u0061tabase": 1235}',
    "key twice, deep in an unknown one": '{"x": [[{"y": {"a": 1, "a": 2}}]]}',
    "empty key twice": '{"": 1, "": 2}',
}

# One event that breaks off, in the middle of a string, a key, a number and between them.
_CUT = {
    f"cut after {at} bytes": _WHOLE[:at] for at in (1, 2, 5, 7, 15, 27, 38, 60, len(_WHOLE) - 1)
}

_NO_OBJECT = {
    "null": "null",
    "true": "true",
    "number": "1234",
    "zero": "0",
    "string": '"event"',
    "empty string": '""',
    "list": f"[{_WHOLE}]",
    "empty list": "[]",
    "event as a string": json.dumps(_WHOLE),
}

CASES: tuple[Case, ...] = (
    *(text(f"syntax: {name}", _INVALID, body) for name, body in _BODIES.items()),
    *(text(f"syntax: {name}", _INVALID, body) for name, body in (_TWICE | _CUT).items()),
    *(text(f"syntax: {name}", "invalid-event", body) for name, body in _NO_OBJECT.items()),
    text("syntax: blanks around", "created", f" \r\n\t{_WHOLE} \n"),
    text(
        "syntax: letters of a key escaped",
        "created",
        json.dumps(document("escaped", {})).replace("firstname", "\\u0066irstname"),
    ),
)
