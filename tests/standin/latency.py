"""Times that a call takes: one number of seconds, or a distribution to draw from."""

import math
from random import Random
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

Seconds: TypeAlias = Annotated[float, Field(ge=0, lt=3600, allow_inf_nan=False)]

_LONGEST = 3600.0
_P99 = 2.3263478740408408  # standard deviations between median and 99th percentile
_CONFIG = ConfigDict(extra="forbid", frozen=True, strict=True)


class Uniform(BaseModel):
    """Every time between two is as likely."""

    model_config = _CONFIG
    uniform: list[Seconds] = Field(min_length=2, max_length=2)

    @model_validator(mode="after")
    def _ascending(self) -> "Uniform":
        if self.uniform[0] > self.uniform[1]:
            raise ValueError("the first number must not be above the second")
        return self

    def drawn(self, dice: Random) -> float:
        """Draw a number of seconds."""
        return dice.uniform(self.uniform[0], self.uniform[1])


class Exponential(BaseModel):
    """Mostly short, `exponential` on average before `max` cuts the long ones."""

    model_config = _CONFIG
    exponential: Seconds = Field(gt=0)
    max: Seconds = _LONGEST - 1

    def drawn(self, dice: Random) -> float:
        """Draw a number of seconds."""
        return min(dice.expovariate(1 / self.exponential), self.max)


class _Percentiles(BaseModel):
    model_config = _CONFIG
    median: Seconds = Field(gt=0)
    p99: Seconds

    @model_validator(mode="after")
    def _ascending(self) -> "_Percentiles":
        if self.p99 < self.median:
            raise ValueError("p99 must not be below median")
        return self


class Lognormal(BaseModel):
    """The long tail that measurements of servers show, given by median and 99th percentile."""

    model_config = _CONFIG
    lognormal: _Percentiles

    def drawn(self, dice: Random) -> float:
        """Draw a number of seconds."""
        shape = self.lognormal
        sigma = math.log(shape.p99 / shape.median) / _P99
        return min(shape.median * math.exp(sigma * dice.gauss()), _LONGEST)


class Choice(BaseModel):
    """One of some numbers, each as likely; one that is listed twice is twice as likely."""

    model_config = _CONFIG
    choice: list[Seconds] = Field(min_length=1)

    def drawn(self, dice: Random) -> float:
        """Draw a number of seconds."""
        return dice.choice(self.choice)


_SHAPES = ("uniform", "exponential", "lognormal", "choice")


def _shape(value: Any) -> str | None:
    """Name the alternative; the brackets tell it from a key where an error names its place."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return "<number>"
    if isinstance(value, dict):
        return next((f"<{name}>" for name in _SHAPES if name in value), None)
    return f"<{type(value).__name__.lower()}>"


Latency: TypeAlias = Annotated[
    Annotated[Seconds, Tag("<number>")]
    | Annotated[Uniform, Tag("<uniform>")]
    | Annotated[Exponential, Tag("<exponential>")]
    | Annotated[Lognormal, Tag("<lognormal>")]
    | Annotated[Choice, Tag("<choice>")],
    Discriminator(
        _shape,
        custom_error_type="latency",
        custom_error_message="must be a number of seconds, or an object with one of "
        + ", ".join(_SHAPES),
    ),
]


def drawn(latency: Latency, dice: Random) -> float:
    """Draw from a latency a number of seconds."""
    return latency if isinstance(latency, (int, float)) else latency.drawn(dice)
