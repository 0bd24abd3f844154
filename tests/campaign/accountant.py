"""Judges a campaign by its evidence alone: which invariant broke, and how; and the figures.

It shares nothing with the service. The invariants are numbered as in the project's fault matrix.
"""

import json
from bisect import bisect
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.campaign.evidence import MANY, Arrived, Evidence, Handed, Sent, some
from tests.campaign.order import Steps, by_key, final_values, steps, writes
from tests.campaign.processes import growths, nothing_grows, processes_live
from tests.campaign.sharing import (
    barriers_hold,
    handed_over,
    routed_right,
    shared_out_fairly,
)
from tests.campaign.telling import (
    events_are_counted,
    metrics_are_as_documented,
    no_token_anywhere,
    outputs_are_json,
)

DISTURBING = frozenset((
    "amqp-cut", "amqp-refused", "amqp-reset", "amqp-stalled", "broker-frozen", "broker-killed",
    "broker-stopped", "connections-closed", "event-queue-deleted", "leader-killed",
    "memory-alarm-and-kill", "replica-added", "replica-cut-off", "replica-frozen", "replica-reset",
    "replicas-added", "replicas-changed",
    "service-frozen", "service-killed", "service-terminated",
))  # fmt: skip
"""Faults after which events may be handed to somebody else, or anew."""

QUIET = frozenset((
    "amqp-delayed", "api-link-delayed", "dead-letters-unbound", "disk-alarm",
    "listeners-suspended", "members-queue-deleted", "memory-alarm", "result-queue-deleted",
    "result-queue-full", "results-unbound",
))  # fmt: skip
"""Faults that are no reason to hand any event back."""

_FEW = 20  # hand-backs: RabbitMQ 4's own limit, far from that of the service's queue
_NOTICED = 15.0  # seconds until a dead link is noticed: 2 x (HEARTBEAT + 5), and some


@dataclass(frozen=True, slots=True)
class Breach:
    """A broken invariant, in words."""

    invariant: str
    text: str


def breaches(evidence: Evidence) -> list[Breach]:
    """Check all invariants, in their order."""
    return [Breach(name, text) for name, check in CHECKS.items() for text in check(evidence)]


def every_event_ended(evidence: Evidence) -> Iterator[str]:
    """I1: a confirmed event has a result or waits in the queue, and nothing else has one."""
    ended, dead = _uids(evidence.results), _uids(evidence.dead_letters)
    waiting = set(evidence.left)
    lost = [each.uid for each in evidence.sent if each.confirmed and each.uid not in ended]
    lost = [uid for uid in lost if uid not in waiting]
    if len(lost) > evidence.destroyed:
        nowhere = sum(uid not in dead for uid in lost)
        yield f"{len(lost)} confirmed events have no result, {nowhere} nothing: {some(lost)}"
    known = {each.uid for each in evidence.sent}
    phantom = [f"{uid}" for uid in (*ended, *dead) if uid not in known]
    if phantom:
        yield f"{len(phantom)} results or dead letters of unknown events: {some(phantom)}"


def as_documented(evidence: Evidence) -> Iterator[str]:
    """I1: the outcome fits the event; a refused one has a dead letter, its body byte for byte."""
    sent = {each.uid: each for each in evidence.sent}
    letters = {each.uid: each for each in evidence.dead_letters}
    wrong: list[str] = []
    for arrived in evidence.results:
        if arrived.uid in sent:
            wrong += _misfits(arrived, sent[arrived.uid], letters.get(arrived.uid))
    if wrong:
        yield f"{len(wrong)} results are not as documented: {some(wrong)}"


def _misfits(arrived: Arrived, event: Sent, letter: Arrived | None) -> Iterator[str]:
    result = json.loads(arrived.body)
    outcome, reason = result["outcome"], result["reason"]
    if arrived.kind != f"profile.{outcome}":
        yield f"{event.uid} is of type {arrived.kind} and says {outcome}"
    if not arrived.routing_key.startswith(f"profile.{outcome}."):
        yield f"{event.uid} says {outcome} and was routed as {arrived.routing_key}"
    if event.event_id is not None and result["event_id"] != event.event_id:
        yield f"{event.uid} is called {result['event_id']}"
    if event.reason is None:
        if outcome not in (("created", "updated") if event.create else ("updated",)):
            yield f"{event.uid} ended {outcome}, {reason}, {result['detail']}"
        held = {profile["fields"]["customerid"] for profile in result["profiles"]}
        if event.key != MANY and not held <= {event.key}:
            yield f"the result of {event.uid} has profiles of {held}"
    if event.reason is not None:
        if (outcome, reason) != ("rejected", event.reason):
            yield f"{event.uid} ended {outcome}, {reason}, not {event.reason}"
        if letter is None:
            yield f"{event.uid} was {outcome} without a dead letter"
        elif letter.headers.get("profile-sync-reason") != reason or letter.body != event.body:
            yield f"the dead letter of {event.uid} differs"


def no_result_before_the_call(evidence: Evidence) -> Iterator[str]:
    """I2: what is said to be updated or created was carried out by the API."""
    done = {(write.key, write.number) for write in writes(evidence.journal)}
    sent = {each.uid: each for each in evidence.sent}
    unsure = Counter(each.key for each in evidence.sent if not each.confirmed)
    early = [
        f"{arrived.uid}"
        for arrived in evidence.results
        if arrived.kind in ("profile.updated", "profile.created")
        and (event := sent.get(arrived.uid or "")) is not None
        and done.isdisjoint(
            (event.key, event.number + later)
            for later in range(_carried(evidence, arrived, unsure[event.key]))
        )
    ]
    if early:
        yield f"{len(early)} results without a call that was carried out: {some(early)}"


def _carried(evidence: Evidence, arrived: Arrived, unsure: int) -> int:
    """Count the numbers that the call of an event may have written: its own, or a later one's.

    The call has carried so many events of its key, among whose numbers some may be missing.
    """
    carried = _shared(arrived) if evidence.coalescing else 1
    return 1 if carried == 1 else carried + unsure


def _shared(arrived: Arrived) -> int:
    """Count the events of a result's call; a peer does not tell."""
    return int(json.loads(arrived.body).get("coalesced", 1))


def no_stale_write(evidence: Evidence) -> Iterator[str]:
    """I3: no write after a higher number of its key; only a replay in order after a hand-back.

    A call that was for several events, and failed, may be repeated for one after the other.
    """
    stale, rewinds = [], []
    of_these = [
        each.begun for each in evidence.happened if each.kind in DISTURBING or evidence.coalescing
    ]
    begun = min(of_these, default=None)
    for key, found in _steps(evidence).items():
        stale += [f"{key}: {write.number} at {_clock(write.done)}" for write in found.stale]
        rewinds += [
            f"{key}: {write.number}"
            for write in found.rewinds
            if begun is None or write.done < begun
        ]
    if stale:
        yield f"{len(stale)} stale writes: {some(stale)}"
    if rewinds:
        yield f"{len(rewinds)} rewinds before anything was handed back: {some(rewinds)}"


def the_last_value_stays(evidence: Evidence) -> Iterator[str]:
    """I4: each key holds the number of its last event that ended."""
    finals = final_values(evidence.profiles)
    wrong = []
    for key, ended in _ended(evidence).items():
        unconfirmed = {each.number for each in ended if not each.confirmed}
        last = max((each.number for each in ended if each.confirmed), default=0)
        allowed = {last, *(number for number in unconfirmed if number > last)}
        held = finals.get(key, [])
        if key != MANY and held and not set(held) <= allowed:
            wrong.append(f"{key} holds {held}, its last is {last}")
    if wrong:
        yield f"{len(wrong)} wrong final values: {some(wrong)}"


def duplicates_are_bounded(evidence: Evidence) -> Iterator[str]:
    """I5: copies of results are the same but for their times; a delivery makes one at the most."""
    handed = Counter(each.uid for each in evidence.handed)
    copies = Counter(each.uid for each in evidence.results)
    often = [
        f"{uid} {count} of {handed[uid]}" for uid, count in copies.items() if count > handed[uid]
    ]
    if often:
        yield f"{len(often)} events have more results than deliveries: {some(often)}"
    names: dict[str | None, set[str | None]] = {}
    for each in evidence.results:
        names.setdefault(each.uid, set()).add(each.message_id)
    unlike = [f"{uid}" for uid, found in names.items() if len(found) > 1]
    if unlike:
        yield f"{len(unlike)} events have results of different message_id: {some(unlike)}"


def one_profile_a_key(evidence: Evidence) -> Iterator[str]:
    """I6: each key has one profile, and only keys of events have one."""
    numbers = final_values(evidence.profiles)
    twice = [f"{key}: {len(held)}" for key, held in numbers.items() if len(held) > 1]
    if twice:
        yield f"{len(twice)} keys have more than one profile: {some(twice)}"
    missing = [key for key in _ended(evidence) if key != MANY and key not in numbers]
    if missing:
        yield f"{len(missing)} keys have no profile: {some(missing)}"


def only_bad_events_are_dead_letters(evidence: Evidence) -> Iterator[str]:
    """I7: no outage dead-letters anything, neither the service nor RabbitMQ by itself."""
    bad = {each.uid for each in evidence.sent if each.reason is not None}
    good = Counter(
        str(each.headers.get("profile-sync-reason", "RabbitMQ's own"))
        for each in evidence.dead_letters
        if each.uid not in bad
    )
    if good:
        yield f"{good.total()} good events are dead letters: {dict(good)}"


def work_goes_on(evidence: Evidence) -> Iterator[str]:
    """I8: once all faults are over, the event queue becomes empty."""
    for queue in evidence.unread:
        yield f"{queue} does not answer: RabbitMQ has lost that queue"
    if not evidence.drained or evidence.left:
        yield f"{len(evidence.left)} events were left, long after the last fault"
    if not evidence.taken:
        yield "RabbitMQ took no event any more after the last fault"


def hand_backs_are_few(evidence: Evidence) -> Iterator[str]:
    """I8: a fault hands an event back once at the most, and none comes near a delivery limit.

    Where replicas share partitions, each of them may hand it back once: when all links break, for
    one, RabbitMQ sees that of the next in line a moment later. A hand-over does so once more.
    """
    happened = [each for each in evidence.happened if each.kind not in QUIET]
    moved, queues = handed_over(evidence), _queues(evidence)
    by_uid: dict[str | None, list[Handed]] = {}
    for each in evidence.handed:
        by_uid.setdefault(each.uid, []).append(each)
    often = []
    for uid, handed in by_uid.items():
        first, last = handed[0].at - _NOTICED, handed[-1].at
        faults = sum(each.begun <= last and each.ended >= first for each in happened)
        if evidence.partitions > 1:
            faults *= len({each.name for each in evidence.vitals if first <= each.at <= last})
            faults += sum(first <= at <= last for at in moved.get(queues.get(uid, ""), ()))
        count = max(each.count for each in handed)
        if count > faults or count >= _FEW:
            often.append(f"{uid} {count} times in {faults} faults")
    if often:
        yield f"{len(often)} events were handed back too often: {some(often)}"


def _queues(evidence: Evidence) -> dict[str | None, str]:
    """Give the queue of each event."""
    return {
        each.uid: evidence.partition_of[each.routing_key]
        for each in evidence.sent
        if each.routing_key in evidence.partition_of
    }


def calls_are_as_documented(evidence: Evidence) -> Iterator[str]:
    """I12: only the documented calls, with their parameters, whatever an event says."""
    strange = [text for entry in evidence.journal for text in _strange(entry)]
    if strange:
        yield f"{len(strange)} undocumented calls: {some(strange)}"


def _strange(entry: Mapping[str, Any]) -> Iterator[str]:
    parts = entry["path"].strip("/").split("/")
    names = Counter(name for name, _ in entry["query"])
    call = f"{entry['method']} {entry['path']} {dict(names)}"
    if parts == ["v2", "identity"]:
        usual = entry["method"] == "GET" and not names
    elif parts[:2] == ["v2", "profile"]:
        usual = entry["method"] == "GET" and len(parts) == 3 and not names
    elif parts[:2] != ["v2", "database"] or len(parts) != 4:
        usual = False
    elif parts[3] == "profiles":
        more = {"create", "async"} if entry["method"] == "PUT" else {"limit", "start", "total"}
        usual = entry["method"] in ("PUT", "GET") and names.keys() <= {"fields[]", *more}
        usual = usual and names["fields[]"] == 1 and all(names[name] < 2 for name in more)
    else:
        usual = parts[3] in ("fields", "interests") and entry["method"] == "GET"
    if not usual:
        yield call


CHECKS: Mapping[str, Callable[[Evidence], Iterator[str]]] = {
    "I1 nothing is lost": every_event_ended,
    "I1 every event ends as documented": as_documented,
    "I2 no result before its call": no_result_before_the_call,
    "I3 no stale write": no_stale_write,
    "I3 barriers hold": barriers_hold,
    "I4 the last value stays": the_last_value_stays,
    "I5 duplicates are bounded": duplicates_are_bounded,
    "I6 one profile a key": one_profile_a_key,
    "I7 only bad events are dead letters": only_bad_events_are_dead_letters,
    "I8 work goes on": work_goes_on,
    "I8 hand-backs are few": hand_backs_are_few,
    "I9 processes live": processes_live,
    "I10 nothing grows": nothing_grows,
    "I11 no token anywhere": no_token_anywhere,
    "I12 calls are as documented": calls_are_as_documented,
    "I14 metrics are as documented": metrics_are_as_documented,
    "I14 events are counted": events_are_counted,
    "I15 outputs are JSON": outputs_are_json,
    "I16 partitions are shared out": shared_out_fairly,
    "I16 events are routed right": routed_right,
}


def figures(evidence: Evidence) -> dict[str, float]:
    """Count what a campaign is compared by."""
    ended, dead = _uids(evidence.results), _uids(evidence.dead_letters)
    confirmed = {each.uid for each in evidence.sent if each.confirmed}
    bad = {each.uid for each in evidence.sent if each.reason is not None}
    found = _steps(evidence).values()
    done = Counter((write.key, write.number) for write in writes(evidence.journal))
    numbers = final_values(evidence.profiles).values()
    return {
        "events": len(confirmed),
        "unconfirmed": len(evidence.sent) - len(confirmed),
        "faults": len(evidence.happened),
        "results": len(evidence.results),
        "lost": len(confirmed - ended.keys() - dead.keys() - set(evidence.left)),
        "left": len(evidence.left),
        "duplicate results": len(evidence.results) - len(ended),
        "duplicate PUTs": done.total() - len(done),
        "stale writes": sum(len(each.stale) for each in found),
        "rewinds": sum(len(each.rewinds) for each in found),
        "wrong final values": sum(_count(text) for text in the_last_value_stays(evidence)),
        "second profiles": sum(len(held) - 1 for held in numbers),
        "good events dead-lettered": len(dead.keys() - bad),
        "results of shared calls": sum(_shared(each) > 1 for each in evidence.results),
        "hand-overs": sum(len(times) for times in handed_over(evidence).values()),
        "most hand-backs of an event": max((each.count for each in evidence.handed), default=0),
        "most growth of memory (MB)": max(growths(evidence), default=0.0),
        "longest recovery (s)": max(_recoveries(evidence), default=0.0),
    }


def _recoveries(evidence: Evidence) -> Iterator[float]:
    """Give the seconds from the end of each fault to the next result that was finished."""
    finished = sorted(
        datetime.fromisoformat(json.loads(each.body)["finished_at"]).timestamp()
        for each in evidence.results
    )
    for each in evidence.happened:
        at = bisect(finished, each.ended)
        if at < len(finished):
            yield round(finished[at] - each.ended, 1)


def _count(text: str) -> int:
    return int(text.split(maxsplit=1)[0])


def _steps(evidence: Evidence) -> dict[str, Steps]:
    """Go through the writes of each key; where an unconfirmed event stands nobody knows."""
    unsure = {(each.key, each.number) for each in evidence.sent if not each.confirmed}
    known = [each for each in writes(evidence.journal) if (each.key, each.number) not in unsure]
    return {
        key: steps(found, coalescing=evidence.coalescing) for key, found in by_key(known).items()
    }


def _ended(evidence: Evidence) -> dict[str, list[Sent]]:
    """Give the good events of each key that have a result, or had one that was destroyed."""
    uids, found = _uids(evidence.results), dict[str, list[Sent]]()
    waiting = set(evidence.left)
    for each in evidence.sent:
        gone = evidence.destroyed > 0 and each.confirmed and each.uid not in waiting
        if each.reason is None and (each.uid in uids or gone):
            found.setdefault(each.key, []).append(each)
    return found


def _uids(messages: Sequence[Arrived]) -> dict[str | None, int]:
    return Counter(each.uid for each in messages)


def _clock(moment: float) -> str:
    return f"{moment % 100_000:.3f}"
