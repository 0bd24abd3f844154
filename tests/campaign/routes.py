"""Asks RabbitMQ which queue each routing key leads to, as it alone can tell."""

from collections.abc import Collection, Sequence

import pika

from tests.campaign.harvest import Harvest

_ASKED = "asked-for."


def partition_of(url: str, queues: Sequence[str], routing_keys: Collection[str]) -> dict[str, str]:
    """Send each routing key through an exchange of the same kind, to queues of the same order.

    They are other queues than those of the events: what the service does there is not disturbed.
    """
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.confirm_delivery()
    channel.exchange_declare(_ASKED, "x-modulus-hash", durable=True)
    for queue in queues:
        channel.queue_declare(_ASKED + queue, durable=True)
        channel.queue_bind(_ASKED + queue, _ASKED, "#")
    for key in routing_keys:
        properties = pika.BasicProperties(correlation_id=key)  # type: ignore[no-untyped-call]
        channel.basic_publish(_ASKED, key, b"", properties, mandatory=True)
    connection.close()
    found: dict[str, str] = {}
    for queue in queues:
        harvest = Harvest(_ASKED + queue)
        harvest.take(url, quiet=0.2)
        found |= {f"{each.uid}": queue for each in harvest.arrived}
    return found
