import html
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, quote_plus
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.outcomes import (
    Done,
    Refused,
    Retry,
    Verdict,
    appeared_since,
    backoff,
    decide,
    found,
    retry_after,
)
from service.profiles import Answer, NoResponse, Response
from tests.unit.doubles import error, profiles, response
from tests.unit.samples import profile, update

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
LOCATION = "https://api.copernica.com/profile/42?fields[]=customerid==4567&access_token=tok-3f9c"
SELF = "https://api.copernica.com/database/1234/profiles?create=1&access_token=tok-3f9c"
SPOILT = Done("updated", unsure=True)
HTML = b"<html><head><title>Loadbalancer Error</title></head></html>"


def judged(answer: Answer, **changes: Any) -> Verdict:
    return decide(update(**changes), answer, AMSTERDAM)


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        pytest.param(response(200), Done("updated"), id="nothing"),
        pytest.param(response(200, content_type="application/json"), Done("updated"), id="typed"),
        pytest.param(response(204), Done("updated"), id="204"),
        pytest.param(response(303, location=SELF), Done("updated"), id="303 to the request"),
        pytest.param(response(303), SPOILT, id="303 to nowhere"),
        pytest.param(response(200, b"[{"), SPOILT, id="a broken body"),
        pytest.param(profiles(), Done("unmatched", ()), id="an empty list"),
        pytest.param(profiles(profile()), Done("updated", (profile(),)), id="a list"),
        pytest.param(
            profiles(profile(1), profile(2)), Done("updated", (profile(1), profile(2))), id="two"
        ),
        pytest.param(
            response(200, json.dumps({"data": [profile()], "total": 1}).encode()),
            Done("updated", (profile(),)),
            id="a wrapper",
        ),
        pytest.param(
            response(200, json.dumps(profile()).encode()),
            Done("updated", (profile(),)),
            id="one profile",
        ),
        pytest.param(Response(200, {}, b"[]", cut=True), SPOILT, id="a body that was cut off"),
        pytest.param(
            response(303, x_created="42", location=LOCATION),
            Done("created", None, "42"),
            id="303 with X-Created",
        ),
        pytest.param(response(303, x_created=" 42 "), Done("created", None, "42"), id="blanks"),
        pytest.param(
            response(303, location=LOCATION), Done("created", None, "42"), id="303 to a profile"
        ),
        pytest.param(
            response(303, location="/profile/42"), Done("created", None, "42"), id="303 to a path"
        ),
        pytest.param(
            response(303, x_location=LOCATION), Done("created", None, "42"), id="X-location"
        ),
        pytest.param(
            response(201, x_created="42"), Done("created", None, "42"), id="201 with X-Created"
        ),
        pytest.param(response(201), Done("created"), id="201"),
        pytest.param(
            response(204, x_created="42"), Done("created", None, "42"), id="204 with X-Created"
        ),
        pytest.param(
            response(202, x_created="42"), Done("created", None, "42"), id="202 with X-Created"
        ),
        pytest.param(response(303, x_created="soon"), SPOILT, id="X-Created in words"),
        pytest.param(
            response(303, x_created="7", location=LOCATION), Done("created"), id="two that differ"
        ),
        pytest.param(
            response(303, location="https://api.copernica.com/profile/42/fields"),
            Done("updated"),
            id="303 to something below a profile",
        ),
        pytest.param(
            response(303, location="https://api.copernica.com/x?next=/profile/42"),
            Done("updated"),
            id="303 with a profile in the query",
        ),
        pytest.param(
            profiles(profile(42), x_created="42"),
            Done("created", (profile(42),), "42"),
            id="X-Created and the profile",
        ),
    ],
)
def test_knows_success(answer: Response, verdict: Done) -> None:
    assert judged(answer, create=True) == verdict


@pytest.mark.parametrize(
    "answer",
    [response(200), response(204), profiles(), profiles(profile()), response(202)],
    ids=str,
)
def test_an_asynchronous_update_is_accepted(answer: Response) -> None:
    verdict = judged(answer, async_=True)
    assert isinstance(verdict, Done)
    assert verdict.outcome == "accepted"


class TestNewProfile:
    DATE = "Mon, 23 Nov 2026 10:00:00 GMT"  # 11:00 in Amsterdam

    @pytest.mark.parametrize(
        ("created", "modified", "outcome"),
        [
            ("2026-11-23 11:00:00", "2026-11-23 11:00:00", "created"),
            ("2026-11-23 10:59:55", "2026-11-23 10:59:55", "created"),
            ("2026-11-23 11:00:05", "2026-11-23 11:00:05", "created"),
            ("2026-11-23 10:59:54", "2026-11-23 10:59:54", "updated"),
            ("2026-11-23 10:00:00", "2026-11-23 10:00:00", "updated"),
            ("2026-11-23 11:00:00", "2026-11-23 11:00:01", "updated"),
            ("0000-00-00 00:00:00", "0000-00-00 00:00:00", "updated"),
            (None, None, "updated"),
            (7, 7, "updated"),
        ],
    )
    def test_was_created_just_now(self, created: object, modified: object, outcome: str) -> None:
        answer = profiles(profile(created=created, modified=modified), date=self.DATE)
        verdict = judged(answer, create=True)
        assert isinstance(verdict, Done)
        assert verdict.outcome == outcome

    @pytest.mark.parametrize("date", ["", "soon", "Mon, 23 Nov 2026"])
    def test_needs_the_answers_date(self, date: str) -> None:
        now = "2026-11-23 11:00:00"
        verdict = judged(profiles(profile(created=now, modified=now), date=date), create=True)
        assert verdict == Done("updated", (profile(created=now, modified=now),))

    def test_needs_create(self) -> None:
        now = "2026-11-23 11:00:00"
        verdict = judged(profiles(profile(created=now, modified=now), date=self.DATE))
        assert isinstance(verdict, Done)
        assert verdict.outcome == "updated"

    def test_is_one(self) -> None:
        new = profile(created="2026-11-23 11:00:00", modified="2026-11-23 11:00:00")
        verdict = judged(profiles(new, new, date=self.DATE), create=True)
        assert isinstance(verdict, Done)
        assert verdict.outcome == "updated"

    @pytest.mark.parametrize("hour", ["00", "01"], ids=["first time", "second time"])
    def test_is_known_in_the_hour_that_comes_twice(self, hour: str) -> None:
        # Both 00:30 and 01:30 UTC are 02:30 in Amsterdam.
        now = "2026-10-25 02:30:00"
        answer = profiles(
            profile(created=now, modified=now), date=f"Sun, 25 Oct 2026 {hour}:30:00 GMT"
        )
        verdict = judged(answer, create=True)
        assert isinstance(verdict, Done)
        assert verdict.outcome == "created"


@pytest.mark.parametrize(
    ("answer", "cause", "ambiguous"),
    [
        pytest.param(NoResponse("unreachable", "refused"), "outage", False, id="never sent"),
        pytest.param(NoResponse("no-answer", "timeout"), "outage", True, id="no answer"),
        pytest.param(response(500), "outage", True, id="500"),
        pytest.param(response(502, HTML), "outage", True, id="502"),
        pytest.param(response(503, HTML, content_type="text/html"), "outage", True, id="503"),
        pytest.param(response(504, HTML), "outage", True, id="504"),
        pytest.param(response(599), "outage", True, id="599"),
        pytest.param(response(429), "outage", False, id="429"),
        pytest.param(response(200, HTML), "outage", True, id="200 with a page"),
        pytest.param(
            response(200, b"\n <!doctype html>"), "outage", True, id="200 with a page after blanks"
        ),
        pytest.param(
            response(200, b"Down", content_type="text/html; charset=utf-8"),
            "outage",
            True,
            id="200 that says it is a page",
        ),
        pytest.param(response(303, HTML, location=SELF), "outage", True, id="303 with a page"),
        pytest.param(error("Invalid access token"), "token", False, id="token"),
        pytest.param(error("invalid ACCESS TOKEN!"), "token", False, id="token, other letters"),
        pytest.param(error("Invalid access token", 200), "token", False, id="token, 200"),
        pytest.param(response(401), "token", False, id="401"),
        pytest.param(response(403), "token", False, id="403"),
        pytest.param(error("Invalid method"), "configuration", False, id="method"),
        pytest.param(
            error("Invalid request, element 2 is missing in 'directory' path"),
            "configuration",
            False,
            id="path",
        ),
        *(
            pytest.param(response(status), "configuration", False, id=str(status))
            for status in (301, 302, 307, 308, 404, 405, 410)
        ),
        pytest.param(
            error("URL parameter fields is required"), "configuration", False, id="no selection"
        ),
        pytest.param(error("Not here", 404), "configuration", False, id="404 with a text"),
        pytest.param(NoResponse("misconfigured", "x"), "configuration", False, id="certificate"),
        pytest.param(NoResponse("token-refused", "x"), "token", False, id="no JWT"),
    ],
)
def test_tries_again(answer: Answer, cause: str, ambiguous: bool) -> None:
    verdict = judged(answer, create=True)
    assert isinstance(verdict, Retry)
    assert (verdict.cause, verdict.ambiguous) == (cause, ambiguous)


def test_a_page_instead_of_an_answer_is_an_outage_whatever_its_status() -> None:
    verdict = judged(response(400, HTML, content_type="text/html"))
    assert isinstance(verdict, Retry)
    assert verdict.cause == "outage"


@pytest.mark.parametrize(
    ("status", "kind", "of"),
    [
        (301, Retry, "configuration"),
        (302, Retry, "configuration"),
        (404, Retry, "configuration"),
        (413, Refused, "refused"),
        (414, Refused, "refused"),
    ],
)
def test_a_page_that_web_servers_add_to_a_status_changes_nothing(
    status: int, kind: type[Retry | Refused], of: str
) -> None:
    page = b"<html><head><title>what nginx says</title></head></html>"
    verdict = judged(response(status, page, content_type="text/html", location=SELF))
    assert isinstance(verdict, kind)
    assert getattr(verdict, "cause", getattr(verdict, "reason", None)) == of


@pytest.mark.parametrize("status", [202, 206])
def test_a_create_with_another_success_is_not_repeated_unseen(status: int) -> None:
    verdict = judged(response(status), create=True)
    assert isinstance(verdict, Done) or (isinstance(verdict, Retry) and verdict.ambiguous)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(error("No database with supplied ID"), "unknown-database", id="database"),
        pytest.param(error("Invalid data provided"), "refused", id="data"),
        pytest.param(error("Failed to create profile"), "refused", id="create"),
        pytest.param(error("Something since 2021"), "refused", id="unknown text"),
        pytest.param(error("Failed to create profile", 200), "refused", id="an error with 200"),
        pytest.param(response(400), "refused", id="no text"),
        pytest.param(response(400, b"no"), "refused", id="no JSON"),
        pytest.param(response(400, b'{"error":{"message":7}}'), "refused", id="no string"),
        pytest.param(response(400, b'{"error":"x"}'), "refused", id="another shape"),
        pytest.param(response(400, b'"error"'), "refused", id="a string"),
        pytest.param(response(400, b'{"error":' + b"[" * 9999), "refused", id="nested"),
        pytest.param(response(413), "refused", id="413"),
        pytest.param(response(414), "refused", id="414"),
        pytest.param(response(422), "refused", id="422"),
    ],
)
def test_refuses(answer: Response, reason: str) -> None:
    verdict = judged(answer)
    assert isinstance(verdict, Refused)
    assert verdict.reason == reason
    assert verdict.detail


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("jane.qx@example.com", "Field 'email': jane.qx@example.com is spam"),
        ("Jane  Qx", "Field 'name': 'Jane  Qx' is too long"),
        ("Jane\tQx", "Field 'name': 'Jane\tQx' is too long"),
        ("x" * 300, f"Field 'name': '{'x' * 300}' is too long"),
        ("4567", "Profile 4567 is locked"),
    ],
    ids=["value", "two blanks", "tab", "longer than the detail", "of the selection"],
)
def test_a_refusals_detail_has_no_value(value: str, message: str) -> None:
    verdict = judged(error(message), fields={"name": value, "other": "Jane"})
    assert isinstance(verdict, Refused)
    assert " ".join(value.split())[:200] not in verdict.detail
    assert "Qx" not in verdict.detail
    assert verdict.detail.startswith(message[:7])


def test_a_refusals_detail_is_short_and_on_one_line() -> None:
    verdict = judged(error("a\n" * 500))
    assert isinstance(verdict, Refused)
    assert len(verdict.detail) <= 200
    assert "\n" not in verdict.detail


@pytest.mark.parametrize("character", ["\0", "\x1b", "\x7f", "\x9b", "\u2028", "\u202e"], ids=ascii)
def test_a_refusals_detail_has_nothing_that_a_terminal_obeys(character: str) -> None:
    for answer in (error(f"no{character}[31mway"), response(413, f"no{character}way".encode())):
        verdict = judged(answer)
        assert isinstance(verdict, Refused)
        assert verdict.detail.isprintable()
        assert verdict.detail.endswith("way")


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("no <script>alert(1)</script> way", "no alert(1) way"),
        ("age<18 and age<>20", "age<18 and age<>20"),
        ("no <img src=x onerror=alert(1)> way", "no way"),
        ("no <<b>script> way", "no < script> way"),
        ("no <script src=//127.0.0.1/x", "no"),
    ],
)
def test_a_refusals_detail_has_no_markup(said: str, kept: str) -> None:
    verdict = judged(error(said))
    assert isinstance(verdict, Refused)
    assert verdict.detail == kept


def test_no_verdict_repeats_the_token() -> None:
    answers = [
        response(303, location=LOCATION),
        response(302, location=LOCATION),
        error(f"Bad request: {LOCATION}"),
        error(LOCATION.replace("&", " ")),
        response(400, LOCATION.encode()),
    ]
    for answer in answers:
        assert "tok-3f9c" not in repr(judged(answer))


@given(
    st.integers(0, 999),
    st.dictionaries(
        st.sampled_from(["date", "location", "x-created", "retry-after", "content-type"]),
        st.text() | st.integers().map(str),
    ),
    st.binary() | st.just(b'{"error": {"message": "x"}}') | st.just(b'[{"ID": 1}]'),
    st.booleans(),
)
def test_any_answer_has_a_verdict(
    status: int, headers: dict[str, str], content: bytes, create: bool
) -> None:
    decide(update(create=create), Response(status, headers, content), AMSTERDAM)
    found(update(create=create), Response(status, headers, content))


class TestFound:
    @pytest.mark.parametrize(
        ("answer", "result"),
        [
            (profiles(), ()),
            (profiles(profile()), (profile(),)),
            (response(200, json.dumps(profile()).encode()), (profile(),)),
            (profiles(profile(removed="false")), (profile(removed="false"),)),
        ],
        ids=["none", "one in a list", "one", "one in a list with an odd mark"],
    )
    def test_gives_the_profiles(self, answer: Response, result: object) -> None:
        assert found(update(), answer) == result

    @pytest.mark.parametrize(
        ("answer", "cause"),
        [
            (NoResponse("no-answer", "timeout"), "outage"),
            (response(200), "outage"),
            (response(200, HTML), "outage"),
            (error("Invalid access token"), "token"),
            (error("Invalid access token", 200), "token"),
            (response(503, b"[]"), "outage"),
            (response(303, location=LOCATION), "outage"),
            (response(404), "configuration"),
            (Response(200, {}, b"[]", cut=True), "outage"),
        ],
        ids=str,
    )
    def test_says_why_there_are_none(self, answer: Answer, cause: str) -> None:
        verdict = found(update(), answer)
        assert isinstance(verdict, Retry)
        assert verdict.cause == cause
        assert "tok-3f9c" not in verdict.detail

    def test_passes_retry_after_on(self) -> None:
        verdict = found(update(), response(503, retry_after="100"))
        assert isinstance(verdict, Retry)
        assert verdict.after == 100

    def test_may_be_refused(self) -> None:
        assert isinstance(found(update(), error("Field x does not exist")), Refused)


class TestAppearedSince:
    SINCE = datetime(2026, 11, 23, 10, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("created", "appeared"),
        [
            ("2026-11-23 11:00:00", True),
            ("2026-11-23 10:59:55", True),
            ("2026-11-23 11:30:00", True),
            ("2026-11-23 10:59:54", False),
            ("2026-11-23 10:00:00", False),
            ("0000-00-00 00:00:00", False),
            ("", False),
            (None, False),
            (7, False),
        ],
    )
    def test_compares_wall_time_with_an_instant(self, created: object, appeared: bool) -> None:
        assert appeared_since(profile(created=created), self.SINCE, AMSTERDAM) is appeared

    def test_knows_the_hour_that_comes_twice(self) -> None:
        since = datetime(2026, 10, 25, 1, 29, 59, tzinfo=UTC)
        assert appeared_since(profile(created="2026-10-25 02:30:00"), since, AMSTERDAM)

    def test_does_without_a_date(self) -> None:
        assert not appeared_since({"ID": "1"}, self.SINCE, AMSTERDAM)


@pytest.mark.parametrize(
    ("attempt", "dice", "seconds"),
    [
        (1, 0.0, 0.0),
        (1, 1.0, 0.5),
        (2, 1.0, 1.0),
        (3, 0.5, 1.0),
        (8, 1.0, 60.0),
        (10**6, 1.0, 60.0),
    ],
)
def test_backoff_doubles_up_to_the_longest(attempt: int, dice: float, seconds: float) -> None:
    assert backoff(attempt, 0.5, 60, dice) == seconds


positive = st.floats(0, 1e300, exclude_min=True)


@given(st.integers(0, 10**9), positive, positive, st.floats(0, 1))
def test_backoff_stays_within_the_longest(
    attempt: int, base: float, longest: float, dice: float
) -> None:
    assert 0 <= backoff(attempt, base, longest, dice) <= longest


DATE = "Mon, 23 Nov 2026 10:00:00 GMT"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("5", 5.0),
        (" 5 ", 5.0),
        ("0", 0.0),
        ("301", 300.0),
        ("99999999999999999999", 300.0),
        ("Mon, 23 Nov 2026 10:00:30 GMT", 30.0),
        ("Mon, 23 Nov 2026 09:00:00 GMT", 0.0),
        ("Mon, 23 Nov 2026 12:00:00 GMT", 300.0),
        ("Mon, 23 Nov 2026 11:00:30 +0100", 30.0),
        ("", None),
        ("-5", None),
        ("5.5", None),
        ("soon", None),
        ("٥", None),
        ("²", None),
        ("Mon, 23 Nov 2026 10:00:30 +99999999999999999999", None),
        ("Mon, 23 Nov 2026 99999999999999999999:00:00 GMT", None),
    ],
)
def test_reads_retry_after(value: str, seconds: float | None) -> None:
    assert retry_after(response(503, retry_after=value, date=DATE)) == seconds


def test_needs_the_answers_date_to_read_a_date() -> None:
    assert retry_after(response(503, retry_after="Mon, 23 Nov 2026 10:00:30 GMT")) is None


def test_passes_retry_after_on() -> None:
    for status in (429, 503):
        verdict = judged(response(status, retry_after="7"))
        assert isinstance(verdict, Retry)
        assert verdict.after == 7


dates = st.from_regex(
    r"(Mon, )?[0-9]{1,2} (Jan|Nov|Foo) [0-9]{1,6} [0-9]{1,25}:[0-9]{2}(:[0-9]{2})? "
    r"(GMT|-0000|[+-][0-9]{1,25})",
    fullmatch=True,
).map(lambda text: re.sub(r"\s+", " ", text))


@given(st.text() | st.integers().map(str) | dates, st.text() | dates | st.just(DATE))
def test_retry_after_is_within_five_minutes_or_unknown(value: str, date: str) -> None:
    seconds = retry_after(response(503, retry_after=value, date=date))
    assert seconds is None or 0 <= seconds <= 300


@pytest.mark.parametrize("echoed", ["invalid method", "Invalid access token", "No database with"])
def test_a_value_that_the_api_repeats_does_not_steer_the_verdict(echoed: str) -> None:
    verdict = judged(error(f"Field 'name' may not be '{echoed}'"))
    assert isinstance(verdict, Refused)
    assert verdict.reason == "refused"


def test_a_creation_without_profiles_is_read_back_by_its_id() -> None:
    verdict = judged(response(200, b"[]", x_created="42"), create=True)
    assert verdict == Done("created", None, "42")


def test_a_refusal_that_was_cut_short_is_tried_again() -> None:
    cut = Response(400, {}, b'{"error":{"message":"Invalid acc', cut=True)
    assert isinstance(judged(cut), Retry)


def test_an_unknown_database_is_one_with_status_404_too() -> None:
    verdict = judged(error("No database with supplied ID", 404))
    assert isinstance(verdict, Refused)
    assert verdict.reason == "unknown-database"


def test_a_refusal_with_half_a_character_is_one_all_the_same() -> None:
    cut = Response(400, {}, b'{"error":{"message":"Unable to use caf\\ud83d"}}')
    verdict = judged(cut)
    assert isinstance(verdict, Refused)
    assert verdict.detail.startswith("status 400: ")


@pytest.mark.parametrize("value", ['Müller / a "quoted" <secret> & +x', "Den Haag/Zuid", "é"])
@pytest.mark.parametrize(
    "form",
    [
        str,
        json.dumps,
        lambda value: json.dumps(value).replace("/", r"\/"),
        lambda value: json.dumps(value, ensure_ascii=False),
        lambda value: quote(value, safe=""),
        quote_plus,
        html.escape,
    ],
)
def test_a_refusal_shows_no_value_however_it_is_written(
    value: str, form: Callable[[str], str]
) -> None:
    written = form(value).strip('"')
    for answer in (
        response(400, f'{{"m": "bad {written} value"}}'.encode()),
        error(f"bad {written} x"),
    ):
        verdict = judged(answer, fields={"name": value})
        assert isinstance(verdict, Refused)
        assert "***" in verdict.detail
        assert written not in verdict.detail


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (b"", "status 400"),
        (b"no a1 for b2, but a1b2", "status 400: no *** for ***, but a1b2"),
        (b"y" * 30_000, "status 400: " + "y" * 200),
        (b"no <b>good</b>", "status 400: no good"),
        (b'{"error":"John is\n locked"}', 'status 400: {"error":"*** is locked"}'),
        (b"see /x?access_token=tok-3f9c", "status 400: see /x?access_token=***"),
        (b"\xff", "status 400: \ufffd"),
        (b"x" * 500, "status 400: " + "x" * 200),
    ],
)
def test_a_refusal_of_another_shape_is_shown_in_short(content: bytes, detail: str) -> None:
    fields = {"firstname": "John", "short": "a1", "shorter": "b2"}
    assert judged(response(400, content), fields=fields) == Refused("refused", detail)


def test_passes_on_how_long_the_authorization_server_wants_to_be_left_alone() -> None:
    verdict = judged(NoResponse("unreachable", "AUTH_URL: status 503", 30.0))
    assert verdict == Retry("outage", "AUTH_URL: status 503", 30.0)


@pytest.mark.parametrize("instant", ["0001-01-01 00:00:00", "9999-12-31 23:59:59"])
@pytest.mark.parametrize("zone", ["Europe/Amsterdam", "America/New_York"])
def test_a_date_at_the_end_of_time_is_none(instant: str, zone: str) -> None:
    old = profile(created=instant, modified=instant)
    answer = profiles(old, date="Mon, 23 Nov 2026 10:00:00 GMT")
    assert decide(update(create=True), answer, ZoneInfo(zone)) == Done("updated", (old,))


def test_json_that_is_labelled_as_a_page_is_json() -> None:
    answer = response(200, b'[{"ID": "1"}]', content_type="text/html; charset=UTF-8")
    assert judged(answer) == Done("updated", ({"ID": "1"},))
