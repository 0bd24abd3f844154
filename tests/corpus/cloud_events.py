"""CloudEvents, well-formed and not, in structured and in binary form."""

import json
from typing import Any

from tests.corpus.case import Case, document

_ATTRIBUTES: dict[str, Any] = {
    "specversion": "1.0",
    "id": "ce",
    "source": "/crm",
    "type": "com.example.profile",
}
_STRUCTURED = "application/cloudevents+json"

_WRONG: dict[str, dict[str, Any]] = {
    "no id": {"id": None},
    "empty id": {"id": ""},
    "id as a number": {"id": 7},
    "id as a list": {"id": ["a"]},
    "id with a newline": {"id": "a\nb"},
    "id of 256 bytes": {"id": "i" * 256},
    "no source": {"source": None},
    "empty source": {"source": ""},
    "source as a number": {"source": 1},
    "source with a nul": {"source": "a\0"},
    "no type": {"type": None},
    "empty type": {"type": ""},
    "type as an object": {"type": {}},
    "specversion 0.3": {"specversion": "0.3"},
    "specversion 2.0": {"specversion": "2.0"},
    "specversion as a number": {"specversion": 1},
    "empty specversion": {"specversion": ""},
    "time in words": {"time": "yesterday"},
    "time without a zone": {"time": "2026-11-23T10:00:00"},
    "time as a number": {"time": 1_795_428_000},
    "no such time": {"time": "2026-02-30T10:00:00Z"},
}

_NO_DATA: dict[str, Any] = {
    "null": None,
    "string": "text",
    "number": 1,
    "list": [],
    "event as a string": json.dumps(document("data", {})),
}


def _structured(
    name: str, ends: str, attributes: dict[str, Any], content_type: str = _STRUCTURED, **data: Any
) -> Case:
    envelope = {**_ATTRIBUTES, "data": document(name, {}, without="id"), **attributes, **data}
    body = {key: value for key, value in envelope.items() if value is not None or key == "data"}
    properties = {"content_type": content_type, "correlation_id": name}
    return Case(name, json.dumps(body).encode(), ends, properties)


def _binary(name: str, ends: str, attributes: dict[str, Any], prefix: str = "cloudEvents:") -> Case:
    headers = {
        f"{prefix}{key}": value
        for key, value in {**_ATTRIBUTES, **attributes}.items()
        if value is not None
    }
    properties = {"headers": headers, "correlation_id": name, "content_type": "application/json"}
    return Case(name, json.dumps(document(name, {}, without="id")).encode(), ends, properties)


CASES: tuple[Case, ...] = (
    _structured("cloud events: whole", "created", {}),
    _structured("cloud events: with a time", "created", {"time": "2026-11-23T10:00:00Z"}),
    _structured("cloud events: with extensions", "created", {"traceparent": "x", "tenant": "a"}),
    _structured("cloud events: with a charset", "created", {}, f"{_STRUCTURED}; charset=utf-8"),
    _structured("cloud events: type in capitals", "created", {}, _STRUCTURED.upper()),
    _structured("cloud events: content type forgotten", "created", {}, "application/json"),
    _structured("cloud events: data beside base64", "created", {"data_base64": "eyJ9"}),
    *(
        _structured(f"cloud events: {name}", "invalid-event", wrong)
        for name, wrong in _WRONG.items()
    ),
    _structured("cloud events: no specversion", "invalid-event", {"specversion": None}),
    *(
        _structured(f"cloud events: data is {name}", "invalid-event", {}, data=data)
        for name, data in _NO_DATA.items()
    ),
    _structured(
        "cloud events: of a batch's type",
        "invalid-event",
        {},
        "application/cloudevents-batch+json",
        data=[],
    ),
    _structured(
        "cloud events: base64 alone", "invalid-event", {"data": None, "data_base64": "eyJ9"}
    ),
    _structured(
        "cloud events: other charset", "unsupported-encoding", {}, f"{_STRUCTURED}; charset=utf-16"
    ),
    _binary("cloud events: binary", "created", {}),
    _binary("cloud events: binary with underscores", "created", {}, "cloudEvents_"),
    _binary("cloud events: binary as in HTTP", "created", {}, "ce-"),
    _binary("cloud events: binary in capitals", "created", {}, "CLOUDEVENTS:"),
    *(
        _binary(f"cloud events: binary, {name}", "invalid-event", wrong)
        for name, wrong in _WRONG.items()
    ),
    # Without it nothing says that the headers mean a CloudEvent.
    _binary("cloud events: binary without specversion", "created", {"specversion": None}),
)
