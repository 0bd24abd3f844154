"""What a link leaves to the next one: how its last events ended, and what it never began. No I/O.

RabbitMQ hands back what was not acknowledged, and what was, if the acknowledgement was lost with
the link. Nothing of it that has reached the API shall reach it again: the newer update of its key
that has followed would be overwritten for a while.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from service.conditions import Key
from service.messages import Delivery
from service.results import Result


@dataclass(frozen=True, slots=True)
class Ended:
    """How an event ended; with `published` RabbitMQ has confirmed all its messages.

    Without a `result` it was acknowledged too, and comes back only if that was lost. `count` is the
    delivery count it was held with, and `unsettled_until` the loop's time until which an attempt
    without an answer may still be carried out.
    """

    fingerprint: bytes
    count: int
    result: Result | None
    published: bool
    unsettled_until: float = 0


@dataclass(frozen=True, slots=True)
class Held:
    """What is known of an event that was held and has not ended; `count` as in `Ended`.

    Until `settled_at`, the loop's time, an attempt may still be carried out; with `look_first` a
    look must come before the next one.
    """

    count: int
    settled_at: float = 0
    look_first: bool = False


class Carried:
    """Answers deliveries that come back to the process that has held them last.

    For a short time after a link was taken, no more: later they may be others that look the same.
    """

    def __init__(
        self,
        ended: Iterable[tuple[Key, Ended]] = (),
        left: Iterable[Delivery] = (),
        held: Mapping[bytes, Held] | None = None,
    ) -> None:
        """Carry over the ends of a link's events, oldest first, and the rest that it held.

        Args:
            ended: by key.
            left: what was not ended.
            held: what is known of those of `left`, by fingerprint.
        """
        self._held = dict(held or {})
        self._ended: dict[Key, deque[Ended]] = {}
        undone = {delivery.fingerprint for delivery in left}
        for key, one in ended:
            lane = self._ended.setdefault(key, deque())
            if one.result is None and one.fingerprint in undone:
                # What comes back may be this one or its twin, which must not be lost.
                lane.clear()
            else:
                lane.append(one)

    def __iter__(self) -> Iterator[tuple[Key, Ended]]:
        """Go over the ends that have not come back."""
        return ((key, one) for key, lane in self._ended.items() for one in lane)

    def held(self, delivery: Delivery) -> Held | None:
        """Tell what is known of a delivery, if nobody but this process has held it."""
        held = self._held.get(delivery.fingerprint)
        return held if held is not None and held.count == delivery.count - 1 else None

    def end(self, key: Key, delivery: Delivery) -> Ended | None:
        """Give the end of a delivery that comes back; each is given once, in the order of its key.

        The first delivery of a key that has not ended drops the others: newer events follow it.
        """
        lane = self._ended.get(key)
        while lane and delivery.redelivered:
            one = lane.popleft()
            if one.fingerprint == delivery.fingerprint and one.count == delivery.count - 1:
                return one
            if one.result is not None:
                break
        self._ended.pop(key, None)
        return None
