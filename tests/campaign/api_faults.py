"""The faults that the API has, or that an API has with its token."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, TypeAlias

from tests.campaign.stage import Stage

Fault: TypeAlias = Callable[[Stage], AbstractContextManager[None]]


@contextmanager
def _ordered(stage: Stage, name: str, rule: Mapping[str, Any]) -> Iterator[None]:
    stage.order(name, rule)
    try:
        yield
    finally:
        stage.relent(name)


@contextmanager
def _token_replaced(stage: Stage) -> Iterator[None]:
    """No token is accepted, and the file has another one; at the end the right one is in it."""
    stage.order("token-replaced", {"invalid_token": True})
    stage.write_token(stage.new_token())
    try:
        yield
    finally:
        stage.write_token(stage.token)
        stage.relent("token-replaced")


@contextmanager
def _token_revoked(stage: Stage) -> Iterator[None]:
    """The API knows another token from now on, which is in the file at the end only."""
    stage.revoke_token()
    try:
        yield
    finally:
        stage.write_token(stage.token)


_PUT = {"method": "PUT", "call": "database/profiles"}
_HTML = "<html><body>Please stand by</body></html>"
_RULES: Mapping[str, Mapping[str, Any]] = {
    "api-429": {"status": 429, "message": "Too many requests", "headers": {"Retry-After": "1"}},
    "api-500": {"status": 500, "rate": 0.7},
    "api-500-after": {"status": 500, "moment": "after", "rate": 0.5, **_PUT},
    "api-502": {"status": 502},
    "api-503": {"status": 503},
    "api-503-retry-after": {"status": 503, "headers": {"Retry-After": "date+2"}},
    "api-cut-answer": {"cut": 10, "rate": 0.5},
    "api-down": {"reset": "before"},
    "api-empty-answer": {"empty": "after", "rate": 0.5},
    "api-html": {"status": 200, "body": _HTML, "content_type": "text/html"},
    "api-reset-after": {"reset": "after", "rate": 0.5},
    "api-reset-before": {"reset": "before", "rate": 0.5},
    "api-slow": {"latency": 1.5, "rate": 0.5},
    "api-slow-answer": {"trickle": 0.05, "rate": 0.5},
    "token-refused": {"invalid_token": True},
}

API_FAULTS: Mapping[str, Fault] = {
    **{name: partial(_ordered, name=name, rule=rule) for name, rule in _RULES.items()},
    "token-replaced": _token_replaced,
    "token-revoked": _token_revoked,
}
