"""The token of API version 4: a JWT, given by AUTH_URL for the access token. No I/O here.

Source: Copernica REST API v4, "Introduction".
"""

import base64
import json
import re
from dataclasses import dataclass
from urllib.parse import quote

from service.answers import judge
from service.outcomes import retry_after
from service.profiles import Answer, Call, Failure, NoResponse

_JWT = re.compile(r"[A-Za-z0-9_-]+\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]*")
_MARGIN = 60.0  # seconds before its end in which a token is not used any more
_UNKNOWN_LIFETIME = 3600.0  # seconds; it is 24 hours, says the page
_LONGEST_LIFETIME = 30 * 86_400.0


@dataclass(frozen=True, slots=True)
class Token:
    """A JWT as text, with the seconds from its receipt that it may be used."""

    text: str
    usable: float

    def __repr__(self) -> str:
        return f"Token(text=***, usable={self.usable})"


def post_token(access_token: str) -> Call:
    """Make the call to AUTH_URL that exchanges the access token for a JWT."""
    return Call(
        "post-token",
        "POST",
        "",
        body=f"access_token={quote(access_token, safe='')}".encode(),
        content_type="application/x-www-form-urlencoded",
    )


def read_token(answer: Answer, now: float) -> Token | NoResponse:
    """Read the JWT in an answer of AUTH_URL; else say why a call cannot even be sent.

    Args:
        answer: the whole body is the JWT.
        now: seconds since 1970, for a JWT that does not say when it was issued.
    """
    if isinstance(answer, NoResponse):
        # Nothing has been sent to the API, whatever became of the call to AUTH_URL.
        name: Failure = "misconfigured" if answer.failure == "misconfigured" else "unreachable"
        return NoResponse(name, f"{answer.error}, at AUTH_URL")
    if answer.cut:
        return NoResponse("unreachable", "the token of AUTH_URL was cut short")
    rule = judge(answer)
    match rule.meaning:
        case "success":
            text = answer.body.decode("latin-1").strip().strip('"')
            if match := _JWT.fullmatch(text):
                return Token(text, _usable(match[1], now))
            return NoResponse("misconfigured", "AUTH_URL answers no token: is it right?")
        case "token" | "refused":
            return NoResponse("token-refused", "AUTH_URL refuses the access token")
        case "outage":
            detail = f"{rule.detail.format(status=answer.status)}, at AUTH_URL: is it right?"
            return NoResponse("unreachable", detail, retry_after(answer))
        case _:
            detail = f"status {answer.status}, at AUTH_URL: is it right?"
            return NoResponse("misconfigured", detail)


def _usable(payload: str, now: float) -> float:
    """Seconds until shortly before the end: by the issuer's clock, if it says when it began."""
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        lifetime = float(claims["exp"]) - float(claims.get("iat", now))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return _UNKNOWN_LIFETIME
    if not 0 < lifetime < _LONGEST_LIFETIME:
        # The clocks disagree, or the issuer means something else: the API will tell.
        return _UNKNOWN_LIFETIME
    return max(lifetime - _MARGIN, lifetime / 2)
