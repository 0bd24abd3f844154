"""A process is looked at while it lives, and no longer."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.campaign.watch import Watch
from tests.programs import Service, StandIn, eventually
from tests.rabbitmq import Vhost

needs_proc = pytest.mark.skipif(not Path("/proc").exists(), reason="needs /proc")


@needs_proc
def test_a_process_is_seen_with_what_it_tells(
    standin: Callable[..., StandIn],
    run_service: Callable[[Mapping[str, str]], Service],
    vhost: Vhost,
) -> None:
    settings = {
        "AMQP_URL": vhost.amqp_url,
        "API_URL": f"{standin().url}/v2",
        "ACCESS_TOKEN": "demo-token",
    }
    running = run_service({f"PROFILE_SYNC_{name}": value for name, value in settings.items()})
    running.wait_ready()
    with Watch(lambda: {"one": running}) as watch:
        assert eventually(lambda: len(watch.seen) >= 2, 20)
    watch.look("one", running)
    seen = watch.seen[-1]
    assert seen.name == "one"
    assert "profile_sync_lanes 0.0" in seen.page
    assert 20 * 2**20 < seen.memory < 500 * 2**20
    assert 5 < seen.files < 100
    assert 1 <= seen.threads < 20

    count = len(watch.seen)
    running.kill()
    watch.look("one", running)
    assert len(watch.seen) == count
