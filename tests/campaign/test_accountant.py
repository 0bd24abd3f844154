"""Each invariant catches its violation, and a campaign in order breaks none."""

import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from tests.campaign.accountant import DISTURBING, QUIET, breaches, figures
from tests.campaign.evidence import Arrived, Ending, Evidence, Handed, Happened, Sent, Vitals
from tests.campaign.order import Write, steps
from tests.campaign.plan import DURATIONS

TOKEN = "T0k+secret/&="


def event(key: str, number: int, **more: Any) -> Sent:
    uid = f"{key}-{number}"
    return Sent(uid, key, number, b"{}", f"evt-{uid}", **more)


def result(of: Sent, outcome: str = "updated", **more: Any) -> Arrived:
    body = {
        "event_id": of.event_id,
        "outcome": outcome,
        "reason": of.reason,
        "detail": None,
        "coalesced": 1,
        "profiles": [{"fields": {"customerid": of.key}}] if of.reason is None else [],
        "finished_at": "2026-11-23T10:00:00.775+00:00",
    }
    return Arrived(
        uid=of.uid,
        message_id=f"m-{of.uid}",
        kind=f"profile.{outcome}",
        routing_key=f"profile.{outcome}.1234",
        headers={},
        body=json.dumps({**body, **more}).encode(),
    )


def letter(of: Sent, reason: str | None, body: bytes = b"{}") -> Arrived:
    headers = {} if reason is None else {"profile-sync-reason": reason}
    return Arrived(of.uid, None, None, "", headers, body)


def put(key: str, number: int, at: float, seconds: float = 0.01, **more: Any) -> dict[str, Any]:
    entry = {
        "method": "PUT",
        "path": "/v2/database/1234/profiles",
        "query": [["fields[]", f"customerid=={key}"]],
        "body": {"fields": {"firstname": f"{number}"}},
        "time": at,
        "seconds": seconds,
        "status": 200,
        "ids": [1],
    }
    return {**entry, **more}


def profile(key: str, number: int) -> dict[str, Any]:
    return {"fields": {"customerid": key, "firstname": f"{number}"}}


NAME, MB = "service-1", 2**20


def page(finished: int = 3, received: int = 3, more: str = "", **gauges: float) -> str:
    """What the one replica tells."""
    told = {"lanes": 0, "in_flight": 0, "sleeping_events": 0, "oldest_event_seconds": 0}
    lines = [f"profile_sync_{name} {value}" for name, value in {**told, **gauges}.items()]
    counted = 'profile_sync_events_finished_total{outcome="updated",reason=""}'
    lines += ["# TYPE profile_sync_broker_links counter", "profile_sync_broker_links_total 1"]
    lines += ["# TYPE profile_sync_events_received counter"]
    lines += [f"profile_sync_events_received_total {received}"]
    lines += ["# TYPE profile_sync_events_finished counter", f"{counted} {finished}", more]
    return "\n".join([*lines, ""])


def vitals(at: float, text: str = "", **more: int) -> Vitals:
    seen: dict[str, int] = {"memory": 60 * MB, "files": 20, "threads": 2, **more}
    return Vitals(NAME, at, page=text or page(), **seen)


def said(**totals: int) -> str:
    """What the one replica writes, to its end."""
    return f'{{"message": "started"}}\n{json.dumps({"message": "stopped", **totals})}\n'


def at_last(text: str = "", **more: int) -> dict[str, Any]:
    return {"vitals": [vitals(0), vitals(10), vitals(60, text, **more)]}


FIRST, SECOND = event("a", 1), event("a", 2)
BAD = event("bad", 1, reason="invalid-json")
KILLED = Happened("service-killed", 0, 1)


def in_order() -> Evidence:
    """Two updates of a key and a bad event, all as it should be."""
    return Evidence(
        sent=[FIRST, SECOND, BAD],
        results=[result(FIRST), result(SECOND), result(BAD, "rejected")],
        dead_letters=[letter(BAD, "invalid-json")],
        journal=[put("a", 1, 10), put("a", 2, 11)],
        profiles=[profile("a", 2)],
        endings=[Ending("service-1", "SIGTERM", 0, 0.5)],
        outputs={"service-1.log": said(updated=2, rejected=1)},
        handed=[Handed(FIRST.uid, 0, 10), Handed(SECOND.uid, 0, 11), Handed(BAD.uid, 0, 12)],
        vitals=[vitals(0), vitals(10), vitals(60)],
        survivors=[NAME],
        tokens=[TOKEN],
    )


def broken(evidence: Evidence) -> list[str]:
    return [each.invariant.split()[0] for each in breaches(evidence)]


def test_what_may_hand_events_back_is_not_quiet() -> None:
    assert DISTURBING.isdisjoint(QUIET)
    assert {*DURATIONS} >= DISTURBING | QUIET


def test_a_campaign_in_order_breaks_nothing() -> None:
    assert breaches(in_order()) == []
    numbers = figures(in_order())
    assert (numbers["events"], numbers["results"], numbers["lost"]) == (3, 3, 0)


VIOLATIONS: list[tuple[str, dict[str, Any]]] = [
    ("I1", {"results": [result(FIRST), result(BAD, "rejected")]}),
    ("I1", {"results": [*in_order().results, result(event("b", 1))]}),
    ("I1", {"dead_letters": []}),
    ("I1", {"dead_letters": [letter(BAD, "refused")]}),
    ("I1", {"dead_letters": [letter(BAD, "invalid-json", b"{ }")]}),
    ("I1", {"results": [result(FIRST), result(SECOND), result(BAD, "updated")]}),
    ("I1", {"results": [result(FIRST, "unmatched"), *in_order().results[1:]]}),
    ("I1", {"results": [result(FIRST, event_id="evt-b-1"), *in_order().results[1:]]}),
    ("I1", {"results": [replace(result(FIRST), kind="profile.created"), *in_order().results[1:]]}),
    ("I1", {"results": [result(FIRST, profiles=[profile("b", 1)]), *in_order().results[1:]]}),
    ("I2", {"journal": [put("a", 1, 10), put("a", 2, 11, ids=[])]}),
    ("I3", {"journal": [put("a", 2, 10), put("a", 1, 11), put("a", 2, 12)]}),
    ("I3", {"journal": [put("a", 1, 10, seconds=1.5), put("a", 2, 11)]}),
    ("I3", {"journal": [put("a", number, at) for at, number in enumerate((1, 2, 1, 2))]}),
    ("I4", {"profiles": [profile("a", 1)]}),
    ("I4", {"profiles": [profile("a", 3)]}),
    ("I5", {"results": [*in_order().results, result(FIRST)]}),
    ("I6", {"profiles": [profile("a", 2), profile("a", 2)]}),
    ("I6", {"profiles": []}),
    ("I7", {"dead_letters": [*in_order().dead_letters, letter(FIRST, "attempts-exhausted")]}),
    ("I7", {"dead_letters": [*in_order().dead_letters, letter(FIRST, None)]}),
    ("I8", {"drained": False}),
    ("I8", {"left": [SECOND.uid]}),
    ("I8", {"taken": False}),
    ("I8", {"handed": [Handed(FIRST.uid, 0, 10), Handed(FIRST.uid, 1, 11)]}),
    ("I8", {"handed": [Handed(FIRST.uid, 2, 11)], "happened": [Happened("api-500", 9, 10)]}),
    ("I8", {"handed": [Handed(FIRST.uid, 1, 50)], "happened": [Happened("api-500", 1, 20)]}),
    ("I8", {"handed": [Handed(FIRST.uid, 20, 11)], "happened": [Happened("x", 0, 10)] * 30}),
    ("I8", {"handed": [Handed(FIRST.uid, 1, 11)], "happened": [Happened("disk-alarm", 9, 10)]}),
    ("I9", {"endings": [Ending("service-1", "", 1, 0)]}),
    ("I9", {"endings": [Ending("service-1", "SIGTERM", 1, 0)]}),
    ("I9", {"endings": [Ending("service-1", "SIGTERM", 0, 20)]}),
    ("I11", {"outputs": {"service-1.log": json.dumps({"url": f"?access_token={TOKEN}"})}}),
    ("I11", {"outputs": {"service-1.log": json.dumps({"url": quote(TOKEN, safe="")})}}),
    ("I10", {"vitals": []}),
    ("I10", {"vitals": [vitals(0), vitals(10), replace(vitals(60), page="")]}),
    ("I10", at_last(memory=81 * MB)),
    ("I10", at_last(files=29)),
    ("I10", at_last(threads=9)),
    ("I10", at_last(page(lanes=1))),
    ("I10", at_last(page(in_flight=1))),
    ("I10", at_last(page(sleeping_events=2))),
    ("I10", at_last(page(oldest_event_seconds=0.1))),
    ("I10", at_last("profile_sync_lanes 0\n")),
    ("I11", at_last(f"# {TOKEN}\n")),
    ("I11", {"dead_letters": [replace(letter(BAD, "invalid-json"), headers={"x": TOKEN})]}),
    ("I12", {"journal": [*in_order().journal, put("a", 2, 12, path="/v2/database/1/fields")]}),
    ("I12", {"journal": [*in_order().journal, put("a", 2, 12, path="/v2/../x")]}),
    ("I12", {"journal": [*in_order().journal, put("a", 2, 12, query=[])]}),
    ("I14", at_last(page(finished=2))),
    ("I14", at_last(page(finished=4))),
    ("I14", {"results": [*in_order().results, result(event("b", 1))]}),
    ("I14", {"outputs": {"service-1.log": said(updated=2)}}),
    ("I14", {"outputs": {"service-1.log": said(updated=3, rejected=1)}}),
    ("I14", {"survivors": ["service-2"]}),
    ("I14", {"vitals": [vitals(0), vitals(10, page(finished=4)), vitals(60)]}),
    ("I14", at_last(page(more='profile_sync_retries_total{cause="tokens"} 1'))),
    ("I14", at_last(page(more='profile_sync_api_requests_total{call="x",status="2xx"} 1'))),
    ("I14", at_last(page(more='profile_sync_api_requests_total{key="a"} 1'))),
    ("I15", {"outputs": {"service-1.log": "Traceback\n"}}),
]


@pytest.mark.parametrize(("invariant", "changes"), VIOLATIONS)
def test_each_invariant_catches_its_violation(invariant: str, changes: dict[str, Any]) -> None:
    assert invariant in broken(replace(in_order(), **changes))


@pytest.mark.parametrize("shift", range(3))
def test_a_token_inside_of_base64_is_found(shift: int) -> None:
    coded = b64encode(b"u" * shift + f"{TOKEN}:and more".encode()).decode()
    assert broken(replace(in_order(), **at_last(page(more=f"# Basic {coded}")))) == ["I11"]


def test_what_is_left_in_the_queue_is_not_lost() -> None:
    evidence = replace(in_order(), results=in_order().results[::2], left=[SECOND.uid])
    assert figures(evidence)["lost"] == 0
    assert "I1" not in broken(replace(evidence, profiles=[profile("a", 1)]))


@pytest.mark.parametrize("left", [slice(1, None), slice(None, -1)], ids=["first", "last"])
def test_what_was_in_a_deleted_queue_is_not_lost(left: slice) -> None:
    evidence = replace(in_order(), results=in_order().results[left], destroyed=1)
    assert broken(evidence) == []


def test_an_event_that_was_not_confirmed_may_end_or_not() -> None:
    unsure = replace(event("a", 3), confirmed=False)
    evidence = replace(in_order(), sent=[*in_order().sent, unsure])
    assert broken(evidence) == []
    ended = replace(
        evidence,
        results=[*in_order().results, result(unsure)],
        journal=[*in_order().journal, put("a", 3, 12)],
        profiles=[profile("a", 3)],
        outputs={"service-1.log": said(updated=3, rejected=1)},
        handed=[*in_order().handed, Handed(unsure.uid, 0, 13)],
        **at_last(page(4, 4)),
    )
    assert broken(ended) == []


def test_a_kill_allows_copies_and_a_rewind() -> None:
    evidence = replace(
        in_order(),
        happened=[KILLED],
        handed=[*in_order().handed, Handed(FIRST.uid, 1, 13)],
        results=[*in_order().results, result(FIRST)],
        journal=[put("a", number, at) for at, number in enumerate((1, 2, 1, 2), start=1)],
    )
    assert broken(evidence) == []
    assert figures(evidence)["rewinds"] == 1


def coalesced(*numbers: int, of: int = 2, held: int = 2) -> Evidence:
    """The two updates of the key in one call, as their results tell, which writes a number."""
    results = [result(FIRST, coalesced=of), result(SECOND, coalesced=of), result(BAD, "rejected")]
    journal = [put("a", number, at) for at, number in enumerate(numbers, start=10)]
    return replace(
        in_order(),
        coalescing=True,
        results=results,
        journal=journal,
        profiles=[profile("a", held)],
    )


@pytest.mark.parametrize(
    ("evidence", "says"),
    [
        (coalesced(2), []),
        (coalesced(1, 2, of=1), []),
        (replace(coalesced(2), coalescing=False), ["I2"]),
        (coalesced(2, of=1), ["I2"]),
        (coalesced(1, held=1), ["I2", "I4"]),
        (coalesced(2, 1), ["I3"]),
        (replace(coalesced(2, 1, 2), happened=[Happened("service-killed", 0, 1)]), []),
        (replace(coalesced(2, 1, held=1), happened=[KILLED]), ["I3", "I4"]),
        (replace(coalesced(2, 1, 2), happened=[Happened("api-500-after", 0, 1)]), []),
    ],
)
def test_a_call_may_carry_events_of_a_key_up_to_its_last(
    evidence: Evidence, says: list[str]
) -> None:
    assert broken(evidence) == says


def _steps(numbers: Sequence[int], *, coalescing: bool = False) -> tuple[list[int], list[int]]:
    writes = [Write("a", number, at, at) for at, number in enumerate(numbers)]
    found = steps(writes, coalescing=coalescing)
    return [each.number for each in found.stale], [each.number for each in found.rewinds]


@pytest.mark.parametrize(
    ("numbers", "stale", "rewinds"),
    [
        ((1, 2, 3), [], []),
        ((1, 1, 2, 2), [], []),
        ((1, 3), [], []),
        ((1, 2, 1, 2, 3), [], [1]),
        ((1, 2, 3, 2, 3, 2, 3), [], [2, 2]),
        ((1, 2, 3, 1, 2, 1, 2, 3), [], [1]),
        ((2, 1, 2), [1], []),
        ((1, 2, 1), [1], []),
        ((1, 2, 1, 3), [1], []),
        ((1, 3, 2, 3), [2], []),
    ],
)
def test_steps_back_are_told_from_replays(
    numbers: Sequence[int], stale: list[int], rewinds: list[int]
) -> None:
    assert _steps(numbers) == (stale, rewinds)


@pytest.mark.parametrize(
    ("numbers", "stale", "rewinds"),
    [
        ((3, 5), [], []),
        ((3, 2, 3), [], [2]),
        ((5, 2, 4, 5, 7), [], [2]),
        ((5, 2, 4), [2, 4], []),
        ((5, 4, 2, 5), [], [4]),
        ((5, 2, 7), [2], []),
    ],
)
def test_calls_that_carry_several_events_are_replayed_up_to_the_highest(
    numbers: Sequence[int], stale: list[int], rewinds: list[int]
) -> None:
    assert _steps(numbers, coalescing=True) == (stale, rewinds)
