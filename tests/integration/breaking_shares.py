"""Troubles of replicas that share partitions: see `breaking`."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from pika.adapters.blocking_connection import BlockingChannel

from tests.integration.breaking import Stage, Trouble, await_alert
from tests.integration.conftest import EVENTS, wait_for

PARTITIONS = 4
_MEMBERS = f"{EVENTS}.members"
_KEYS = [f"share-{number}" for number in range(8 * PARTITIONS)]  # some for each partition


@contextmanager
def _nobody_counts_the_replicas(stage: Stage) -> Iterator[None]:
    """The queue that they consume belongs to somebody else."""
    stage.mail.channel.queue_delete(_MEMBERS)
    stage.mail.channel.queue_declare(_MEMBERS, exclusive=True)
    stage.send(*_KEYS)
    all_here = f"profile_sync:partitions_active == {PARTITIONS}"
    wait_for(lambda: bool(stage.source.query(all_here)), "work on all partitions")
    with stage.another():
        yield
        stage.mail.channel.queue_delete(_MEMBERS)
        shared = f"profile_sync:partitions_active == {PARTITIONS // 2} and profile_sync:links == 2"
        wait_for(lambda: bool(stage.source.query(shared)), "that the work is shared out", 60)


@contextmanager
def _a_routing_key_of_ones_own(stage: Stage) -> Iterator[None]:
    event = {"database": 1234, "where": {"customerid": "1"}, "fields": {"firstname": "John"}}
    stage.mail.send(event, routing_key="mine")
    yield


@contextmanager
def _strangers_count_as_replicas(stage: Stage) -> Iterator[None]:
    """Each replica has more than its share of so many, and nobody keeps what it gives away."""
    since, alert = time.monotonic(), "ProfileSyncPartitionsMove"
    strangers = 0

    def fired() -> bool:
        nonlocal strangers
        # Only by an event a replica knows that a partition is its own.
        stage.send(*_KEYS)
        while strangers < 2 * PARTITIONS + (time.monotonic() - since) / 2:
            # Ever more of them: where nothing changes, partitions come to rest all the same.
            channel.basic_consume(_MEMBERS, lambda *_: None)
            strangers += 1
        return stage.fired(alert, since)

    channel: BlockingChannel = stage.mail.channel.connection.channel()
    with stage.another():
        await_alert(fired, alert)
        yield
        channel.close()


SHARED_TROUBLES = (
    (
        Trouble(
            "nobody counts the replicas",
            ("ProfileSyncPartitionsUneven",),
            _nobody_counts_the_replicas,
        ),
    ),
    (
        Trouble(
            "a routing key of one's own", ("ProfileSyncMisrouted",), _a_routing_key_of_ones_own
        ),
        Trouble(
            "strangers count as replicas",
            ("ProfileSyncPartitionsMove",),
            _strangers_count_as_replicas,
        ),
    ),
)
