"""What becomes of an event: the API's answer in, a verdict out.

Pure: no clock, no dice. The only place that knows what the API's status codes and texts mean.
Source: Copernica REST API, "PUT database profiles", "REST requests"; observed answers.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic_core import from_json

from service.events import InvalidReason, ProfileUpdate
from service.profiles import Answer, NoResponse, Profile, Response, profiles_in

Outcome = Literal["updated", "created", "unmatched", "accepted", "rejected"]
Reason = InvalidReason | Literal["unknown-database", "refused"]
Cause = Literal["outage", "token", "configuration"]

LONGEST_RETRY_AFTER = 300.0  # seconds; an API that asks for more is asked again anyway

# Statuses that mean something else when a page comes with them; the rest mean the same.
_API_STATUSES = frozenset({*range(200, 300), 303, 400, *range(500, 600)})
_PROFILE_URL = re.compile(r"/profile/(\d+)/?(?:[?#]|$)", re.ASCII)
_TOKEN = re.compile(r"access_token=[^&\s\"']*")
_TIMESTAMP = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True, slots=True)
class Done:
    """The API took the update.

    `profiles` is None if the answer carried none: then `created_id`, or the selection, tells
    which to read back.
    """

    outcome: Outcome
    profiles: tuple[Profile, ...] | None = None
    created_id: str | None = None


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
    if (failure := _failure(update, answer)) is not None:
        return failure
    assert isinstance(answer, Response)  # noqa: S101
    return _success(update, answer, zone)


def found(update: ProfileUpdate, answer: Answer) -> tuple[Profile, ...] | Retry | Refused:
    """Judge the answer to a GET of an update's profiles."""
    if (failure := _failure(update, answer)) is not None:
        return failure
    assert isinstance(answer, Response)  # noqa: S101
    if answer.cut:
        return Retry("outage", "the answer was cut short, or is larger than MAX_RESPONSE_BYTES")
    profiles = profiles_in(answer.body)
    return Retry("outage", "the answer has no profiles") if profiles is None else profiles


def appeared_since(profile: Profile, since: datetime, zone: ZoneInfo) -> bool:
    """Tell whether a profile was created at `since` or later, give or take 5 seconds."""
    earliest = since - timedelta(seconds=5)
    return any(created >= earliest for created in _instants(profile.get("created"), zone))


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


def _failure(update: ProfileUpdate, answer: Answer) -> Retry | Refused | None:
    """Judge an answer that is no success; None if it is one."""
    if isinstance(answer, NoResponse):
        return Retry("outage", answer.error, ambiguous=answer.sent)
    if _is_html(answer) and answer.status in _API_STATUSES:
        # A load balancer's or a proxy's page: the API itself has said nothing.
        detail = f"status {answer.status} with an HTML page"
        return Retry("outage", detail, retry_after(answer), ambiguous=True)
    message = _error_message(answer.body)
    match answer.status:
        case status if 200 <= status < 300 or status == 303:
            return _refusal(update, message) if message else None
        case 400 | 404 if message:
            return _refusal(update, message)
        case 400 if answer.cut:
            return Retry("outage", "status 400, cut short")
        case 400 | 413 | 414 | 422 as status:
            return Refused("refused", f"status {status}")
        case 401 | 403 as status:
            return Retry("token", f"status {status}")
        case 408 | 425 | 429 as status:
            return Retry("outage", f"status {status}", retry_after(answer))
        case status if status >= 500:
            return Retry("outage", f"status {status}", retry_after(answer), ambiguous=True)
        case status:
            return Retry("configuration", f"status {status}: is API_URL right?")


def _success(update: ProfileUpdate, answer: Response, zone: ZoneInfo) -> Done:
    if update.asynchronous:
        return Done("accepted", ())
    profiles = None if answer.cut else profiles_in(answer.body)
    created_id = _created_id(answer)
    if created_id or answer.status == 201:
        return Done("created", profiles or None, created_id)
    if profiles is None:
        return Done("updated")
    if not profiles:
        return Done("unmatched", profiles)
    if update.create and len(profiles) == 1 and _is_new(profiles[0], answer, zone):
        return Done("created", profiles)
    return Done("updated", profiles)


def _created_id(answer: Response) -> str | None:
    value = answer.headers.get("x-created", "").strip()
    if value.isascii() and value.isdigit():
        return value
    if answer.status in (201, 303):
        # The query repeats the request's, token included: only the path is looked at.
        for header in ("x-location", "location"):
            if match := _PROFILE_URL.search(answer.headers.get(header, "").partition("?")[0]):
                return match[1]
    return None


def _is_new(profile: Profile, answer: Response, zone: ZoneInfo) -> bool:
    if profile.get("created") != profile.get("modified"):
        return False
    now = _http_date(answer.headers.get("date", ""))
    if now is None:
        return False
    instants = _instants(profile.get("created"), zone)
    return any(abs(now - created) <= timedelta(seconds=5) for created in instants)


def _refusal(update: ProfileUpdate, message: str) -> Retry | Refused:
    """Sort the API's refusals by their text, the only thing that tells them apart."""
    # Only how a text begins: its end may repeat what the sender wrote.
    begins = message.casefold().lstrip().startswith
    if begins("invalid access token"):
        return Retry("token", "the API calls the access token invalid")
    if begins("no database with"):
        return Refused("unknown-database", f"the API knows no database {update.database}")
    if begins(("invalid method", "invalid request, element")):
        return Retry("configuration", "the API does not know this call: is API_URL right?")
    return Refused("refused", _without_values(update, message))


def _without_values(update: ProfileUpdate, message: str) -> str:
    """Strip what the sender wrote, and any token, from a text of the API; at most 200 characters.

    A dead letter's headers are read by more people than its body.
    """
    message = _TOKEN.sub("access_token=***", _on_one_line(message))
    values = {*update.fields.values(), *(condition.value for condition in update.conditions)}
    for value in sorted(map(_on_one_line, values), key=len, reverse=True):
        if len(value) > 2:
            message = message.replace(value, "***")
        elif value:
            message = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", "***", message)
    return message[:200]


def _on_one_line(text: str) -> str:
    return " ".join(text.split())


def _error_message(body: bytes) -> str:
    if b'"error"' not in body:
        return ""
    try:
        message = from_json(body)["error"]["message"]
    except (ValueError, LookupError, TypeError):
        return ""
    return message if isinstance(message, str) else ""


def _is_html(answer: Response) -> bool:
    begins = answer.body.lstrip()[:1]
    labelled = "html" in answer.headers.get("content-type", "")
    return begins == b"<" or (labelled and begins not in b"{[")


def _http_date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, IndexError, TypeError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _instants(value: object, zone: ZoneInfo) -> list[datetime]:
    """Read a wall time as the instants it can be: two in the hour that comes twice in autumn."""
    try:
        wall = datetime.strptime(str(value), _TIMESTAMP).replace(tzinfo=zone)
        return [wall.replace(fold=fold).astimezone(UTC) for fold in (0, 1)]
    except (ValueError, OverflowError):
        return []
