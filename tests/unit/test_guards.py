from typing import Any
from zoneinfo import ZoneInfo

import pytest

from service.catalogue import Catalogue, catalogue
from service.conditions import Condition
from service.events import InvalidEvent, ProfileUpdate
from service.guards import UnknownName, check_database, crowd, guard, strange
from tests.unit.samples import profile, update

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
CUSTOMERS = catalogue(
    "1234",
    [
        {"name": "CustomerID", "type": "text"},
        {"name": "firstname", "type": "text"},
        {"name": "Email", "type": "email"},
        {"name": "age", "type": "integer"},
        {"name": "price", "type": "float"},
        {"name": "country", "type": "select", "value": "nl*\r\nbe"},
        {"name": "birthday", "type": "empty_date"},
        {"name": "seen", "type": "datetime"},
    ],
    [{"name": "Football"}, {"name": "tennis"}],
)
OWN = catalogue("77", [{"name": "Modified", "type": "text"}], [])


def guarded(known: Catalogue = CUSTOMERS, *, values: bool = True, **changes: Any) -> ProfileUpdate:
    return guard(update(**changes), known, AMSTERDAM, values=values)


def refusal(known: Catalogue = CUSTOMERS, **changes: Any) -> InvalidEvent:
    with pytest.raises(InvalidEvent) as caught:
        guarded(known, **changes)
    return caught.value


class TestNames:
    def test_are_those_of_the_catalogue(self) -> None:
        sent = guarded(
            where={"CUSTOMERID": "4567"},
            fields={"FirstName": "John", "email": "john@example.com"},
            interests={"football": True, "TENNIS": False},
        )
        assert sent.conditions == (Condition("CustomerID", "==", "4567"),)
        assert sent.fields == {"firstname": "John", "Email": "john@example.com"}
        assert sent.interests == {"Football": True, "tennis": False}

    def test_are_those_of_the_catalogue_if_a_create_copies_them(self) -> None:
        sent = guarded(where={"customerid": "4567"}, fields={"age": 7}, create=True)
        assert sent.fields == {"age": "7", "CustomerID": "4567"}

    def test_of_the_database_is_its_id(self) -> None:
        assert guarded(database="My Customers").database == "1234"

    @pytest.mark.parametrize(
        ("changes", "detail"),
        [
            (
                {"where": {"custmerid": "secret7"}},
                "where.custmerid: there is no such field; did you mean CustomerID?",
            ),
            (
                {"fields": {"fristname": "secret7"}},
                "fields.fristname: there is no such field; did you mean firstname?",
            ),
            (
                {"interests": ["footbal"]},
                "interests.footbal: there is no such interest; did you mean Football?",
            ),
            ({"fields": {"zzz": "secret7"}}, "fields.zzz: there is no such field"),
            (
                {"where": {"modifed": "2026-11-23"}},
                "where.modifed: there is no such field; did you mean modified?",
            ),
        ],
        ids=["where", "fields", "interests", "nothing is like it", "special"],
    )
    def test_that_nobody_knows_are_refused(self, changes: dict[str, Any], detail: str) -> None:
        refused = refusal(**changes)
        assert isinstance(refused, UnknownName)
        assert (refused.reason, refused.detail) == ("unknown-field", detail)

    @pytest.mark.parametrize("name", ["id", "code", "modified"])
    def test_of_what_every_database_has_are_for_conditions_only(self, name: str) -> None:
        assert refusal(fields={name: "2026-11-23"}).reason == "unknown-field"

    def test_are_looked_at_alone_if_so_wished(self) -> None:
        sent = guarded(
            values=False,
            where={"AGE": "042"},
            fields={"COUNTRY": "fr", "Seen": "2026-01-01T10:00:00Z"},
        )
        assert sent.conditions == (Condition("age", "==", "42"),)
        assert sent.fields == {"country": "fr", "seen": "2026-01-01T10:00:00Z"}
        with pytest.raises(UnknownName):
            guarded(values=False, fields={"zzz": "1"})

    @pytest.mark.parametrize("value", ["12abc", "0"])
    def test_are_never_looked_at_without_the_values_that_select(self, value: str) -> None:
        with pytest.raises(InvalidEvent):
            guarded(values=False, where={"AGE": value})

    def test_that_are_long_are_cut_in_what_is_said(self) -> None:
        with pytest.raises(UnknownName) as caught:
            guarded(fields={"z" * 200_000: "1"})
        assert len(caught.value.detail) < 100


class TestValues:
    def test_are_canonical(self) -> None:
        sent = guarded(
            where={"age": 7.0},
            fields={
                "price": 3.50,
                "seen": "2026-07-01T10:00:00Z",
                "country": "be",
                "firstname": True,
                "birthday": "",
            },
        )
        assert sent.conditions == (Condition("age", "==", "7"),)
        assert sent.fields == {
            "price": "3.5",
            "seen": "2026-07-01 12:00:00",
            "country": "be",
            "firstname": "1",
            "birthday": "",
        }

    @pytest.mark.parametrize(
        ("changes", "detail"),
        [
            ({"fields": {"Age": "12abc"}}, "fields.Age (integer): is no whole number"),
            ({"fields": {"price": "12,34"}}, "fields.price (float): is no number"),
            ({"fields": {"country": "NLD"}}, "fields.country (select): is none of its choices"),
            ({"fields": {"email": "nobody"}}, "fields.email (email): is no e-mail address"),
            ({"fields": {"birthday": "2020-02-30"}}, "fields.birthday (empty_date): is no date"),
            ({"fields": {"seen": "yesterday"}}, "fields.seen (datetime): is no moment"),
            ({"where": {"age": "12abc"}}, "where.age (integer): is no whole number"),
            ({"where": {"birthday": "2020-13-01"}}, "where.birthday (empty_date): is no date"),
            (
                {"where": ["age<12abc"], "expect": "many"},
                "where.age (integer): is no whole number",
            ),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_that_do_not_fit_are_refused(self, changes: dict[str, Any], detail: str) -> None:
        refused = refusal(**changes)
        assert refused.reason == "invalid-value"
        assert refused.detail.startswith(detail)
        for value in ("12abc", "12,34", "NLD", "nobody", "2020", "yesterday"):
            assert value not in refused.detail

    @pytest.mark.parametrize("place", ["where", "fields"])
    @pytest.mark.parametrize(
        ("name", "value"), [("age", "12abc"), ("birthday", "2020-02-30"), ("email", "nobody")]
    )
    def test_make_no_unknown_name(self, place: str, name: str, value: str) -> None:
        changes: dict[str, Any] = {place: {name: value}}
        assert not isinstance(refusal(**changes), UnknownName)

    @pytest.mark.parametrize("value", ["0000-00-00", "0000-00-00 00:00:00"])
    @pytest.mark.parametrize("name", ["birthday", "seen", "modified"])
    def test_of_zeros_select_every_profile_without_a_date(self, name: str, value: str) -> None:
        refused = refusal(where={name: value})
        assert refused.reason == "unsafe-selection"
        assert "every profile without one" in refused.detail

    @pytest.mark.parametrize("value", [0, "0", "-0", "0.0", "00", False])
    @pytest.mark.parametrize("name", ["age", "price"])
    def test_of_zero_select_every_profile_without_a_number(self, name: str, value: Any) -> None:
        refused = refusal(where={name: value})
        assert refused.reason == "unsafe-selection"
        assert '"expect": "many"' in refused.detail

    def test_of_zero_are_fine_where_many_are_meant_or_in_text(self) -> None:
        assert guarded(where=["age==0"], expect="many").conditions[0].value == "0"
        assert guarded(where={"customerid": 0}).conditions[0].value == "0"
        assert guarded(fields={"age": 0, "price": False}).fields == {"age": "0", "price": "0"}

    def test_may_be_empty_where_many_are_meant(self) -> None:
        sent = guarded(where=["age==", "birthday=="], expect="many")
        assert [condition.value for condition in sent.conditions] == ["", ""]

    @pytest.mark.parametrize("operator", ["=~", "!~"])
    def test_of_a_pattern_stay_as_they_are(self, operator: str) -> None:
        sent = guarded(where=[f"EMAIL{operator}%@example", f"age{operator}1%"], expect="many")
        assert sent.conditions == (
            Condition("Email", operator, "%@example"),
            Condition("age", operator, "1%"),
        )

    @pytest.mark.parametrize("operator", ["==", "!=", "<>", "<", ">", "<=", ">="])
    def test_are_canonical_with_every_other_operator(self, operator: str) -> None:
        sent = guarded(where=[f"seen{operator}2026-01-01T10:00:00Z"], expect="many")
        assert sent.conditions == (Condition("seen", operator, "2026-01-01 11:00:00"),)


class TestSpecialFields:
    @pytest.mark.parametrize(
        ("name", "value", "sent"),
        [
            ("ID", "0042", Condition("id", "==", "42")),
            ("Code", "e5903B", Condition("code", "==", "e5903B")),
            ("modified", "2026-01-01T10:00Z", Condition("modified", "==", "2026-01-01 11:00:00")),
        ],
    )
    def test_are_checked_like_others(self, name: str, value: str, sent: Condition) -> None:
        assert guarded(where={name: value}).conditions == (sent,)

    @pytest.mark.parametrize(("name", "value"), [("id", "ID==4"), ("modified", "last week")])
    def test_have_their_types(self, name: str, value: str) -> None:
        assert refusal(where={name: value}).reason == "invalid-value"

    def test_come_after_an_own_field(self) -> None:
        sent = guarded(OWN, where={"modified": "last week"}, fields={"modified": "today"})
        assert sent.conditions == (Condition("Modified", "==", "last week"),)
        assert sent.fields == {"Modified": "today"}


class TestKeys:
    @pytest.mark.parametrize(
        "changes",
        [
            {"where": {"customerid": 4567}},
            {"where": {"CustomerID": "4567"}},
            {"where": ["customerid==4567"]},
            {"where": ["CUSTOMERID==4567", "customerid==4567"]},
            {"database": "My Customers"},
            {"database": "MY CUSTOMERS", "expect": "many"},
        ],
        ids=str,
    )
    def test_are_one_however_they_are_written(self, changes: dict[str, Any]) -> None:
        assert guarded(**changes).key == ("1234", "customerid==4567")

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ({"age": 7}, {"age": "007"}),
            ({"age": 7}, {"age": 7.0}),
            ({"price": "3.50"}, {"Price": 3.5}),
            ({"seen": "2026-01-01T10:00:00Z"}, {"seen": "2026-01-01 11:00"}),
            ({"seen": "2026-01-01"}, {"seen": "2026-01-01T00:00:00"}),
            ({"email": "Joe@Sample.org"}, {"email": "joe@sample.org"}),
            ({"age": 7, "price": 1}, {"price": 1.0, "AGE": "7"}),
            ({"id": "042"}, {"ID": 42}),
        ],
        ids=str,
    )
    def test_are_one_however_values_are_written(self, one: Any, other: Any) -> None:
        assert guarded(where=one).key == guarded(where=other).key

    def test_differ_for_different_profiles(self) -> None:
        keys = {guarded(where=where).key for where in ({"age": 7}, {"age": 8}, {"price": 7})}
        assert len(keys) == 3
        other = catalogue("5", [{"name": "age", "type": "integer"}], [])
        assert guard(update(where={"age": 7}, fields={"age": 7}), other, AMSTERDAM).key not in keys


class TestMoves:
    @pytest.mark.parametrize(
        ("where", "fields"),
        [
            ({"customerid": "4567"}, {"CUSTOMERID": "4568"}),
            ({"age": 7}, {"Age": 8}),
            ({"country": "nl"}, {"country": "be"}),
            ({"customerid": "4567"}, {"customerid": ""}),
            ({"age": 7, "customerid": "1"}, {"age": 7, "customerid": "2"}),
        ],
        ids=str,
    )
    def test_if_a_field_of_its_selection_changes(self, where: Any, fields: Any) -> None:
        sent = guarded(where=where, fields=fields)
        assert sent.moves
        assert sent.barrier

    @pytest.mark.parametrize(
        ("where", "fields"),
        [
            ({"customerid": "4567"}, {"firstname": "4568"}),
            ({"customerid": "abc"}, {"customerid": "ABC"}),
            ({"email": "Joe@sample.org"}, {"email": "joe@sample.org"}),
            ({"age": 7}, {"age": "007"}),
            ({"seen": "2026-01-01T10:00:00Z"}, {"seen": "2026-01-01 11:00:00"}),
            ({"id": 7}, {"age": 8}),
            ({"code": "x"}, {"age": 8}),
        ],
        ids=str,
    )
    def test_not_if_it_stays_what_it_is(self, where: Any, fields: Any) -> None:
        assert not guarded(where=where, fields=fields).moves

    def test_if_a_choice_changes_its_letters(self) -> None:
        known = catalogue("1", [{"name": "c", "type": "select", "value": "nl\r\nNL"}], [])
        assert guarded(known, where={"c": "nl"}, fields={"c": "NL"}).moves

    @pytest.mark.parametrize(
        ("where", "moves"), [(["age>=18"], True), (["age>=7"], True), (["price>=7"], False)]
    )
    def test_if_a_field_is_written_that_is_compared(self, where: list[str], moves: bool) -> None:
        assert guarded(where=where, fields={"age": 7}, expect="many").moves is (
            moves and where != ["age>=7"]
        )

    @pytest.mark.parametrize("where", [["modified<2026-01-01"], ["ID==7", "Modified<2026-01-01"]])
    def test_if_it_selects_by_when_profiles_were_changed(self, where: list[str]) -> None:
        assert guarded(where=where, expect="many").moves
        assert update(where=where, expect="many").moves

    def test_not_by_an_own_field_of_that_name(self) -> None:
        own = catalogue("77", [{"name": "Modified"}, {"name": "firstname"}], [])
        assert not guarded(own, where={"modified": "x"}).moves
        assert guarded(own, where={"modified": "x"}, fields={"modified": "y"}).moves


class TestStrange:
    @pytest.mark.parametrize(
        ("where", "fields"),
        [
            ({"customerid": "4567"}, {"customerid": "4567"}),
            ({"CustomerID": "4567"}, {"customerid": "4567"}),
            ({"customerid": "Ab"}, {"customerid": "aB"}),
            ({"customerid": "Zoë"}, {"customerid": "zoe"}),
            ({"customerid": "ab"}, {"customerid": "ab "}),
            ({"age": 7}, {"age": 7}),
            ({"age": "007"}, {"age": "7"}),
            ({"price": "3.50"}, {"price": "3.5"}),
            ({"price": "1" + "0" * 20}, {"price": "1.0E+20"}),
            ({"a": "1", "b": "2"}, {"a": "1", "b": "2"}),
            ({"customerid": "4567"}, {"other": "1"}),
        ],
        ids=str,
    )
    def test_are_none_that_carry_what_was_asked_for(self, where: Any, fields: Any) -> None:
        event = update(where=where, fields={"x": "1"})
        assert strange(event, (profile(fields=fields),)) is None

    @pytest.mark.parametrize(
        ("where", "fields"),
        [
            ({"customerid": "4567"}, {"customerid": "4568"}),
            ({"customerid": "4567"}, {"CUSTOMERID": ""}),
            ({"a": "1", "b": "2"}, {"a": "1", "b": "3"}),
            ({"age": 7}, {"age": "seven"}),
            ({"price": "nan"}, {"price": "nope"}),
        ],
        ids=str,
    )
    def test_are_those_that_do_not(self, where: Any, fields: Any) -> None:
        event = update(where=where, fields={"x": "1"})
        ours = profile(fields=where)
        detail = strange(event, (ours, profile(fields=fields)))
        assert detail is not None
        assert f"the {list(where)[-1]} asked for" in detail
        assert not any(str(value) in detail for value in where.values() if len(str(value)) > 2)

    @pytest.mark.parametrize(
        ("where", "changes", "is_strange"),
        [
            ({"id": 7}, {"ID": "7"}, False),
            ({"id": 7}, {"ID": 7}, False),
            ({"id": 7}, {"ID": "8"}, True),
            ({"code": "e5903b43c08"}, {}, False),
            ({"code": "e5903b43c09"}, {}, True),
            ({"modified": "2026-01-01"}, {}, False),
        ],
        ids=str,
    )
    def test_are_known_by_special_fields_too(
        self, where: Any, changes: dict[str, Any], is_strange: bool
    ) -> None:
        assert (strange(update(where=where), (profile(**changes),)) is not None) is is_strange

    def test_are_none_that_carry_what_was_written(self) -> None:
        moved = update(fields={"customerid": "4568"})
        assert strange(moved, (profile(fields={"customerid": "4568"}),)) is None
        assert strange(moved, (profile(fields={"customerid": "4567"}),)) is not None

    def test_are_not_looked_for_where_nothing_can_be_found_again(self) -> None:
        cleared = update(fields={"customerid": ""})
        assert strange(cleared, (profile(fields={"customerid": "x"}),)) is None

    @pytest.mark.parametrize("fields", [{}, [], None])
    def test_are_none_that_do_not_tell(self, fields: Any) -> None:
        assert strange(update(), (profile(fields=fields),)) is None
        assert strange(update(), ({"ID": "1"},)) is None

    @pytest.mark.parametrize(
        ("number", "is_strange"), [(0, False), (1, False), (10, False), (11, True)]
    )
    def test_are_too_many_where_one_was_expected(self, number: int, is_strange: bool) -> None:
        found = tuple(profile(n) for n in range(number))
        assert (crowd(update(), found) is not None) is is_strange
        assert crowd(update(expect="many"), found) is None

    def test_are_none_where_no_equality_was_asked_for(self) -> None:
        event = update(where=["customerid>4", "customerid=="], expect="many")
        assert strange(event, (profile(fields={"customerid": "x"}),)) is None


class TestDatabases:
    @pytest.mark.parametrize("allowed", [[], ["1234"], ["77", "1234"]], ids=str)
    def test_allowed_may_be_written_to(self, allowed: list[str]) -> None:
        check_database(update(), allowed)

    def test_are_known_in_any_case(self) -> None:
        check_database(update(database="My Customers"), ["my customers"])

    def test_others_are_refused(self) -> None:
        with pytest.raises(InvalidEvent) as caught:
            check_database(update(), ["77"])
        assert caught.value.reason == "database-not-allowed"
        assert "1234" in caught.value.detail


class TestCreate:
    @pytest.mark.parametrize(("key", "value"), [(4567, 4567.0), ("04567", 4567), (4567, "+4567")])
    def test_may_write_its_key_in_another_spelling(self, key: Any, value: Any) -> None:
        sent = guarded(where={"age": key}, fields={"age": value}, create=True)
        assert sent.fields == {"age": "4567"}

    def test_may_not_write_another_moment_than_it_selects_by(self) -> None:
        with pytest.raises(InvalidEvent, match="differs"):
            guarded(
                where={"seen": "2026-01-01T10:00:00Z"},
                fields={"seen": "2026-01-01T10:00:00+01:00"},
                create=True,
            )
