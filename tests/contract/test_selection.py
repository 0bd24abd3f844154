"""Behaviours 10 to 16: how conditions are written and read, and which fields they may name."""

from urllib.parse import quote

import pytest

from tests.contract.standins import StandIn, message, selection

PATH = "database/1234/profiles"
REQUIRED = "URL parameter fields is required"


def ages(standin: StandIn, key: str, *conditions: str) -> list[str]:
    """Return the ages that conditions select, and hold a PUT to the same selection."""
    wanted = [f"batch=={key}", *conditions]
    found = [profile["ID"] for profile in standin.profiles(wanted)]
    answer = standin.put(wanted, {"fields": {"notes": "seen"}})
    assert [profile["ID"] for profile in answer.json()] == found
    return [profile["fields"]["age"] for profile in answer.json()]


def people(standin: StandIn, key: str) -> None:
    """Make Joris of 7, Jan of 42 and Bob of 100."""
    for name, age in (("Joris", 7), ("Jan", 42), ("Bob", 100)):
        standin.post({"fields": {"batch": key, "firstname": name, "age": age}})


@pytest.mark.parametrize(
    "query",
    [
        "fields[]={}",
        "fields%5B%5D={}",
        "fields%5b%5d={}",
        "fields[0]={}",
        "fields%5B0%5D={}",
        "fields[7]={}",
        "fields[x]={}",
        "fields%5Bx%5D={}",
        "fields[0]=batch%3D%3Dwrong&fields%5B0%5D={}",
        "fields[]=batch%3D%3Dwrong&fields[0]={}",
        "fields=ignored&fields[]={}",
    ],
)
def test_10_every_spelling_of_an_array_counts(api: StandIn, key: str, query: str) -> None:
    """Brackets may be encoded, numbered or named; of two with one key the later counts."""
    number = api.post({"fields": {"batch": key}})
    written = query.format(quote(f"batch=={key}", safe=""))
    answer = api.call("PUT", PATH, written, {})
    assert [profile["ID"] for profile in answer.json()] == [str(number)]


@pytest.mark.parametrize(
    "query", ["fields[]={}&fields[]={}", "fields[5]={}&fields[]={}", "fields[0]={}&fields[x]={}"]
)
def test_10_items_of_other_keys_come_together(api: StandIn, key: str, query: str) -> None:
    """Each of the items is a condition."""
    people(api, key)
    written = query.format(f"batch%3D%3D{key}", "age%3E%3D42")
    found = api.call("PUT", PATH, written, {}).json()
    assert [profile["fields"]["age"] for profile in found] == ["42", "100"]


@pytest.mark.parametrize(
    ("query", "reason"),
    [("fields[]=age==1&fields=age==1", REQUIRED), ("fields=x&fields[]=shoe==1", "Field shoe")],
)
def test_10_of_a_string_and_an_array_the_last_wins(api: StandIn, query: str, reason: str) -> None:
    """`fields=x` is a string, and replaces what was there."""
    assert message(api.call("PUT", PATH, query, {})).startswith(reason)


def test_11_a_plus_sign_is_a_blank(api: StandIn, key: str) -> None:
    """`+` and `%20` are blanks, `%2B` is a plus sign."""
    api.post({"fields": {"batch": key, "email": "jan+news@example.com", "lastname": "de Wit"}})
    batch = f"fields[]=batch%3D%3D{key}"
    for written in ("lastname==de+Wit", "lastname==de%20Wit", "email==jan%2Bnews%40example.com"):
        assert len(api.call("PUT", PATH, f"{batch}&fields[]={written}", {}).json()) == 1
    assert api.call("PUT", PATH, f"{batch}&fields[]=email==jan+news@example.com", {}).json() == []


def test_11_a_value_is_utf_8(api: StandIn, key: str) -> None:
    """Percent signs stand for the bytes of UTF-8."""
    api.post({"fields": {"batch": key, "lastname": "Müller-Łęcki 😀"}})
    assert len(api.profiles([f"batch=={key}", "lastname==Müller-Łęcki 😀"])) == 1


def test_11_names_of_parameters_have_a_case(api: StandIn, key: str) -> None:
    """`Fields[]`, `CREATE` and `Async` are parameters that nobody knows."""
    query = f"Fields[]=customerid%3D%3D{key}"
    assert message(api.call("PUT", PATH, query, {})) == REQUIRED
    query = selection([f"customerid=={key}"], CREATE=1, Async=1)
    answer = api.call("PUT", PATH, query, {"fields": {"customerid": key}})
    assert (answer.status_code, answer.json()) == (200, [])
    assert api.profiles([f"customerid=={key}"]) == []


def test_11_unknown_parameters_are_ignored(api: StandIn, key: str) -> None:
    """Also those that look like nothing at all."""
    query = f"bogus=1&&=&x[]=5&{selection([f'customerid=={key}'], create=1)}&%FF=%FF"
    assert len(api.call("PUT", PATH, query, {}).json()) == 1


@pytest.mark.parametrize(
    "query", ["", "create=1", "fields=age%3D%3D1", "fields=", "field[]=age==1"]
)
@pytest.mark.parametrize("version", ["", "/v1", "/v2", "/v3", "/v4"])
def test_12_without_an_array_fields_is_missing(api: StandIn, version: str, query: str) -> None:
    """A text is no array."""
    assert message(api.call("PUT", PATH, query, {}, version)) == REQUIRED


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
        ("firstname!=jan", ["7", "100"]),
        ("firstname<>jan", ["7", "100"]),
        ("firstname=~J_N", ["42"]),
        ("firstname=~j%", ["7", "42"]),
        ("firstname!~j%", ["100"]),
    ],
)
def test_13_an_operator_selects(api: StandIn, key: str, condition: str, found: list[str]) -> None:
    """The nine operators, on numbers and on text."""
    people(api, key)
    assert ages(api, key, condition) == found


@pytest.mark.parametrize("outer", [" {} ", "\t{}\n", "\r\n {}  "])
def test_13_an_expression_is_trimmed(api: StandIn, key: str, outer: str) -> None:
    """Blanks around the whole do not matter."""
    people(api, key)
    assert ages(api, key, outer.format("age>42")) == ["100"]


@pytest.mark.parametrize("value", ["a=b<c>", "==x", "a>=b", "!~", "=", "x=~y"])
def test_13_a_value_may_hold_operators(api: StandIn, key: str, value: str) -> None:
    """The first operator counts; the value is all that follows."""
    number = api.post({"fields": {"batch": key, "lastname": value}})
    api.post({"fields": {"batch": key, "lastname": "other"}})
    answer = api.put([f"batch=={key}", f"lastname=={value}"], {})
    assert [profile["ID"] for profile in answer.json()] == [str(number)]


@pytest.mark.parametrize(
    "condition",
    [
        "",
        " ",
        "batch",
        "==",
        "==x",
        *(f"batch{operator}x" for operator in ("=", "!", "~", "=<", "=>", "~~", "~=", "><", "!!")),
    ],
)
def test_13_a_put_refuses_what_is_no_condition(api: StandIn, key: str, condition: str) -> None:
    """Anything but field, operator and value is an error, also beside a good condition."""
    body = {"fields": {"notes": key}}
    assert message(api.put([condition], body, create=1))
    assert message(api.put(["batch==nobody", condition], body, create=1))
    assert api.profiles([f"notes=={key}"]) == []


def test_14_conditions_are_anded(api: StandIn, key: str) -> None:
    """Several conditions, also on one field, must all hold."""
    for age in (15, 17, 65, 66):
        api.post({"fields": {"batch": key, "age": age}})
    assert ages(api, key, "age>16", "age<=65") == ["17", "65"]
    assert ages(api, key, "age==17", "age==65") == []


def test_14_removed_profiles_never_match(api: StandIn, key: str) -> None:
    """Neither by a field nor by their id; create=1 makes a new one."""
    number = api.post({"fields": {"customerid": key, "batch": key}})
    secret = api.profile(number)["secret"]
    api.call("DELETE", f"profile/{number}")
    special = (f"id=={number}", f"code=={secret}", f"id>={number}")
    for condition in (f"customerid=={key}", f"batch=={key}", *special[:2]):
        assert api.profiles([condition]) == []
        assert api.put([condition], {"fields": {"age": 1}}).json() == []
    body = {"fields": {"customerid": key}}
    (made,) = api.put([f"customerid=={key}"], body, create=1).json()
    assert int(made["ID"]) > number
    assert [profile["ID"] for profile in api.profiles([special[2]])] == [made["ID"]]


@pytest.mark.parametrize("name", ["customerid", "CUSTOMERID", "CustomerId"])
def test_15_field_names_are_found_in_any_case(api: StandIn, key: str, name: str) -> None:
    """In the condition and in the body."""
    number = api.post({"fields": {name: key}})
    answer = api.put([f"{name}=={key}"], {})
    assert [profile["ID"] for profile in answer.json()] == [str(number)]


def test_15_id_code_and_modified_select_too(api: StandIn, key: str) -> None:
    """The special fields id (in any case), code and modified."""
    number = api.post({"fields": {"customerid": key}})
    profile = api.profile(number)
    for condition in (f"id=={number}", f"ID=={number}", f"code=={profile['secret']}"):
        assert [found["ID"] for found in api.put([condition], {}).json()] == [str(number)]
    own = f"customerid=={key}"
    assert len(api.profiles([own, f"modified=={profile['modified']}"])) == 1
    assert api.profiles([own, "modified<2001-01-01 00:00:00"]) == []
    assert len(api.profiles([own, "modified>=2001-01-01 00:00:00", f"id<={number}"])) == 1
    assert api.profiles([own, "code==0123456789abcdef0123456789ab"]) == []


def test_15_an_own_field_modified_beats_the_special_one(api: StandIn, key: str) -> None:
    """A real field called modified is the one that a condition means."""
    api.post({"fields": {"customerid": key, "modified": "long ago"}}, database="77")
    own = f"customerid=={key}"
    assert len(api.profiles([own, "modified==long ago"], database="77")) == 1
    assert len(api.put([own, "MODIFIED==long ago"], {}, database="77").json()) == 1
    assert api.profiles([own, "modified<long"], database="77") == []


@pytest.mark.parametrize("version", ["", "/v1", "/v2", "/v3", "/v4"])
def test_16_a_put_refuses_an_unknown_field(api: StandIn, key: str, version: str) -> None:
    """A condition on a field that does not exist is an error, also beside others."""
    number = api.post({"fields": {"batch": key}})
    body = {"fields": {"notes": "changed"}}
    for conditions in (["shoe==1"], [f"batch=={key}", "shoe==1"], ["shoe==1", f"batch=={key}"]):
        answer = api.put(conditions, body, create=1, version=version)
        assert message(answer) == "Field shoe does not exist"
    assert message(api.put([f"batch =={key}"], {})) == "Field batch  does not exist"
    assert api.profile(number)["fields"]["notes"] == ""


def test_16_a_get_ignores_what_makes_no_sense(api: StandIn) -> None:
    """A GET ignores unknown fields, unreadable conditions, and fields that are no array."""
    found = api.profiles(["shoe==1", "nonsense", "rank=>5", "rank>2"], database="5")
    assert [profile["fields"]["customerid"] for profile in found] == ["one", "two"]
    assert len(api.profiles(["shoe==1"], database="5")) == 3
    assert api.call("GET", "database/5/profiles", "fields=rank>2").json()["total"] == 3


def test_16_by_a_switch_a_put_ignores_it_too(contrary: StandIn) -> None:
    """As in 2020: with no condition left, all profiles match."""

    def ranks() -> list[str]:
        return [profile["fields"]["rank"] for profile in contrary.profiles([], database="5")]

    def put(*conditions: str, rank: int) -> None:
        body = {"fields": {"rank": rank}}
        assert contrary.put(list(conditions), body, database="5", create=1).status_code == 303

    put("shoe==1", "customerid==one", rank=7)
    assert ranks() == ["7", "10", "2"]
    put("shoe==1", "nonsense", rank=8)
    assert ranks() == ["8", "8", "8"]
    put("rank=>1", rank=9)
    assert ranks() == ["9", "9", "9"]
