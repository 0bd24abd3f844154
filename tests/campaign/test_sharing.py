"""What replicas that share partitions must keep, and what counts as broken."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.campaign.accountant import breaches
from tests.campaign.evidence import MANY, Evidence, Handed, Happened, Sent, Vitals
from tests.campaign.test_accountant import put

FIRST, OTHER = "profile-sync.events.0", "profile-sync.events.1"
MOVED_AT = "2026-11-23T10:00:00.000000Z"
AT = 1_795_428_000.0


def event(key: str) -> Sent:
    return Sent(f"{key}-1", key, 1, b"{}", None, routing_key=f"route of {key}")


def many(number: int, at: float, seconds: float = 0.01) -> dict[str, Any]:
    fields = {"fields": {"lastname": f"{number}"}}
    query = [["fields[]", "customerid!=nobody"]]
    return put("", number, at, seconds, query=query, body=fields)


def page(misrouted: int = 0) -> Vitals:
    text = f"# TYPE profile_sync_misrouted counter\nprofile_sync_misrouted_total {misrouted}\n"
    return Vitals("service-1", 60, 0, 20, 2, text)


def in_order() -> Evidence:
    """Two replicas with four partitions, and writes of two of these."""
    return Evidence(
        sent=[event("a"), event("b"), event(MANY)],
        partitions=4,
        partition_of={"route of a": FIRST, "route of b": OTHER, f"route of {MANY}": FIRST},
        shares={"service-1": 2, "service-2": 2},
        journal=[put("a", 1, 10), many(1, 10.02, 0.5), put("b", 1, 10.03), put("a", 2, 10.6)],
        vitals=[page()],
    )


def broken(evidence: Evidence, invariant: str) -> list[str]:
    return [each.text for each in breaches(evidence) if each.invariant.startswith(invariant)]


SHARED, ROUTED, BARRIERS, FEW = "I16 part", "I16 events", "I3 barriers", "I8 hand-backs"


def test_a_campaign_in_order_breaks_nothing() -> None:
    assert [broken(in_order(), each) for each in (SHARED, ROUTED, BARRIERS, FEW)] == [[]] * 4


@pytest.mark.parametrize(
    "shares",
    [
        {"service-1": 3, "service-2": 1},
        {"service-1": 2, "service-2": 1},
        {"service-1": 2, "service-2": 3},
        {"service-1": 4, "service-2": None},
        {"service-1": 2, "service-2": 1, "service-3": 2},
        {},
    ],
)
def test_a_share_that_is_not_fair_is_told(shares: dict[str, int | None]) -> None:
    assert broken(replace(in_order(), shares=shares), SHARED)


@pytest.mark.parametrize("shares", [{"service-1": 4}, {"s1": 1, "s2": 2, "s3": 1}])
def test_a_fair_share_is_no_breach(shares: dict[str, int | None]) -> None:
    assert not broken(replace(in_order(), shares=shares), SHARED)


def test_an_event_that_is_taken_for_misrouted_is_told() -> None:
    assert broken(replace(in_order(), vitals=[page(1)]), ROUTED)


@pytest.mark.parametrize(
    ("journal", "beside"),
    [
        ([put("a", 1, 10, 0.5), many(1, 10.2)], True),
        ([many(1, 10, 0.5), put("a", 1, 10.2)], True),
        ([put("a", 1, 10, 0.5), put("b", 1, 10.1), many(1, 10.2)], True),
        ([many(1, 10, 0.5), many(2, 10.2)], True),
        ([many(1, 10, 0.5), many(1, 10.2)], False),
        ([put("b", 1, 10, 0.5), many(1, 10.2)], False),
        ([many(1, 10, 0.5), put("b", 1, 10.2)], False),
        ([put("a", 1, 10, 0.2), many(1, 10.2)], False),
    ],
)
def test_a_barrier_holds_in_its_partition(journal: list[dict[str, Any]], beside: bool) -> None:
    assert bool(broken(replace(in_order(), journal=journal), BARRIERS)) == beside


def test_with_one_partition_a_barrier_holds_for_all() -> None:
    journal = [put("b", 1, 10, 0.5), many(1, 10.2)]
    evidence = replace(in_order(), partitions=1, partition_of={}, journal=journal)
    assert broken(evidence, BARRIERS)


@pytest.mark.parametrize(
    ("queue", "at", "often"),
    [(FIRST, MOVED_AT, False), (OTHER, MOVED_AT, True), (FIRST, "2026-11-23T09:00:00Z", True)],
)
def test_a_hand_over_hands_back_what_is_in_its_partition(queue: str, at: str, often: bool) -> None:
    line = {"message": "a partition is handed over", "time": at, "queue": queue}
    evidence = replace(
        in_order(),
        handed=[Handed("a-1", 0, AT - 1), Handed("a-1", 2, AT + 1)],
        vitals=[replace(page(), at=AT)],
        happened=[Happened("replicas-changed", AT - 2, AT)],
        outputs={"service-1.log": json.dumps(line)},
    )
    assert bool(broken(evidence, FEW)) == often


def test_each_replica_may_hand_an_event_back_once_a_fault() -> None:
    seen = [replace(page(), name=name, at=AT) for name in ("service-1", "service-2")]
    evidence = replace(
        in_order(),
        handed=[Handed("a-1", 0, AT - 1), Handed("a-1", 2, AT + 1)],
        happened=[Happened("amqp-reset", AT - 2, AT)],
        vitals=seen,
    )
    assert not broken(evidence, FEW)
    assert broken(replace(evidence, vitals=seen[:1]), FEW)
    assert broken(replace(evidence, partitions=1), FEW)
