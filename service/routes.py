"""Whether events come by the partition of their profile: only there can they keep their order."""

import structlog

from service.conditions import routing_key
from service.lanes import Work
from service.logs import about
from service.metrics import Metrics

log = structlog.get_logger()


class Routes:
    """Compares the routing keys of events with those that their profiles have.

    With one partition any will do.
    """

    def __init__(self, partitions: int, metrics: Metrics) -> None:
        self._any = partitions == 1
        self._metrics = metrics
        self._told = False

    def check(self, work: Work) -> None:
        """Count an event that others of its profile may overtake, and warn of the first."""
        update, delivery = work.update, work.delivery
        if self._any or delivery.routing_key == routing_key(update.key):
            return
        self._metrics.misrouted.inc()
        if not self._told:
            self._told = True
            log.warning(
                "an event has not the routing key of its profile, and may be overtaken by others",
                **about(update.event_id, delivery, update.key),
                database=update.database,
                detail="how to make it: README, More than one replica at work",
            )
