"""The service with one bug in it, to see that the campaign finds it.

python -m tests.campaign.planted ack-before-confirm
"""

import random
import sys
from collections.abc import Callable, Mapping
from typing import Any

from service import broker, process
from service.broker import Link
from service.commands import cli
from service.messages import Delivery, Message
from service.partition import Partition
from service.subscription import Subscription

_REQUEUED = 0.05


class AckBeforeConfirm(Link):
    """A message counts as published as soon as it is written."""

    def publish(self, message: Message) -> Any:
        """Write it, and take that for a confirm."""
        confirmed = super().publish(message)
        if not confirmed.done():
            confirmed.set_result(None)
        return confirmed


class NotMandatory(Link):
    """RabbitMQ confirms also what no queue takes."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        publish = self._publishing.channel.basic_publish

        def publish_anyhow(*arguments: Any, **named: Any) -> None:
            publish(*arguments, **{**named, "mandatory": False})

        self._publishing.channel.basic_publish = publish_anyhow  # type: ignore[method-assign]


class NackWithRequeue(Link):
    """Now and then a delivery is given back, as who is too busy does; later ones overtake it."""

    async def consume(
        self, queue: str, prefetch: int, on_delivery: Callable[[Delivery], None]
    ) -> Subscription:
        """Take deliveries, most of them."""
        dice = random.Random()  # noqa: S311 - nothing secret

        def take(delivery: Delivery) -> None:
            if dice.random() >= _REQUEUED:
                on_delivery(delivery)
                return
            (tag,) = delivery.ack.args  # type: ignore[attr-defined] # a partial
            self._subscriptions[-1]._channel.basic_nack(tag, requeue=True)

        return await super().consume(queue, prefetch, take)


class HandOverByCancel(Partition):
    """The next replica begins while this one ends its calls, and gets what came before later."""

    async def hand_over(self, link: Link) -> None:
        """Cancel the consumer first."""
        assert self._subscription is not None
        channel = self._subscription._channel
        for tag in channel.consumer_tags:
            await link.reading.cancel(channel, tag)
        await super().hand_over(link)


class NoHandOver(Partition):
    """Whoever was first keeps all."""

    async def hand_over(self, link: Link) -> None:
        """Do nothing."""


LINKS: Mapping[str, type[Link]] = {
    "ack-before-confirm": AckBeforeConfirm,
    "not-mandatory": NotMandatory,
    "nack-with-requeue": NackWithRequeue,
}
PARTITIONS: Mapping[str, type[Partition]] = {
    "hand-over-by-cancel": HandOverByCancel,
    "no-hand-over": NoHandOver,
}


def main() -> None:
    """Run the service with the bug that the first argument names."""
    bug = sys.argv[1]
    broker.Link = LINKS.get(bug, Link)  # type: ignore[misc]
    process.Partition = PARTITIONS.get(bug, Partition)  # type: ignore[attr-defined] # no export
    sys.argv = ["profile-sync", "run"]
    cli.main()


if __name__ == "__main__":
    main()
