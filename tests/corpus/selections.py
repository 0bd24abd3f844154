"""Selections, which must never mean more profiles than their sender did."""

from typing import Any

from tests.corpus.case import Case, event

_UNSAFE: dict[str, Any] = {
    "empty value": {"customerid": ""},
    "empty value beside a good one": {"customerid": "1", "email": ""},
    "blank": {"customerid": " "},
    "blank before": {"customerid": " 1"},
    "blank behind": {"customerid": "1 "},
    "tab behind": {"customerid": "1\t"},
    "newline behind": {"customerid": "1\n"},
    "newline inside": {"customerid": "1\n2"},
    "carriage return and newline": {"customerid": "1\r\nX-Injected: 1"},
    "nul": {"customerid": "1\0"},
    "escape character": {"customerid": "1\x1b[31m"},
    "delete": {"customerid": "1\x7f"},
    "non-breaking space behind": {"customerid": "1\xa0"},
    "next line behind": {"customerid": "1\x85"},
    "ideographic space before": {"customerid": "\u30001"},
    "zero for a number": {"age": 0},
    "zero for a number, as text": {"age": "0"},
    "minus zero for a number": {"age": "-0"},
    "zeros for a number": {"age": "000"},
    "false for a number": {"age": False},
    "zero for a float": {"score": 0.0},
    "field's name with an operator": {"customerid==": "1"},
    "field's name with another condition": {"customerid==1&fields[]=age>": "0"},
    "field's name with brackets": {"fields[]": "1"},
    "field's name with a blank": {"customerid ": "1"},
    "field's name with a point": {"profile.customerid": "1"},
    "field's name with a hyphen": {"customer-id": "1"},
    "field's name with a newline": {"customerid\n": "1"},
    "field's name with a nul": {"customerid\0": "1"},
    "empty field's name": {"": "1"},
    "digit first": {"1": "1"},
    "underscore first": {"_customerid": "1"},
    "cyrillic letter that looks like c": {"\u0441ustomerid": "1"},
    "full-width letters": {"\uff43ustomerid": "1"},
    "accent": {"customer\xefd": "1"},
    "condition that excludes": ["customerid!=1"],
    "condition that excludes, in SQL": ["customerid<>1"],
    "condition that compares": ["age>18"],
    "pattern": ["customerid=~%"],
    "negated pattern": ["customerid!~x"],
    "equality with nothing": ["customerid=="],
    "single equals sign": ["customerid=1"],
    "no operator": ["customerid"],
    "no field": ["==1"],
    "blank before the operator": ["customerid ==1"],
    "blank behind the operator": ["customerid== 1"],
    "unknown operator": ["age<=>1"],
    "operator of two, by a value": ["age<=1", "age>~1"],
    "empty condition": [""],
    "two good ones and a wide one": ["customerid==1", "email==a@example.com", "age>=0"],
    "empty beside conditions": ["customerid==1", "email=="],
    "empty date, a kind of": {"birthday": "0000-00-00"},
}

_UNKNOWN: dict[str, Any] = {
    "misspelled": {"custmerid": "1"},
    "reserved word": {"create": "1"},
    "parameter of the call": {"access_token": "1"},
    "other parameter of the call": {"async": "1"},
    "interest": {"tennis": "1"},
    "good one beside an unknown": {"customerid": "1", "nosuchfield": "1"},
}

# The value is taken at its letters: nobody has it, so nothing but a new profile comes of it.
_LITERAL: dict[str, str] = {
    "percent": "%",
    "percent around": "%1%",
    "underscores": "____",
    "asterisk": "*",
    "question mark": "?",
    "equals signs": "==",
    "other operators": "!=<>=~!~",
    "ampersand": "1&create=0",
    "other condition": "1&fields[]=age>0",
    "encoded ampersand": "1%26create%3D0",
    "twice encoded": "1%2526",
    "encoded nul": "1%00",
    "encoded newline": "1%0d%0aX: 1",
    "plus": "1+2",
    "hash": "1#2",
    "semicolon": "1;2",
    "slash": "1/2",
    "dots": "../../1",
    "address": "//127.0.0.1/v2",
    "backslash": "1\\2",
    "quote": "1'--",
    "double quote": '1"2',
    "or": "1' OR '1'='1",
    "brackets": "fields[]",
    "comma": "1,2",
    "php's array": "a[]",
    "emoji": "\U0001f600",
    "right-to-left": "\u05e9\u05dc",
    "zero-width space": "1\u200b",
    "number with zeros before": "007",
    "exponent": "1e3",
    "null": "null",
    "true": "true",
    "lower than": "<1",
}

CASES: tuple[Case, ...] = (
    *(
        event(f"selections: {name}", "unsafe-selection", create=False, where=where)
        for name, where in _UNSAFE.items()
    ),
    *(
        event(f"selections: {name}", "unknown-field", create=False, where=where)
        for name, where in _UNKNOWN.items()
    ),
    *(
        event(
            f"selections: {name}",
            "created",
            where={"customerid": f"lit {value} {at}"},
            keeps={"customerid": f"lit {value} {at}"},
        )
        for at, (name, value) in enumerate(_LITERAL.items())
    ),
    *(
        event(f"selections: {name}, alone", "unmatched", create=False, where={"customerid": value})
        for name, value in _LITERAL.items()
    ),
    event("selections: id of nobody", "unmatched", create=False, where={"id": 99_999_999}),
    event("selections: id as a word", "invalid-value", create=False, where={"id": "many"}),
    event("selections: id 0", "unmatched", create=False, where={"id": 0}),
    event("selections: create by id", "unsafe-selection", where={"id": 1}),
    event("selections: create by code", "unsafe-selection", where={"code": "abc"}),
    event("selections: create by modified", "unsafe-selection", where={"modified": "2026-11-23"}),
    event("selections: create for many", "invalid-event", expect="many"),
    event(
        "selections: create with another value",
        "invalid-event",
        fields={"customerid": "another"},
    ),
    event(
        "selections: create with another value in other letters",
        "invalid-event",
        fields={"CustomerID": "another"},
    ),
    event("selections: number that is none", "invalid-value", create=False, where={"age": "12abc"}),
    event(
        "selections: date that is none", "invalid-value", create=False, where={"birthday": "soon"}
    ),
    event(
        "selections: for many, with any operator",
        "unmatched",
        create=False,
        expect="many",
        where=["age>900", "customerid=~nobody%"],
    ),
    event(
        "selections: for many, without a condition",
        "unsafe-selection",
        create=False,
        expect="many",
        where=[],
    ),
)
