"""Events of one profile that wait share calls, between a real RabbitMQ and the stand-in."""

from collections.abc import Callable

import httpx

from tests.integration.conftest import DEAD_LETTERS, Mail
from tests.integration.harm import calls, stored, update
from tests.programs import Service, StandIn

Start = Callable[..., tuple[Service, StandIn]]

EVENTS, BAD = 200, 120


def test_a_backlog_of_one_profile_takes_few_calls(service: Start, mail: Mail) -> None:
    running, api = service(
        *("--latency", "0.05", "--unknown-body-field", "error"),
        COALESCE="in-flight",
        COALESCE_MAX="20",
        FIELD_CHECK="off",
    )
    events = [update("k", number) for number in range(EVENTS)]
    events[BAD]["fields"] = {"nosuch": "x"}
    mail.send(*events)
    results = mail.results(EVENTS)
    assert [result["event_id"] for result in results] == [event["id"] for event in events]
    outcomes = ["created"] + ["updated"] * (EVENTS - 1)
    outcomes[BAD] = "rejected"
    assert [result["outcome"] for result in results] == outcomes
    ((_, properties, _),) = mail.take(DEAD_LETTERS, 1)
    assert (properties.headers or {})["profile-sync-reason"] == "refused"
    assert stored(api) == [("k", f"{EVENTS - 1}")]
    # Ten and a few more, and those of the one call that was refused one by one.
    made = len(calls(api))
    assert EVENTS / 20 <= made < EVENTS / 4
    assert max(result["coalesced"] for result in results) == 20
    numbers = [int(p["fields"]["firstname"]) for result in results for p in result["profiles"]]
    assert numbers == sorted(numbers)
    saved = sum(1 - 1 / result["coalesced"] for result in results)
    # Its call and that of all who were with it.
    assert made == EVENTS - round(saved) + 1
    page = httpx.get(f"{running.http_url}/metrics", trust_env=False).text
    assert f"profile_sync_coalesced_total {round(saved)}.0\n" in page
