"""What a process keeps of links that are gone, run in here, where that can be counted: nothing."""

import asyncio
import gc
from collections import Counter
from collections.abc import Callable

import pytest
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.channel import Channel

from service.broker import Link
from service.calls import Calls
from service.connection import Line
from service.copernica import Copernica
from service.endings import Ending, Endings
from service.lanes import Work
from service.metrics import Metrics
from service.process import Process
from service.settings import Settings
from service.worker import Worker
from tests.integration.conftest import RESULTS, Mail, Wire
from tests.integration.harm import update
from tests.programs import StandIn

OF_A_LINK = (
    AsyncioConnection, Calls, Channel, Ending, Endings, Line, Link, Work, Worker,
)  # fmt: skip


def remains() -> Counter[str]:
    """Count what is alive of links, and what the event loop still has to do."""
    gc.collect()
    alive = [each for each in gc.get_objects() if isinstance(each, OF_A_LINK)]
    found = Counter(type(each).__name__ for each in alive)
    # Tests before may have left links of their own, which are fakes.
    found["unconfirmed"] = sum(len(each._unconfirmed) for each in alive if type(each) is Link)
    timers = [each for each in gc.get_objects() if isinstance(each, asyncio.TimerHandle)]
    found["timers"] = sum(not each.cancelled() for each in timers)
    found["tasks"] = len(asyncio.all_tasks())
    return found


async def until(true: Callable[[], bool], within: float = 30) -> None:
    async with asyncio.timeout(within):
        while not true():  # noqa: ASYNC110 - RabbitMQ and the API tell nobody
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("lost", [3, pytest.param(20, marks=pytest.mark.slow)])
async def test_lost_links_leave_nothing_behind(
    standin: Callable[..., StandIn], mail: Mail, wire: Wire, lost: int
) -> None:
    api = standin()
    settings = Settings.load(
        access_token="demo-token", amqp_url=wire.url, api_url=f"{api.url}/v2", field_check="off"
    )
    metrics = Metrics()
    links = metrics.broker_links._value
    async with Copernica(settings, metrics) as copernica:
        process = Process(settings, copernica, metrics)
        serving = asyncio.create_task(process.serve())
        counts = []
        for number in range(lost + 1):
            await until(lambda: links.get() == number + 1)  # noqa: B023
            mail.send(*(update(key, number) for key in range(10)))
            await until(lambda: mail.ready(RESULTS) >= 10 * (number + 1))  # noqa: B023
            await until(lambda: metrics.registry.get_sample_value("profile_sync_lanes") == 0)
            # Confirms that came late have been counted, and what was cancelled has ended.
            await asyncio.sleep(0.1)
            counts.append(remains())
            if number < lost:
                wire.proxy.reset()
        assert counts[-1] == counts[1], f"{[each - counts[1] for each in counts]}"
        process.stop()
        await serving
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_what_is_kept_is_counted() -> None:
    loop, before = asyncio.get_running_loop(), remains()
    line, timer = Line(loop.create_future()), loop.call_later(60, loop.stop)
    task = loop.create_task(asyncio.sleep(60))
    assert remains() - before == {"Line": 1, "timers": 1, "tasks": 1}
    timer.cancel()
    task.cancel()
    del line
    await asyncio.sleep(0)
    assert remains() - before == {}
