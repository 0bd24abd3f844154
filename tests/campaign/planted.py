"""The service with one bug in it, to see that the campaign finds it.

python -m tests.campaign.planted ack-before-confirm|not-mandatory|nack-with-requeue
"""

import random
import sys
from collections.abc import Callable, Mapping
from typing import Any

from service import broker
from service.broker import Link
from service.commands import cli
from service.messages import Delivery, Message

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
    ) -> None:
        """Take deliveries, most of them."""
        dice = random.Random()  # noqa: S311 - nothing secret

        def take(delivery: Delivery) -> None:
            if dice.random() >= _REQUEUED:
                on_delivery(delivery)
                return
            (tag,) = delivery.ack.args  # type: ignore[attr-defined] # a partial
            self._consuming.channel.basic_nack(tag, requeue=True)

        await super().consume(queue, prefetch, take)


BUGS: Mapping[str, type[Link]] = {
    "ack-before-confirm": AckBeforeConfirm,
    "not-mandatory": NotMandatory,
    "nack-with-requeue": NackWithRequeue,
}


def main() -> None:
    """Run the service with the bug that the first argument names."""
    broker.Link = BUGS[sys.argv[1]]  # type: ignore[misc]
    sys.argv = ["profile-sync", "run"]
    cli.main()


if __name__ == "__main__":
    main()
