"""The stand-in's own store: what it costs to find a profile does not grow with their number."""

from random import Random

import pytest

from tests.contract.conftest import SEED
from tests.standin import conditions, seed
from tests.standin.clock import Clock
from tests.standin.store import Store


def plan(condition: str) -> list[str]:
    """Return how SQLite looks up what a condition selects, step by step."""
    database, profiles = seed.parse(SEED, Clock())[0]
    store = Store(Clock(), Random)
    store.add(database, profiles)
    statements: list[str] = []
    # SQLite alone knows; a measurement would depend on the machine.
    link = store._link
    link.set_trace_callback(statements.append)
    store.select(database, conditions.required([condition], database, Clock()))
    link.set_trace_callback(None)
    (statement,) = statements
    return [str(row[3]) for row in link.execute(f"EXPLAIN QUERY PLAN {statement}")]


@pytest.mark.parametrize(
    "condition", ["customerid==4567", "CUSTOMERID==Müller", "email==a@example.com", "age==42"]
)
def test_an_indexed_field_is_looked_up(condition: str) -> None:
    """With 100 profiles as with 100,000."""
    steps = plan(condition)
    assert steps[0].startswith("SEARCH ")
    assert " USING INDEX " in steps[0]
    assert not any(step.startswith("SCAN") for step in steps)


def test_an_id_is_looked_up() -> None:
    """It is the key of the table."""
    assert plan("id==5") == ["SEARCH profiles1234 USING INTEGER PRIMARY KEY (rowid=?)"]


def test_another_field_is_searched_from_end_to_end() -> None:
    """So the plans above tell a difference."""
    assert plan("batch==x")[0].startswith("SCAN ")
