"""Stand-ins that all tests share; each test uses its own keys."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.standins import StandIn, running

SEED: dict[str, Any] = {
    "databases": [
        {
            "id": 1234,
            "name": "Customers",
            "fields": [
                {"name": "customerid", "type": "text", "index": True},
                {"name": "firstname", "type": "text"},
                {"name": "lastname", "type": "text"},
                {"name": "email", "type": "email", "index": True},
                {"name": "phone", "type": "phone"},
                {"name": "notes", "type": "big"},
                {"name": "age", "type": "integer", "index": True},
                {"name": "score", "type": "integer", "default": "-1"},
                {"name": "price", "type": "float"},
                {
                    "name": "country",
                    "type": "select",
                    "choices": ["nl", "be", "de"],
                    "default": "nl",
                },
                {"name": "joined", "type": "date"},
                {"name": "birthday", "type": "empty_date"},
                {"name": "seen", "type": "datetime"},
                {"name": "lastlogin", "type": "empty_datetime"},
                {"name": "batch", "type": "text"},
                {"name": "number", "type": "select", "choices": ["1", "2"]},
            ],
            "interests": ["football", "baseball", "tennis"],
        },
        {
            "id": 77,
            "name": "My Customers",
            "fields": [
                {"name": "customerid", "type": "text", "index": True},
                {"name": "modified", "type": "text"},
            ],
        },
        {
            "id": 5,
            "name": "Seeded",
            "fields": [
                {"name": "customerid", "type": "text"},
                {"name": "rank", "type": "integer"},
            ],
            "interests": ["football"],
            "profiles": [
                {"fields": {"customerid": "one", "rank": 3}, "interests": ["football"]},
                {"fields": {"customerid": "two", "rank": 10}},
                {"fields": {"customerid": "three", "rank": 2}},
            ],
        },
        {
            "id": 6,
            "name": "Many",
            "fields": [{"name": "n", "type": "integer"}],
            "profiles": [{"fields": {"n": n}} for n in range(1, 1002)],
        },
        {"id": 8, "name": "Bare"},
        {"id": 9, "name": "2024", "fields": [{"name": "customerid", "type": "text"}]},
    ]
}

CONTRARY = (
    "--put-result=empty",
    "--put-update-status=303",
    "--unknown-field=ignore",
    "--unknown-body-field=error",
    "--interests=replace",
    "--unauthorized-status=400",
    "--async-delay=3000",
    "--count-errors=no",
    "--blocked-domain=example.org",
    "--blocked-domain=example.net",
)

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def seed_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the seed that all stand-ins of these tests start with."""
    path = tmp_path_factory.mktemp("contract") / "seed.json"
    path.write_text(json.dumps(SEED), "utf-8")
    return path


@pytest.fixture(scope="session")
def api(seed_file: Path) -> Iterator[StandIn]:
    """The API as its page describes it: a PUT answers with the list of profiles."""
    with running("--seed-file", str(seed_file), "--async-delay", "0.1") as standin:
        yield standin


@pytest.fixture(scope="session")
def silent(seed_file: Path) -> Iterator[StandIn]:
    """The API as it is since 2020: a PUT answers without a body."""
    options = ("--seed-file", str(seed_file), "--async-delay", "0.1", "--put-result", "empty")
    with running(*options) as standin:
        yield standin


@pytest.fixture(scope="session")
def contrary(seed_file: Path) -> Iterator[StandIn]:
    """Every switch of behaviour is turned; what async=1 asks for never comes."""
    with running("--seed-file", str(seed_file), *CONTRARY) as standin:
        yield standin


@pytest.fixture(scope="session")
def fixed(seed_file: Path) -> Iterator[StandIn]:
    """It is always 2026-11-23 10:00:00 UTC, and secrets come from a seed."""
    with running("--seed-file", str(seed_file), "--deterministic") as standin:
        yield standin


@pytest.fixture
def key() -> str:
    """A customerid that no other test uses."""
    return f"key{next(_numbers)}"
