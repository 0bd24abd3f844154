"""The exchanges, queues and bindings of the service, as data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.settings import Settings

# RabbitMQ 4 dead-letters after 20 deliveries by default: looking at a queue often would empty it.
_LOOKED_AT_OFTEN = 1_000_000


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable queue, bound to one exchange with `#`."""

    name: str
    exchange: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Topology:
    """Durable topic exchanges, and the queues bound to them."""

    exchanges: tuple[str, ...]
    queues: tuple[Queue, ...]


def topology(settings: Settings) -> Topology:
    """Say what should be there.

    Source: RabbitMQ documentation, "Quorum Queues", "Single Active Consumer".
    """
    events = Queue(
        settings.event_queue,
        settings.event_exchange,
        {
            "x-queue-type": "quorum",
            # One replica works, the others stand by: that keeps order across replicas.
            "x-single-active-consumer": True,
            "x-delivery-limit": settings.delivery_limit,
            "x-dead-letter-exchange": settings.dead_letter_exchange,
            # RabbitMQ's own dead letters are confirmed too; it needs reject-publish.
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        },
    )
    looked_at = {"x-queue-type": "quorum", "x-delivery-limit": _LOOKED_AT_OFTEN}
    queues = [
        events,
        Queue(settings.dead_letter_queue, settings.dead_letter_exchange, looked_at),
    ]
    if settings.result_queue:
        queues.append(Queue(settings.result_queue, settings.result_exchange, looked_at))
    exchanges = (settings.event_exchange, settings.result_exchange, settings.dead_letter_exchange)
    return Topology(exchanges, tuple(queues))
