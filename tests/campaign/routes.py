"""Asks RabbitMQ which queue each routing key leads to, as it alone can tell."""

from collections.abc import Collection

import pika

from tests.campaign.harvest import Harvest
from tests.campaign.stage import Stage

_ASKED = "asked-for"


def partition_of(stage: Stage, routing_keys: Collection[str]) -> dict[str, str]:
    """Send each routing key through an exchange of the same kind, to queues of the same order.

    Queues of events they are not: what the service does with those is not disturbed.
    """
    if stage.partitions == 1:
        return {}
    queues = {f"{_ASKED}{name}": name for name in stage.event_queues}
    connection = stage.connect()
    channel = connection.channel()
    channel.confirm_delivery()
    channel.exchange_declare(_ASKED, "x-modulus-hash", durable=True)
    for queue in queues:
        channel.queue_declare(queue, durable=True)
        channel.queue_bind(queue, _ASKED, "#")
    for key in routing_keys:
        properties = pika.BasicProperties(correlation_id=key)  # type: ignore[no-untyped-call]
        channel.basic_publish(_ASKED, key, b"", properties, mandatory=True)
    connection.close()
    found: dict[str, str] = {}
    for queue, name in queues.items():
        harvest = Harvest(queue)
        harvest.take(stage.node.amqp_url(), quiet=0.2)
        found |= {f"{each.uid}": name for each in harvest.arrived}
    return found
