"""Replicas are counted as long as somebody wants to know."""

import asyncio
import gc
from collections.abc import Callable
from typing import Any

from service.connection import LinkLost
from service.members import Members
from service.topology import Queue


class _Channel:
    is_open = True

    def add_on_cancel_callback(self, callback: Callable[..., object]) -> None:
        """Never call it."""

    def queue_declare(self) -> None:
        """Do nothing."""


class _Silent:
    """A line on which RabbitMQ answers nothing, until it is lost; it carries no bytes."""

    def __init__(self) -> None:
        self.asked, self.lost = asyncio.Event(), asyncio.Event()

    async def open_channel(self, _: Callable[..., object]) -> _Channel:
        """Give one at once."""
        return _Channel()

    def guarded(self, callback: Callable[..., object]) -> Callable[..., object]:
        """Leave it as it is."""
        return callback

    async def rpc(self, _: Callable[..., object]) -> None:
        """Wait for the end."""
        self.asked.set()
        await self.lost.wait()
        raise LinkLost("the connection broke off")


async def test_who_stops_counting_hears_nothing_of_a_line_that_is_lost() -> None:
    heard: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context))
    line = _Silent()
    members = Members(line, Queue("members", {}, "members"))  # type: ignore[arg-type] # a double
    counting = asyncio.create_task(members.count())
    await line.asked.wait()
    counting.cancel()
    await asyncio.wait([counting])
    del counting  # it remembers what it waited for
    line.lost.set()
    for _ in range(5):
        await asyncio.sleep(0)
    gc.collect()
    assert heard == []
