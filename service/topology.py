"""The exchanges, queues and bindings of the service, as data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from service.settings import Settings

# RabbitMQ 4 dead-letters after 20 deliveries by default: looking at a queue often would empty it.
_LOOKED_AT_OFTEN = 1_000_000

ExchangeType = Literal["topic", "x-modulus-hash"]
Kind = Literal["exchange", "queue"]
Role = Literal["events", "number", "members", "results", "dead letters"]


@dataclass(frozen=True, slots=True)
class Exchange:
    """A durable exchange."""

    name: str
    type: ExchangeType = "topic"


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable queue; `role` is what it is for."""

    name: str
    arguments: Mapping[str, Any]
    role: Role = "events"


@dataclass(frozen=True, slots=True)
class Binding:
    """A binding with `#`, of a queue or of another exchange."""

    source: str
    destination: str
    kind: Kind = "queue"


@dataclass(frozen=True, slots=True)
class Topology:
    """Exchanges, queues and bindings, in the order in which they are declared."""

    exchanges: tuple[Exchange, ...]
    queues: tuple[Queue, ...]
    bindings: tuple[Binding, ...]


def event_queues(settings: Settings) -> tuple[str, ...]:
    """Name the queues that the events wait in, one for each partition."""
    if settings.partitions == 1:
        return (settings.event_queue,)
    return tuple(f"{settings.event_queue}.{number}" for number in range(settings.partitions))


def members_queue(settings: Settings) -> str:
    """Name the queue whose consumers are the replicas; there is one if there are partitions."""
    return f"{settings.event_queue}.members"


def partitions_exchange(settings: Settings) -> str:
    """Name the exchange that gives each routing key its partition, if there are several."""
    return f"{settings.event_exchange}.partitions"


def markers(settings: Settings) -> tuple[str, str]:
    """Name the queues that are there while the number of partitions is changed.

    The first is there from the beginning, the second once new events go to the new queues.
    """
    return f"{settings.event_queue}.moving", f"{settings.event_queue}.moved"


def topology(settings: Settings) -> Topology:
    """Say what should be there.

    Source: RabbitMQ documentation, "Quorum Queues", "Single Active Consumer"; the README of the
    plugin rabbitmq_sharding.
    """
    events = settings.event_exchange, settings.event_queue
    results = settings.result_exchange, settings.result_queue
    dead_letters = settings.dead_letter_exchange, settings.dead_letter_queue
    exchanges = [Exchange(events[0]), Exchange(results[0]), Exchange(dead_letters[0])]
    queues = [Queue(name, _of_events(settings), "events") for name in event_queues(settings)]
    bindings = [Binding(events[0], events[1])]
    if settings.partitions > 1:
        hashing = partitions_exchange(settings)
        exchanges.append(Exchange(hashing, "x-modulus-hash"))
        bindings = [Binding(hashing, queue.name) for queue in queues]
        bindings.append(Binding(events[0], hashing, "exchange"))
        queues = [_number_of(settings), *queues, members(settings)]
    looked_at = {"x-queue-type": "quorum", "x-delivery-limit": _LOOKED_AT_OFTEN}
    queues.append(Queue(dead_letters[1], looked_at, "dead letters"))
    bindings.append(Binding(*dead_letters))
    if settings.result_queue:
        queues.append(Queue(results[1], looked_at, "results"))
        bindings.append(Binding(*results))
    return Topology(tuple(exchanges), tuple(queues), tuple(bindings))


def members(settings: Settings) -> Queue:
    """Say how the queue is declared whose consumers are the replicas; it keeps the number too.

    It is classic: without its node the replicas are not counted, and all else goes on.
    """
    return Queue(members_queue(settings), {"x-queue-type": "classic", **_few(settings)}, "members")


def _few(settings: Settings) -> Mapping[str, Any]:
    return {"x-max-length": settings.partitions, "x-overflow": "reject-publish"}


def _of_events(settings: Settings) -> Mapping[str, Any]:
    return {
        "x-queue-type": "quorum",
        # One replica works, the others stand by: that keeps order across replicas.
        "x-single-active-consumer": True,
        "x-delivery-limit": settings.delivery_limit,
        "x-dead-letter-exchange": settings.dead_letter_exchange,
        # RabbitMQ's own dead letters are confirmed too; it needs reject-publish.
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }


def _number_of(settings: Settings) -> Queue:
    """Make the queue that keeps the number of partitions; it is bound to nothing, and empty.

    A process with another number cannot declare it: RabbitMQ refuses it before it has bound a
    queue more or less, which would send events two ways, or out of their order.
    """
    arguments = {"x-queue-type": "quorum", **_few(settings)}
    return Queue(settings.event_queue, arguments, "number")
