"""Which fault a call meets: rules in their order, counted, with seeded dice."""

import difflib
import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from tests.standin import query, versions
from tests.standin.call import Call
from tests.standin.latency import Latency, drawn
from tests.standin.rule import Rule
from tests.standin.versions import Version

_VALUE = re.compile(r".+?[=<>!~]{1,2}(.*)", re.DOTALL)
_LATENCY: TypeAdapter[Latency] = TypeAdapter(Latency)

# What is wrong in our words, by pydantic's name for it.
_TEXTS = {
    "dict_type": "must be an object",
    "extra_forbidden": "unknown key",
    "finite_number": "must be finite",
    "float_type": "must be a number",
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must be {ge:g} or more",
    "int_type": "must be a whole number",
    "less_than": "must be below {lt:g}",
    "less_than_equal": "must be {le:g} or less",
    "list_type": "must be a list",
    "literal_error": "must be {expected}",
    "missing": "is missing",
    "model_type": "must be an object",
    "string_too_short": "must not be empty",
    "string_type": "must be a text",
    "too_long": "must list at most {max_length}",
    "too_short": "must list at least {min_length}",
    "value_error": "{error}",
}


class FaultError(Exception):
    """A fault makes no sense; the text names the place and says what would."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a call meets: the rule that decides, and seconds to wait before it is carried out."""

    rule: Rule | None
    seconds: float
    title: str | None


def parse(value: Any) -> list[Rule]:
    """Read one fault or a list of faults, as decoded from JSON.

    Raises:
        FaultError: a fault makes no sense, or there is none.
    """
    if value == []:
        raise FaultError("there is no fault in the list; DELETE takes all back")
    if isinstance(value, list):
        return [_rule(each, f"[{n}]") for n, each in enumerate(value)]
    return [_rule(value, "")]


def parse_latency(value: Any) -> Latency:
    """Read a latency: a number of seconds, or a distribution.

    Raises:
        FaultError: it is neither.
    """
    try:
        return _LATENCY.validate_python(value)
    except ValidationError as error:
        raise FaultError(_explained(error, value, "latency")) from None


class Faults:
    """The rules in force. `latency` is that of calls for which no rule has one, in seconds."""

    def __init__(
        self,
        rules: Sequence[Rule] = (),
        seed: int = 0,
        latency: Latency = 0.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seed = seed
        self._latency = latency
        self._now = now
        self._dice = Random(seed)  # noqa: S311 - nothing secret
        self._ordered: list[_Ordered] = []
        self.add(rules)

    def replace(self, rules: Sequence[Rule]) -> None:
        """Put rules in place of all others; their dice and counts start anew."""
        self._ordered = []
        self.add(rules)

    def add(self, rules: Sequence[Rule]) -> None:
        """Put rules behind those in force."""
        first = len(self._ordered)
        for number, rule in enumerate(rules, start=first):
            # Dice for each rule: what one rule draws does not depend on the others.
            dice = Random(f"{self._seed} {number}")  # noqa: S311 - nothing secret
            self._ordered.append(_Ordered(rule, dice, self._now()))

    def decide(self, call: Call) -> Decision:
        """Count the call, and return what it meets: the first rule that applies, and latency."""
        applying = self._applying(call) if self._ordered else []
        deciding = next((each for each in applying if each.rule.what != "latency"), None)
        happening = [each for each in applying if each is deciding or each.rule.what == "latency"]
        for each in happening:
            each.happened += 1
        latencies = [
            drawn(each.rule.latency, each.dice)
            for each in happening
            if each.rule.latency is not None
        ]
        seconds = sum(latencies) if latencies else drawn(self._latency, self._dice)
        named = deciding or next(iter(happening), None)
        return Decision(
            rule=deciding.rule if deciding else None,
            seconds=seconds,
            title=named.rule.title if named else None,
        )

    def described(self) -> list[dict[str, Any]]:
        """Describe the rules, how often each has happened, and how often it will; null: no end."""
        return [ordered.described() for ordered in self._ordered]

    def _applying(self, call: Call) -> list["_Ordered"]:
        now, (version, segments) = self._now(), call.target()
        template = _template(segments)
        return [each for each in self._ordered if each.applies(call, version, template, now)]


@dataclass(slots=True)
class _Ordered:
    rule: Rule
    dice: Random
    since: float
    matched: int = 0
    happened: int = 0

    def applies(self, call: Call, version: Version, template: str, now: float) -> bool:
        """Return whether its turn has come; every call that matches is counted for that."""
        rule, age, start = self.rule, now - self.since, self.rule.after or 0.0
        matches = (
            start <= age
            and (rule.lasts is None or age < start + rule.lasts)
            and rule.method in (None, call.method)
            and (rule.version is None or versions.NAMED[rule.version] is version)
            and rule.call in (None, template)
            and (rule.key is None or any(rule.key in text for text in _texts(call)))
        )
        self.matched += matches
        return matches and self._has_its_turn()

    def _has_its_turn(self) -> bool:
        rule = self.rule
        return (
            (rule.nth is None or self.matched in rule.nth)
            and (rule.every is None or self.matched % rule.every == 0)
            and (rule.rate is None or self.dice.random() < rule.rate)
            and (rule.limit is None or self.happened < rule.limit)
        )

    def described(self) -> dict[str, Any]:
        written = self.rule.model_dump(mode="json", by_alias=True, exclude_unset=True)
        left = None if self.rule.limit is None else self.rule.limit - self.happened
        return {**written, "name": self.rule.title, "happened": self.happened, "left": left}


def _template(segments: list[str]) -> str:
    """Write a path without its id, and without the segments that the API ignores."""
    has_id = segments[:1] in (["database"], ["profile"])
    return "/".join(segments[:1] + (segments[2:3] if has_id else []))


def _texts(call: Call) -> Iterator[str]:
    """Give the values of conditions and of fields, as far as the call can be read."""
    expressions = query.decode(call.query).get("fields", {})
    for expression in expressions.values() if isinstance(expressions, dict) else ():
        match = _VALUE.fullmatch(str(expression))
        if match:
            yield match[1]
    yield from _leaves(_decoded(call))


def _decoded(call: Call) -> Any:
    try:
        return json.loads(call.body)
    except (ValueError, RecursionError):
        return query.decode(call.body.decode("utf-8", "replace"))


def _leaves(value: Any) -> Iterator[str]:
    pending = [value]
    while pending:
        each = pending.pop()
        if isinstance(each, dict):
            pending.extend(each.values())
        elif isinstance(each, list):
            pending.extend(each)
        elif each is not None:
            yield str(each)


def _rule(value: Any, place: str) -> Rule:
    if not isinstance(value, dict):
        raise FaultError(f"{place or 'a fault, or each in a list,'} must be an object")
    try:
        return Rule.model_validate(value)
    except ValidationError as error:
        raise FaultError(_explained(error, value, place)) from None


def _explained(error: ValidationError, value: Any, place: str) -> str:
    texts = []
    for each in error.errors(include_url=False):
        text = _text(each)
        if each["type"] == "extra_forbidden":
            text += _suggestion(each["loc"])
        elif isinstance(each["input"], (str, int, float)) and each["input"] != "":
            text = f"{text}, not {json.dumps(each['input'])[:80]}"
        where = _place(value, each["loc"], each["type"] == "missing", place)
        texts.append(f"{where}: {text}" if where else text)
    return "; ".join(dict.fromkeys(texts))


def _text(error: ErrorDetails) -> str:
    form = _TEXTS.get(error["type"])
    text = form.format(**error.get("ctx", {})) if form else error["msg"]
    # Of what it lists there, pydantic writes the values as Python does.
    written = text.replace("'", '"').replace("True", "true")
    return written if error["type"] == "literal_error" else text


def _suggestion(loc: tuple[int | str, ...]) -> str:
    if len(loc) > 1:
        return ""
    known = [about.alias or name for name, about in Rule.model_fields.items()]
    near = difflib.get_close_matches(str(loc[0]), known)
    return f"; is {' or '.join(near)} meant?" if near else "; --help and /openapi.json show them"


def _place(value: Any, loc: tuple[int | str, ...], missing: bool, place: str) -> str:
    """Write where in the value it is; pydantic also names the alternatives that it tried."""
    for part in loc:
        try:
            value = value[part]
        except (LookupError, TypeError):
            if not (missing and part == loc[-1]):
                continue
        place += f"[{part}]" if isinstance(part, int) else f".{part}"
    return place.removeprefix(".")
