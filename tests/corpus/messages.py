"""Messages whose properties or headers are odd, around events that are good unless told."""

import struct
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tests.corpus.case import Case, event

_HARMLESS: dict[str, dict[str, Any]] = {
    "none": {},
    "text as content type": {"content_type": "text/plain"},
    "content type that is none": {"content_type": ';;;="'},
    "content type of 255 bytes": {"content_type": "x" * 255},
    "charset us-ascii": {"content_type": "application/json; charset=us-ascii"},
    "charset in capitals": {"content_type": 'application/json; Charset="UTF-8"'},
    "encoding utf-8": {"content_encoding": "utf-8"},
    "encoding identity": {"content_encoding": "identity"},
    "encoding of blanks": {"content_encoding": "  "},
    "not persistent": {"delivery_mode": 1},
    "priority 255": {"priority": 255},
    "far expiration": {"expiration": "86400000"},
    "reply to": {"reply_to": "amq.rabbitmq.reply-to.x"},
    "reply to a queue": {"reply_to": "profile-sync.events"},
    "reply to with a newline": {"reply_to": "a\r\nb"},
    "unknown type": {"type": "com.example.unknown"},
    "type with a newline": {"type": "a\nb"},
    "application": {"app_id": "<script>"},
    "cluster": {"cluster_id": "x"},
    "timestamp 0": {"timestamp": 0},
    "timestamp in milliseconds": {"timestamp": 1_795_428_000_000},
    "largest timestamp": {"timestamp": 2**63 - 1},
    "message id with a newline": {"message_id": "a\nb"},
    "message id of 255 bytes": {"message_id": "m" * 255},
    "empty message id": {"message_id": ""},
    "correlation id of 255 bytes": {"correlation_id": "c" * 255},
    "correlation id with a newline": {"correlation_id": "a\nb\x1b[31m"},
    "correlation id in other letters": {"correlation_id": "\u05e9\u202e\U0001f600"},
}

_HEADERS: dict[str, Any] = {
    "null": None,
    "true": True,
    "number": 2**31,
    "large number": 2**62,
    "negative number": -(2**62),
    "decimal": Decimal("1.5"),
    "instant": datetime(2026, 11, 23, tzinfo=UTC),
    "text of 50 KB": "t" * 50_000,
    "bytes": b"\xff\x00",
    "list": [1, "a", None, [2, {"b": [3]}]],
    "table": {"a": {"b": {"c": 1}}},
    "list of 1,000": [0] * 1000,
    "html": "<script>alert(1)</script>",
    "newlines": "a\r\nX-Injected: 1",
}

_FORGED: dict[str, dict[str, Any]] = {
    "deliveries": {"x-delivery-count": 99},
    "negative deliveries": {"x-delivery-count": -5},
    "deliveries as text": {"x-delivery-count": "many"},
    "death": {"x-death": [{"queue": "profile-sync.events", "reason": "rejected", "count": 9}]},
    "death that is none": {"x-death": "x"},
    "first death": {"x-first-death-reason": "expired", "x-first-death-queue": "q"},
    "carbon copy that is none": {"CC-": ["profile-sync.results"]},
    "our own": {"profile-sync-reason": "refused", "profile-sync-attempts": 99},
    "our own, of a wrong type": {"profile-sync-replay": {"a": 1}},
    "trace that is none": {"traceparent": "x", "tracestate": "=,=;"},
    "trace of a wrong type": {"traceparent": 12, "tracestate": [1]},
    "trace with a newline": {"traceparent": "00-a\r\nb"},
    "empty name": {"": "x"},
    "name of 128 bytes": {"n" * 128: "x"},
    "100 names": {f"name-{one}": one for one in range(100)},
}


def _long(text: bytes) -> bytes:
    return struct.pack(">I", len(text)) + text


def _field(kind: bytes, value: bytes, name: bytes = b"x") -> bytes:
    return bytes([len(name)]) + name + kind + value


def _nested(depth: int, *, of_tables: bool) -> bytes:
    """Encode tables, or lists, in each other: the innermost is empty."""
    value = b"\0\0\0\0"
    for _ in range(depth):
        value = _long(b"\x01xF" + value if of_tables else b"A" + value)
    return _field(b"F" if of_tables else b"A", value)


def _raw(name: str, ends: str, header: bytes) -> Case:
    made = event(name, ends)
    return Case(name, made.body, ends, raw_header=header)


def _timestamp(seconds: int) -> bytes:
    return _field(b"T", struct.pack(">Q", seconds))


_UNREADABLE = "undecodable-headers"

CASES: tuple[Case, ...] = (
    *(
        event(f"properties: {name}", "created", properties=properties)
        for name, properties in _HARMLESS.items()
    ),
    *(
        event(f"headers: {name}", "created", properties={"headers": {"x-test": value}})
        for name, value in _HEADERS.items()
    ),
    *(
        event(f"headers: forged, {name}", "created", properties={"headers": headers})
        for name, headers in _FORGED.items()
    ),
    *(
        event(f"properties: encoding {name}", "unsupported-encoding", properties=properties)
        for name, properties in {
            "gzip": {"content_encoding": "gzip"},
            "br": {"content_encoding": "br"},
            "unknown": {"content_encoding": "x-rot13"},
            "latin-1": {"content_type": "application/json; charset=iso-8859-1"},
            "utf-16": {"content_type": "application/json;charset=utf-16"},
            "utf-7": {"content_type": 'application/json; charset="utf-7"'},
        }.items()
    ),
    _raw("headers: timestamp", "created", _timestamp(1_795_428_000)),
    _raw(
        "headers: timestamp in milliseconds, beyond 9999",
        _UNREADABLE,
        _timestamp(1_795_428_000_000),
    ),
    _raw("headers: timestamp 2^62", _UNREADABLE, _timestamp(2**62)),
    _raw("headers: largest timestamp", _UNREADABLE, _timestamp(2**64 - 1)),
    _raw("headers: tables, 100 deep", "created", _nested(100, of_tables=True)),
    _raw("headers: tables, 900 deep", _UNREADABLE, _nested(900, of_tables=True)),
    _raw("headers: tables, 5,000 deep", _UNREADABLE, _nested(5_000, of_tables=True)),
    _raw("headers: lists, 5,000 deep", _UNREADABLE, _nested(5_000, of_tables=False)),
    _raw("headers: double", "created", _field(b"d", struct.pack(">d", 1.5))),
    _raw("headers: float", "created", _field(b"f", struct.pack(">f", 1.5))),
    _raw("headers: nothing", "created", _field(b"V", b"")),
    _raw("headers: small number", "created", _field(b"b", b"\x80")),
    _raw("headers: text that is no UTF-8", "created", _field(b"S", _long(b"\xff\xfe"))),
    _raw("headers: name that is no UTF-8", "created", _field(b"S", _long(b"a"), b"\xff")),
    _raw("headers: byte array", "created", _field(b"x", _long(b"\x00\xff"))),
    _raw("headers: 100 KB", "created", _field(b"S", _long(b"s" * 100_000))),
)
