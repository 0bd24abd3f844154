"""How the parts of an event are written, as JSON Schema; `values` and `conditions` read them.

Each shape takes all that is read, and refuses what one can tell by it alone. Its patterns use only
what every dialect of regular expressions knows: no look-ahead, no classes but written out.
"""

from typing import Any

from service.conditions import EQUAL, FIELD_NAME, OPERATORS, SPECIAL_FIELDS
from service.values import DATABASE_ID, INSTANT, LONGEST_NAME

Schema = dict[str, Any]

_FIELD = FIELD_NAME.pattern
_CONTROL = r"\x00-\x1f\x7f"
_UNPRINTABLE = r"\x00-\x1f\x7f-\xa0\xad"


def _trimmed(never: str, blanks: str, first: str = "") -> str:
    """Match a text without some characters, without blanks at its ends, and not begun by some."""
    return f"[^{never}{blanks}{first}]([^{never}]*[^{never}{blanks}])?"


def _value(first: str = "") -> str:
    """Match a value to select by, as far as most senders could write one that is not safe."""
    return _trimmed(_CONTROL, r" \x85\xa0", first)


def _name(never: str = "") -> str:
    return _trimmed(_UNPRINTABLE + never, " ")


def _whole(pattern: str) -> str:
    return f"^{pattern}$"


def _any_case(words: frozenset[str]) -> str:
    spelled = ("".join(f"[{c.upper()}{c}]" for c in word) for word in sorted(words))
    return f"({'|'.join(spelled)})"


_VALUE = _value()
_LONG = "|".join(operator for operator in OPERATORS if len(operator) == 2)
_SHORT = "".join(operator for operator in OPERATORS if len(operator) == 1)
_LATER = "".join(sorted({letter for operator in OPERATORS for letter in operator}))
_CONDITION = f"^{_FIELD}(({_LONG})({_VALUE})?|[{_SHORT}]({_value(_LATER)})?)$"

ID: Schema = {
    "type": ["string", "null"],
    "minLength": 1,
    "maxLength": 255,
    "pattern": f"^[^{_UNPRINTABLE}]*$",
}

ATTRIBUTE: Schema = {**ID, "type": "string"}
"""An attribute that every CloudEvent has."""

OCCURRED_AT: Schema = {
    "type": "string",
    "format": "date-time",
    "pattern": _whole(INSTANT.pattern),
}

DATABASE: Schema = {
    "anyOf": [
        {"type": "integer", "minimum": 1, "maximum": 10**18 - 1},
        {"type": "string", "pattern": _whole(DATABASE_ID.pattern)},
        {
            "type": "string",
            "maxLength": LONGEST_NAME,
            "allOf": [
                {"pattern": _whole(_name(r"/\\"))},
                # A letter, of which only those of ASCII can be told from signs.
                {"pattern": r"[^\x00-@\[-`\x7b-\x7f]"},
            ],
        },
    ]
}

WHERE: Schema = {
    "anyOf": [
        {
            "type": "object",
            "minProperties": 1,
            "propertyNames": {"pattern": _whole(_FIELD)},
            "additionalProperties": {
                "type": ["string", "number", "boolean"],
                "pattern": f"^({_VALUE})?$",
            },
        },
        {"type": "array", "minItems": 1, "items": {"type": "string", "pattern": _CONDITION}},
    ]
}

FIELDS: Schema = {
    "type": "object",
    "propertyNames": {"pattern": _whole(_FIELD)},
    "additionalProperties": {"type": ["string", "number", "boolean"]},
}

_INTEREST: Schema = {"type": "string", "pattern": _whole(_name())}
_DIGITS: Schema = {"pattern": "^[0-9]+$"}

INTERESTS: Schema = {
    "anyOf": [
        {
            "type": "array",
            "items": _INTEREST,
            "not": {"contains": {"const": "0"}, "items": _DIGITS},
        },
        {
            "type": "object",
            "propertyNames": _INTEREST,
            "additionalProperties": {"enum": [True, False, 1, 0]},
            "not": {"required": ["0"], "propertyNames": _DIGITS},
        },
    ]
}

TOGETHER: Schema = {
    "anyOf": [
        {"required": ["fields"], "properties": {"fields": {"minProperties": 1}}},
        {
            "required": ["interests"],
            "properties": {"interests": {"minProperties": 1, "minItems": 1}},
        },
    ],
    "if": {"required": ["expect"], "properties": {"expect": {"const": "many"}}},
    "then": {"properties": {"create": {"const": False}}},
    "else": {
        "properties": {
            "where": {
                "additionalProperties": {"minLength": 1},
                "items": {"pattern": _whole(f"{_FIELD}{EQUAL}{_VALUE}")},
            }
        }
    },
    "allOf": [
        {
            "if": {"required": ["create"], "properties": {"create": {"const": True}}},
            "then": {
                "properties": {
                    "where": {
                        "propertyNames": {"not": {"pattern": _whole(_any_case(SPECIAL_FIELDS))}},
                        "items": {"not": {"pattern": f"^{_any_case(SPECIAL_FIELDS)}{EQUAL}"}},
                    }
                }
            },
        }
    ],
}
"""What the keys of an event ask of each other."""
