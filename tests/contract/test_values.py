"""Behaviour 28: what the API stores of a value. It converts, and never refuses."""

from datetime import datetime
from typing import Any

import pytest

from tests.contract.standins import TOKEN, StandIn

BIG = 9223372036854775808
DATES = ("seen", "lastlogin", "joined", "birthday")


def stored(standin: StandIn, fields: dict[str, Any]) -> dict[str, str]:
    """Store a new profile; return its fields."""
    read: dict[str, str] = standin.profile(standin.post({"fields": fields}))["fields"]
    return read


def dates(standin: StandIn, sent: object) -> list[str]:
    """Store one value in a field of each type of date."""
    fields = stored(standin, dict.fromkeys(DATES, sent))
    return [fields[name] for name in DATES]


@pytest.mark.parametrize("field", ["firstname", "email", "notes"])
@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("  Jan ", "  Jan "),
        (" ", " "),
        ("no address", "no address"),
        ('😀 "quoted" \\ / back\r\n\t', '😀 "quoted" \\ / back\r\n\t'),
        (True, "1"),
        (False, ""),
        (None, ""),
        (0, "0"),
        (-7, "-7"),
        (2.99, "2.99"),
        (1.0, "1"),
        (-0.00001, "-1.0E-5"),
        (123456789.123456789, "123456789.12346"),
        (0.1 + 0.2, "0.3"),
        (1e15, "1.0E+15"),
        (100000.0, "100000"),
        (BIG, "9.2233720368548E+18"),
        (-BIG, "-9223372036854775808"),
        (BIG - 1, "9223372036854775807"),
        (10**25, "1.0E+25"),
        (["a"], ""),
        ([], ""),
        ({"a": 1}, ""),
    ],
)
def test_28_a_text_takes_scalars(api: StandIn, field: str, sent: object, expected: str) -> None:
    """Scalars become text as PHP writes them, arrays and null become nothing."""
    assert stored(api, {field: sent})[field] == expected


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("be", "be"),
        ("BE", ""),
        ("be ", ""),
        (" be", ""),
        ("fr", ""),
        ("", ""),
        (None, ""),
        (True, ""),
        (["be"], ""),
        ("1", "1"),
        (1, "1"),
        (True, "1"),
    ],
)
def test_28_a_choice_is_taken_exactly(api: StandIn, sent: object, expected: str) -> None:
    """A text that equals one of the choices is kept, all else is nothing."""
    field = "number" if expected == "1" else "country"
    assert stored(api, {field: sent})[field] == expected


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("   3 ", "3"),
        ("42", "42"),
        ("+5", "5"),
        ("12abc", "12"),
        ("1,5", "1"),
        ("1e3", "1000"),
        (".9", "0"),
        (2.99, "2"),
        (-2.99, "-2"),
        ("-2.99", "-2"),
        ("abc", "0"),
        ("", "0"),
        ("true", "0"),
        ("0x1A", "0"),
        (True, "1"),
        (False, "0"),
        (None, "0"),
        ([], "0"),
        ([5], "1"),
        ({"a": 1}, "1"),
        (BIG - 1, "9223372036854775807"),
        (str(-BIG), "-9223372036854775808"),
        (str(-BIG + 1), "-9223372036854775807"),
    ],
)
@pytest.mark.parametrize("field", ["age", "score"])
def test_28_an_integer_is_cast(api: StandIn, field: str, sent: object, expected: str) -> None:
    """As PHP casts to int; the default of the field has no say."""
    assert stored(api, {field: sent})[field] == expected


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("1,5", "1"),
        ("3.50", "3.5"),
        (" 2.50 euro", "2.5"),
        ("-.5", "-0.5"),
        ("1e3", "1000"),
        (3, "3"),
        (2.5, "2.5"),
        ("x", "0"),
        ("", "0"),
        (None, "0"),
        (True, "1"),
        (False, "0"),
        ([], "0"),
        ([5], "1"),
    ],
)
def test_28_a_float_is_cast(api: StandIn, sent: object, expected: str) -> None:
    """As PHP casts to float."""
    assert stored(api, {"price": sent})["price"] == expected


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("2024-05-01", "2024-05-01 00:00:00"),
        ("2024-05-01 12:34:56", "2024-05-01 12:34:56"),
        ("2024-05-01T12:34:56", "2024-05-01 12:34:56"),
        ("2024-05-01T12:34", "2024-05-01 12:34:00"),
        (" 2024/5/1 ", "2024-05-01 00:00:00"),
        ("20240501", "2024-05-01 00:00:00"),
        ("02/01/2020", "2020-02-01 00:00:00"),
        ("02-01-2020", "2020-01-02 00:00:00"),
        ("2020-02-30", "2020-03-01 00:00:00"),
        ("2021-02-29", "2021-03-01 00:00:00"),
        ("2020-01-02T03:04:05Z", "2020-01-02 04:04:05"),
        ("2020-07-02T03:04:05.678Z", "2020-07-02 05:04:05"),
        ("2020-07-02T03:04:05-03:00", "2020-07-02 08:04:05"),
        ("2020-12-31T23:30:00Z", "2021-01-01 00:30:00"),
        ("2024-03-31 02:30:00", "2024-03-31 03:30:00"),
        ("@1596979546", "2020-08-09 15:25:46"),
    ],
)
def test_28_a_date_is_read_in_several_forms(api: StandIn, sent: str, expected: str) -> None:
    """As strtotime does; zones move to Amsterdam."""
    assert dates(api, sent) == [expected, expected, expected[:10], expected[:10]]


@pytest.mark.parametrize(
    "sent",
    [
        "",
        " ",
        "abc",
        None,
        True,
        False,
        1596979546,
        "1596979546",
        "2020-13-01",
        "32-01-2020",
        [],
        {},
        ["2020-01-01"],
    ],
)
def test_28_what_is_no_date_is_empty(api: StandIn, sent: object) -> None:
    """The zero date, or nothing in the types that may be empty."""
    assert dates(api, sent) == ["0000-00-00 00:00:00", "", "0000-00-00", ""]


def test_28_a_year_before_the_first_is_zero(api: StandIn) -> None:
    """A negative year becomes zeros even where empty is possible."""
    zero = ["0000-00-00 00:00:00", "0000-00-00 00:00:00", "0000-00-00", "0000-00-00"]
    assert dates(api, "0000-00-00") == zero
    assert dates(api, "0000-00-00 00:00:00") == zero


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("now", "2026-11-23 11:00:00"),
        ("NOW", "2026-11-23 11:00:00"),
        ("today", "2026-11-23 00:00:00"),
        ("midnight", "2026-11-23 00:00:00"),
        ("yesterday", "2026-11-22 00:00:00"),
        ("tomorrow", "2026-11-24 00:00:00"),
        ("1959", "2026-11-23 19:59:00"),
        (1959, "2026-11-23 19:59:00"),
    ],
)
def test_28_a_date_may_be_relative(fixed: StandIn, sent: object, expected: str) -> None:
    """Words count from the clock; four digits are a time of today if they can be one."""
    assert dates(fixed, sent) == [expected, expected, expected[:10], expected[:10]]


def test_28_four_digits_may_be_a_year(fixed: StandIn) -> None:
    """There is no 60th minute: 1960 is a day of that year."""
    for found in dates(fixed, "1960"):
        assert found.startswith("1960-")
        assert datetime.fromisoformat(found).year == 1960


def test_28_a_letter_is_a_date(fixed: StandIn) -> None:
    """A lone letter is a zone to PHP, and so a moment of today."""
    for found in dates(fixed, "a"):
        assert found.startswith("2026-11-23")


@pytest.mark.parametrize(
    "number", ["1e999", "-1e999", "1" * 400, "1" * 5000, "1e-999", "0." + "3" * 5000]
)
def test_28_no_number_is_refused(api: StandIn, number: str) -> None:
    """Whatever is JSON is stored as something, however large or small."""
    names = ("firstname", "country", "age", "price", *DATES)
    pairs = ",".join(f'"{name}":{number}' for name in names)
    content = f'{{"fields":{{{pairs}}}}}'
    url = f"/v2/database/1234/profiles?access_token={TOKEN}"
    answer = api.send("POST", url, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 201
    fields = api.profile(int(answer.headers["X-Created"]))["fields"]
    assert all(isinstance(value, str) for value in fields.values())


@pytest.mark.parametrize("sent", ["\u0000", "\ud800", "a\u0000b", "\u202e", "x" * 100_000])
def test_28_no_text_is_refused(api: StandIn, key: str, sent: str) -> None:
    """Odd characters and long texts disturb neither this call nor the next."""
    fields = dict.fromkeys(("firstname", "notes", "country", "age", "price", *DATES), sent)
    answer = api.call("POST", "database/1234/profiles", "", {"fields": {**fields, "batch": key}})
    assert answer.status_code in (201, 400)
    assert len(api.profiles([f"batch=={key}"])) == (answer.status_code == 201)
