from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.benchmarks.contenders import ALL, OURS, Contender, Load, Place
from tests.benchmarks.peers.contract import Loop
from tests.benchmarks.queues import even, event, fresh, skewed
from tests.benchmarks.rig import StubApis
from tests.benchmarks.spy import Spy
from tests.integration.conftest import RESULTS
from tests.rabbitmq import Vhost

# Peers are the same program on either loop; only ours is started in another way.
EVERYBODY = [(OURS, "asyncio"), *((each, each.loops[-1] if each.loops else None) for each in ALL)]


def _names(value: object) -> str:
    return value.name if isinstance(value, Contender) else f"{value}"


@pytest.fixture(scope="module")
def api_url() -> Iterator[str]:
    with StubApis() as apis:
        yield apis.url(0)


def test_an_event_has_the_size_that_all_figures_are_of() -> None:
    keys = even(20_000) + skewed(100)
    assert {len(event(number, key)) for number, key in enumerate(keys)} == {336}


@pytest.mark.parametrize(("contender", "loop"), EVERYBODY, ids=_names)
def test_each_contender_acknowledges_an_event_when_its_result_is_confirmed(
    contender: Contender, loop: Loop | None, vhost: Vhost, api_url: str, tmp_path: Path
) -> None:
    with fresh(vhost) as queues, Spy(vhost.amqp_url) as spy:
        queues.send(0, even(1))
        none = tmp_path / "none.pem"
        place = Place(spy.amqp_url, api_url, none, none, none, tmp_path / "output.log")
        program = contender.start(loop, Load(20), place)
        try:
            program.wait_until(lambda: "ack" in spy.seen, "done", 20)
            assert spy.seen == ["publish", "confirm", "ack"]
            queues.send(1, even(19))
            program.wait_until(lambda: queues.ready(RESULTS) >= 20, "done", 20)
            queues.check(20)
        finally:
            program.kill()
