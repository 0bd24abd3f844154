"""Order: which event may run now. One event at a time per key, many keys in parallel. No I/O."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from service.carried import Ended, Held
from service.conditions import Key
from service.events import ProfileUpdate
from service.messages import Delivery
from service.pauses import Tally


@dataclass(slots=True, eq=False)
class Work:
    """One event on its way, from its delivery to its acknowledgement.

    `received` is monotonic, in seconds; `not_before` is the loop's time of the next call, or 0, and
    `unsettled_until` that until which an attempt without an answer may still be carried out, so
    that nothing newer may follow. `attempts` counts PUTs, the last of which had `status`;
    `failures` counts failed looks too, the first `failing_since` so long, and `counted` those that
    the event itself is to blame for: since the one before, made at `tally`, first attempts of
    others have succeeded, and no fewer than have failed.
    `ended` is how the event ended on the link before.
    `look_first` asks for a look at the selection before the next PUT; once it has found a profile
    `may_create` falls, and `created` tells whether an attempt of ours made it. `ids` are those of
    the profiles that the update moves, once they have been read, unless they are `too_many`.
    `settled_at` is the loop's time when a create in the background must have been carried out, or
    0. `admitted` if it has a lane, `guarded` if it shall not be written over what is newer, and
    `older` if the last look found nothing that is. `sent` if an attempt may have been carried out.
    `span` is what traces it, if anything does. `mates` are those behind it in its lane that go with
    its call, which writes what is `merged`; each of them has `joined`.
    """

    delivery: Delivery
    update: ProfileUpdate
    received: float
    received_at: datetime
    attempts: int = 0
    failures: int = 0
    status: int | None = None
    failing_since: float = 0
    counted: int = 0
    tally: Tally | None = None
    first_call_at: datetime | None = None
    not_before: float = 0
    unsettled_until: float = 0
    ended: Ended | None = None
    look_first: bool = False
    may_create: bool = True
    created: bool = False
    ids: tuple[str, ...] | None = None
    too_many: bool = False
    settled_at: float = 0
    admitted: bool = False
    span: Any = None
    guarded: bool = False
    older: bool = False
    sent: bool = False
    mates: tuple["Work", ...] = ()
    merged: ProfileUpdate | None = None
    joined: bool = False

    @property
    def written(self) -> ProfileUpdate:
        """What its call writes: its own update, or that of all who share the call."""
        return self.update if self.merged is None else self.merged

    @property
    def occurred_at(self) -> datetime | None:
        """The event's own instant, or else that of its message."""
        return self.update.occurred_at or self.delivery.published_at


@dataclass(slots=True)
class _Gate:
    """The events of one database: those let in, and those behind a barrier."""

    inside: int = 0
    barrier_inside: bool = False
    waiting: deque[Work] = field(default_factory=deque)


class Lanes:
    """Hands out work so that updates of one profile keep their order.

    A lane holds the waiting events of one key and exists while it has any. A barrier (an update
    that may touch profiles of other keys) runs alone in its database: what came before it ends
    first, what came after it waits.
    """

    def __init__(self) -> None:
        self._lanes: dict[Key, deque[Work]] = {}
        self._ready: deque[Work] = deque()
        self._gates: dict[str, _Gate] = {}
        self.exhausted: set[Key] = set()
        """Keys whose last event has failed for good."""

    def __len__(self) -> int:
        return len(self._lanes)

    def __iter__(self) -> Iterator[Work]:
        """Go over all unfinished work, in no particular order."""
        for lane in self._lanes.values():
            yield from lane
        for gate in self._gates.values():
            yield from gate.waiting

    def add(self, work: Work) -> None:
        """Queue an event behind all that it must follow."""
        gate = self._gates.setdefault(_database(work), _Gate())
        if gate.waiting or gate.barrier_inside or (work.update.barrier and gate.inside):
            gate.waiting.append(work)
        else:
            self._admit(gate, work)

    @property
    def ready(self) -> int:
        """How many events may run now."""
        return len(self._ready)

    def next(self) -> Work | None:
        """Take an event that may run now; its lane waits until `done` or `again`."""
        return self._ready.popleft() if self._ready else None

    def again(self, work: Work) -> None:
        """Put an event back to the front of its lane, ready to run."""
        self._ready.append(work)

    def behind(self, work: Work) -> Iterator[Work]:
        """Go over what waits behind the first event of a lane, oldest first."""
        return islice(self._lanes[work.update.key], 1, None)

    def done(self, work: Work) -> None:
        """Finish the first event of a lane: the next may run, and what its barrier held back.

        One that has joined the call of another is to be finished too, and does not run.
        """
        lane = self._lanes[work.update.key]
        lane.popleft()
        if lane:
            if not lane[0].joined:
                self._ready.append(lane[0])
        else:
            del self._lanes[work.update.key]
            self.exhausted.discard(work.update.key)
        self._open(_database(work))

    def _open(self, database: str) -> None:
        gate = self._gates[database]
        gate.inside -= 1
        if gate.inside:
            return
        gate.barrier_inside = False
        while gate.waiting and not gate.barrier_inside:
            if gate.waiting[0].update.barrier and gate.inside:
                return
            self._admit(gate, gate.waiting.popleft())
        if not gate.inside:
            del self._gates[database]

    def _admit(self, gate: _Gate, work: Work) -> None:
        gate.inside += 1
        gate.barrier_inside = work.update.barrier
        lane = self._lanes.setdefault(work.update.key, deque())
        lane.append(work)
        if len(lane) == 1:
            self._ready.append(work)


def _database(work: Work) -> str:
    return work.update.key[0]


def held_by(left: Iterable[Work]) -> dict[bytes, Held]:
    """Note what is known of events; of equal messages nobody can tell which comes back first."""
    held: dict[bytes, Held] = {}
    unlike = set()
    for work in left:
        fingerprint, count = work.delivery.fingerprint, work.delivery.count
        settled_at = max(work.not_before, work.unsettled_until, work.settled_at)
        twin = held.get(fingerprint, Held(count))
        held[fingerprint] = Held(
            count, max(settled_at, twin.settled_at), work.look_first or twin.look_first
        )
        if twin.count != count:
            unlike.add(fingerprint)
    return {fingerprint: one for fingerprint, one in held.items() if fingerprint not in unlike}
