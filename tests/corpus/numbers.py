"""Numbers, where programs differ on what they are."""

import json

from tests.corpus.case import Case, document, text


def _number(name: str, ends: str, literal: str, keeps: str = "", field: str = "age") -> Case:
    """Write a number into a field, as its digits stand there."""
    body = json.dumps(document(name, {"fields": {field: "HERE"}}))
    return Case(
        name,
        body.replace('"HERE"', literal).encode(),
        ends,
        keeps={field: keeps} if keeps else {},
    )


def _database(name: str, ends: str, literal: str) -> Case:
    body = json.dumps(document(name, {"database": "HERE"}))
    return text(name, ends, body.replace('"HERE"', literal))


_NO_NUMBERS = {
    "NaN": "NaN",
    "Infinity": "Infinity",
    "-Infinity": "-Infinity",
    "inf": "inf",
    "hexadecimal": "0x10",
    "octal": "0o17",
    "binary": "0b1",
    "leading zero": "007",
    "two zeros": "00",
    "plus": "+1",
    "point first": ".5",
    "point last": "5.",
    "minus alone": "-",
    "two minuses": "--1",
    "minus behind": "1-",
    "exponent without digits": "1e",
    "exponent with a sign alone": "1e+",
    "fraction of an exponent": "1e1.5",
    "two points": "1.2.3",
    "grouped by commas": "1,000",
    "grouped by underscores": "1_000",
    "grouped by blanks": "1 000",
    "suffix": "1L",
    "fraction of integers": "1/2",
    "full-width digit": "\uff11",
    "arabic digit": "\u0661",
    "4,301 digits": "1" * 4301,
    "100,000 digits": "9" * 100_000,
}

_KEPT = {
    "zero": ("0", "0"),
    "minus zero": ("-0", "0"),
    "one": ("1", "1"),
    "negative": ("-34", "-34"),
    "true": ("true", "1"),
    "false": ("false", "0"),
    "2^53": ("9007199254740992", "9007199254740992"),
    "2^53 + 1": ("9007199254740993", "9007199254740993"),
    "2^63 - 1": ("9223372036854775807", "9223372036854775807"),
    "-2^63": ("-9223372036854775808", "-9223372036854775808"),
    "digits in a string": ('"42"', "42"),
}

_UNFIT = {
    "2^63": "9223372036854775808",
    "-2^63 - 1": "-9223372036854775809",
    "2^64": "18446744073709551616",
    "1,000 digits": "1" * 1000,
    "fraction": "1.5",
    "letters behind": '"12abc"',
    "blank before": '" 12"',
    "hexadecimal in a string": '"0x10"',
    "exponent in a string": '"1e3"',
    "full-width digits in a string": '"\uff11\uff12"',
    "grouped in a string": '"1,000"',
    "word": '"many"',
}

_FLOATS = {
    "fraction": ("1.5", "1.5"),
    "zeros behind": ("1.50", "1.5"),
    "small exponent": ("1e-3", "0.001"),
    "capital exponent": ("1E3", "1000"),
    "tenth": ("0.1", "0.1"),
}

_UNFIT_FLOATS = {
    "exponent in a string": '"1e3"',
    "comma in a string": '"1,5"',
    "NaN in a string": '"NaN"',
    "infinity in a string": '"Infinity"',
}

_INEXACT = {
    "1e999": "1e999",
    "-1e999": "-1e999",
    "1e-999": "1e-999",
    "20 digits behind the point": "0.12345678901234567891",
    "exponent of 20 digits": "1e99999999999999999999",
}

CASES: tuple[Case, ...] = (
    *(_number(f"numbers: {name}", "invalid-json", raw) for name, raw in _NO_NUMBERS.items()),
    *(_number(f"numbers: {name}", "created", raw, kept) for name, (raw, kept) in _KEPT.items()),
    *(
        _number(f"numbers: {name}, no integer", "invalid-value", raw)
        for name, raw in _UNFIT.items()
    ),
    *(
        _number(f"numbers: {name}, a float", "created", raw, kept, "score")
        for name, (raw, kept) in _FLOATS.items()
    ),
    *(
        _number(f"numbers: {name}, no float", "invalid-value", raw, field="score")
        for name, raw in _UNFIT_FLOATS.items()
    ),
    *(
        _number(f"numbers: {name}", "invalid-event", raw, field="score")
        for name, raw in _INEXACT.items()
    ),
    _number("numbers: 100 kB of fraction", "invalid-event", "0." + "1" * 100_000, field="score"),
    _database("numbers: database as a fraction", "invalid-event", "1234.0"),
    _database("numbers: database with an exponent", "invalid-event", "1.234e3"),
    _database("numbers: database 0", "invalid-event", "0"),
    _database("numbers: database -1", "invalid-event", "-1"),
    _database("numbers: database 2^64", "invalid-event", "18446744073709551616"),
    _database("numbers: database of 4,000 digits", "invalid-event", "1" * 4000),
    _database("numbers: database true", "invalid-event", "true"),
    _database("numbers: database in a string", "created", '"1234"'),
    _database("numbers: database with a zero before", "invalid-event", '"01234"'),
    _database("numbers: database with a blank", "invalid-event", '" 1234"'),
    _database("numbers: database in full-width digits", "invalid-event", '"\uff11\uff12"'),
)
