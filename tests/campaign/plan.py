"""What goes wrong and when, drawn from a seed: pure data, the same for the same arguments."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

GAP = (0.5, 1.5)
"""Seconds between the end of one fault and the begin of the next, if nothing else is said."""

SETTLING = 3.0
"""Seconds without a fault at the begin: queues that were only just made must be on disk."""

OVERLAPPING = 0.2
"""The share of faults that begin while the one before lasts."""

BROKER: Mapping[str, tuple[float, float]] = {
    "broker-frozen": (1.0, 6.0),
    "broker-killed": (0.2, 1.5),
    "broker-stopped": (0.2, 1.5),
    "connections-closed": (0.0, 0.0),
    "dead-letters-unbound": (1.0, 3.0),
    "disk-alarm": (1.0, 3.0),
    "event-queue-deleted": (0.0, 0.5),
    "listeners-suspended": (1.0, 3.0),
    "memory-alarm": (1.0, 3.0),
    "memory-alarm-and-kill": (1.0, 2.0),
    "result-queue-deleted": (0.5, 2.0),
    "result-queue-full": (1.0, 3.0),
    "results-unbound": (1.0, 3.0),
}

CLUSTER: Mapping[str, tuple[float, float]] = {"leader-killed": (0.5, 2.0)}
"""In a cluster only."""

LINK: Mapping[str, tuple[float, float]] = {
    "amqp-cut": (0.0, 0.5),
    "amqp-delayed": (1.0, 3.0),
    "amqp-refused": (0.5, 2.0),
    "amqp-reset": (0.0, 0.5),
    "amqp-stalled": (1.0, 8.0),
    "api-link-cut": (0.0, 0.5),
    "api-link-delayed": (1.0, 3.0),
    "api-link-refused": (0.5, 2.0),
    "api-link-reset": (0.0, 0.5),
    "api-link-stalled": (0.5, 3.0),
}

API: Mapping[str, tuple[float, float]] = {
    "api-429": (0.5, 2.0),
    "api-500": (0.5, 3.0),
    "api-502": (0.5, 3.0),
    "api-503": (0.5, 3.0),
    "api-503-retry-after": (0.5, 2.0),
    "api-500-after": (0.5, 2.0),
    "api-cut-answer": (0.5, 2.0),
    "api-down": (0.5, 4.0),
    "api-empty-answer": (0.5, 2.0),
    "api-html": (0.5, 2.0),
    "api-reset-after": (0.5, 2.0),
    "api-reset-before": (0.5, 2.0),
    "api-slow": (0.5, 2.0),
    "api-slow-answer": (0.5, 2.0),
    "token-refused": (0.5, 3.0),
    "token-replaced": (1.0, 3.0),
    "token-revoked": (2.0, 5.0),
}

PROCESS: Mapping[str, tuple[float, float]] = {
    "replica-added": (2.0, 5.0),
    "replicas-added": (2.0, 5.0),
    "service-frozen": (0.5, 12.0),
    "service-killed": (0.0, 1.0),
    "service-terminated": (0.0, 1.0),
}

PARTITIONS: Mapping[str, tuple[float, float]] = {
    "members-queue-deleted": (0.0, 1.0),
    "replica-cut-off": (1.0, 12.0),
    "replica-frozen": (0.5, 12.0),
    "replica-reset": (0.0, 0.5),
    "replicas-changed": (1.0, 5.0),
}
"""Where replicas share partitions only."""

_CHANGES = 8  # of the number of replicas, for each fault of another kind

DURATIONS: Mapping[str, tuple[float, float]] = {
    **BROKER,
    **CLUSTER,
    **LINK,
    **API,
    **PROCESS,
    **PARTITIONS,
}
"""Every kind of fault, with the shortest and the longest time that it lasts, in seconds."""


@dataclass(frozen=True, slots=True)
class Injection:
    """One fault: `at` seconds after the begin, for so many `seconds`."""

    kind: str
    at: float
    seconds: float


HARMLESS = sorted({*DURATIONS} - {*PROCESS, *PARTITIONS, *CLUSTER, "memory-alarm-and-kill"})
"""Those that leave a single process at work from begin to end."""


def kinds(nodes: int, partitions: int = 1) -> list[str]:
    """Name the kinds of fault that are possible with so many nodes and partitions.

    Where replicas share partitions, a change of their number comes several times in each round.
    """
    impossible = {*(CLUSTER if nodes == 1 else ()), *(PARTITIONS if partitions == 1 else ())}
    possible = sorted({*DURATIONS} - impossible)
    return possible + ["replicas-changed"] * (_CHANGES - 1) * (partitions > 1)


def plan(
    seed: int, seconds: float, of: Sequence[str], gap: tuple[float, float] = GAP
) -> list[Injection]:
    """Draw the faults of a campaign, in their order; each kind once before any comes again."""
    dice = random.Random(f"plan {seed}")  # noqa: S311 - nothing secret
    drawn: list[Injection] = []
    for kind in _shuffled(dice, of):
        lasts = dice.uniform(*DURATIONS[kind])
        at = _begin(dice, drawn, gap)
        if at + lasts > seconds:
            return drawn
        drawn.append(Injection(kind, round(at, 3), round(lasts, 3)))
    return drawn


def _shuffled(dice: random.Random, of: Sequence[str]) -> Iterator[str]:
    while of:
        yield from dice.sample(of, len(of))


def _begin(dice: random.Random, drawn: Sequence[Injection], gap: tuple[float, float]) -> float:
    if drawn and dice.random() < OVERLAPPING:
        return drawn[-1].at + dice.random() * drawn[-1].seconds
    end = max((each.at + each.seconds for each in drawn), default=SETTLING)
    return end + dice.uniform(*gap)
