"""A link to RabbitMQ for as long as a command needs it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from service.broker import Link, Nodes, take_link
from service.settings import Settings


@asynccontextmanager
async def link_of(
    settings: Settings, on_blocked: Callable[[bool], None] = lambda _: None
) -> AsyncIterator[Link]:
    """Take a link, declare nothing, and give it up in the end.

    Raises:
        LinkLost: no node could be used.
    """
    nodes = Nodes(settings.amqp_urls, settings.amqp_certificates)
    link = await take_link(nodes, settings.heartbeat, settings.confirm_timeout, None, on_blocked)
    try:
        yield link
    finally:
        await link.give_up()
