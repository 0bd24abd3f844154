import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.conditions import (
    OPERATORS,
    Condition,
    UnsafeSelection,
    after_update,
    check_selection,
    is_field_name,
    parse_condition,
    routing_key,
    selection_key,
)

field_names = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,15}", fullmatch=True)


@pytest.mark.parametrize("operator", OPERATORS)
def test_reads_each_of_the_nine_operators(operator: str) -> None:
    assert parse_condition(f"age{operator}18") == Condition("age", operator, "18")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("token==a=b<c>", "a=b<c>", id="operators inside"),
        pytest.param("token===x", "=x", id="two-character operator, then an operator"),
        pytest.param("token==", "", id="empty"),
        pytest.param("token==50%", "50%", id="percent sign"),
        pytest.param("token==Ünï 😀", "Ünï 😀", id="not ASCII"),
        pytest.param("token==a b", "a b", id="blank inside"),
    ],
)
def test_takes_the_rest_as_the_value(text: str, value: str) -> None:
    assert parse_condition(text).value == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "customerid",
        "==4567",
        "customerid=4567",
        "customerid!4567",
        "customerid~=4567",
        "age=<5",
        "age=>5",
        " customerid==4567",
        "customerid ==4567",
        "customer id==4567",
        "1st==4567",
        "_id==4567",
        "naïve==4567",
        "a-b==4567",
        "fields[]==4567",
        "age<~5",
        "age<!5",
        "age>~5",
    ],
)
def test_refuses_what_the_api_would_read_otherwise(text: str) -> None:
    with pytest.raises(UnsafeSelection) as caught:
        parse_condition(text)
    assert "4567" not in str(caught.value)


@given(field_names, st.sampled_from(OPERATORS), st.text())
def test_a_parsed_condition_is_written_as_it_was_read(name: str, operator: str, value: str) -> None:
    text = f"{name}{operator}{value}"
    try:
        condition = parse_condition(text)
    except UnsafeSelection:
        assert len(operator) == 1
        assert value[0] in "=<>!~"
    else:
        assert str(condition) == text


@pytest.mark.parametrize(
    ("name", "valid"),
    [
        ("a", True),
        ("Field_9", True),
        ("", False),
        ("9a", False),
        ("_a", False),
        ("a b", False),
        ("a\n", False),
        ("é", False),
        ("a١", False),
        ("a-b", False),
    ],
)
def test_knows_field_names(name: str, valid: bool) -> None:
    assert is_field_name(name) is valid


@pytest.mark.parametrize("many", [False, True], ids=["one", "many"])
@pytest.mark.parametrize(
    "condition",
    [
        pytest.param(Condition("a b", "==", "1"), id="no field name"),
        pytest.param(Condition("age>", "==", "=1"), id="an operator in the field name"),
        pytest.param(Condition("a", "==", " 1"), id="a blank before the value"),
        pytest.param(Condition("a", "==", "1 "), id="a blank after the value"),
        pytest.param(Condition("a", "==", "1\n"), id="a line break after the value"),
        pytest.param(Condition("a", "==", "1\x0b"), id="what PHP trims"),
        pytest.param(Condition("a", "==", "1\x00"), id="NUL"),
        pytest.param(Condition("a", "==", "1\x002"), id="NUL inside"),
        pytest.param(Condition("a", "==", "1\t2"), id="a control character inside"),
        pytest.param(Condition("a", "==", "1\x7f2"), id="DEL inside"),
        pytest.param(Condition("a", "==", "\u00a0"), id="only a no-break space"),
    ],
)
def test_refuses_for_any_number_of_profiles(condition: Condition, many: bool) -> None:
    with pytest.raises(UnsafeSelection):
        check_selection([Condition("b", "==", "2"), condition], many=many)


@pytest.mark.parametrize("many", [False, True], ids=["one", "many"])
def test_refuses_to_select_every_profile(many: bool) -> None:
    with pytest.raises(UnsafeSelection, match="no condition"):
        check_selection([], many=many)


@pytest.mark.parametrize("operator", [o for o in OPERATORS if o != "=="])
def test_one_profile_is_selected_by_equality_only(operator: str) -> None:
    conditions = [Condition("customerid", "==", "1"), Condition("age", operator, "18")]
    with pytest.raises(UnsafeSelection, match=r"age .*many"):
        check_selection(conditions, many=False)
    check_selection(conditions, many=True)


def test_one_profile_is_not_selected_by_an_empty_value() -> None:
    conditions = [Condition("customerid", "==", "")]
    with pytest.raises(UnsafeSelection, match=r"customerid .*empty"):
        check_selection(conditions, many=False)
    check_selection(conditions, many=True)


def test_a_key_has_the_database_first() -> None:
    assert selection_key("1234", [Condition("a", "==", "1")])[0] == "1234"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param([("a", "1"), ("b", "2")], [("b", "2"), ("a", "1")], id="another order"),
        pytest.param([("Email", "a@x")], [("email", "A@X")], id="another case"),
        pytest.param([("a", "1")], [("a", "1"), ("a", "1")], id="a condition said twice"),
        pytest.param([("a", "1")], [("a", "1"), ("A", "1")], id="said twice in another case"),
    ],
)
def test_one_selection_has_one_key(
    one: list[tuple[str, str]], other: list[tuple[str, str]]
) -> None:
    def key(pairs: list[tuple[str, str]]) -> object:
        return selection_key("db", [Condition(name, "==", value) for name, value in pairs])

    assert key(one) == key(other)


@pytest.mark.parametrize(
    "other",
    [
        ("db", [Condition("a", "==", "2")]),
        ("db", [Condition("b", "==", "1")]),
        ("db2", [Condition("a", "==", "1")]),
        ("db", [Condition("a", "==", "1"), Condition("b", "==", "1")]),
    ],
    ids=["value", "field", "database", "one more"],
)
def test_another_selection_has_another_key(other: tuple[str, list[Condition]]) -> None:
    assert selection_key(*other) != selection_key("db", [Condition("a", "==", "1")])


@pytest.mark.parametrize(
    ("condition", "fields", "after"),
    [
        pytest.param("a==1", {"b": "2"}, "a==1", id="untouched"),
        pytest.param("a==1", {"a": "1"}, "a==1", id="the same value"),
        pytest.param("a==1", {"a": "2"}, "a==2", id="another value"),
        pytest.param("Mail==1", {"mail": "2"}, "Mail==2", id="another value, another case"),
        pytest.param("a==1", {"a": ""}, None, id="cleared"),
        pytest.param("a==1", {"a": " 2"}, None, id="a value that cannot be selected"),
        pytest.param("a<1", {"a": "2"}, None, id="not by equality"),
        pytest.param("a<1", {"b": "2"}, "a<1", id="not by equality, untouched"),
    ],
)
def test_knows_where_profiles_are_after_the_update(
    condition: str, fields: dict[str, str], after: str | None
) -> None:
    found = after_update((parse_condition(condition),), fields)
    assert found == (None if after is None else (parse_condition(after),))


@pytest.mark.parametrize("name", ["modified", "Modified"])
def test_knows_that_every_update_changes_modified(name: str) -> None:
    conditions = (Condition("id", "==", "7"), Condition(name, "<", "2026-01-01 00:00:00"))
    assert after_update(conditions, {"x": "1"}) is None
    own = (Condition(name, "==", "a"),)
    assert after_update(own, {"MODIFIED": "b"}) == (Condition(name, "==", "b"),)


@given(st.text(min_size=1))
def test_a_selection_after_an_update_is_a_safe_one(value: str) -> None:
    found = after_update((Condition("a", "==", "1"),), {"a": value})
    if found is not None:
        check_selection(found, many=False)


@pytest.mark.parametrize("other", ["José", "JOSE", "Jose\u0301", "jose"])
def test_selections_that_a_database_might_take_for_one_share_a_key(other: str) -> None:
    keys = {selection_key("1", [Condition("name", "==", value)]) for value in ("José", other)}
    assert len(keys) == 1


def test_a_routing_key_tells_selections_apart() -> None:
    assert routing_key(("1234", "a==1")) == routing_key(("1234", "a==1"))
    assert routing_key(("1234", "a==1")) != routing_key(("1234", "a==1", "b==2"))
