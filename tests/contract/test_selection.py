"""What the conditions of `fields[]` select."""

from urllib.parse import quote

import pytest

from tests.contract.standins import StandIn, message, selection


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("age==42", ["42"]),
        ("age!=42", ["7", "100"]),
        ("age<>42", ["7", "100"]),
        ("age<42", ["7"]),
        ("age>42", ["100"]),
        ("age<=42", ["7", "42"]),
        ("age>=42", ["42", "100"]),
        ("age=~4%", ["42"]),
        ("age!~4%", ["7", "100"]),
        ("firstname==jan", ["42"]),
        ("firstname>jan", ["7"]),
        ("firstname<JAN", ["100"]),
        ("firstname=~J_N", ["42"]),
        ("firstname=~j%", ["7", "42"]),
        ("firstname!~j%", ["100"]),
    ],
)
def test_an_operator_selects(api: StandIn, key: str, condition: str, found: list[str]) -> None:
    """The nine operators, on numbers and on text; behaviours 13, 17 and 20."""
    for name, age in (("Joris", 7), ("Jan", 42), ("Bob", 100)):
        api.post({"fields": {"batch": key, "firstname": name, "age": age}})
    profiles = api.profiles([f"batch=={key}", condition])
    assert [profile["fields"]["age"] for profile in profiles] == found
    answer = api.put([f"batch=={key}", condition], {"fields": {"notes": "seen"}})
    assert [profile["fields"]["age"] for profile in answer.json()] == found


def test_conditions_are_anded(api: StandIn, key: str) -> None:
    """Several conditions, also on one field, must all hold; behaviour 14."""
    for age in (15, 17, 65, 66):
        api.post({"fields": {"batch": key, "age": age}})
    answer = api.put([f"batch=={key}", "age>16", "age<=65"], {"fields": {"notes": "x"}})
    assert [profile["fields"]["age"] for profile in answer.json()] == ["17", "65"]


@pytest.mark.parametrize("name", ["customerid", "CUSTOMERID", "CustomerId"])
def test_field_names_are_found_in_any_case(api: StandIn, key: str, name: str) -> None:
    """Field names are case-insensitive; behaviour 15."""
    api.post({"fields": {name: key}})
    assert len(api.put([f"{name}=={key}"], {}).json()) == 1


@pytest.mark.parametrize(
    ("stored", "wanted"),
    [("Müller", "MÜLLER"), ("smit@Example.com", "SMIT@example.COM"), ("50%41", "50%41")],
)
def test_text_compares_in_any_case(api: StandIn, key: str, stored: str, wanted: str) -> None:
    """Text and e-mail addresses compare case-insensitively; behaviour 17."""
    api.post({"fields": {"batch": key, "lastname": stored, "email": stored}})
    assert len(api.profiles([f"batch=={key}", f"lastname=={wanted}"])) == 1
    assert len(api.profiles([f"batch=={key}", f"email=={wanted}"])) == 1


def test_choices_compare_exactly(api: StandIn, key: str) -> None:
    """A select field compares case-sensitively; behaviour 17."""
    api.post({"fields": {"batch": key, "country": "be"}})
    assert len(api.profiles([f"batch=={key}", "country==be"])) == 1
    assert api.profiles([f"batch=={key}", "country==BE"]) == []


def test_wildcards_only_work_with_the_like_operators(api: StandIn, key: str) -> None:
    """`%` and `_` are ordinary characters for `==`; behaviour 17."""
    api.post({"fields": {"batch": key, "firstname": "Jan"}})
    assert api.profiles([f"batch=={key}", "firstname==J%"]) == []
    assert api.profiles([f"batch=={key}", "firstname==J_n"]) == []


@pytest.mark.parametrize(
    ("condition", "matches"),
    [
        ("age==", True),
        ("age==abc", True),
        ("age== 0", True),
        ("age==1", False),
        ("price==0.0", True),
        ("joined==", True),
        ("joined==0000-00-00", True),
        ("birthday==01/31/2020", True),
        ("birthday==2020-01-31 12:00:00", True),
        ("birthday>2020-01-30", True),
        ("birthday<31-01-2020", False),
        ("lastlogin==2024-07-01T10:00:00Z", True),
    ],
)
def test_numbers_and_dates_are_converted_first(
    api: StandIn, key: str, condition: str, matches: bool
) -> None:
    """Numeric and date values are normalised like stored values; behaviour 18."""
    fields = {"birthday": "2020-01-31", "lastlogin": "2024-07-01 12:00:00", "batch": key}
    api.post({"fields": fields})
    assert bool(api.profiles([f"batch=={key}", condition])) is matches


def test_numbers_compare_as_numbers(api: StandIn) -> None:
    """9 is less than 10, though not as text."""
    found = api.profiles(["rank<9"], database="5")
    assert [profile["fields"]["customerid"] for profile in found] == ["one", "three"]


def test_blanks_count_inside_but_not_around(api: StandIn, key: str) -> None:
    """Outer blanks are trimmed, a leading blank of a text value is not; behaviour 19."""
    api.post({"fields": {"batch": key, "lastname": " Smit"}})
    assert len(api.profiles([f" batch=={key} ", "lastname== Smit "])) == 1
    assert api.profiles([f"batch=={key}", "lastname==Smit"]) == []


@pytest.mark.parametrize("value", ["a=b<c>", "==x", "a>=b", "!~"])
def test_a_value_may_hold_operators(api: StandIn, key: str, value: str) -> None:
    """The first operator counts; the value is all that follows; behaviour 13."""
    api.post({"fields": {"batch": key, "lastname": value}})
    assert len(api.put([f"batch=={key}", f"lastname=={value}"], {}).json()) == 1


@pytest.mark.parametrize(
    "query",
    [
        "fields[]={}",
        "fields%5B%5D={}",
        "fields[0]={}",
        "fields%5B0%5D={}",
        "fields[x]={}",
        "fields%5B0%5D=batch%3D%3Dwrong&fields%5B0%5D={}",
        "fields=ignored&fields[]={}",
    ],
)
def test_every_spelling_of_an_array_counts(api: StandIn, key: str, query: str) -> None:
    """Brackets may be encoded, numbered or named; an equal key replaces; behaviour 10."""
    api.post({"fields": {"batch": key}})
    written = query.format(quote(f"batch=={key}", safe=""))
    assert len(api.call("PUT", "database/1234/profiles", written, {}).json()) == 1


@pytest.mark.parametrize(
    "query", ["", "fields=batch%3D%3Dx", "Fields[]=batch%3D%3Dx", "fields[]=a==b&fields=x"]
)
def test_without_an_array_fields_is_missing(api: StandIn, query: str) -> None:
    """A text, or another spelling of the name, is no array; behaviours 11 and 12."""
    answer = api.call("PUT", "database/1234/profiles", query, {})
    assert message(answer) == "URL parameter fields is required"


def test_a_plus_sign_is_a_blank(api: StandIn, key: str) -> None:
    """`+` and `%20` are blanks, `%2B` is a plus sign; behaviour 11."""
    api.post({"fields": {"batch": key, "email": "jan+news@example.com", "lastname": "de Wit"}})
    path, batch = "database/1234/profiles", f"fields[]=batch%3D%3D{key}"
    for written in ("lastname==de+Wit", "lastname==de%20Wit", "email==jan%2Bnews%40example.com"):
        assert len(api.call("PUT", path, f"{batch}&fields[]={written}", {}).json()) == 1
    assert api.call("PUT", path, f"{batch}&fields[]=email==jan+news@example.com", {}).json() == []


def test_a_put_refuses_an_unknown_field(api: StandIn, key: str) -> None:
    """A condition on a field that does not exist is an error, also beside others; behaviour 16."""
    number = api.post({"fields": {"batch": key}})
    for conditions in (["shoe==1"], [f"batch=={key}", "shoe==1"]):
        answer = api.put(conditions, {"fields": {"notes": "changed"}}, create=1)
        assert message(answer) == "Field shoe does not exist"
    assert message(api.put([f"batch =={key}"], {})) == "Field batch  does not exist"
    assert api.profile(number)["fields"]["notes"] == ""


@pytest.mark.parametrize("condition", ["", "batch", "==x", "batch=x", "batch=<x", "batch~~x"])
def test_a_put_refuses_what_is_no_condition(api: StandIn, condition: str) -> None:
    """Anything but field, operator and value is an error; behaviour 13."""
    assert "condition" in message(api.put([condition], {"fields": {"notes": "x"}}))


def test_a_get_ignores_what_makes_no_sense(api: StandIn) -> None:
    """A GET ignores unknown fields and unreadable conditions; behaviour 16."""
    found = api.profiles(["shoe==1", "nonsense", "rank>2"], database="5")
    assert [profile["fields"]["customerid"] for profile in found] == ["one", "two"]
    assert len(api.profiles(["shoe==1"], database="5")) == 3


def test_id_code_and_modified_select_too(api: StandIn, key: str) -> None:
    """The special fields id (in any case), code and modified; behaviour 15."""
    number = api.post({"fields": {"customerid": key}})
    profile = api.profile(number)
    for condition in (f"id=={number}", f"ID=={number}", f"code=={profile['secret']}"):
        assert [found["ID"] for found in api.put([condition], {}).json()] == [str(number)]
    same = [f"customerid=={key}", f"modified=={profile['modified']}"]
    assert len(api.profiles(same)) == 1
    assert api.profiles([f"customerid=={key}", "modified<2001-01-01 00:00:00"]) == []


def test_an_own_field_modified_beats_the_special_one(api: StandIn, key: str) -> None:
    """A real field called modified is the one that a condition means; behaviour 15."""
    api.post({"fields": {"customerid": key, "modified": "long ago"}}, database="77")
    found = api.profiles([f"customerid=={key}", "modified==long ago"], database="77")
    assert len(found) == 1


def test_the_selection_is_not_copied_into_a_new_profile(api: StandIn, key: str) -> None:
    """A body without the key makes one more profile with every call; behaviour 32."""
    body = {"fields": {"batch": key}}
    made = [api.put([f"customerid=={key}"], body, create=1).json()[0] for _ in range(2)]
    assert [profile["fields"]["customerid"] for profile in made] == ["", ""]
    assert made[0]["ID"] != made[1]["ID"]


@pytest.mark.parametrize("create", ["1", "yes", "YES", "true", "True", "2", "-1", "1.5"])
def test_create_is_true(api: StandIn, key: str, create: str) -> None:
    """What counts as a true parameter; behaviour 22."""
    assert len(api.put([f"customerid=={key}"], {}, create=create).json()) == 1


@pytest.mark.parametrize("create", ["0", "no", "false", "on", "y", "", "0.5", "%20true%20"])
def test_create_is_false(api: StandIn, key: str, create: str) -> None:
    """All else is false; behaviour 22."""
    assert api.put([f"customerid=={key}"], {}, create=create).json() == []


def test_a_selection_on_an_index_does_not_change_what_matches(api: StandIn, key: str) -> None:
    """An indexed field finds the same as a scan over the others."""
    for name in (key, key.upper(), f"{key}b"):
        api.post({"fields": {"customerid": name, "batch": name}})
    indexed = api.call("GET", "database/1234/profiles", selection([f"customerid=={key}"]))
    scanned = api.call("GET", "database/1234/profiles", selection([f"batch=={key}"]))
    assert indexed.json() == scanned.json()
    assert indexed.json()["count"] == 2
