"""The kinds of values that settings have: what each may be. No value is ever named."""

from typing import Annotated
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, SecretStr

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


Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1), AfterValidator(short)]
File = Annotated[str | None, AfterValidator(file)]
