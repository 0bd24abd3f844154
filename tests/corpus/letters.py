"""Texts with letters that some program on the way may take for something else."""

import json

from tests.corpus.case import PRIVATE, Case, document, event, text


def _with(name: str, raw: bytes) -> Case:
    """Put bytes that are no UTF-8 into the value of a field."""
    body = json.dumps(document(name, {"fields": {"firstname": "HERE"}})).encode()
    return text(name, "invalid-json", body.replace(b"HERE", raw))


_BROKEN = {
    "continuation alone": b"\x80",
    "two bytes cut": b"\xc3",
    "three bytes cut": b"\xe2\x82",
    "four bytes cut": b"\xf0\x9f\x98",
    "overlong slash": b"\xc0\xaf",
    "overlong nul": b"\xc0\x80",
    "overlong in three bytes": b"\xe0\x80\xaf",
    "surrogate in utf-8": b"\xed\xa0\x80",
    "pair of surrogates in utf-8": b"\xed\xa0\xbd\xed\xb8\x80",
    "beyond the last character": b"\xf4\x90\x80\x80",
    "ff": b"\xff",
    "fe ff": b"\xfe\xff",
    "windows-1252 quote": b"\x93",
}

_HALVES = {
    "first half of a pair": '"\\ud83d"',
    "second half of a pair": '"\\ude00"',
    "halves in the wrong order": '"\\ude00\\ud83d"',
    "half before a letter": '"\\ud83dx"',
    "half in capitals": '"\\uD83D"',
}

# What must come to the API as it is.
_KEPT = {
    "emoji": "\U0001f600",
    "family of emojis": "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "accents": "Zo\xeb Mu\xf1oz",
    "decomposed accents": "Zoe\u0308",
    "hebrew, right to left": "\u05e9\u05dc\u05d5\u05dd",
    "right-to-left override": "abc\u202edef",
    "zero-width space": "a\u200bb",
    "zero-width joiner": "a\u200db",
    "soft hyphen": "a\xadb",
    "full-width digits": "\uff11\uff12\uff13",
    "arabic digits": "\u0661\u0662\u0663",
    "last of the first plane": "a\uffffb",
    "private use": "a\ue000b",
    "last character": "a\U0010ffffb",
    "replacement character": "a\ufffdb",
    "line separator": "a\u2028b",
    "paragraph separator": "a\u2029b",
    "html": "<script>alert(1)</script>",
    "html entity": "a&amp;b",
    "sql": "Robert'); DROP TABLE profiles;--",
    "shell": "$(reboot) `reboot`; reboot",
    "template": "{{ 7 * 7 }} ${7*7} #{7*7} <%= 7 %>",
    "format string": "%s %d %n {0} {x.__class__}",
    "spreadsheet formula": "=HYPERLINK(1)",
    "log lookup": "${jndi:ldap://127.0.0.1/a}",
    "path": "../../etc/passwd",
    "address": "http://127.0.0.1/?a=b&c=d#e",
    "percent": "100%25 %00 %zz",
    "plus and ampersand": "a+b&c=d",
    "quotes": "\"a\" 'b' `c`",
    "backslashes": "a\\b\\\\c\\",
    "json in a string": '{"database": 1235}',
    "blanks inside": "a  b",
}

CASES: tuple[Case, ...] = (
    *(_with(f"letters: {name}", raw) for name, raw in _BROKEN.items()),
    *(
        text(f"letters: {name}", "invalid-json", f'{{"database": 1234, "id": {half}}}')
        for name, half in _HALVES.items()
    ),
    text("letters: half of a pair as a key", "invalid-json", '{"\\ud83d": 1}'),
    text("letters: half of a pair in a field's name", "invalid-json", '{"fields": {"\\ud83d": 1}}'),
    text(
        "letters: whole pair, escaped",
        "created",
        json.dumps(document("whole pair", {"fields": {"note": "\U0001f600"}})),
    ),
    *(
        event(f"letters: {name}", "created", fields={"note": value}, keeps={"note": value})
        for name, value in _KEPT.items()
    ),
    event("letters: private value", "created", keeps={"firstname": PRIVATE}),
)
