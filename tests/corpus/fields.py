"""Fields and interests that the database does not have, or would not keep as they are."""

from typing import Any

from tests.corpus.case import Case, event

_NO_NAMES = {
    "brackets": "firstname[]",
    "brackets with a key": "fields[firstname]",
    "equals sign": "firstname=x",
    "ampersand": "firstname&create=1",
    "point": "profile.firstname",
    "hyphen": "first-name",
    "blank": "first name",
    "blank before": " firstname",
    "nothing": "",
    "digit first": "1firstname",
    "newline": "firstname\n",
    "nul": "firstname\0",
    "slash": "../firstname",
    "cyrillic letter": "f\u0456rstname",
    "combining accent": "firstnam\u0065\u0301",
    "zero-width space": "first\u200bname",
    "emoji": "\U0001f600",
    "html": "<b>firstname</b>",
    "python's attribute": "__dict__",
}

_UNKNOWN = ("fristname", "ID", "secret", "removed", "created", "modified", "access_token", "tennis")

_UNFIT: dict[str, tuple[str, Any]] = {
    "no address": ("email", "nobody"),
    "address without a name": ("email", "@example.com"),
    "address without a host": ("email", "ann@"),
    "address with a blank": ("email", "ann b@example.com"),
    "address with a newline": ("email", "ann@example.com\nbcc: all@example.com"),
    "two addresses": ("email", "a@example.com,b@example.com"),
    "no such day": ("birthday", "2026-02-30"),
    "no such month": ("birthday", "2026-13-01"),
    "day first": ("birthday", "23-11-2026"),
    "slashes": ("birthday", "2026/11/23"),
    "day in words": ("birthday", "yesterday"),
    "seconds since 1970": ("birthday", 1_795_428_000),
    "day in full-width digits": ("birthday", "\uff12026-11-23"),
    "no such hour": ("seen", "2026-11-23 25:00:00"),
    "no such second": ("seen", "2026-11-23 10:00:61"),
    "instant with a wrong zone": ("seen", "2026-11-23T10:00:00+99:00"),
    "choice that is none": ("country", "fr"),
    "choice in capitals": ("country", "NL"),
    "choice with a blank": ("country", "nl "),
    "two choices": ("country", "nl,be"),
}

_NO_VALUES: dict[str, Any] = {
    "null": None,
    "list": ["a"],
    "object": {"a": "b"},
    "empty list": [],
}

_NO_INTERESTS: dict[str, Any] = {
    "2": {"tennis": 2},
    "-1": {"tennis": -1},
    "fraction": {"tennis": 1.5},
    "string": {"tennis": "1"},
    "word": {"tennis": "yes"},
    "null": {"tennis": None},
    "list": {"tennis": []},
    "empty name": [""],
    "blank before": [" tennis"],
    "newline": ["ten\nnis"],
    "nul": ["tennis\0"],
    "number in a list": [1],
    "list and object mixed": ["tennis", {"football": True}],
    "in two spellings": {"tennis": True, "Tennis": False},
    "names that look like a list": {"0": True, "1": True},
    "name that looks like a list": ["0"],
}

CASES: tuple[Case, ...] = (
    *(
        event(f"fields: name with {name}", "invalid-event", fields={field: "x"})
        for name, field in _NO_NAMES.items()
    ),
    *(event(f"fields: no field {name}", "unknown-field", fields={name: "x"}) for name in _UNKNOWN),
    *(
        event(f"fields: {name}", "invalid-value", fields={field: value})
        for name, (field, value) in _UNFIT.items()
    ),
    *(
        event(f"fields: value is {name}", "invalid-event", fields={"firstname": value})
        for name, value in _NO_VALUES.items()
    ),
    *(
        event(f"interests: {name}", "invalid-event", interests=interests)
        for name, interests in _NO_INTERESTS.items()
    ),
    event("fields: in two spellings", "invalid-event", fields={"City": "a", "city": "b"}),
    event("fields: in capitals", "created", fields={"FIRSTNAME": "x"}, keeps={"firstname": "x"}),
    event("fields: nul in a text", "created", fields={"note": "a\0b"}),
    event("fields: cleared", "created", fields={"firstname": ""}, keeps={"firstname": ""}),
    event(
        "fields: day",
        "created",
        fields={"birthday": "2024-02-29"},
        keeps={"birthday": "2024-02-29"},
    ),
    event(
        "fields: instant with its zone",
        "created",
        fields={"seen": "2026-11-23T09:00:00Z"},
        keeps={"seen": "2026-11-23 10:00:00"},
    ),
    event("interests: unknown", "unknown-field", interests=["chess"]),
    event("interests: in capitals", "created", interests=["TENNIS"]),
    event("interests: twice", "created", interests=["tennis", "tennis"]),
    event("interests: as 1 and 0", "created", interests={"tennis": 1, "football": 0}),
)
