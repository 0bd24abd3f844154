"""Results as they come, from a queue of one's own that takes nothing from others."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from service.broker import Nodes, open_line
from service.connection import Line, LinkLost
from service.settings import Settings

_OFTEN = 0.5  # seconds
MOST = 100_000  # results that wait for a slow terminal, here and at RabbitMQ


async def watch(
    settings: Settings,
    routing_keys: Sequence[str],
    arrived: Callable[[bytes], bool],
    closed: Callable[[], bool],
    begun: Callable[[], None],
) -> None:
    """Tell the body of each result until `arrived` says that it is enough.

    The queue is exclusive: RabbitMQ deletes it with the connection.

    Args:
        settings: where RabbitMQ is.
        routing_keys: what to bind to RESULT_EXCHANGE.
        arrived: told each; True to end.
        closed: asked now and then; True to end.
        begun: told when no result is missed any more.

    Raises:
        LinkLost: with the reason in words.
    """
    nodes = Nodes(settings.amqp_urls, settings.amqp_certificates)
    line = await open_line(nodes, settings.heartbeat, "watch")
    enough: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def on_message(_channel: Any, _method: Any, _properties: Any, body: bytes) -> None:
        if not enough.done() and arrived(body):
            enough.set_result(None)

    try:
        queue = await _own_queue(line, settings.result_exchange, routing_keys)
        await line.rpc(
            partial(line.channel.basic_consume, queue, line.guarded(on_message), auto_ack=True)
        )
        begun()
        ends: list[asyncio.Future[Any]] = [line.lost, enough]
        while not (line.lost.done() or enough.done() or closed()):
            await asyncio.wait(ends, timeout=_OFTEN, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await line.close()
    if line.lost.done() and not enough.done() and not closed():
        raise LinkLost(line.lost.result())


async def _own_queue(line: Line, exchange: str, routing_keys: Sequence[str]) -> str:
    arguments = {"x-max-length": MOST}
    declared = await line.rpc(
        partial(line.channel.queue_declare, "", exclusive=True, arguments=arguments)
    )
    queue: str = declared.method.queue
    for key in routing_keys:
        await line.rpc(partial(line.channel.queue_bind, queue, exchange, routing_key=key))
    return queue
