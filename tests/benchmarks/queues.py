"""The queues of one run: declared alike for everybody, filled with events, counted, checked."""

import json
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import pika

from service.settings import Settings
from service.topology import event_queues, topology
from tests.benchmarks.api import DATABASE
from tests.integration.conftest import DEAD_LETTERS, EVENTS, RESULTS
from tests.integration.replicas import route
from tests.programs import eventually
from tests.rabbitmq import Vhost

_FIRST_KEY = 1_000_000  # so that all keys are of one length
_KEYS = 10_000
PERSISTENT = 2


def even(count: int) -> list[str]:
    """Give the keys of so many events: those of 10,000 in a row are different."""
    return [f"{_FIRST_KEY + number % _KEYS}" for number in range(count)]


def skewed(count: int) -> list[str]:
    """Give keys of which few are frequent, always the same: Zipf's law, exponent 1, 10,000 keys."""
    ranks = range(_KEYS)
    drawn = random.Random(1).choices(ranks, [1 / (rank + 1) for rank in ranks], k=count)  # noqa: S311
    return [f"{_FIRST_KEY + rank}" for rank in drawn]


def last_name(number: int) -> str:
    """Make the name that an event writes, and no other."""
    return f"Doe{number:08}"


def event(number: int, key: str) -> bytes:
    """Make an event of 336 bytes."""
    return json.dumps(
        {
            "id": f"evt-{number:08}",
            "occurred_at": "2026-11-23T10:00:00Z",
            "database": int(DATABASE),
            "where": {"customerid": key},
            "create": True,
            "fields": {
                "customerid": key,
                "firstname": "Johannes",
                "lastname": last_name(number),
                "email": f"john.doe.{key}@customers.example.com",
                "age": "42",
            },
            "interests": {"football": True, "baseball": False},
        }
    ).encode()


class Queues:
    """The queues of one virtual host, as the service declares them for so many partitions."""

    def __init__(
        self, vhost: Vhost, connection: pika.BlockingConnection, partitions: int = 1
    ) -> None:
        self.connection = connection
        settings = Settings.load(access_token="none", partitions=partitions)
        self._topology = topology(settings)
        self._of_events = event_queues(settings)
        self._channel = connection.channel()
        # Without confirms, each of which would take its time; and open to the end: what a young
        # quorum queue has missed, the channel's process sends again.
        self._sender = connection.channel()
        self._vhost = vhost

    def declare(self, *, classic: bool = False) -> None:
        """Declare exchanges and queues; `classic` ones instead of quorum queues."""
        for exchange in self._topology.exchanges:
            self._channel.exchange_declare(exchange.name, exchange.type, durable=True)
        for queue in self._topology.queues:
            arguments = {"x-single-active-consumer": True} if queue.name == EVENTS else {}
            chosen = arguments if classic else dict(queue.arguments)
            self._channel.queue_declare(queue.name, durable=True, arguments=chosen)
        for binding in self._topology.bindings:
            if binding.kind == "queue":
                self._channel.queue_bind(binding.destination, binding.source, "#")
            else:
                self._channel.exchange_bind(binding.destination, binding.source, "#")

    def send(self, first: int, keys: Sequence[str]) -> None:
        """Publish an event for each key; RabbitMQ has routed all of them afterwards."""
        properties = pika.BasicProperties(  # type: ignore[no-untyped-call] # as pika's all are
            content_type="application/json", delivery_mode=PERSISTENT
        )
        for number, key in enumerate(keys, first):
            self._sender.basic_publish(
                EVENTS, self.routing_key(key), event(number, key), properties
            )
        self._sender.queue_declare(EVENTS, passive=True)  # a round trip, after all of them

    def routing_key(self, key: str) -> str:
        """Give the routing key of a key's events; without partitions any will do."""
        return "profile.update" if self._of_events == (EVENTS,) else route(key)

    def waiting(self) -> int:
        """Count the events that no consumer holds."""
        return sum(map(self.ready, self._of_events))

    def ready(self, queue: str) -> int:
        """Count the messages of a queue that no consumer holds."""
        count: int = self._channel.queue_declare(queue, passive=True).method.message_count
        return count

    def is_consumed(self) -> bool:
        """Tell whether anybody takes events."""
        answer = self._channel.queue_declare(self._of_events[-1], passive=True)
        return bool(answer.method.consumer_count)

    def check(self, count: int) -> None:
        """Fail unless all events have ended well, each once, and are acknowledged."""
        for queue in self._of_events:
            empty = eventually(partial(self._is_empty, queue), 30)
            assert empty, f"events are left in {queue}"
        assert self.ready(DEAD_LETTERS) == 0, "events were dead-lettered"
        assert self.ready(RESULTS) == count, f"{self.ready(RESULTS)} results of {count} events"
        _, _, body = self._channel.basic_get(RESULTS)
        assert body is not None
        result = json.loads(body)
        assert result["outcome"] == "updated", result
        assert result["profiles"][0]["fields"]["customerid"], result

    def _is_empty(self, queue: str) -> bool:
        return not self._vhost.queue(queue).get("messages", 1)


@contextmanager
def fresh(vhost: Vhost, partitions: int = 1, *, classic: bool = False) -> Iterator[Queues]:
    """Declare the queues of a run, and connect to them for as long as it takes."""
    connection = pika.BlockingConnection(pika.URLParameters(vhost.amqp_url))
    queues = Queues(vhost, connection, partitions)
    queues.declare(classic=classic)
    yield queues
    # Not after an interruption: in the midst of a call it would wait for an answer for ever.
    connection.close()
