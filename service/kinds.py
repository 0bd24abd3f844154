"""The kinds of values that settings have: what each may be. No value is ever named."""

from typing import Annotated
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo

from service import tls
from service.values import read_database


def lower(value: object) -> object:
    """Let any case do."""
    return value.lower() if isinstance(value, str) else value


def zone(value: str) -> str:
    """Pass on the name of a time zone.

    Raises:
        ValueError: there is none of that name.
    """
    if value not in available_timezones():
        raise ValueError("is no time zone; write one like Europe/Amsterdam")
    return value


def token(value: SecretStr) -> SecretStr:
    """Pass on an access token.

    Raises:
        ValueError: it cannot be one.
    """
    token = value.get_secret_value()
    if not token or not token.isprintable() or " " in token:
        raise ValueError("is empty, or has blanks or control characters")
    return value


def short(value: str) -> str:
    """Pass on a name that AMQP can carry.

    Raises:
        ValueError: it is too long.
    """
    if len(value.encode()) > 255:
        raise ValueError("has more than the 255 bytes that AMQP allows")
    return value


def file(value: str | None) -> str | None:
    """Pass on the path of a file that can be read, None if it is set to nothing.

    Raises:
        ValueError: it cannot be read, or is no path.
    """
    if value and "-----BEGIN" in value:
        raise ValueError("must be the path of a file, not what is in it")
    if value:
        tls.read(value)
    return value or None


def databases(value: str) -> str:
    """Pass on ids or names of databases, with commas between.

    Raises:
        ValueError: one is neither.
    """
    for name in value.split(",") if value else ():
        try:
            read_database(name.strip())
        except ValueError as error:
            raise ValueError(f"separate ids or names by commas: {error}") from None
    return value


def partitions(value: int, info: ValidationInfo) -> int:
    """Pass on a number of partitions whose queues and exchange can have their names.

    Raises:
        ValueError: a name is too long for AMQP, or another setting has it.
    """
    if value == 1:
        return value
    endings = {
        "queue": ["members", "mover", "moving", "moved", *(str(number) for number in range(value))],
        "exchange": ["partitions", "moving", "moved"],
    }
    for kind, own in endings.items():
        event = info.data.get(f"event_{kind}", "")
        names = [f"{event}.{ending}" for ending in own]
        if any(len(name.encode()) > 255 for name in names):
            room = 255 - max(len(ending) for ending in own) - 1
            raise ValueError(
                f"EVENT_{kind.upper()} may then have {room} bytes: names begin with it"
            )
        for role in ("result", "dead_letter"):
            if info.data.get(f"{role}_{kind}") in names:
                taken = f"{role}_{kind}".upper()
                raise ValueError(f"{taken} must not be a name that partitions have")
    return value


Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1), AfterValidator(short)]
File = Annotated[str | None, AfterValidator(file)]
