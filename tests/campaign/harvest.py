"""Takes the messages out of the queues, by consuming."""

import socket
import threading
from contextlib import suppress
from typing import Any

import pika
from pika.exceptions import AMQPError

from tests.campaign.evidence import Arrived

_LONGEST = 20.0  # seconds


class Harvest:
    """What was taken out of one queue. A message that is handed over twice is taken once."""

    def __init__(self, queue: str) -> None:
        self.queue = queue
        self.arrived: list[Arrived] = []
        self._known: set[tuple[str | None, bytes]] = set()

    def take(self, url: str, quiet: float = 1.0) -> None:
        """Take all that is there, until nothing has come for so many seconds.

        Raises:
            AMQPError: the connection was lost, or the queue does not answer; what was taken is
                kept.
        """
        connection = pika.BlockingConnection(pika.URLParameters(url))
        # A queue that has no leader never answers, and pika would wait for ever.
        guard = threading.Timer(_LONGEST, _shut, [connection])
        guard.start()
        try:
            channel = connection.channel()
            channel.basic_qos(prefetch_count=200)
            for method, properties, body in channel.consume(self.queue, inactivity_timeout=quiet):
                if method is None or properties is None or body is None:
                    break
                self._add(method, properties, body)
                channel.basic_ack(method.delivery_tag)
            channel.cancel()
        finally:
            guard.cancel()
            # pika wants to cancel the consumer first, also one that was interrupted.
            with suppress(AMQPError, OSError, AssertionError):
                connection.close()

    def _add(
        self, method: pika.spec.Basic.Deliver, properties: pika.BasicProperties, body: bytes
    ) -> None:
        known = (properties.correlation_id, body)
        if method.redelivered and known in self._known:
            return
        self._known.add(known)
        self.arrived.append(
            Arrived(
                uid=properties.correlation_id,
                message_id=properties.message_id,
                kind=properties.type,
                routing_key=method.routing_key,
                headers=properties.headers or {},
                body=body,
            )
        )


def _shut(connection: pika.BlockingConnection) -> None:
    """End a connection from another thread: its own cannot, it waits for an answer."""
    transport: Any = connection._impl._transport
    with suppress(OSError, AttributeError):
        transport._sock.shutdown(socket.SHUT_RDWR)
