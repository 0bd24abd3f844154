"""What must be true in the end: outcomes as expected, bodies intact, nothing left over."""

from collections import Counter
from collections.abc import Iterable
from functools import partial
from typing import Any

from deploy.demo.cases import Case
from deploy.demo.sender import EVENTS, RESULTS, Arrival, DeadLetter
from tests.programs import eventually
from tests.rabbitmq import Vhost


def result_differences(case: Case, result: dict[str, Any]) -> list[str]:
    """Compare a result with what its case expects; say each difference in words."""
    differences = []
    for key, expected in (
        ("outcome", case.outcome),
        ("reason", case.reason),
        ("matched", case.matched),
    ):
        known = key != "matched" or expected is not None
        if known and result.get(key) != expected:
            differences.append(f"{key} is {_said(result.get(key))}, not {_said(expected)}")
    profiles = result.get("profiles", [])
    if len(profiles) != (case.matched or 0):
        differences.append(f"the result carries {len(profiles)} profiles")
    if case.outcome != "accepted":
        differences += not_shown(case, profiles)
    return differences


def not_shown(case: Case, profiles: list[dict[str, Any]]) -> list[str]:
    """Say which values of `shows` no profile has, all together."""
    if any(case.shows.items() <= profile["fields"].items() for profile in profiles):
        return []
    return [f"no profile shows {name}={value}" for name, value in case.shows.items()]


def dead_letter_differences(cases: Iterable[Case], letters: list[DeadLetter]) -> dict[str, str]:
    """Compare the dead letters with the rejected events, body for body; differences by name."""
    differences: dict[str, str] = {}
    sent = {case.name: case for case in cases}
    count = Counter(letter.name for letter in letters)
    for case in sent.values():
        wanted = int(case.outcome in ("rejected", "failed"))
        if count[case.name] != wanted:
            differences[case.name] = f"{count[case.name]} dead letters, not {wanted}"
    for letter in letters:
        case_of = sent.get(letter.name)
        if case_of is None:
            differences[letter.name or "somebody"] = "a dead letter of an event nobody sent"
        elif letter.body != case_of.body:
            differences[letter.name] = "its dead letter has another body"
        elif letter.headers.get("profile-sync-reason") != case_of.reason:
            differences[letter.name] = "its dead letter has another reason"
    return differences


def repeated(arrivals: Iterable[Arrival]) -> dict[str, str]:
    """Name the events with more than one result."""
    count = Counter(arrival.name for arrival in arrivals)
    return {name: f"{number} results, not 1" for name, number in count.items() if number > 1}


def queue_differences(vhost: Vhost, events: int, partitions: int) -> dict[str, str]:
    """See that every event is acknowledged and has one result; to count may take a moment."""
    differences = {}
    numbered = [f"{EVENTS}.{number}" for number in range(partitions)] if partitions > 1 else []
    for queue, expected in (*((queue, 0) for queue in [EVENTS, *numbered]), (RESULTS, events)):
        if not eventually(partial(_holds, vhost, queue, expected), 5):
            found = vhost.queue(queue)["messages"]
            differences[f"queue {queue}"] = f"it has {found} messages, not {expected}"
    return differences


def in_order(group: Iterable[Case], journal: Iterable[dict[str, Any]]) -> bool:
    """Tell whether the API got the updates of a group in the order of their publication."""
    published = [{name: str(value) for name, value in case.fields.items()} for case in group]
    written = [call["body"]["fields"].items() for call in journal if _is_update(call)]
    # A created profile is written its key too, so an update may hold more than its event.
    got = [fields for call in written for fields in published if fields.items() <= call]
    return got == published


def _holds(vhost: Vhost, queue: str, messages: int) -> bool:
    return bool(vhost.queue(queue)["messages"] == messages)


def _is_update(call: dict[str, Any]) -> bool:
    return call["method"] == "PUT" and "fields" in call["body"]


def _said(value: object) -> str:
    return "nothing" if value is None else str(value)
