from dataclasses import replace
from datetime import UTC, datetime

import pytest

from service.lanes import Work
from service.metrics import Metrics
from service.routes import Routes
from tests.unit.samples import delivery, update

# printf '1234\ncustomerid==4567' | sha256sum
RIGHT = "ba63286426687131c059f7a64d5c78d5314c3f0cee2f1692e8c4299ce963548d"


def work(routing_key: str, **changes: object) -> Work:
    delivered = replace(delivery(), routing_key=routing_key)
    return Work(delivered, update(**changes), 0.0, datetime.now(UTC))


def misrouted(partitions: int, *works: Work) -> float | None:
    metrics = Metrics()
    routes = Routes(partitions, metrics)
    for each in works:
        routes.check(each)
    return metrics.registry.get_sample_value("profile_sync_misrouted_total")


def test_the_routing_key_of_a_profile_is_the_hash_of_its_key() -> None:
    assert misrouted(2, work(RIGHT, where={"customerid": "4567"})) == 0


@pytest.mark.parametrize(
    "where", [{"CustomerID": "4567"}, ["customerid==4567"], {"customerid": 4567}], ids=str
)
def test_however_the_selection_is_written(where: object) -> None:
    assert misrouted(2, work(RIGHT, where=where)) == 0


@pytest.mark.parametrize("key", ["", "profile.update", RIGHT.upper(), RIGHT[:-1]])
def test_any_other_one_is_counted(key: str) -> None:
    assert misrouted(2, work(key), work(key)) == 2


def test_with_one_partition_any_will_do() -> None:
    assert misrouted(1, work("profile.update")) == 0
