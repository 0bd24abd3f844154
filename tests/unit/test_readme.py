import re

from service.answers import RULES
from service.settings import Settings
from tests.readme import README, with_tables


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
