"""The queues of one run: declared alike for everybody, filled with events, counted, checked."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pika

from service.settings import Settings
from service.topology import topology
from tests.benchmarks.api import DATABASE
from tests.integration.conftest import DEAD_LETTERS, EVENTS, RESULTS
from tests.programs import eventually
from tests.rabbitmq import Vhost

_FIRST_KEY = 1_000_000  # so that all keys are of one length
_KEYS = 10_000
PERSISTENT = 2


def event(number: int) -> bytes:
    """Make an event of 336 bytes; the keys of 10,000 in a row are different."""
    key = f"{_FIRST_KEY + number % _KEYS}"
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
                "lastname": "Doe-Jackson",
                "email": f"john.doe.{key}@customers.example.com",
                "age": "42",
            },
            "interests": {"football": True, "baseball": False},
        }
    ).encode()


class Queues:
    """The queues of one virtual host, as the service declares them by default."""

    def __init__(self, vhost: Vhost, connection: pika.BlockingConnection) -> None:
        self.connection = connection
        self._channel = connection.channel()
        # Without confirms, each of which would take its time; and open to the end: what a young
        # quorum queue has missed, the channel's process sends again.
        self._sender = connection.channel()
        self._vhost = vhost

    def declare(self, *, classic: bool = False) -> None:
        """Declare exchanges and queues; `classic` ones instead of quorum queues."""
        wanted = topology(Settings.load(access_token="none"))
        for exchange in wanted.exchanges:
            self._channel.exchange_declare(exchange.name, exchange.type, durable=True)
        for queue in wanted.queues:
            arguments = {"x-single-active-consumer": True} if queue.name == EVENTS else {}
            chosen = arguments if classic else dict(queue.arguments)
            self._channel.queue_declare(queue.name, durable=True, arguments=chosen)
        for binding in wanted.bindings:
            self._channel.queue_bind(binding.destination, binding.source, "#")

    def send(self, first: int, count: int) -> None:
        """Publish events; RabbitMQ has routed all of them afterwards."""
        properties = pika.BasicProperties(  # type: ignore[no-untyped-call] # as pika's all are
            content_type="application/json", delivery_mode=PERSISTENT
        )
        for number in range(first, first + count):
            self._sender.basic_publish(EVENTS, "profile.update", event(number), properties)
        self._sender.queue_declare(EVENTS, passive=True)  # a round trip, after all of them

    def ready(self, queue: str) -> int:
        """Count the messages of a queue that no consumer holds."""
        count: int = self._channel.queue_declare(queue, passive=True).method.message_count
        return count

    def is_consumed(self) -> bool:
        """Tell whether anybody takes events."""
        answer = self._channel.queue_declare(EVENTS, passive=True)
        return bool(answer.method.consumer_count)

    def check(self, count: int) -> None:
        """Fail unless all events have ended well, each once, and are acknowledged."""
        empty = eventually(lambda: not self._vhost.queue(EVENTS).get("messages", 1), 30)
        assert empty, "events are left in the queue"
        assert self.ready(DEAD_LETTERS) == 0, "events were dead-lettered"
        assert self.ready(RESULTS) == count, f"{self.ready(RESULTS)} results of {count} events"
        _, _, body = self._channel.basic_get(RESULTS)
        assert body is not None
        result = json.loads(body)
        assert result["outcome"] == "updated", result
        assert result["profiles"][0]["fields"]["customerid"], result


@contextmanager
def fresh(vhost: Vhost, *, classic: bool = False) -> Iterator[Queues]:
    """Declare the queues of a run, and connect to them for as long as it takes."""
    connection = pika.BlockingConnection(pika.URLParameters(vhost.amqp_url))
    queues = Queues(vhost, connection)
    queues.declare(classic=classic)
    yield queues
    # Not after an interruption: in the midst of a call it would wait for an answer for ever.
    connection.close()
