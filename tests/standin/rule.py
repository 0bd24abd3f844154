"""A rule: what goes wrong, and with which calls. Those who write it in JSON know it as a fault."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from email.utils import format_datetime
from functools import cached_property
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from tests.standin import balancer
from tests.standin.answers import Answer, empty, refusal
from tests.standin.latency import Latency, Seconds

HOW_OFTEN = (
    "Without `times` a fault happens once; with rate, nth, every, key or for, and a latency alone, "
    "until it is taken back."
)

Moment: TypeAlias = Literal["before", "after"]
Template: TypeAlias = Literal[
    "authenticate",
    "consumption",
    "database/fields",
    "database/interests",
    "database/profiles",
    "identity",
    "profile",
    "profile/fields",
]

# In this order they name a rule; one of them at most, and latency with any of them or alone.
WHAT = (
    "status",
    "reset",
    "empty",
    "cut",
    "garbled",
    "trickle",
    "refuse",
    "close",
    "no_location",
    "invalid_token",
    "think_time",
)
_OF_A_STATUS = ("message", "body", "content_type", "headers", "moment")
_BOUNDS = ("rate", "nth", "every", "key", "lasts", "until_reset")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")
_DATE = re.compile(r"date\+(\d{1,6})")
# The answer is framed by the stand-in; another frame would spoil the answers after it.
_FRAME = frozenset(("content-length", "transfer-encoding"))


def _header(pair: tuple[str, str]) -> None:
    name, value = pair
    if not _NAME.fullmatch(name) or name.lower() in _FRAME:
        raise ValueError(f"{name!r} is no name of a header that can be chosen")
    if not _VALUE.fullmatch(value):
        raise ValueError(f"the value of {name} must be printable Latin-1 in one line")


def _headers(headers: dict[str, str]) -> dict[str, str]:
    for pair in headers.items():
        _header(pair)
    return headers


def _one_line(text: str) -> str:
    _header(("Content-Type", text))
    return text


def _encodable(text: str) -> str:
    text.encode()  # half a surrogate pair is no text
    return text


def _listed(given: Any) -> Any:
    if isinstance(given, int):
        return [given]
    if isinstance(given, list):
        return given
    raise ValueError("must be a number, or a list of numbers")


def _upper(given: Any) -> Any:
    return given.upper() if isinstance(given, str) else given


Text: TypeAlias = Annotated[str, AfterValidator(_encodable)]
Method: TypeAlias = Annotated[
    Literal["GET", "PUT", "POST", "DELETE", "PATCH", "HEAD", "OPTIONS"], BeforeValidator(_upper)
]
Count: TypeAlias = Annotated[int, Field(ge=1)]
Numbers: TypeAlias = Annotated[
    list[Count],
    Field(min_length=1),
    BeforeValidator(
        _listed,
        json_schema_input_type=Count | Annotated[list[Count], Field(min_length=1)],
    ),
]


class Rule(BaseModel):
    """What goes wrong and when; every given condition must hold."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, title="Fault")

    name: Text | None = Field(None, description="how the journal names it")

    status: int | None = Field(
        None,
        ge=200,
        le=599,
        description="this status as the answer; without message or body with "
        "the load balancer's page in HTML",
    )
    message: Text | None = Field(None, description="of an error as the API writes it")
    body: Text | None = Field(None, description="in place of a message")
    content_type: Annotated[str, AfterValidator(_one_line)] | None = Field(
        None, description="of that body"
    )
    headers: Annotated[dict[str, str], AfterValidator(_headers)] | None = Field(
        None, description="besides; `date+5` is the HTTP date 5 seconds ahead"
    )
    moment: Moment | None = Field(None, description="of a status: before the change, or after")
    reset: Moment | None = Field(None, description="the connection is reset, without an answer")
    empty: Moment | None = Field(None, description="the connection ends, without an answer")
    cut: int | None = Field(
        None, ge=-1, description="bytes of the body that are sent; null or -1: all but the last"
    )
    garbled: Literal[True] | None = Field(None, description="the body is broken JSON")
    trickle: Seconds | None = Field(None, description="seconds after each byte of the answer")
    refuse: Seconds | None = Field(
        None,
        description="the call that meets it is reset, then nothing listens for so many seconds",
    )
    close: Literal["after"] | None = Field(None, description="the connection ends unannounced")
    no_location: Literal[True] | None = Field(
        None, description="a creation answers 303, without Location and X-Created"
    )
    invalid_token: Literal[True] | None = Field(None, description="400 Invalid access token")
    think_time: Seconds | None = Field(None, description="seconds between search and creation")
    latency: Latency | None = Field(None, description="seconds before the call is carried out")

    rate: float | None = Field(None, ge=0, le=1, description="how likely, by seeded dice")
    nth: Numbers | None = Field(None, description="calls that match, from 1")
    every: Count | None = Field(None, description="each so manyth call that matches")
    key: Annotated[str, Field(min_length=1), AfterValidator(_encodable)] | None = Field(
        None, description="occurs in a value of a condition or of a field"
    )
    method: Method | None = None
    call: Template | None = Field(None, description="its path, without version and ids")
    version: Literal["v1", "v2", "v3", "v4"] | None = None
    after: Seconds | None = Field(None, description="seconds from when it was ordered")
    lasts: Seconds | None = Field(None, alias="for", description="seconds it is in force")
    times: int | None = Field(None, ge=0, description=f"how often at most. {HOW_OFTEN}")
    until_reset: Literal[True] | None = Field(None, description="without end")

    @field_validator("cut", mode="before", json_schema_input_type=int | Literal[True] | None)
    @classmethod
    def _all_but_the_last(cls, given: Any) -> Any:
        if given is None or given is True:
            return -1
        if given is False or not isinstance(given, int):
            raise ValueError("must be a number of bytes; null, true or -1 for all but the last")
        return given

    @model_validator(mode="after")
    def _consistent(self) -> "Rule":
        given = [name for name in WHAT if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(
                f"{given[0]} and {given[1]} are two faults: give each an object of its own"
            )
        if not given and self.latency is None:
            raise ValueError(f"one of {', '.join(WHAT)} or latency is needed")
        for name in _OF_A_STATUS:
            if self.status is None and getattr(self, name) is not None:
                raise ValueError(f"{name} belongs to a status")
        if self.message is not None and self.body is not None:
            raise ValueError("message and body exclude each other")
        if self.content_type is not None and self.body is None:
            raise ValueError("content_type belongs to a body")
        if self.until_reset and self.times is not None:
            raise ValueError("times and until_reset exclude each other")
        return self

    @cached_property
    def what(self) -> str:
        """Which of the faults it is; a latency alone is `latency`."""
        return next((name for name in WHAT if getattr(self, name) is not None), "latency")

    @cached_property
    def title(self) -> str:
        """How the journal names it: its name, or the fault with its value."""
        value = getattr(self, self.what)
        described = f"{self.what} {value}" if isinstance(value, (str, int, float)) else self.what
        return self.name or (self.what if value is True else described)

    @cached_property
    def limit(self) -> int | None:
        """How often it happens at most; None is without end."""
        bounded = any(getattr(self, name) is not None for name in _BOUNDS)
        return 1 if self.times is None and self.what != "latency" and not bounded else self.times

    @property
    def applied(self) -> bool:
        """Whether the API carries out the call all the same."""
        if self.invalid_token or self.refuse is not None:
            return False
        moment = self.moment or "before" if self.status else self.reset or self.empty
        return moment != "before"

    @property
    def answered(self) -> bool:
        """Whether a status is sent."""
        return self.what not in ("reset", "empty", "refuse")

    def answer(self, now: datetime) -> Answer:
        """Return the answer in place of the API's."""
        if self.invalid_token:
            return refusal("Invalid access token")
        status = self.status or 200
        headers = tuple(_written(self.headers or {}, now))
        if self.message is not None:
            answer = refusal(self.message, status)
        elif self.body is not None:
            kind = self.content_type or "text/plain; charset=utf-8"
            answer = Answer(status, self.body.encode(), (("Content-Type", kind),))
        else:
            answer = balancer.page(status)
        return Answer(answer.status, answer.body, (*answer.headers, *headers))

    def altered(self, answer: Answer, now: datetime) -> Answer:
        """Return what becomes of the API's answer."""
        if self.status:
            return self.answer(now)
        if self.garbled and answer.status != 204:
            return Answer(answer.status, answer.body[:-1] or b"{", answer.headers)
        if self.no_location and any(name == "X-Created" for name, _ in answer.headers):
            return empty(303)
        return answer


def _written(headers: dict[str, str], now: datetime) -> Iterator[tuple[str, str]]:
    for name, value in headers.items():
        ahead = _DATE.fullmatch(value)
        if name.lower() == "retry-after" and ahead:
            moment = now + timedelta(seconds=int(ahead[1]))
            yield name, format_datetime(moment, usegmt=True)
        else:
            yield name, value
