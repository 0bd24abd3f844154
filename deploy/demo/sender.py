"""The programs on the other side of RabbitMQ: one that publishes events, one that takes results.

They are somebody else's, so they use pika as it comes, and nothing of the service.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import NackError, UnroutableError
from pika.spec import Basic, BasicProperties

from deploy.demo.cases import Case
from deploy.demo.programs import DemoFailed

EVENTS = "profile-sync.events"
RESULTS = "profile-sync.results"
DEAD_LETTERS = "profile-sync.dead-letters"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A result, and the seconds since its event was published, if it was here."""

    name: str
    result: dict[str, Any]
    seconds: float | None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message of the dead-letter queue."""

    name: str
    body: bytes
    headers: dict[str, Any]


class Sender:
    """Publishes events and collects the results from a queue of its own.

    A lost connection is an AMQPError, and the end.
    """

    def __init__(self, amqp_url: str) -> None:
        self._connection = pika.BlockingConnection(pika.URLParameters(amqp_url))
        self._channel = self._connection.channel()
        self._channel.confirm_delivery()
        self._arrivals: list[Arrival] = []
        self._published: dict[str, float] = {}
        queue = self._channel.queue_declare("", exclusive=True).method.queue
        self._channel.queue_bind(queue, RESULTS, "profile.#")
        self._channel.basic_consume(queue, self._receive, auto_ack=True)

    def publish(self, case: Case) -> None:
        """Publish an event as a careful back end does: persistent, mandatory, confirmed.

        Raises:
            DemoFailed: RabbitMQ did not take it.
        """
        properties = pika.BasicProperties(  # type: ignore[no-untyped-call] # pika's own
            content_type=case.content_type,
            delivery_mode=2,
            correlation_id=case.name,  # comes back with the result, even if the body is no JSON
            timestamp=int(time.time()),
        )
        self._published[case.name] = time.monotonic()
        try:
            self._channel.basic_publish(
                EVENTS, case.routing_key, case.body, properties, mandatory=True
            )
        except (UnroutableError, NackError) as error:
            raise DemoFailed(f"RabbitMQ did not take {case.name}: {error}") from error

    def arrivals(self, seconds: float) -> list[Arrival]:
        """Return the results that have come; wait for the first if there is none yet."""
        if not self._arrivals:
            self._connection.process_data_events(time_limit=seconds)
        arrived, self._arrivals = self._arrivals, []
        return arrived

    def results_of(
        self, names: set[str], check: Callable[[], None], timeout: float
    ) -> Iterator[Arrival]:
        """Yield results until each name has one; `check` raises when there is no hope.

        Raises:
            DemoFailed: one has not come in time.
        """
        missing = set(names)
        deadline = time.monotonic() + timeout
        while missing:
            for arrival in self.arrivals(0.2):
                missing.discard(arrival.name)
                yield arrival
            check()
            if missing and time.monotonic() > deadline:
                raise DemoFailed(f"No result of {', '.join(sorted(missing))} in {timeout:g} s.")

    def dead_letters(self) -> list[DeadLetter]:
        """Look at the dead letters; they stay in their queue."""
        channel = self._connection.channel()
        found = []
        while True:
            method, properties, body = channel.basic_get(DEAD_LETTERS)
            if method is None or properties is None or body is None:
                break
            name = properties.correlation_id or ""
            found.append(DeadLetter(name, body, dict(properties.headers or {})))
        channel.close()  # What was not acknowledged returns.
        return found

    def close(self) -> None:
        """Leave RabbitMQ."""
        if self._connection.is_open:
            self._connection.close()

    def _receive(
        self,
        _channel: BlockingChannel,
        _method: Basic.Deliver,
        properties: BasicProperties,
        body: bytes,
    ) -> None:
        name = properties.correlation_id or ""
        published = self._published.get(name)
        seconds = None if published is None else time.monotonic() - published
        self._arrivals.append(Arrival(name, json.loads(body), seconds))
