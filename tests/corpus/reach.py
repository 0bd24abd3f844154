"""Attempts to reach something else than the profiles of an allowed database."""

from tests.corpus.case import Case, event

_NO_DATABASES = {
    "parent": "../1235",
    "two parents": "../../authenticate",
    "dot": ".",
    "two dots": "..",
    "slash": "1234/profiles",
    "slash first": "/1234",
    "host": "//127.0.0.1/1234",
    "address": "http://127.0.0.1/1234",
    "backslashes": "..\\1235",
    "newline": "1234\n",
    "carriage return": "1234\r\nHost: example.com",
    "nul": "1234\0",
    "tab": "1234\t",
    "blank": " ",
    "full-width digits alone": "\uff11\uff12\uff13\uff14",
    "superscript": "\xb2",
    "zero-width space": "1234\u200b",
    "signed": "+1234",
    "negative": "-1234",
    "list": "1234,1235",
    "fraction": "1234.0",
    "question mark alone": "?",
    "percent alone": "%",
}

# A database may have such a name; there is none of it, and the call goes where calls go.
_NO_SUCH = {
    "encoded parent": "%2e%2e%2f1235",
    "twice encoded parent": "%252e%252e%252f",
    "encoded slash": "1234%2Fprofiles",
    "encoded newline": "1234%0d%0aX: 1",
    "query": "1234?access_token=x",
    "other query": "1234?create=1&async=1",
    "fragment": "1234#x",
    "semicolon": "1234;x=1",
    "matrix": "1234;jsessionid=x",
    "ampersand": "1234&x=1",
    "at": "x@127.0.0.1",
    "port": "1234:80x",
    "exponent": "1234e0",
    "hexadecimal": "0x4d2",
    "unicode slash": "1234\u2215x",
    "unicode dots": "\u2024\u2024x",
    "word": "profiles",
    "template": "{{1234}}x",
    "name of none": "Invoices",
}

CASES: tuple[Case, ...] = (
    *(
        event(f"reach: {name}", "invalid-event", database=database)
        for name, database in _NO_DATABASES.items()
    ),
    *(
        event(f"reach: {name}", "unknown-database", database=database)
        for name, database in _NO_SUCH.items()
    ),
    event("reach: by name", "created", database="Customers"),
    event("reach: by name in capitals", "created", database="CUSTOMERS"),
    *(
        event(f"reach: key {key}", "invalid-event", {key: value})
        for key, value in {
            "url": "http://127.0.0.1/",
            "api_url": "http://127.0.0.1/",
            "host": "127.0.0.1",
            "method": "DELETE",
            "path": "/v2/profile/1",
            "access_token": "stolen",
            "headers": {"Authorization": "Bearer stolen"},
            "query": "create=1",
            "timeout": 100_000,
            "ID": 1,
        }.items()
    ),
)
