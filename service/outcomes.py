"""What becomes of an event: the API's answer in, a verdict out. Pure: no clock, no dice.

Source: Copernica REST API, "PUT database profiles"; observed answers.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from html import escape
from typing import Any, Literal
from urllib.parse import quote, quote_plus
from zoneinfo import ZoneInfo

from service.answers import Rule, error_text, judge
from service.events import InvalidReason, ProfileUpdate
from service.profiles import Answer, NoResponse, Profile, Response, profiles_in

Outcome = Literal["updated", "created", "unmatched", "accepted", "rejected", "failed"]
Reason = InvalidReason | Literal["unknown-database", "refused", "stale", "attempts-exhausted"]
Cause = Literal["outage", "token", "configuration"]

LONGEST_RETRY_AFTER = 300.0  # seconds; an API that asks for more is asked again anyway

_PROFILE_URL = re.compile(r"/profile/(\d+)/?(?:[?#]|$)", re.ASCII)
_TOKEN = re.compile(r"access_token=[^&\s\"']*")
_TAG = re.compile(r"<(?=[a-zA-Z/!?])[^<>]*>?")
_LONGEST_TEXT = 20_000  # characters of an answer that are looked at
_TIMESTAMP = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True, slots=True)
class Done:
    """The API took the update.

    `profiles` is None if the answer carried none: then `created_id`, or the selection, tells
    which to read back. `unsure` if the answer was spoilt, so that it might be a creation.
    """

    outcome: Outcome
    profiles: tuple[Profile, ...] | None = None
    created_id: str | None = None
    unsure: bool = False


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again, `after` seconds at the earliest if the API said so.

    With `ambiguous` the call may have been carried out all the same.
    """

    cause: Cause
    detail: str
    after: float | None = None
    ambiguous: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """No retry can help: the event is rejected."""

    reason: Reason
    detail: str


Verdict = Done | Retry | Refused


def decide(update: ProfileUpdate, answer: Answer, zone: ZoneInfo) -> Verdict:
    """Judge the answer to a PUT of profiles.

    Args:
        update: what was sent.
        answer: what came back, or how nothing did.
        zone: the wall time of the account's dates.
    """
    rule = judge(answer)
    if rule.meaning != "success" or isinstance(answer, NoResponse):
        return _failure(update.database, _values(update), answer, rule)
    return _success(update, answer, zone)


def found(update: ProfileUpdate, answer: Answer) -> tuple[Profile, ...] | Retry | Refused:
    """Judge the answer to a GET of an update's profiles."""
    return listed(update.database, answer, _values(update))


def listed(
    database: str, answer: Answer, values: Collection[str] = ()
) -> tuple[Mapping[str, Any], ...] | Retry | Refused:
    """Judge the answer to a GET: the objects it holds, one or a list, each with its `ID`."""
    rule = judge(answer)
    if rule.meaning != "success" or isinstance(answer, NoResponse):
        return _failure(database, values, answer, rule)
    if answer.cut:
        return Retry("outage", "the answer was cut short, or is larger than MAX_RESPONSE_BYTES")
    objects = profiles_in(answer.body)
    return Retry("outage", "the answer has no list") if objects is None else objects


def unanswered(answer: Answer) -> Retry | None:
    """Judge the answer to a probe: how it failed, or None if the API has answered in its way."""
    rule = judge(answer)
    if rule.meaning not in ("outage", "token", "configuration"):
        return None
    failure = _failure("", (), answer, rule)
    return failure if isinstance(failure, Retry) else None


def appeared_since(profile: Profile, since: datetime, zone: ZoneInfo) -> bool:
    """Tell whether a profile was created at `since` or later, give or take 5 seconds."""
    earliest = since - timedelta(seconds=5)
    return any(created >= earliest for created in instants(profile.get("created"), zone))


def backoff(attempt: int, base: float, longest: float, dice: float) -> float:
    """Seconds to wait after a failed attempt: dice * min(longest, base * 2 ** (attempt - 1)).

    Full jitter; `attempt` counts from 1, `dice` is drawn from [0, 1).
    """
    return dice * min(longest, base * 2.0 ** min(attempt - 1, 64))


def retry_after(answer: Response) -> float | None:
    """Read Retry-After, in seconds or as a date, as seconds between 0 and 300."""
    value = answer.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:10]), LONGEST_RETRY_AFTER)
    until, now = _http_date(value), _http_date(answer.headers.get("date", ""))
    if until is None or now is None:
        return None
    return min(max((until - now).total_seconds(), 0.0), LONGEST_RETRY_AFTER)


def _failure(database: str, values: Collection[str], answer: Answer, rule: Rule) -> Retry | Refused:
    """Put an answer that is no success into words, without any of `values`."""
    if isinstance(answer, NoResponse):
        detail, after = answer.error, answer.after
    else:
        detail, after = rule.detail.format(status=answer.status), retry_after(answer)
    match rule.meaning:
        case "outage" | "token" | "configuration" as cause:
            return Retry(cause, detail, after, rule.ambiguous)
        case "unknown-database":
            return Refused("unknown-database", f"the API knows no database {database}")
        case _:
            return Refused("refused", _refusal(values, answer, detail))


def _success(update: ProfileUpdate, answer: Response, zone: ZoneInfo) -> Done:
    if update.asynchronous:
        return Done("accepted", ())
    profiles = None if answer.cut else profiles_in(answer.body)
    created_ids = _created_ids(answer)
    if created_ids or answer.status == 201:
        # Two that differ name neither: then the selection tells.
        created_id = created_ids.pop() if len(created_ids) == 1 else None
        return Done("created", profiles or None, created_id)
    if profiles is None:
        nowhere = answer.status == 303 and "location" not in answer.headers
        spoilt = answer.cut or answer.body.strip() != b"" or nowhere
        return Done("updated", unsure=update.create and spoilt)
    if not profiles:
        return Done("unmatched", profiles)
    if update.create and len(profiles) == 1 and _is_new(profiles[0], answer, zone):
        return Done("created", profiles)
    return Done("updated", profiles)


def _created_ids(answer: Response) -> set[str]:
    """Collect what the headers call the new profile; `Location` alone does so with 201 and 303."""
    ids = set()
    value = answer.headers.get("x-created", "").strip()
    if value.isascii() and value.isdigit():
        ids.add(value)
    if answer.status in (201, 303):
        # The query repeats the request's, token included: only the path is looked at.
        for header in ("x-location", "location"):
            if match := _PROFILE_URL.search(answer.headers.get(header, "").partition("?")[0]):
                ids.add(match[1])
    return ids


def _is_new(profile: Profile, answer: Response, zone: ZoneInfo) -> bool:
    if profile.get("created") != profile.get("modified"):
        return False
    now = _http_date(answer.headers.get("date", ""))
    if now is None:
        return False
    made = instants(profile.get("created"), zone)
    return any(abs(now - created) <= timedelta(seconds=5) for created in made)


def _refusal(values: Collection[str], answer: Answer, status: str) -> str:
    """Give the API's reason, or failing that its status and what else it wrote."""
    body = b"" if isinstance(answer, NoResponse) else answer.body
    if message := error_text(body):
        return _without(values, message)
    rest = _without(values, body.decode(errors="replace"))
    return f"{status}: {rest}" if rest else status


def _values(update: ProfileUpdate) -> set[str]:
    return {*update.fields.values(), *(condition.value for condition in update.conditions)}


def _without(values: Collection[str], message: str) -> str:
    """Strip what the sender wrote, any token and all markup from a text; at most 200 characters.

    A dead letter's headers are read by more people than its body.
    """
    message = _TOKEN.sub("access_token=***", _on_one_line(message[:_LONGEST_TEXT]))
    written = {form for value in values for form in _written(value)}
    for form in sorted(written, key=len, reverse=True):
        if len(form) > 2:
            message = message.replace(form, "***")
        elif form:
            message = re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", "***", message)
    return _on_one_line(_TAG.sub(" ", message))[:200]


def _written(value: str) -> set[str]:
    """Write a value in the ways that an answer may repeat it: plain, JSON, URL, HTML."""
    forms: set[str] = set()
    for text in (value, _on_one_line(value)):
        as_json = {json.dumps(text, ensure_ascii=ascii)[1:-1] for ascii in (True, False)}
        forms |= {text, *as_json, *(form.replace("/", r"\/") for form in as_json)}
        forms |= {quote(text, safe=""), quote_plus(text), escape(text)}
    return {_on_one_line(form) for form in forms}


def _on_one_line(text: str) -> str:
    """Take out what would break a line, or a terminal."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


def _http_date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, IndexError, TypeError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def instants(value: object, zone: ZoneInfo) -> list[datetime]:
    """Read the API's wall time as the instants it can be: two in the hour that comes twice."""
    try:
        wall = datetime.strptime(str(value), _TIMESTAMP).replace(tzinfo=zone)
        return [wall.replace(fold=fold).astimezone(UTC) for fold in (0, 1)]
    except (ValueError, OverflowError):
        return []
