from typing import Any

import pytest

from service.catalogue import Catalogue, catalogue
from service.commands.account import of_catalogue
from service.commands.findings import Finding


def known(*fields: dict[str, Any]) -> Catalogue:
    return catalogue("1234", fields, [])


def field(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "text", **more}


KEY, AGE = field("customerid", index=True), field("age", type="integer", index=False)


def found(*fields: dict[str, Any], where: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    findings: list[Finding] = of_catalogue("database 1234", known(*fields), where)
    return [(finding.state, finding.what) for finding in findings]


@pytest.mark.parametrize(
    ("name", "state", "words"),
    [
        ("CustomerID", "ok", "customerid can be"),
        ("age", "warning", "age is not indexed"),
        ("id", "ok", "id can be"),
        ("costumerid", "fault", "did you mean customerid?"),
    ],
)
def test_each_field_that_selects_is_looked_up(name: str, state: str, words: str) -> None:
    ((told, what),) = found(KEY, AGE, where=(name,))
    assert told == state
    assert words in what


def test_which_fields_are_indexed_is_told_where_none_is_named() -> None:
    assert found(KEY, AGE) == [
        ("note", "indexed: customerid; to select by another field is slower")
    ]
    assert found(AGE) == [("warning", "no field is indexed: selecting is slow")]


def test_an_api_that_does_not_tell_of_indexes_is_not_guessed_about() -> None:
    assert found(field("customerid")) == []
    assert found(field("customerid"), where=("customerid",)) == [
        ("ok", "customerid can be selected by")
    ]


def test_a_database_nobody_can_write_to_is_warned_of() -> None:
    assert [state for state, _ in found()] == ["warning"]
    ((state, what),) = found(field("country", type="select", value=" \n"))
    assert (state, "country" in what) == ("warning", True)
