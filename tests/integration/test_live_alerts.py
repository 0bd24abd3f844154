"""Every alert, made to fire by really breaking something, and to clear by mending it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests import prometheus
from tests.alerts import alerts
from tests.integration.breaking import TROUBLES, Stage, Trouble, watch
from tests.integration.breaking_shares import PARTITIONS, SHARED_TROUBLES
from tests.rabbitmq import Node


@pytest.fixture(scope="module")
def stage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    with _stage(request, tmp_path_factory, 1) as one:
        yield one


@pytest.fixture(scope="module")
def shared_stage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    with _stage(request, tmp_path_factory, PARTITIONS) as one:
        yield one


@contextmanager
def _stage(
    request: pytest.FixtureRequest, folders: pytest.TempPathFactory, partitions: int
) -> Iterator[Stage]:
    if prometheus.PROGRAM is None:
        pytest.skip("needs the program prometheus")
    node: Node = request.getfixturevalue("_other_node")
    node.start()
    vhost = node.create_vhost(f"alerts-{partitions}")
    with ExitStack() as stack:
        stack.callback(node.delete_vhost, vhost.name)
        yield Stage(vhost, node, folders.mktemp("alerts"), stack, partitions)


def test_every_alert_has_its_trouble() -> None:
    every = [*TROUBLES, *SHARED_TROUBLES]
    told = [alert for together in every for trouble in together for alert in trouble.alerts]
    assert sorted(told) == sorted(alerts())


def named(together: tuple[Trouble, ...]) -> str:
    return ", ".join(trouble.name for trouble in together)


@pytest.mark.slow
@pytest.mark.parametrize("together", TROUBLES, ids=named)
def test_alerts_fire_in_trouble_and_clear_after_it(
    stage: Stage, together: tuple[Trouble, ...]
) -> None:
    watch(stage, together)


@pytest.mark.slow
@pytest.mark.parametrize("together", SHARED_TROUBLES, ids=named)
def test_alerts_of_partitions_fire_in_trouble_and_clear_after_it(
    shared_stage: Stage, together: tuple[Trouble, ...]
) -> None:
    watch(shared_stage, together)
