"""What JSON Schema says of messages."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from service.commands.contract import document
from service.messages import Kind


def _pattern(_: object, pattern: str, text: object, __: object) -> Iterator[ValidationError]:
    # In other languages `$` is the very end; Python's own has a line break after it.
    if isinstance(text, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), text):
        yield ValidationError(f"{text!r} does not match {pattern!r}")


Validator = extend(Draft202012Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call]


@cache
def validator(kind: Kind, form: str | None = None) -> Any:
    """Make what validates one kind of message, or one form of it alone."""
    schema = document(kind)
    if form is not None:
        schema = {"$ref": f"#/$defs/{form}", "$defs": schema["$defs"]}
    Draft202012Validator.check_schema(schema)
    return Validator(schema)


def faults(schema: Any, value: object) -> list[str]:
    """List what is wrong with a value, each with its place."""
    return [f"{error.json_path}: {error.message}" for error in schema.iter_errors(value)]
