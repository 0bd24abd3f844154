from pathlib import Path
from typing import Any

import pytest

from service.catalogue import Catalogue, Field
from service.commands.render import NoCatalogue, SavedCatalogue, load_catalogue, render, written
from tests.unit.samples import TOKEN, body, event, settings

CUSTOMERS = Catalogue(
    "1234",
    {
        "customerid": Field("customerid", "text"),
        "age": Field("age", "integer"),
        "country": Field("country", "select", ("nl", "be")),
    },
    {"football": "Football"},
)


def rendered(content: object, known: Catalogue | None = CUSTOMERS, **values: Any) -> dict[str, Any]:
    return dict(render(body(content), settings(**values), lambda _: known))


def test_shows_the_call_without_the_token() -> None:
    content = event(
        id="evt-1",
        database="Customers",
        where={"CustomerID": 4567},
        fields={"AGE": "042"},
        interests=["football"],
        create=True,
    )
    shown = rendered(content)
    assert shown == {
        "event_id": "evt-1",
        "key": "1234 customerid==4567",
        "routing_key": "ba63286426687131c059f7a64d5c78d5314c3f0cee2f1692e8c4299ce963548d",
        "alone": False,
        "method": "PUT",
        "url": "https://api.copernica.com/v2/database/1234/profiles"
        "?fields%5B%5D=customerid%3D%3D4567&create=1&async=0",
        "body": '{"fields":{"age":"42","customerid":"4567"},"interests":{"Football":1}}',
    }
    text = written(shown)
    assert text.splitlines()[0] == f"PUT {shown['url']}"
    assert shown["body"] in text.splitlines()
    assert TOKEN not in text


@pytest.mark.parametrize(
    ("content", "values", "reason", "words"),
    [
        (b"{", {}, "invalid-json", "line 1"),
        (event(where={}), {}, "unsafe-selection", "no condition"),
        (event(databse=1), {}, "invalid-event", "did you mean database?"),
        (event(), {"databases": "77"}, "database-not-allowed", "DATABASES"),
        (event(fields={"agee": 1}), {}, "unknown-field", "did you mean age?"),
        (event(fields={"age": "forty"}), {}, "invalid-value", "digits alone"),
    ],
)
def test_says_why_an_event_is_refused(
    content: object, values: dict[str, Any], reason: str, words: str
) -> None:
    shown = rendered(content, **values)
    assert shown["reason"] == reason
    assert words in shown["detail"]
    assert written(shown).startswith(f"refused: {reason}: ")


def test_a_refusal_names_its_event() -> None:
    assert rendered(event(id="evt-1", fields={"age": "x"}))["event_id"] == "evt-1"
    assert rendered(event(id="evt-1", where={}))["event_id"] == "evt-1"


def test_says_that_an_event_runs_alone() -> None:
    shown = rendered(event(where=["age>=18"], expect="many", fields={"age": 17}))
    assert shown["alone"]
    assert "runs alone in its database" in written(shown)


@pytest.mark.parametrize(
    ("known", "check"), [(None, "strict"), (CUSTOMERS, "off")], ids=["no catalogue", "no check"]
)
def test_checks_nothing_if_that_is_wanted(known: Catalogue | None, check: str) -> None:
    shown = rendered(event(fields={"age": "forty"}), known, field_check=check)
    assert '"age":"forty"' in shown["body"]


def test_checks_names_alone_if_that_is_wanted() -> None:
    assert "reason" not in rendered(event(fields={"AGE": "forty"}), field_check="names")
    shown = rendered(event(fields={"agee": "forty"}), field_check="names")
    assert shown["reason"] == "unknown-field"


def test_a_catalogue_comes_back_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "customers.json"
    file.write_text(SavedCatalogue.of(CUSTOMERS).model_dump_json(indent=2))
    assert load_catalogue(file, "1234") == CUSTOMERS
    assert load_catalogue(file, "Customers") == CUSTOMERS


def test_a_saved_catalogue_is_for_no_other_database(tmp_path: Path) -> None:
    file = tmp_path / "customers.json"
    file.write_text(SavedCatalogue.of(CUSTOMERS).model_dump_json())
    with pytest.raises(NoCatalogue, match="of database 1234, the event for 5"):
        load_catalogue(file, "5")


@pytest.mark.parametrize("content", [None, "", "{}", "[]", '{"database": "1", "fields": {}}'])
def test_a_file_that_is_no_catalogue_is_explained(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "customers.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(NoCatalogue, match=r"customers\.json"):
        load_catalogue(file, "1234")
