"""The page "PUT database profiles", sentence by sentence."""

import re
from urllib.parse import urlencode

import httpx
import pytest

from tests.contract.standins import TOKEN, StandIn, eventually, message, selection

KEYS = ["ID", "fields", "interests", "database", "secret", "created", "modified", "removed"]


def test_one_call_modifies_several_profiles(api: StandIn, key: str) -> None:
    """Multiple profiles are modified with a single call."""
    ids = [api.post({"fields": {"customerid": key}}) for _ in range(3)]
    answer = api.put([f"customerid=={key}"], {"fields": {"firstname": "John"}})
    assert [profile["ID"] for profile in answer.json()] == [str(number) for number in ids]
    assert [api.profile(number)["fields"]["firstname"] for number in ids] == ["John"] * 3


@pytest.mark.parametrize("database", ["1234", "Customers", "customers"])
def test_the_database_is_named_by_id_or_by_name(api: StandIn, key: str, database: str) -> None:
    """$id is the numeric identifier or the name of the database; behaviour 21."""
    body = {"fields": {"customerid": key}}
    answer = api.put([f"customerid=={key}"], body, database=database, create=1)
    assert answer.json()[0]["database"] == "1234"


def test_the_new_values_come_from_the_body(api: StandIn, key: str) -> None:
    """The new field values are sent in the request body."""
    number = api.post({"fields": {"customerid": key, "firstname": "Jan", "lastname": "Smit"}})
    api.put([f"customerid=={key}"], {"fields": {"firstname": "Piet"}})
    fields = api.profile(number)["fields"]
    assert (fields["firstname"], fields["lastname"]) == ("Piet", "Smit")


def test_a_post_to_the_same_url_makes_a_new_profile(api: StandIn, key: str) -> None:
    """PUT is needed: a POST would make a brand new profile."""
    query = selection([f"customerid=={key}"], create=0)
    body = {"fields": {"customerid": key}}
    for _ in range(2):
        assert api.call("POST", "database/1234/profiles", query, body).status_code == 201
    assert len(api.profiles([f"customerid=={key}"])) == 2


def test_parameters_belong_in_the_url(api: StandIn, key: str) -> None:
    """Two different ways to pass data: parameters in the URL do not work from the body."""
    body = {"fields": {"customerid": key}, "create": 1}
    assert api.put([f"customerid=={key}"], body).json() == []
    answer = api.call("PUT", "database/1234/profiles", "create=1", body)
    assert message(answer) == "URL parameter fields is required"


def test_the_fields_parameter_is_required(api: StandIn) -> None:
    """**fields** is required, which keeps one call from overwriting all profiles; behaviour 12."""
    before = api.profiles([], database="5")
    answer = api.call("PUT", "database/5/profiles", "create=0", {"fields": {"rank": "1"}})
    assert message(answer) == "URL parameter fields is required"
    assert api.profiles([], database="5") == before


def test_only_matching_profiles_are_modified(api: StandIn, key: str) -> None:
    """Only the profiles that match the supplied fields are modified."""
    match = api.post({"fields": {"customerid": key, "firstname": "Jan"}})
    other = api.post({"fields": {"customerid": f"{key}x", "firstname": "Jan"}})
    api.put([f"customerid=={key}"], {"fields": {"firstname": "Piet"}})
    assert api.profile(match)["fields"]["firstname"] == "Piet"
    assert api.profile(other)["fields"]["firstname"] == "Jan"


def test_create_makes_a_profile_when_none_matches(api: StandIn, key: str) -> None:
    """No match and **create** set to 1: a brand new profile from the fields of the body."""
    body = {"fields": {"customerid": key, "email": "jan@example.com"}, "interests": ["football"]}
    (created,) = api.put([f"customerid=={key}"], body, create=1).json()
    assert created["fields"]["customerid"] == key
    assert created["fields"]["email"] == "jan@example.com"
    assert created["interests"] == ["football"]
    assert api.profile(int(created["ID"])) == created


def test_create_makes_no_profile_when_one_matches(api: StandIn, key: str) -> None:
    """**create** determines whether to create a new profile if none exist; behaviour 33."""
    number = api.post({"fields": {"customerid": key}})
    body = {"fields": {"customerid": key, "firstname": "Jan"}}
    answer = api.put([f"customerid=={key}"], body, create=1)
    assert [profile["ID"] for profile in answer.json()] == [str(number)]
    assert len(api.profiles([f"customerid=={key}"])) == 1


@pytest.mark.parametrize("create", [0, None])
def test_without_create_nothing_is_made(api: StandIn, key: str, create: int | None) -> None:
    """**create** is a boolean parameter; 0 and its absence mean the same."""
    body = {"fields": {"customerid": key}}
    assert api.put([f"customerid=={key}"], body, create=create).json() == []
    assert api.profiles([f"customerid=={key}"]) == []


def test_async_returns_at_once_and_works_on(api: StandIn, key: str) -> None:
    """With **async** set to 1 the method returns immediately and proceeds in the background."""
    number = api.post({"fields": {"customerid": key, "firstname": "Jan"}})
    answer = api.put([f"customerid=={key}"], {"fields": {"firstname": "Piet"}}, background=1)
    assert (answer.status_code, answer.content) == (200, b"")
    eventually(lambda: api.profile(number)["fields"]["firstname"] == "Piet")


def test_async_creates_too(api: StandIn, key: str) -> None:
    """**async** and **create** go together: the profile comes later, the answer has no list."""
    body = {"fields": {"customerid": key}}
    answer = api.put([f"customerid=={key}"], body, create=1, background=1)
    assert answer.content == b""
    assert "X-Created" not in answer.headers
    eventually(lambda: len(api.profiles([f"customerid=={key}"])) == 1)


@pytest.mark.parametrize("body", [{}, {"fields": {}}, {"interests": []}])
def test_both_parts_of_the_body_are_optional(
    api: StandIn, key: str, body: dict[str, object]
) -> None:
    """The body has two optional components, fields and interests."""
    number = api.post({"fields": {"customerid": key}, "interests": ["tennis"]})
    before = api.profile(number)
    assert api.put([f"customerid=={key}"], body).json() == [before]


def test_a_list_adds_interests(api: StandIn, key: str) -> None:
    """Interests are added from a list; the others stay (behaviour 40)."""
    api.post({"fields": {"customerid": key}, "interests": ["tennis"]})
    answer = api.put([f"customerid=={key}"], {"interests": ["football"]})
    assert answer.json()[0]["interests"] == ["football", "tennis"]


def test_a_map_switches_interests_on_and_off(api: StandIn, key: str) -> None:
    """Interests come from an associative array: 1 switches on, 0 off; behaviour 40."""
    api.post({"fields": {"customerid": key}, "interests": ["baseball", "tennis"]})
    answer = api.put([f"customerid=={key}"], {"interests": {"football": 1, "baseball": 0}})
    assert answer.json()[0]["interests"] == ["football", "tennis"]


@pytest.mark.parametrize("fields", ["firstname", 1, True, None])
def test_fields_must_be_an_associative_array(api: StandIn, key: str, fields: object) -> None:
    """Fields must be an associative array; behaviour 24."""
    answer = api.put([f"customerid=={key}"], {"fields": fields}, create=1)
    assert message(answer) == "Invalid data provided"
    assert api.profiles([f"customerid=={key}"]) == []


def test_the_flat_body_of_version_1_is_not_read(api: StandIn, key: str) -> None:
    """The input format differs from version 1: fields at the top level are ignored."""
    number = api.post({"fields": {"customerid": key, "firstname": "Jan"}})
    assert api.put([f"customerid=={key}"], {"firstname": "Piet"}).status_code == 200
    assert api.profile(number)["fields"]["firstname"] == "Jan"


def test_the_result_is_a_list_of_profiles(api: StandIn, key: str) -> None:
    """A call that is not asynchronous results in a list: the matching profiles, as they are now."""
    numbers = [api.post({"fields": {"customerid": key}}) for _ in range(2)]
    answer = api.put([f"customerid=={key}"], {"fields": {"age": "42"}})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == [api.profile(number) for number in numbers]


def test_the_list_can_be_empty(api: StandIn, key: str) -> None:
    """The list is empty without matching profiles and with create set to 0."""
    answer = api.put([f"customerid=={key}"], {"fields": {"firstname": "Jan"}}, create=0)
    assert (answer.status_code, answer.json()) == (200, [])


def test_the_list_can_hold_the_new_profile(api: StandIn, key: str) -> None:
    """The list contains the newly created profile, with status 200."""
    answer = api.put([f"customerid=={key}"], {"fields": {"customerid": key}}, create=1)
    assert answer.status_code == 200
    assert [profile["fields"]["customerid"] for profile in answer.json()] == [key]


def test_a_profile_has_the_parts_of_the_sample(api: StandIn, key: str) -> None:
    """The sample: ID, fields, interests, database, secret, created, modified, removed."""
    (profile,) = api.put([f"customerid=={key}"], {"fields": {"customerid": key}}, create=1).json()
    assert list(profile) == KEYS
    assert profile["removed"] is False


def test_the_id_of_a_profile_is_a_number_in_a_text(api: StandIn, key: str) -> None:
    """**ID** is the numerical ID of the profile, a text in the sample."""
    (profile,) = api.put([f"customerid=={key}"], {}, create=1).json()
    assert re.fullmatch("[1-9][0-9]*", profile["ID"])


def test_fields_map_names_to_texts(api: StandIn, key: str) -> None:
    """**fields** is an object of field names and values, every value a text; behaviour 52."""
    body = {"fields": {"customerid": key, "age": 42, "price": 2.5}}
    (profile,) = api.put([f"customerid=={key}"], body, create=1).json()
    assert all(isinstance(value, str) for value in profile["fields"].values())
    assert (profile["fields"]["age"], profile["fields"]["price"]) == ("42", "2.5")


def test_interests_are_a_list_of_names(api: StandIn, key: str) -> None:
    """**interests** is an array of the interests the profile has."""
    body = {"interests": {"tennis": 1, "football": 1, "baseball": 0}}
    (profile,) = api.put([f"customerid=={key}"], body, create=1).json()
    assert profile["interests"] == ["football", "tennis"]


def test_the_database_is_the_id_of_the_database(api: StandIn, key: str) -> None:
    """**database** is the ID of the database the profile is stored in."""
    body = {"fields": {"customerid": key}}
    answer = api.put([f"customerid=={key}"], body, database="My%20Customers", create=1)
    assert answer.json()[0]["database"] == "77"


def test_the_secret_is_a_code_of_its_own(api: StandIn, key: str) -> None:
    """**secret** is the code linked to a profile; behaviour 42: 28 hexadecimal characters."""
    profiles = [api.profile(api.post({"fields": {"customerid": key}})) for _ in range(2)]
    assert all(re.fullmatch("[0-9a-f]{28}", profile["secret"]) for profile in profiles)
    assert profiles[0]["secret"] != profiles[1]["secret"]


@pytest.mark.parametrize("name", ["created", "modified"])
def test_timestamps_have_one_format(api: StandIn, key: str, name: str) -> None:
    """**created** and **modified** are in YYYY-MM-DD hh:mm:ss format."""
    (profile,) = api.put([f"customerid=={key}"], {}, create=1).json()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", profile[name])


def test_the_php_example_works(api: StandIn, key: str) -> None:
    """The PHP example: a numbered `fields[0]`, async 1, create 0, both components in the body."""
    number = api.post({"fields": {"customerid": key}, "interests": ["baseball"]})
    query = urlencode({"fields[0]": f"customerid=={key}", "async": 1, "create": 0})
    john = {"firstname": "John", "lastname": "Doe", "email": "johndoe@example.com"}
    body = {"fields": john, "interests": {"football": 1, "baseball": 0}}
    answer = api.call("PUT", "database/1234/profiles", query, body)
    assert answer.status_code == 200
    eventually(lambda: api.profile(number)["interests"] == ["football"])
    assert john.items() <= api.profile(number)["fields"].items()


def test_the_token_goes_into_the_url(api: StandIn) -> None:
    """The URL carries `access_token`; a header does not count; behaviour 6."""
    url = "/v2/database/1234/profiles"
    answer = api.send("GET", url, headers={"Authorization": f"Bearer {TOKEN}"})
    assert message(answer) == "Invalid access token"
    assert api.send("GET", f"{url}?access_token={TOKEN}").status_code == httpx.codes.OK
