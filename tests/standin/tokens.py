"""The access token, and the JSON Web Tokens of version 4 that it is exchanged for."""

import hashlib
import hmac
import json
import random
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from tests.standin.clock import Clock

DAY = 86400
_HEAD = {"alg": "HS256", "typ": "JWT"}


class Tokens:
    """Knows the access token, and makes and checks JWTs that are valid for so many seconds."""

    def __init__(
        self, access_token: str, clock: Clock, dice: random.Random, seconds: float = DAY
    ) -> None:
        self._access_token = access_token
        self._clock = clock
        self._key = dice.randbytes(32)
        self._seconds = seconds

    def knows(self, access_token: object) -> bool:
        """Tell whether this is the access token."""
        return access_token == self._access_token

    def replace(self, access_token: str) -> None:
        """Know this one from now on, and no longer the one before; JWTs stay valid."""
        self._access_token = access_token

    def make(self) -> str:
        """Return a JWT: HS256, with `iat`, `exp` and `sub`, times in seconds since 1970."""
        issued = int(self._clock.now().timestamp())
        claims = {"iat": issued, "exp": int(issued + self._seconds), "sub": "1"}
        signed = f"{_encoded(_json(_HEAD))}.{_encoded(_json(claims))}"
        return f"{signed}.{self._signature(signed)}"

    def authorizes(self, authorization: str) -> bool:
        """Tell whether the header Authorization holds a JWT of ours that is still valid."""
        scheme, _, token = authorization.strip().partition(" ")
        signed, _, signature = token.strip().rpartition(".")
        if scheme.lower() != "bearer" or signature != self._signature(signed):
            return False
        expires: float = json.loads(_decoded(signed.partition(".")[2]))["exp"]
        return self._clock.now().timestamp() < expires

    def _signature(self, signed: str) -> str:
        return _encoded(hmac.digest(self._key, signed.encode(), hashlib.sha256))


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _encoded(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
