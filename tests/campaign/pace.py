"""How hard a campaign works the service."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.campaign.evidence import MANY, Sent
from tests.campaign.plan import GAP

_UNEVEN = {"--latency": '{"uniform": [0.003, 0.05]}', "--think-time": "0.01"}


def _all(_: Sent) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Pace:
    """Events a second, how many in all, and how many may be sent that were not handed over yet.

    `slots`, `window` and `partitions` are the service's MAX_IN_FLIGHT, PREFETCH and PARTITIONS, and
    with `coalescing` COALESCE is in-flight; `gap` are the seconds between two faults; `wanted`
    chooses among the events that are drawn.
    """

    rate: float = 25.0
    most: int = 60_000
    ahead: int = 60_000
    slots: int = 8
    window: int = 200
    partitions: int = 1
    coalescing: bool = False
    gap: tuple[float, float] = GAP
    log_level: str = "debug"
    api: Mapping[str, str] = field(default_factory=lambda: _UNEVEN)
    wanted: Callable[[Sent], bool] = _all


def _of_one_key(event: Sent) -> bool:
    """Tell what lets others work beside it: an event for many profiles holds all of them up."""
    return event.key != MANY


def full(events: int) -> Pace:
    """Give the pace at which so many events are sent as fast as the service takes them."""
    return Pace(
        rate=10_000,
        most=events,
        ahead=2000,
        slots=32,
        window=512,
        gap=(3, 12),
        log_level="info",
        api={},
        wanted=_of_one_key,
    )
