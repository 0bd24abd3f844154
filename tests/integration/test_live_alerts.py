"""Every alert, made to fire by really breaking something, and to clear by mending it."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests import prometheus
from tests.alerts import alerts
from tests.integration.breaking import TROUBLES, Stage, Trouble, watch
from tests.rabbitmq import Node


@pytest.fixture(scope="module")
def stage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    if prometheus.PROGRAM is None:
        pytest.skip("needs the program prometheus")
    node: Node = request.getfixturevalue("_other_node")
    node.start()
    vhost = node.create_vhost("alerts")
    with ExitStack() as stack:
        stack.callback(node.delete_vhost, vhost.name)
        yield Stage(vhost, node, tmp_path_factory.mktemp("alerts"), stack)


def test_every_alert_has_its_trouble() -> None:
    told = [alert for together in TROUBLES for trouble in together for alert in trouble.alerts]
    assert sorted(told) == sorted(alerts())


@pytest.mark.slow
@pytest.mark.parametrize(
    "together", TROUBLES, ids=lambda together: ", ".join(trouble.name for trouble in together)
)
def test_alerts_fire_in_trouble_and_clear_after_it(
    stage: Stage, together: tuple[Trouble, ...]
) -> None:
    watch(stage, together)
