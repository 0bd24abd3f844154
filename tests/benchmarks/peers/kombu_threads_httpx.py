"""kombu, and as many threads as HTTP connections, each with httpx's Client.

A channel belongs to one thread: the main one consumes and acks, the others publish on connections
of their own and say what is confirmed.
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import local

import httpx
from kombu.connection import Connection
from kombu.entity import Exchange, Queue
from kombu.message import Message
from kombu.messaging import Producer

from tests.benchmarks.peers.contract import Event, Settings, result

_NAP = 0.02  # seconds without a delivery after which acks are looked after


class Work:
    """What the threads do: the call, and the result, each thread with its own producer."""

    def __init__(self, settings: Settings, api: httpx.Client) -> None:
        self.confirmed: SimpleQueue[Message] = SimpleQueue()
        self._settings = settings
        self._api = api
        self._exchange = Exchange(settings.result_exchange, "topic", durable=True)
        self._thread = local()

    def do(self, message: Message) -> None:
        """Carry an event out, and publish its result; returns when that is confirmed."""
        event = Event.model_validate_json(message.body)
        query = event.query(self._settings.access_token)
        response = self._api.put(event.path, params=query, json=event.body())
        response.raise_for_status()
        self._producer().publish(
            result(event, response.content),
            routing_key=event.routing_key,
            content_type="application/json",
            content_encoding="utf-8",
            correlation_id=event.id,
            delivery_mode="persistent",
        )
        self.confirmed.put(message)

    def _producer(self) -> Producer:
        if not hasattr(self._thread, "producer"):
            connection = connect(self._settings)
            self._thread.producer = Producer(connection, self._exchange)
        producer: Producer = self._thread.producer
        return producer


def connect(settings: Settings) -> Connection:
    """Make a connection whose publishes wait for their confirms."""
    return Connection(settings.amqp_url, transport_options={"confirm_publish": True})


def main(settings: Settings) -> None:
    """Work until the process is ended."""
    limits = httpx.Limits(
        max_connections=settings.connections, max_keepalive_connections=settings.connections
    )
    with (
        httpx.Client(base_url=settings.api_url, limits=limits, timeout=settings.timeout) as api,
        ThreadPoolExecutor(settings.connections) as threads,
        connect(settings) as connection,
    ):
        work = Work(settings, api)
        queue = Queue(settings.event_queue, no_declare=True)
        consumer = connection.Consumer(
            queue,
            on_message=lambda message: threads.submit(work.do, message),
            prefetch_count=settings.prefetch,
        )
        with consumer:
            while True:
                with suppress(TimeoutError):
                    connection.drain_events(timeout=_NAP)
                ack_all(work.confirmed)


def ack_all(confirmed: SimpleQueue[Message]) -> None:
    """Acknowledge the events whose results are confirmed by now."""
    with suppress(Empty):
        while True:
            confirmed.get_nowait().ack()


if __name__ == "__main__":
    main(Settings())
