"""What an answer of the API means: one table, which README shows too.

Pure, and the only place that knows the API's status codes and texts. That a status or a text
decides is for Copernica's reasons: nearly every failure is a 400, told apart by its text alone.
Source: Copernica REST API, "REST requests"; observed answers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from pydantic_core import from_json

from service.profiles import Answer, Failure, NoResponse, Response

Meaning = Literal["success", "outage", "token", "configuration", "unknown-database", "refused"]


@dataclass(frozen=True, slots=True)
class Seen:
    """What the table looks at; `status` is 0 and `failure` set if no answer came.

    `page` is True for HTML; `text` is the API's error message, "" without one.
    """

    failure: Failure | None = None
    status: int = 0
    page: bool = False
    text: str = ""
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of the table.

    `answer` is how README calls what `holds` recognises; `detail` says it of one answer, with its
    `{status}`. With `ambiguous` the call may have been carried out all the same.
    """

    answer: str
    holds: Callable[[Seen], bool]
    meaning: Meaning
    detail: str = "status {status}"
    ambiguous: bool = False


def judge(answer: Answer) -> Rule:
    """Find the row of an answer: the first that holds. Every answer has one."""
    return _rule_for(see(answer))


@lru_cache(maxsize=64)  # nearly all answers look the same
def _rule_for(seen: Seen) -> Rule:
    return next(rule for rule in RULES if rule.holds(seen))


def see(answer: Answer) -> Seen:
    """Look at an answer as the table does."""
    if isinstance(answer, NoResponse):
        return Seen(failure=answer.failure)
    return Seen(None, answer.status, _is_page(answer), error_text(answer.body), answer.cut)


def error_text(body: bytes) -> str:
    """Read the message of the API's one shape of an error; "" if the body is something else."""
    if b'"error"' not in body:
        return ""
    try:
        message = from_json(body)["error"]["message"]
    except (ValueError, LookupError, TypeError):
        return ""
    return message if isinstance(message, str) else ""


def _is_page(answer: Response) -> bool:
    begins = answer.body.lstrip()[:1]
    labelled = "html" in answer.headers.get("content-type", "")
    return begins == b"<" or (labelled and begins not in b"{[")


def _failed(failure: Failure) -> Callable[[Seen], bool]:
    return lambda seen: seen.failure == failure


def _took(seen: Seen) -> bool:
    return 200 <= seen.status < 300 or seen.status == 303


def _broke(seen: Seen) -> bool:
    return seen.status >= 500


def _status(*statuses: int) -> Callable[[Seen], bool]:
    return lambda seen: seen.status in statuses


def _says(*texts: str) -> Callable[[Seen], bool]:
    # Only how a text begins: its end may repeat what the sender wrote.
    return lambda seen: (
        seen.text.casefold().lstrip().startswith(texts)
        and (_took(seen) or seen.status in (400, 404))
    )


RULES = (
    Rule(
        "no connection: refused, host unknown, CONNECT_TIMEOUT, the proxy is down; or AUTH_URL is "
        "down, or a page",
        _failed("unreachable"),
        "outage",
    ),
    Rule(
        "a certificate that is not trusted, no TLS, a proxy that refuses; or AUTH_URL answers "
        "without a token, and no page",
        _failed("misconfigured"),
        "configuration",
    ),
    Rule("AUTH_URL refuses the access token", _failed("token-refused"), "token"),
    Rule(
        "sent, but no answer came: reset, closed, REQUEST_TIMEOUT",
        _failed("no-answer"),
        "outage",
        ambiguous=True,
    ),
    Rule(
        "an HTML page with 2xx, 303, 400 or 5xx: a load balancer's, not the API's",
        lambda seen: seen.page and (_took(seen) or _broke(seen) or seen.status == 400),
        "outage",
        "status {status} with an HTML page",
        ambiguous=True,
    ),
    Rule(
        "2xx, 303, 400, 404 with the error text `Invalid access token`",
        _says("invalid access token"),
        "token",
        "the API calls the access token invalid",
    ),
    Rule(
        "the same with `No database with ...`",
        _says("no database with"),
        "unknown-database",
    ),
    Rule(
        "the same with `Invalid method` or `Invalid request, element ...`",
        _says("invalid method", "invalid request, element"),
        "configuration",
        "the API does not know this call: is API_URL right?",
    ),
    Rule(
        "the same with `URL parameter fields is required`",
        _says("url parameter fields is required"),
        "configuration",
        "the selection did not reach the API: does a proxy change the query?",
    ),
    Rule(
        "2xx or 303 with another error text",
        lambda seen: _took(seen) and seen.text != "",
        "refused",
    ),
    Rule("2xx or 303, whatever the body", _took, "success"),
    Rule(
        "400 whose body is cut short",
        lambda seen: seen.status == 400 and seen.cut,
        "outage",
        "status 400, cut short",
    ),
    Rule("400 otherwise; 413, 414, 422", _status(400, 413, 414, 422), "refused"),
    Rule("401, 403", _status(401, 403), "token"),
    Rule("408, 425, 429", _status(408, 425, 429), "outage"),
    Rule("5xx", _broke, "outage", ambiguous=True),
    Rule(
        "any other status: a redirect, 404, 405, 410",
        lambda _: True,
        "configuration",
        "status {status}: is API_URL right?",
    ),
)
"""The table, read from the top."""
