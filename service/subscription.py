"""One consumer of a link, on a channel of its own: its deliveries and their acknowledgements."""

import asyncio
import dataclasses
from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import Any

from service.acks import Acks
from service.connection import Line
from service.messages import Delivery, Properties

# In the order of pika's and of our own class.
BASIC_PROPERTIES = attrgetter(
    *(field.name for field in dataclasses.fields(Properties) if field.name != "undecodable_headers")
)


class Subscription:
    """Takes the deliveries of one queue, from `begin` until it is `closed` or its line ends."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._loop = asyncio.get_running_loop()
        self._acks = Acks(self._write_ack)
        self.closed = False

    async def begin(
        self, queue: str, prefetch: int, on_delivery: Callable[[Delivery], None]
    ) -> None:
        """Start taking deliveries.

        Raises:
            LinkLost: the queue is missing or may not be read, for instance.
        """

        def on_message(_channel: object, method: Any, properties: Any, body: bytes) -> None:
            self._acks.hold(method.delivery_tag)
            ack = partial(self._ack, method.delivery_tag)
            on_delivery(delivery(method, properties, body, ack))

        self._channel = await self._line.open_channel()
        await self._line.consume(self._channel, queue, prefetch, on_message)

    def flush(self) -> None:
        """Write the acknowledgements that are due."""
        self._acks.flush()

    async def close(self) -> None:
        """End the subscription; what is unacknowledged returns to its queue in order."""
        if self.closed:
            return
        self._acks.flush()
        self.closed = True
        if hasattr(self, "_channel") and not await self._line.close_channel(self._channel):
            # Whoever is next must not begin before this has ended.
            self._line.lose("a channel did not close")

    def _ack(self, delivery_tag: int) -> None:
        if not self.closed and not self._line.lost.done() and self._acks.add(delivery_tag):
            # Also if the link is lost meanwhile: the channel of these may be well.
            self._loop.call_soon(self._acks.flush)

    def _write_ack(self, delivery_tag: int, multiple: bool) -> None:
        if self._channel.is_open:
            self._channel.basic_ack(delivery_tag, multiple)


def delivery(method: Any, properties: Any, body: bytes, ack: Callable[[], None]) -> Delivery:
    """Make a delivery of what pika hands over."""
    return Delivery(
        body,
        _properties(properties),
        method.exchange,
        _text_only(method.routing_key) or "",
        method.redelivered,
        ack,
    )


def _properties(properties: Any) -> Properties:
    # pika leaves a short string that is no UTF-8 as bytes; nobody could use it as text.
    content_type, encoding, headers, *others = map(_text_only, BASIC_PROPERTIES(properties))
    headers = {name: value for name, value in (headers or {}).items() if isinstance(name, str)}
    others.append(getattr(properties, "undecodable_headers", False))
    return Properties(content_type, encoding, headers, *others)


def _text_only(value: Any) -> Any:
    return None if isinstance(value, bytes) else value
