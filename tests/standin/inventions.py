"""What is chosen or invented here once and for all, because no source tells it of the API.

Each entry: a name, the behaviours it belongs to, what was chosen, and what it is about.
"""

from typing import NamedTuple


class Invention(NamedTuple):
    """One fixed choice, with the numbers of the behaviours that it belongs to."""

    name: str
    behaviours: tuple[int, ...]
    chosen: str
    text: str


INVENTIONS = tuple(
    Invention(*each)
    for each in (
        # Transport and routing
        ("no_version", (1,), "as version 2", "which version a path without one means"),
        (
            "calls_not_played",
            (2,),
            "400 Invalid method",
            "a call that the API has and the stand-in has not, such as GET database/{id}",
        ),
        (
            "version_4_token",
            (6,),
            "the query is not looked at; the API's error, but status 401",
            "where version 4 takes its token from, and how it refuses one",
        ),
        (
            "authenticate",
            (7, 9),
            "POST /authenticate on the same port; 400 Invalid access token; not counted",
            "where the JWT of version 4 comes from, and what a wrong token gets",
        ),
        (
            "jwt",
            (7,),
            "HS256 with iat, exp and sub; it is expired once exp is reached",
            "what is in the JWT besides exp",
        ),
        (
            "counted_calls",
            (9,),
            "every call that reached the API, each GET consumption once it is answered; "
            "not those that a fault answered instead",
            "which calls count as consumption",
        ),
        # Selection
        (
            "fields_as_text",
            (12,),
            "as if it were missing",
            "fields=x, which is a text instead of an array",
        ),
        (
            "condition_error",
            (13, 16),
            "400 Invalid condition in parameter fields",
            "a condition without an operator, or with one that is not documented, such as a "
            "lone =; status and text",
        ),
        (
            "unknown_field_error",
            (16, 26),
            "400 Field X does not exist",
            "an unknown field where it is an error; status and text",
        ),
        (
            "text_comparison",
            (17, 20),
            "Unicode case folding, then byte order; accents and trailing blanks count",
            "how text, e-mail and telephone numbers compare",
        ),
        ("code_comparison", (15,), "case-sensitive", "how the special field code compares"),
        (
            "like",
            (17, 18),
            "in any case, on the value as text; % and _ cannot be escaped",
            "how =~ and !~ compare values",
        ),
        (
            "selectable",
            (15,),
            "fields, id, code and modified",
            "what a condition can name; interests and created it cannot",
        ),
        # PUT database/{id}/profiles
        ("other_content_type", (23,), "as a form", "a body of another type than JSON, or of none"),
        ("charset", (23,), "not looked at", "parameters of the content type"),
        (
            "body_errors",
            (24, 43),
            "400 Invalid data provided",
            "a body that is no JSON, or no object; also in PUT profile/{id}",
        ),
        ("empty_body", (24,), "as an empty object", "a body of JSON without a character"),
        (
            "version_1_body",
            (25, 43),
            "the map of fields in every call: no interests, no secret",
            "the body in version 1, of which only the PUT of profiles is known",
        ),
        (
            "unknown_body_field_calls",
            (26,),
            "every call that brings fields",
            "where --unknown-body-field error refuses",
        ),
        (
            "other_types",
            (28,),
            "like text",
            "values of the types big, phone, phone_fax, phone_gsm and foreign_key",
        ),
        ("length", (28,), "kept in full", "text of more than 255 characters"),
        (
            "restrictions",
            (28, 31),
            "none",
            "rules of a database for its values, such as a unique one",
        ),
        (
            "dates",
            (28,),
            "days as Y-m-d, Y/m/d, Ymd, d-m-Y, d.m.Y, m/d/Y, or with the month's English name; "
            "weekdays' names; times with colons or am and pm; @seconds; now, today, midnight, "
            "noon, yesterday, tomorrow; 3 days ago, +1 week, next month; zones as +02:00, Z, "
            "single letters and usual abbreviations. Not: next friday, weeks of a year, regions, "
            "and more",
            "which part of PHP's strtotime is played; the rest is no date",
        ),
        ("years", (28,), "the zero date", "a date in a year after 9999"),
        (
            "date_defaults",
            (28,),
            "read once, at the start",
            "when a date field's default such as now is read",
        ),
        ("matches", (29,), "no limit", "how many profiles one PUT changes"),
        (
            "later_versions",
            (29, 31, 37, 38),
            "204, and 201 for a new profile, whatever the switches",
            "--put-result and --put-update-status in versions 3 and 4",
        ),
        (
            "list_status",
            (37, 38),
            "200",
            "status of the list of --put-result list, also with --put-update-status 303",
        ),
        ("location", (31, 43), "http:// and the header Host", "scheme and host of Location"),
        ("x_location", (31, 41), "like Location, without the query", "which URL X-location holds"),
        (
            "interests_and_modified",
            (34,),
            "modified moves if they change",
            "whether interests move modified",
        ),
        ("secret_in_put", (35,), "ignored", "a secret in the body of a PUT of profiles"),
        (
            "async",
            (36,),
            "200 or 204 without X-Created, also with --put-result list; a call that makes no "
            "sense is refused at once, a creation that is not allowed comes to nothing; no time "
            "to think",
            "what async=1 answers and does",
        ),
        (
            "think_time_of_updates",
            (39,),
            "none",
            "--think-time where a profile matches, or none is to be created",
        ),
        (
            "interest_names",
            (40,),
            "exact; unknown ones are ignored",
            "names of interests in a body",
        ),
        (
            "interest_values",
            (40,),
            'off: 0, "", "0", false, null and empty arrays; on: all else',
            "values of interests in a map, other than 0 and 1",
        ),
        (
            "interests_replaced",
            (40,),
            "every call that brings interests, an empty list included",
            "where --interests replace has effect",
        ),
        # The calls around it
        (
            "blocked_domains",
            (41,),
            "any e-mail field of a new profile, also in a PUT of profiles; updates are allowed",
            "what --blocked-domain looks at",
        ),
        (
            "secret_values",
            (43,),
            'true becomes "1", false nothing, numbers their digits',
            "a secret that is no text, besides null and arrays",
        ),
        ("post_profile_fields", (45,), "as PUT", "POST on profile/{id}/fields"),
        ("x_deleted", (46,), "in all versions", "where DELETE profile/{id} sends X-Deleted"),
        (
            "bulk_delete",
            (46,),
            "without X-Deleted; unknown, removed and other databases' ids are left out; 400 "
            "Invalid data provided without a list",
            "what DELETE database/{id}/profiles answers",
        ),
        (
            "removed_profiles",
            (48,),
            "no interests; secret and created stay; PUT replaces the secret but no interests; "
            "modified moves with any field, also an unknown one",
            "what is left of a removed profile besides removed and its empty fields",
        ),
        (
            "nextid",
            (49,),
            "the last id + 1, when in rising order of id",
            "when a list has nextid, and what it is",
        ),
        ("limit", (49, 50), "1000", "which limit a list tells that was asked for more"),
        (
            "limit_of_words",
            (50,),
            "as in PHP: a text without leading digits is 0",
            "limit=true and the like",
        ),
        ("negative_start", (50,), "no rows", "what a list holds whose start is negative"),
        ("dataonly", (51,), "without secret", "profiles with dataonly=true"),
        (
            "field_details",
            (54,),
            "displayed, not ordered, not hidden, length 50, textlines 1",
            "what /fields tells of a field besides id, name, type, value and index",
        ),
        (
            "interest_details",
            (54,),
            "numbered in each database, in no group",
            "what /interests tells besides the names",
        ),
        ("identity", (54,), "id 1, standin", "what /identity tells of the account"),
        (
            "consumption",
            (54,),
            "the day end is included; all numbers but apicalls are 0",
            "what GET consumption tells",
        ),
        (
            "consumption_errors",
            (54,),
            "400 URL parameter begin is required; 400 URL parameter begin is not a date",
            "GET consumption without, or with a wrong, begin or end; status and text",
        ),
        (
            "profile_ids",
            (55,),
            "from 1 up, never used again",
            "where ids of profiles begin, and whether they return",
        ),
        # Faults and what is for tests
        (
            "load_balancer_page",
            (56, 57),
            "a short page with the title Loadbalancer Error, 502 Server Error with 502",
            "the text of the page, of which the title is known",
        ),
        (
            "spoilt_answers",
            (56,),
            "garbled lacks its last byte, or is { where there was no body, and 204 stays as it is; "
            "cut promises at least one byte more than it sends, but leaves 204 whole; trickle "
            "sends head and body byte by byte, then ends the connection as announced",
            "what an answer looks like that a fault spoils",
        ),
        (
            "turned_away",
            (9, 57),
            "no more calls than the limit within any second, no counting in /consumption, and no "
            "fault; an answer of a fault is not counted either, unless the change was made",
            "what the rate limit measures, and what becomes of calls that never reach the API",
        ),
        ("webhooks", (58,), "none are sent", "webhooks, which the API calls after a change"),
        (
            "time_that_passes",
            (36, 39, 56, 59),
            "on the machine's clock, also with --deterministic",
            "latency, time to think, the delay of async=1 and faults for a while",
        ),
    )
)
