import re
from typing import Any

import pytest

from service.answers import RULES
from service.conditions import routing_key
from service.events import parse
from service.messages import Properties
from service.settings import Settings
from tests.readme import README, with_tables
from tests.unit.samples import body, event


def test_readme_has_the_tables_as_they_are() -> None:
    text = README.read_text()
    assert with_tables(text) == text, "run python -m tests.readme"
    for rule in RULES:
        assert f"| {rule.answer} |" in text
    for name in Settings.model_fields:
        assert f"| {name.upper()} |" in text


def test_every_setting_that_readme_names_exists() -> None:
    named = re.findall(r"PROFILE_SYNC_([A-Z_]+)", README.read_text())
    ours = {name for name in named if not name.startswith("TEST_")}
    assert ours <= {name.upper() for name in Settings.model_fields}


@pytest.mark.parametrize(
    "where",
    [
        {"customerid": "4567"},
        {"CustomerID": "4567"},
        {"email": "José.Straße@Example.com", "country": "NL"},
        {"b": "1", "a": "2", "A_b": "x y"},
    ],
    ids=str,
)
def test_senders_that_do_as_readme_says_have_the_routing_key(where: dict[str, str]) -> None:
    (program,) = re.findall(r"```python\n(import hashlib.*?)```", README.read_text(), re.DOTALL)
    theirs: dict[str, Any] = {}
    exec(program, theirs)  # noqa: S102 - our own text
    update = parse(body(event(database=1234, where=where)), Properties(), 10_000)
    assert theirs["routing_key"](1234, where) == routing_key(update.key)


def test_the_routing_key_that_readme_shows_is_that_of_its_command() -> None:
    shown = re.search(r"printf '(.*)' \| sha256sum\n(\w{64})", README.read_text())
    assert shown is not None
    assert routing_key(tuple(shown[1].split("\\n"))) == shown[2]
