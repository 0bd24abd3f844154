"""Read single values of the command line; a refusal says what to write instead."""

import math
from argparse import ArgumentTypeError
from datetime import UTC, datetime
from typing import Any

from tests.standin import documents, faults

_HOUR = 3600


def whole(written: str) -> int:
    """Read a whole number."""
    try:
        return int(written)
    except ValueError:
        raise ArgumentTypeError(f"{written!r} is no whole number") from None


def port(written: str) -> int:
    """Read the number of a port."""
    number = whole(written)
    if not 0 <= number <= 65535:
        raise ArgumentTypeError(f"{written} is no port: write a number from 0 to 65535")
    return number


def calls(written: str) -> int:
    """Read a number of calls."""
    number = whole(written)
    if number < 1:
        raise ArgumentTypeError(f"{written} is too few: write a number from 1 up")
    return number


def seconds(written: str) -> float:
    """Read a number of seconds, below one hour."""
    number = _number(written)
    if not 0 <= number < _HOUR:
        raise ArgumentTypeError(f"{written}: write a number of seconds from 0 up, below {_HOUR}")
    return number


def lifetime(written: str) -> float:
    """Read a number of seconds, of any length but none."""
    number = _number(written)
    if not 0 < number < math.inf:
        raise ArgumentTypeError(f"{written}: write a number of seconds above 0")
    return number


def token(written: str) -> str:
    """Read an access token."""
    if not written:
        raise ArgumentTypeError("a token must not be empty")
    return written


def latency(written: str) -> Any:
    """Read a number of seconds, or a distribution in JSON."""
    try:
        return faults.parse_latency(documents.read(written))
    except faults.FaultError as error:
        raise ArgumentTypeError(str(error)) from None
    except ValueError:
        example = '{"uniform": [0.1, 0.5]}'
        raise ArgumentTypeError(
            f"{written!r}: write a number of seconds, or a distribution such as {example}"
        ) from None


def instant(written: str) -> datetime:
    """Read an instant; without an offset it is in UTC."""
    try:
        read = datetime.fromisoformat(written)
        return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise ArgumentTypeError(
            f"{written!r}: write an instant such as 2026-11-23T10:00:00Z"
        ) from None


def _number(written: str) -> float:
    try:
        return float(written)
    except ValueError:
        raise ArgumentTypeError(f"{written!r} is no number of seconds") from None
