"""What the API answers since 2020, to calls around the PUT, and when it refuses."""

import httpx
import pytest

from tests.contract.standins import TOKEN, StandIn, message, selection


def test_an_update_answers_nothing(silent: StandIn, key: str) -> None:
    """200 with an empty body and no X-Created; behaviours 8 and 29."""
    number = silent.post({"fields": {"customerid": key}})
    answer = silent.put([f"customerid=={key}"], {"fields": {"age": "42"}}, create=1)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Length"] == "0"
    assert answer.headers["Content-Type"] == "application/json"
    assert "X-Created" not in answer.headers
    assert silent.profile(number)["fields"]["age"] == "42"


def test_no_match_answers_the_same(silent: StandIn, key: str) -> None:
    """Nothing tells "updated five" from "updated none"; behaviour 30."""
    silent.post({"fields": {"customerid": key}})
    answers = [
        silent.put([f"customerid=={name}"], {"fields": {"age": "42"}}) for name in (key, "nobody")
    ]
    for answer in answers:
        answer.headers.pop("Date")
    assert answers[0].status_code == answers[1].status_code == 200
    assert answers[0].headers == answers[1].headers


def test_a_creation_answers_see_other(silent: StandIn, key: str) -> None:
    """303 with X-Created, and Location with the whole query but no version; behaviour 31."""
    body = {"fields": {"customerid": key}}
    query = selection([f"customerid=={key}"], create=1, bogus=2)
    answer = silent.call("PUT", "database/1234/profiles", query, body)
    assert (answer.status_code, answer.content) == (303, b"")
    number = int(answer.headers["X-Created"])
    host, port = silent.address
    place = f"http://{host}:{port}/profile/{number}"
    assert answer.headers["Location"] == f"{place}?{query}&access_token={TOKEN}"
    assert silent.send("GET", answer.headers["Location"]).json() == silent.profile(number)
    assert silent.profile(number)["fields"]["customerid"] == key


def test_a_second_upsert_updates(silent: StandIn, key: str) -> None:
    """The profile is found from the next call on; behaviour 33."""
    body = {"fields": {"customerid": key}}
    answers = [silent.put([f"customerid=={key}"], body, create=1) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 200]


def test_async_answers_200_without_an_id(silent: StandIn, key: str) -> None:
    """async=1 answers at once; behaviour 36."""
    body = {"fields": {"customerid": key}}
    answer = silent.put([f"customerid=={key}"], body, create=1, background=1)
    assert (answer.status_code, answer.content) == (200, b"")
    assert "X-Created" not in answer.headers


def test_version_3_answers_204_and_201(api: StandIn, silent: StandIn, key: str) -> None:
    """v3: 201 with X-Created for a creation, else 204; behaviours 29 to 31."""
    body = {"fields": {"customerid": key}}
    for standin in (api, silent):
        first = standin.put([f"customerid=={key}"], body, version="/v3", create=1)
        number = first.headers["X-Created"]
        assert (first.status_code, first.content) == (201, b"")
        assert first.headers["X-location"].endswith(f"/profile/{number}")
        for conditions in ([f"customerid=={key}"], ["customerid==nobody"]):
            answer = standin.put(conditions, body, version="/v3")
            assert (answer.status_code, answer.content) == (204, b"")
            assert "Content-Length" not in answer.headers


def test_a_post_answers_201(api: StandIn, silent: StandIn, key: str) -> None:
    """201, X-Created and no body, for the same data each time anew; behaviour 41."""
    for standin in (api, silent):
        body = {"fields": {"customerid": key}, "interests": ["tennis"], "secret": "x"}
        answers = [standin.call("POST", "database/1234/profiles", "", body) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [201, 201]
        assert [answer.content for answer in answers] == [b"", b""]
        numbers = [int(answer.headers["X-Created"]) for answer in answers]
        assert numbers[0] < numbers[1]
        profile = standin.profile(numbers[0])
        assert (profile["fields"]["customerid"], profile["interests"]) == (key, ["tennis"])
        assert profile["secret"] != "x"


def test_a_post_refuses_bad_fields(api: StandIn) -> None:
    """`fields` must be an object here too; behaviour 24."""
    answer = api.call("POST", "database/1234/profiles", "", {"fields": "x"})
    assert message(answer) == "Invalid data provided"


def test_ids_are_one_sequence_over_all_databases(api: StandIn) -> None:
    """Profile ids are unique in the account; behaviour 55."""
    numbers = [api.post({}, database) for database in ("1234", "77", "1234", "77")]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize(
    ("method", "path", "reason"),
    [
        ("PUT", "database/99/profiles", "No database with supplied ID"),
        ("GET", "database/nobody/profiles", "No database with supplied ID"),
        ("POST", "database/99/nonsense", "No database with supplied ID"),
        ("GET", "profile/999999", "No entity with supplied ID"),
        ("GET", "profile/abc", "No entity with supplied ID"),
        ("GET", "profile/999999/nonsense", "No entity with supplied ID"),
        ("PUT", "database/1234/nonsense", "Invalid method"),
        ("PATCH", "database/1234/profiles", "Invalid method"),
        ("GET", "DATABASE/1234/profiles", "Invalid method"),
        ("GET", "nonsense", "Invalid method"),
        ("PUT", "database", "Invalid request, element 1 is missing in 'directory' path"),
        ("GET", "profile/", "Invalid request, element 1 is missing in 'directory' path"),
    ],
)
def test_a_call_is_refused(api: StandIn, method: str, path: str, reason: str) -> None:
    """One status and one shape for every refusal; behaviours 2, 4, 21 and 47."""
    assert message(api.call(method, path)) == reason


@pytest.mark.parametrize("path", ["database/1234/profiles/", "database/1234/profiles/extra/5"])
def test_more_segments_do_not_matter(api: StandIn, path: str) -> None:
    """Trailing slashes and extra segments after profiles are ignored; behaviour 3."""
    assert api.call("GET", path).status_code == 200


def test_an_extra_segment_after_a_profile_matters(api: StandIn, key: str) -> None:
    """After profile/X only fields is known; behaviour 3."""
    number = api.post({"fields": {"customerid": key}})
    assert message(api.call("GET", f"profile/{number}/extra")) == "Invalid method"
    assert api.call("GET", f"profile/{number}/fields/extra").json()["customerid"] == key


def test_the_checks_have_an_order(api: StandIn) -> None:
    """Token, number of segments, entity, rest of the path, parameters, body; behaviour 5."""
    bad: dict[str, object] = {"content": "{", "headers": {"Content-Type": "application/json"}}
    token = f"access_token={TOKEN}"
    steps = [
        ("/v2/database?access_token=wrong", "Invalid access token"),
        (f"/v2/database?{token}", "Invalid request, element 1"),
        (f"/v2/database/99/nonsense?{token}", "No database"),
        (f"/v2/database/1234/nonsense?{token}", "Invalid method"),
        (f"/v2/database/1234/profiles?{token}", "URL parameter fields is required"),
        (f"/v2/database/1234/profiles?{token}&fields[]=shoe==1", "Field shoe"),
        (f"/v2/database/1234/profiles?{token}&fields[]=age==1", "Invalid data provided"),
    ]
    for url, reason in steps:
        assert message(api.send("PUT", url, **bad)).startswith(reason)


def test_the_token_is_never_repeated_in_an_error(api: StandIn) -> None:
    """An error is the same text whatever the token was."""
    for query in ("", "access_token=", "access_token=wrong", "access_token[]=demo-token"):
        answer = api.send("GET", f"/v2/identity?{query}")
        assert message(answer) == "Invalid access token"


def test_the_list_of_profiles_is_a_page(api: StandIn) -> None:
    """start, limit, count, data, nextid and total, in whole numbers; behaviours 49 and 52."""
    page = api.call("GET", "database/Seeded/profiles", "limit=2&start=1&fields[]=rank>=2").json()
    assert list(page) == ["start", "limit", "count", "data", "nextid", "total"]
    names = [profile["fields"]["customerid"] for profile in page["data"]]
    assert names[0] == "two"
    assert (page["start"], page["limit"], page["count"]) == (1, 2, len(names))
    assert page["nextid"] == int(page["data"][-1]["ID"]) + 1
    assert page["data"][0] == api.profile(int(page["data"][0]["ID"]))


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["one", "two", "three"]),
        ("order=desc", ["three", "two", "one"]),
        ("orderby=rank", ["three", "one", "two"]),
        ("orderby=RANK&order=Descending", ["two", "one", "three"]),
        ("orderby=nonsense&order=nonsense", ["one", "two", "three"]),
        ("orderby=modified&limit=1&start=2", ["three"]),
        ("limit=-1", []),
        ("start=-1", []),
        ("limit=x", []),
        ("LIMIT=1", ["one", "two", "three"]),
    ],
)
def test_a_page_has_order_and_window(api: StandIn, query: str, names: list[str]) -> None:
    """order, orderby, start and limit, cast to numbers; behaviours 11 and 50."""
    written = f"{query}&fields[]=rank>0"
    page = api.call("GET", "database/5/profiles", written).json()
    assert [profile["fields"]["customerid"] for profile in page["data"]] == names
    assert page["total"] == 3


def test_a_page_is_limited_to_1000(api: StandIn) -> None:
    """100 by default, 1000 at most; negative numbers are echoed; behaviours 49 and 50."""
    for query, limit in (("", 100), ("limit=5000", 1000), ("limit=-3", -3)):
        assert api.call("GET", "database/5/profiles", query).json()["limit"] == limit


def test_a_page_can_leave_things_out(api: StandIn) -> None:
    """total=false and dataonly=true; behaviours 49 and 51."""
    query = "total=false&dataonly=true&limit=1"
    page = api.call("GET", "database/5/profiles", query).json()
    assert list(page) == ["start", "limit", "count", "data", "nextid"]
    assert list(page["data"][0]) == ["ID", "fields", "interests", "modified"]


def test_the_fields_of_a_database_are_listed(api: StandIn) -> None:
    """Ids and lengths are texts, flags booleans, choices one per line; behaviour 54."""
    page = api.call("GET", "database/customers/fields", "limit=1000").json()
    assert (page["start"], page["limit"], page["count"], page["total"]) == (0, 1000, 15, 15)
    fields = {field["name"]: field for field in page["data"]}
    keys = "ID name type value displayed ordered length textlines hidden index".split()  # noqa: SIM905 - a line, not ten
    assert all(list(field) == keys for field in fields.values())
    assert fields["country"]["value"] == "nl*\r\nbe\r\nde"
    assert fields["score"]["value"] == "-1"
    assert (fields["email"]["index"], fields["batch"]["index"]) == (True, False)
    assert fields["customerid"]["ID"].isdecimal()


def test_the_interests_of_a_database_are_listed(api: StandIn) -> None:
    """ID, name and group; behaviour 54."""
    page = api.call("GET", "database/1234/interests", "limit=2").json()
    assert [interest["name"] for interest in page["data"]] == ["football", "baseball"]
    assert list(page["data"][0]) == ["ID", "name", "group"]
    assert (page["count"], page["total"]) == (2, 3)


def test_the_identity_is_told(api: StandIn) -> None:
    """The cheapest check of a token; behaviour 54."""
    assert list(api.call("GET", "identity").json()) == ["id", "name", "description", "company"]


def test_the_fields_of_a_profile_alone(api: StandIn, key: str) -> None:
    """`profile/{id}/fields` gives the map."""
    number = api.post({"fields": {"customerid": key}})
    assert api.call("GET", f"profile/{number}/fields").json() == api.profile(number)["fields"]


def test_every_answer_has_a_date(api: StandIn, key: str) -> None:
    """The Date header lets a client read Retry-After as a date."""
    answers: list[httpx.Response] = [
        api.call("GET", "identity"),
        api.call("GET", "nonsense"),
        api.put([f"customerid=={key}"], {}),
    ]
    assert all("Date" in answer.headers for answer in answers)
