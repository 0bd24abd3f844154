"""How partitions are shared out among the replicas, with RabbitMQ as all that they share.

A replica that works on more than its fair share gives one up, and RabbitMQ makes the next in line
its active consumer; if that one has enough, too, it gives it up in its turn.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

import structlog

from service.members import Members
from service.partition import Partition

log = structlog.get_logger()

# Seconds between two looks, at random: replicas shall not all act on the same one.
_SHORTEST, _LONGEST = 0.25, 0.75
_BLIND = 15.0  # seconds until the replicas are counted again, if they cannot be, again and again
_SLOWLY = 60.0  # seconds between two hand-overs, once there have been more than a change can cause


def fair_share(partitions: int, members: int) -> int:
    """Say how many partitions a replica may work on, where each member has one if there are enough.

    No less: the replica with most has no more than this in any way to share them out.
    """
    return -(-partitions // max(members, 1))


class Balance:
    """Hands over what this replica has too much of, one partition after the other.

    `hand_over` ends the work on one and puts this replica last in its line; nothing is handed over
    while it is not `settled`. Each hand-over costs every event held a delivery: if more of them
    follow a change than can be of use, because somebody else is counted, they become rare.
    """

    def __init__(
        self,
        partitions: Sequence[Partition],
        members: Members,
        settled: Callable[[], bool],
        hand_over: Callable[[Partition], Awaitable[None]],
    ) -> None:
        self._partitions = partitions
        self._members = members
        self._settled = settled
        self._hand_over = hand_over
        self._left, self._rare_until = 0, 0.0

    async def keep(self) -> None:
        """Look again and again, until it is cancelled.

        What is too much at one look must be so at the next: replicas come and go for a moment.

        Raises:
            LinkLost: with the reason in words.
        """
        before: int | None = None
        known, blind = 0, 0.0
        while True:
            await asyncio.sleep(blind + random.uniform(_SHORTEST, _LONGEST))  # noqa: S311
            members = await self._members.count()
            blind = min(_BLIND, 2 * blind + 1) if members is None else 0.0
            if members is not None and members != known:
                known, self._left = members, len(self._partitions)
            active = [each for each in self._partitions if each.active_since is not None]
            fair = fair_share(len(self._partitions), known)
            if members is None or not self._settled() or len(active) <= fair:
                before = None
            elif before != members:
                before = members
            elif self._may_hand_over():
                latest = max(active, key=lambda each: each.active_since or 0)
                log.info(
                    "a partition is handed over",
                    queue=latest.queue,
                    replicas=members,
                    active=len(active),
                    fair=fair,
                )
                await self._hand_over(latest)

    def _may_hand_over(self) -> bool:
        now = asyncio.get_running_loop().time()
        if not self._left:
            if now < self._rare_until:
                return False
            log.warning("partitions do not come to rest; they are handed over seldom from now on")
        self._left = max(self._left - 1, 0)
        self._rare_until = now + _SLOWLY
        return True
