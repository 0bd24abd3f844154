"""Behaviours 17 to 20: how a value in a condition is compared with stored ones."""

import pytest

from tests.contract.standins import StandIn, selection


def matches(standin: StandIn, key: str, *conditions: str) -> bool:
    """Tell whether the one profile of this batch matches, for a GET and for a PUT alike."""
    wanted = [f"batch=={key}", *conditions]
    found = len(standin.profiles(wanted))
    assert len(standin.put(wanted, {}).json()) == found
    assert found in (0, 1)
    return bool(found)


@pytest.mark.parametrize(
    ("stored", "wanted"),
    [
        ("Müller", "MÜLLER"),
        ("Smit", "sMIT"),
        ("smit@Example.com", "SMIT@example.COM"),
        ("50%41", "50%41"),
        ("ÉCOLE", "école"),
        ("Straße", "sTRAßE"),
    ],
)
def test_17_text_compares_in_any_case(api: StandIn, key: str, stored: str, wanted: str) -> None:
    """Text and e-mail addresses compare case-insensitively."""
    api.post({"fields": {"batch": key, "lastname": stored, "email": stored, "notes": stored}})
    for field in ("lastname", "email", "notes"):
        assert matches(api, key, f"{field}=={wanted}")
        assert not matches(api, key, f"{field}!={wanted}")
        assert not matches(api, key, f"{field}=={wanted}x")


def test_17_choices_compare_exactly(api: StandIn, key: str) -> None:
    """A select field compares case-sensitively."""
    api.post({"fields": {"batch": key, "country": "be"}})
    assert matches(api, key, "country==be")
    assert not matches(api, key, "country==BE")
    assert matches(api, key, "country!=BE")


def test_17_wildcards_only_work_with_the_like_operators(api: StandIn, key: str) -> None:
    """`%` and `_` are ordinary characters elsewhere."""
    api.post({"fields": {"batch": key, "firstname": "Jan", "lastname": "J%_"}})
    assert not matches(api, key, "firstname==J%")
    assert not matches(api, key, "firstname==J_n")
    assert matches(api, key, "firstname!=J%")
    assert matches(api, key, "lastname==j%_")


@pytest.mark.parametrize(
    ("pattern", "alike"),
    [
        ("%", True),
        ("ja%", True),
        ("%AN", True),
        ("%a%", True),
        ("_a_", True),
        ("J%_n", True),
        ("jan", True),
        ("ja", False),
        ("an", False),
        ("_jan", False),
        ("j_%_%n", False),
        ("j.n", False),
        ("j*", False),
        ("[j]an", False),
        ("", False),
    ],
)
def test_17_a_pattern_has_two_wildcards(api: StandIn, key: str, pattern: str, alike: bool) -> None:
    """`%` is any run of characters, `_` is one, all else is itself, in any case."""
    api.post({"fields": {"batch": key, "firstname": "Jan"}})
    assert matches(api, key, f"firstname=~{pattern}") is alike
    assert matches(api, key, f"firstname!~{pattern}") is not alike


def test_17_an_index_does_not_change_what_matches(api: StandIn, key: str) -> None:
    """An indexed field finds the same as a scan over the others."""
    for name in (key, key.upper(), f"{key}b"):
        api.post({"fields": {"customerid": name, "batch": name}})
    indexed = api.call("GET", "database/1234/profiles", selection([f"customerid=={key}"]))
    scanned = api.call("GET", "database/1234/profiles", selection([f"batch=={key}"]))
    assert indexed.json() == scanned.json()
    assert indexed.json()["count"] == 2


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("age==", True),
        ("age==0", True),
        ("age==abc", True),
        ("age== 0", True),
        ("age==0.9", True),
        ("age==1", False),
        ("age<1e1", True),
        ("score== 6", True),
        ("score==6x", True),
        ("score==6.9", True),
        ("score==", False),
        ("price==0.0", True),
        ("price==x", True),
        ("joined==", True),
        ("joined==0000-00-00", True),
        ("joined==nonsense", True),
        ("birthday==01/31/2020", True),
        ("birthday== 2020-01-31", True),
        ("birthday==2020-01-31 12:00:00", True),
        ("birthday>2020-01-30", True),
        ("birthday<31-01-2020", False),
        ("birthday==", False),
        ("lastlogin==2024-07-01T10:00:00Z", True),
        ("lastlogin== 2024-07-01 12:00:00", True),
        ("seen==", True),
    ],
)
def test_18_numbers_and_dates_are_converted_first(
    api: StandIn, key: str, condition: str, found: bool
) -> None:
    """Numeric and date values are normalised like stored values; a blank does not matter."""
    fields = {"birthday": "2020-01-31", "lastlogin": "2024-07-01 12:00:00", "score": 6}
    api.post({"fields": {**fields, "batch": key}})
    assert matches(api, key, condition) is found


def test_18_numbers_compare_as_numbers(api: StandIn, key: str) -> None:
    """9 is less than 10, though not as text; 2.5 is between 2 and 3."""
    found = api.profiles(["rank<9"], database="5")
    assert [profile["fields"]["customerid"] for profile in found] == ["one", "three"]
    api.post({"fields": {"batch": key, "price": 2.5}})
    assert matches(api, key, "price>2", "price<3", "price==2.50")


def test_19_text_is_taken_literally(api: StandIn, key: str) -> None:
    """A leading blank counts; a trailing one is lost with those around the expression."""
    api.post({"fields": {"batch": key, "lastname": " Smit", "firstname": "Jan "}})
    assert matches(api, key, "lastname== Smit")
    assert matches(api, key, "lastname== Smit  ")
    assert not matches(api, key, "lastname==Smit")
    assert not matches(api, key, "lastname==  Smit")
    # What is stored with a trailing blank can not be asked for.
    assert not matches(api, key, "firstname==Jan ")
    assert matches(api, key, "firstname=~Jan_")


def test_19_only_plain_blanks_are_blanks(api: StandIn, key: str) -> None:
    """PHP trims spaces, tabs, line ends and NUL; a no-break space is a character."""
    api.post({"fields": {"batch": key, "lastname": "Smit\u00a0"}})
    assert matches(api, key, "lastname==Smit\u00a0")
    assert matches(api, key, "lastname==Smit\u00a0 \t\r\n\v\0")
    assert not matches(api, key, "lastname==Smit")


def test_19_digits_in_a_text_are_text(api: StandIn, key: str) -> None:
    """A text field compares characters, not numbers."""
    api.post({"fields": {"batch": key, "lastname": "007"}})
    assert matches(api, key, "lastname==007")
    assert not matches(api, key, "lastname==7")
    assert not matches(api, key, "lastname==7.0")


@pytest.mark.parametrize(
    ("stored", "condition", "found"),
    [
        ("jan", "lastname<Joris", True),
        ("Jan", "lastname<joris", True),
        ("Jan", "lastname>joris", False),
        ("Jan", "lastname>jan", False),
        ("Jan", "lastname>=JAN", True),
        ("Jan", "lastname<=jAn", True),
        ("10", "lastname<9", True),
        ("B", "lastname>_", True),
        ("Zoë", "lastname>zoz", True),
        ("ab", "lastname>a", True),
        ("", "lastname<a", True),
        ("x", "lastname>", True),
    ],
)
def test_20_text_has_an_order(
    api: StandIn, key: str, stored: str, condition: str, found: bool
) -> None:
    """The order of bytes, once upper and lower case are made equal."""
    api.post({"fields": {"batch": key, "lastname": stored}})
    assert matches(api, key, condition) is found
