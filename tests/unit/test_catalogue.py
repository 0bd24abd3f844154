import re
from contextlib import suppress
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.catalogue import Catalogue, Field, canonical, catalogue, nearest

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
TYPES = [
    *("integer", "float", "date", "empty_date", "datetime", "empty_datetime", "text", "email"),
    *("phone", "phone_fax", "phone_gsm", "select", "big", "foreign_key"),
]
DATES = ["date", "empty_date"]
MOMENTS = ["datetime", "empty_datetime"]
CHOICES = ("nl", "be", "Île")


def kept(kind: str, value: str, zone: ZoneInfo = AMSTERDAM) -> str:
    return canonical(Field("f", kind, CHOICES if kind == "select" else ()), value, zone)


def refusal(kind: str, value: str) -> str:
    """Why a value does not fit; the text never shows it."""
    with pytest.raises(ValueError, match=r"^(is|has) ") as caught:
        kept(kind, value)
    text = str(caught.value)
    if len(value) > 2:
        assert value not in text
    return text


class TestCatalogue:
    LISTED = catalogue(
        "1234",
        [
            {"ID": "1", "name": "CustomerID", "type": "text", "value": ""},
            {"ID": "2", "name": "country", "type": "select", "value": "nl*\r\nbe\r\n\r\n de "},
            {"ID": "3", "name": "Age", "type": "integer", "value": "-1"},
            {"ID": "4"},
        ],
        [{"ID": "1", "name": "Football", "group": ""}, {"ID": "2"}],
    )

    @pytest.mark.parametrize("name", ["CustomerID", "customerid", "CUSTOMERID"])
    def test_finds_a_field_in_any_case(self, name: str) -> None:
        assert self.LISTED.field(name) == Field("CustomerID", "text")

    def test_knows_the_choices_without_the_star_of_the_default(self) -> None:
        assert self.LISTED.field("country") == Field("country", "select", ("nl", "be", " de"))

    @pytest.mark.parametrize("odd", ["a\vb", "a\fb", "a\x85b", "a\u2028b", "a\u00a0", "\u3000a"])
    def test_takes_a_choice_as_the_api_does(self, odd: str) -> None:
        listed = {"name": "c", "type": "select", "value": f"{odd}*\r\nnl"}
        assert catalogue("1", [listed], []).fields["c"].choices == (odd, "nl")

    def test_has_no_choices_where_there_are_none(self) -> None:
        assert self.LISTED.fields["age"].choices == ()

    def test_takes_a_field_without_a_type_for_text(self) -> None:
        assert self.LISTED.field("") == Field("", "text")

    @pytest.mark.parametrize("name", ["Football", "football", "FOOTBALL"])
    def test_finds_an_interest_in_any_case(self, name: str) -> None:
        assert self.LISTED.interest(name) == "Football"

    def test_tells_interests_apart_that_fold_alike(self) -> None:
        listed = catalogue("1", [], [{"name": "Straße"}, {"name": "Strasse"}])
        assert listed.interest("STRASSE") == "Strasse"
        assert listed.interest("straße") == "Straße"

    @pytest.mark.parametrize(
        ("name", "kind"), [("ID", "integer"), ("Code", "text"), ("modified", "datetime")]
    )
    def test_a_condition_may_name_what_every_database_has(self, name: str, kind: str) -> None:
        assert self.LISTED.selectable(name) == Field(name.lower(), kind)
        assert self.LISTED.field(name) is None

    def test_an_own_field_comes_before_it(self) -> None:
        own = catalogue("1", [{"name": "Modified", "type": "text"}], [])
        assert own.selectable("modified") == Field("Modified", "text")

    def test_knows_no_others(self) -> None:
        assert self.LISTED.selectable("nothing") is None
        assert self.LISTED.interest("nothing") is None

    def test_is_equal_to_the_same_list(self) -> None:
        fields = [{"name": "c", "type": "select", "value": "nl"}]
        assert catalogue("1", fields, []) == catalogue("1", fields, [])
        assert catalogue("1", fields, []) != catalogue("1", fields, [{"name": "x"}])
        other = [{"name": "c", "type": "select", "value": "nl\r\nbe"}]
        assert catalogue("1", fields, []) != catalogue("1", other, [])

    def test_may_be_empty(self) -> None:
        assert catalogue("1", [], []) == Catalogue("1", {}, {})


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("custmerid", "; did you mean CustomerID?"),
        ("CUSTOMER", "; did you mean CustomerID?"),
        ("firstnam", "; did you mean firstname?"),
        ("zzz", ""),
        ("", ""),
    ],
)
def test_suggests_the_name_that_is_most_alike(name: str, suggestion: str) -> None:
    assert nearest(name, frozenset({"CustomerID", "firstname", "lastname"})) == suggestion


def test_suggests_nothing_where_nothing_is_known() -> None:
    assert nearest("firstname", frozenset()) == ""


# What the API makes of a value, by "What the API does with field values", and what we do instead.
TRAPS = [
    ("12abc", "integer", "it would be 12"),
    ("1,5", "integer", "it would be 1"),
    ("1,5", "float", "it would be 1"),
    ("1e3", "integer", "it would be 1000"),
    ("1e3", "float", "it would be 1000"),
    ("2.99", "integer", "it would be 2"),
    ("   3 ", "integer", "blanks"),
    ("true", "integer", "it would be 0"),
    ("02/01/2020", "date", "it would be the first of February"),
    ("02-01-2020", "date", "it would be the second of January"),
    ("2020-02-30", "date", "it would be the first of March"),
    ("2020-02-30", "datetime", "it would be the first of March"),
    ("1596979546", "date", "it would be nothing"),
    ("1596979546", "datetime", "it would be nothing"),
    ("@1596979546", "datetime", "written otherwise"),
    ("1959", "datetime", "it would be today at 19:59"),
    ("1960", "datetime", "it would be a day of 1960"),
    ("a", "datetime", "it would be now, in another zone"),
    ("now", "datetime", "relative"),
    ("yesterday", "date", "relative"),
    ("NL", "select", "it would be nothing"),
    ("nl ", "select", "it would be nothing"),
    ("fr", "select", "it would be nothing"),
    ("1", "select", "a boolean, it would be nothing"),
]


@pytest.mark.parametrize(("value", "kind"), [trap[:2] for trap in TRAPS], ids=map(str, TRAPS))
def test_refuses_what_the_api_would_make_something_else_of(value: str, kind: str) -> None:
    assert refusal(kind, value)


@pytest.mark.parametrize(
    ("value", "kind", "sent"),
    [
        ("9223372036854775808", "text", "9223372036854775808"),
        ("123456789.123456789", "text", "123456789.123456789"),
        ("1.0", "text", "1.0"),
        ("2020-01-02T03:04:05Z", "datetime", "2020-01-02 04:04:05"),
    ],
)
def test_sends_as_text_what_the_api_would_round_or_move(value: str, kind: str, sent: str) -> None:
    assert kept(kind, value) == sent


@pytest.mark.parametrize("kind", TYPES)
def test_nothing_clears_a_field(kind: str) -> None:
    assert kept(kind, "") == ("0" if kind in {"integer", "float"} else "")


class TestInteger:
    @pytest.mark.parametrize(
        ("value", "sent"),
        [
            ("42", "42"),
            ("-42", "-42"),
            ("+42", "42"),
            ("0042", "42"),
            ("42.", "42"),
            ("42.000", "42"),
            ("0", "0"),
            ("-0", "0"),
            ("9223372036854775807", "9223372036854775807"),
            ("-9223372036854775808", "-9223372036854775808"),
        ],
    )
    def test_has_digits_alone(self, value: str, sent: str) -> None:
        assert kept("integer", value) == sent

    @pytest.mark.parametrize("value", ["9223372036854775808", "-9223372036854775809", "9" * 40])
    def test_has_64_bits(self, value: str) -> None:
        assert "64 bits" in refusal("integer", value)

    @pytest.mark.parametrize(
        "value", ["4.2", ".5", "0x1A", "1_000", "١٢", "12\n", " 12", "--1", "ten", "NaN", "9" * 41]
    )
    def test_is_nothing_else(self, value: str) -> None:
        assert "write digits alone" in refusal("integer", value)


class TestFloat:
    @pytest.mark.parametrize(
        ("value", "sent"),
        [
            ("3.5", "3.5"),
            ("3.50", "3.5"),
            ("+3.5", "3.5"),
            ("-3.5", "-3.5"),
            ("007.10", "7.1"),
            ("5.", "5"),
            ("100", "100"),
            ("-0.0", "0"),
            ("0.0000001", "0.0000001"),
            ("12345678901234", "12345678901234"),
            ("0.12345678901234", "0.12345678901234"),
            ("1" + "0" * 30, "1" + "0" * 30),
            ("0." + "0" * 30 + "1", "0." + "0" * 30 + "1"),
        ],
    )
    def test_has_a_point_and_no_exponent(self, value: str, sent: str) -> None:
        assert kept("float", value) == sent

    @pytest.mark.parametrize(
        "value",
        [
            "123456789012345",
            "0.123456789012345",
            "1234567.12345678",
            "1." + "0" * 31 + "1",
            "1" + "0" * 30 + "1",
        ],
    )
    def test_has_the_digits_that_are_kept(self, value: str) -> None:
        assert "14 digits" in refusal("float", value)

    @pytest.mark.parametrize(
        "value", ["nan", "NaN", "inf", "-Infinity", "sNaN", ".5", "1e-7", "1E5", " 1", "0x1", "٣"]
    )
    def test_is_nothing_else(self, value: str) -> None:
        assert "no exponent" in refusal("float", value)


class TestDate:
    @pytest.mark.parametrize("kind", DATES)
    @pytest.mark.parametrize("value", ["2026-11-23", "2024-02-29", "1937-07-01", "9999-12-31"])
    def test_is_written_in_one_way(self, kind: str, value: str) -> None:
        assert kept(kind, value) == value

    @pytest.mark.parametrize("kind", DATES)
    @pytest.mark.parametrize(
        "value",
        [
            "2023-02-29",
            "2026-13-01",
            "2026-00-10",
            "2026-04-31",
            "0000-01-01",
            "2026-1-1",
            "26-01-01",
            "20261123",
            "2026/11/23",
            "2026-11-23\n",
            "2026-11-23 10:00:00",
            "2026-11-23T10:00:00Z",
            "٢٠٢٦-11-23",
        ],
    )
    def test_must_exist_and_have_no_time(self, kind: str, value: str) -> None:
        assert "write it like 2026-11-23" in refusal(kind, value)

    def test_does_not_depend_on_the_zone(self) -> None:
        # Summer time skipped this day's midnight there.
        assert kept("date", "2018-11-04", ZoneInfo("America/Sao_Paulo")) == "2018-11-04"

    @pytest.mark.parametrize("kind", [*DATES, *MOMENTS])
    @pytest.mark.parametrize("value", ["0000-00-00", "0000-00-00 00:00:00"])
    def test_of_zeros_is_how_the_api_writes_none(self, kind: str, value: str) -> None:
        assert kept(kind, value) == ""


class TestMoment:
    @pytest.mark.parametrize("kind", MOMENTS)
    @pytest.mark.parametrize(
        ("value", "sent"),
        [
            ("2026-11-23 10:00:00", "2026-11-23 10:00:00"),
            ("2026-11-23T10:00:00", "2026-11-23 10:00:00"),
            ("2026-11-23 10:00", "2026-11-23 10:00:00"),
            ("2026-11-23", "2026-11-23 00:00:00"),
            ("2026-11-23 10:00:00.999", "2026-11-23 10:00:00"),
            ("2026-01-01T10:00:00Z", "2026-01-01 11:00:00"),
            ("2026-07-01T10:00:00Z", "2026-07-01 12:00:00"),
            ("2026-07-01T10:00Z", "2026-07-01 12:00:00"),
            ("2026-07-01T10:00:00.731Z", "2026-07-01 12:00:00"),
            ("2026-12-31T23:30:00Z", "2027-01-01 00:30:00"),
            ("2026-01-01T00:00:00+05:30", "2025-12-31 19:30:00"),
            ("2026-01-01T00:00:00-08:00", "2026-01-01 09:00:00"),
        ],
    )
    def test_is_wall_time(self, kind: str, value: str, sent: str) -> None:
        assert kept(kind, value) == sent

    def test_is_that_of_the_account(self) -> None:
        zone = ZoneInfo("America/New_York")
        assert kept("datetime", "2026-07-01T10:00:00Z", zone) == "2026-07-01 06:00:00"

    def test_in_the_hour_that_summer_time_skips_there_is_none(self) -> None:
        assert "no moment that exists" in refusal("datetime", "2026-03-29 02:30:00")
        assert kept("datetime", "2026-03-29T00:30:00Z") == "2026-03-29 01:30:00"
        assert kept("datetime", "2026-03-29T01:30:00Z") == "2026-03-29 03:30:00"

    @pytest.mark.parametrize(
        "value", ["2026-10-25 02:30:00", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"]
    )
    def test_in_the_hour_that_comes_twice_is_written_alike(self, value: str) -> None:
        assert kept("datetime", value) == "2026-10-25 02:30:00"

    @pytest.mark.parametrize(
        "value",
        [
            "2026-02-29 10:00:00",
            "2026-11-23 24:00:00",
            "2026-11-23 10:60:00",
            "2026-11-23 10:00:60",
            "2026-11-23T10:00:00+25:00",
            "2026-11-23T10:00:00+0100",
            "2026-11-23  10:00:00",
            "2026-11-23T10",
            "2026-11-23Z",
            "11:12:13",
            "9999-12-31T23:59:59Z",
            "0001-01-01T00:00:00+23:59",
            "2026-11-23 10:00:00 CET",
        ],
    )
    def test_is_nothing_else(self, value: str) -> None:
        assert "write it like 2026-11-23 10:00:00" in refusal("datetime", value)


class TestText:
    @pytest.mark.parametrize("kind", ["text", "phone", "phone_gsm", "foreign_key", "unheard_of"])
    @pytest.mark.parametrize("value", ["x", " x ", "12abc", "é" * 255, "😀\n"])
    def test_is_kept_as_it_is(self, kind: str, value: str) -> None:
        assert kept(kind, value) == value

    @pytest.mark.parametrize("kind", ["text", "phone_fax", "foreign_key"])
    def test_has_up_to_255_characters(self, kind: str) -> None:
        assert "255 characters" in refusal(kind, "x" * 256)

    def test_is_as_long_as_it_will_in_a_big_field(self) -> None:
        assert kept("big", "x" * 100_000) == "x" * 100_000


class TestEmail:
    @pytest.mark.parametrize("value", ["jane@example.com", "J.D+x@a-b.example.co.uk", "é@ü.nl"])
    def test_looks_like_an_address(self, value: str) -> None:
        assert kept("email", value) == value

    @pytest.mark.parametrize(
        "value",
        [
            "nobody",
            "@sample.org",
            "joe@",
            "joe@sample",
            "joe@sample.",
            "joe@@sample.org",
            "joe doe@sample.org",
            " joe@sample.org",
            "joe@sample.org\n",
            "Joe <joe@sample.org>",
            "joe@sample.org, jim@sample.org",
        ],
    )
    def test_is_nothing_else(self, value: str) -> None:
        assert "write one like" in refusal("email", value)

    def test_has_up_to_255_characters(self) -> None:
        assert "255 characters" in refusal("email", "x" * 250 + "@example.com")


class TestChoice:
    @pytest.mark.parametrize("value", CHOICES)
    def test_is_one_of_the_field(self, value: str) -> None:
        assert kept("select", value) == value

    def test_names_them_all(self) -> None:
        assert refusal("select", "fr").endswith("nl, be, Île")

    def test_names_ten_of_many(self) -> None:
        many = Field("f", "select", tuple(f"choice{n}" for n in range(11)))
        with pytest.raises(ValueError, match=re.escape("choice9, ...")):
            canonical(many, "fr", AMSTERDAM)


@given(st.sampled_from(TYPES), st.text() | st.from_regex(r"[+-]?\d+(\.\d+)?|\d{4}-\d\d-\d\d.*"))
def test_a_canonical_value_is_canonical(kind: str, value: str) -> None:
    with suppress(ValueError):
        sent = kept(kind, value)
        assert kept(kind, sent) == sent


class TestInterestsThatDifferInCase:
    KNOWN = catalogue("1", [], [{"name": "Sport"}, {"name": "sport"}, {"name": "Art"}])

    @pytest.mark.parametrize(
        ("given", "known"),
        [("Sport", "Sport"), ("sport", "sport"), ("ART", "Art"), ("art", "Art"), ("Arts", None)],
    )
    def test_are_each_other_than_the_other(self, given: str, known: str | None) -> None:
        assert self.KNOWN.interest(given) == known


def test_an_index_is_known_if_the_api_tells_and_makes_no_other_field() -> None:
    told: list[dict[str, object]] = [
        {"name": "a", "index": True},
        {"name": "b", "index": False},
        {"name": "c"},
    ]
    fields = catalogue("1", told, []).fields
    assert [fields[name].indexed for name in "abc"] == [True, False, None]
    assert fields["a"] == Field("a", "text")
