"""The queues that the events wait in, and the routing keys that spread events over them."""

import hashlib

from tests.integration.conftest import EVENTS

MEMBERS = f"{EVENTS}.members"


def event_queues(partitions: int) -> list[str]:
    """Name the queues of so many partitions."""
    return [EVENTS] if partitions == 1 else [f"{EVENTS}.{number}" for number in range(partitions)]


def routing_key(database: int, *conditions: str) -> str:
    """Make the routing key of a selection, as README tells senders to."""
    parts = (f"{database}", *sorted(condition.lower() for condition in conditions))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
