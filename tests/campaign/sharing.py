"""Judges how replicas share partitions: who has which, what is ordered, what is handed over."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime

from tests.campaign.evidence import MANY, Evidence, some
from tests.campaign.order import Write, writes
from tests.campaign.telling import is_object, samples

_CLOCK = 0.001  # seconds that the journal's times may be off


def shared_out_fairly(evidence: Evidence) -> Iterator[str]:
    """I16: in the end each partition has one replica, and none has more than its fair share."""
    if evidence.partitions == 1:
        return
    told = [share for share in evidence.shares.values() if share is not None]
    fair = -(-evidence.partitions // max(len(evidence.shares), 1))
    if len(told) < len(evidence.shares) or sum(told) != evidence.partitions or max(told) > fair:
        yield f"{evidence.partitions} partitions are shared out as {dict(evidence.shares)}"


def routed_right(evidence: Evidence) -> Iterator[str]:
    """I16: no event is taken for misrouted, as none is, whoever worked on it."""
    if evidence.partitions == 1:
        return
    last = {seen.name: samples(seen.page) for seen in evidence.vitals if seen.page}
    for name, page in last.items():
        told = page.get(("profile_sync_misrouted_total", ()))
        if told != 0:
            yield f"{name} tells {told} misrouted events"


def barriers_hold(evidence: Evidence) -> Iterator[str]:
    """I3: no call for many profiles runs while that of another event of its partition does.

    Across partitions nothing is promised but the order of each key, and that of one selection of
    many is a key as any other.
    """
    routes = {each.key: each.routing_key for each in evidence.sent}
    partition = evidence.partition_of.get(routes.get(MANY, ""))

    def alike(write: Write) -> bool:
        route = routes.get(write.key, "")
        return evidence.partitions == 1 or evidence.partition_of.get(route) == partition

    found = sorted(filter(alike, writes(evidence.journal)), key=lambda write: write.came)
    beside, ends = list[str](), dict[bool, Write]()
    for write in found:
        for before in ends.values():
            again = (write.key, write.number) == (before.key, before.number)
            if MANY in (write.key, before.key) and before.done > write.came + _CLOCK and not again:
                beside.append(f"{before.key} {before.number} and {write.key} {write.number}")
        latest = ends.get(write.key == MANY, write)
        ends[write.key == MANY] = max(latest, write, key=lambda each: each.done)
    if beside:
        yield f"{len(beside)} calls ran beside one for many profiles: {some(beside)}"


def handed_over(evidence: Evidence) -> Mapping[str, list[float]]:
    """Give the times at which each queue was handed over, in seconds since 1970."""
    found: dict[str, list[float]] = {}
    for text in evidence.outputs.values():
        for line in text.splitlines():
            if '"a partition is handed over"' in line and is_object(line):
                told = json.loads(line)
                at = datetime.fromisoformat(told["time"]).timestamp()
                found.setdefault(told["queue"], []).append(at)
    return found
