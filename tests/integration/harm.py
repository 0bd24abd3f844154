"""What events may not do to profiles, judged by the stand-in alone: its profiles, its journal."""

import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import httpx

from tests.integration.conftest import DEAD_LETTERS, EVENTS, RESULTS, Mail, wait_for
from tests.programs import Service, StandIn

KEYS, UPDATES = 50, 4

UNEVEN = ("--latency", '{"uniform": [0.02, 0.2]}', "--think-time", "0.05")
"""An API that answers now sooner, now later, and may create a profile twice."""

QUICK = {"HEARTBEAT": "2", "REQUEST_TIMEOUT": "1", "AMBIGUOUS_WAIT": "3"}
"""The shortest waits for which a second replica is safe."""


def update(key: object, number: object, **more: Any) -> dict[str, Any]:
    """Make an event that writes a number into the profile of a key, and makes it if need be."""
    return {
        "id": f"evt-{key}-{number}",
        "database": 1234,
        "where": {"customerid": f"{key}"},
        "fields": {"firstname": f"{number}"},
        "create": True,
        **more,
    }


def mixed(seed: int, first: int = 1) -> list[dict[str, Any]]:
    """Make 4 updates of each of 50 keys, numbered from `first` on, keys at random."""
    order = [key for key in range(KEYS) for _ in range(UPDATES)]
    random.Random(seed).shuffle(order)  # noqa: S311 - nothing secret
    numbers = Counter[int]()
    events = []
    for key in order:
        events.append(update(key, first + numbers[key]))
        numbers[key] += 1
    return events


def profiles(api: StandIn, database: int = 1234) -> list[dict[str, Any]]:
    """Read all profiles of a database."""
    answer = httpx.get(
        f"{api.url}/v2/database/{database}/profiles",
        params={"access_token": "demo-token", "limit": "1000"},
        trust_env=False,
    )
    data: list[dict[str, Any]] = answer.raise_for_status().json()["data"]
    return data


def post(api: StandIn, *fields: Mapping[str, str]) -> None:
    """Make profiles, without the service."""
    for each in fields:
        httpx.post(
            f"{api.url}/v2/database/1234/profiles",
            params={"access_token": "demo-token"},
            json={"fields": each},
            trust_env=False,
        ).raise_for_status()


def order(api: StandIn, fault: Mapping[str, object]) -> None:
    """Order a fault besides those in force."""
    url = f"{api.url}/__standin/faults"
    httpx.post(url, json=dict(fault), trust_env=False).raise_for_status()


def stored(api: StandIn) -> list[tuple[str, str]]:
    """Give what is stored, as pairs of key and number, in the order of the keys."""
    fields = [profile["fields"] for profile in profiles(api)]
    return sorted((each["customerid"], each["firstname"]) for each in fields)


def expected(number: int) -> list[tuple[str, str]]:
    """Give what must be stored in the end: each key once, with its last number."""
    return sorted((f"{key}", f"{number}") for key in range(KEYS))


def calls(api: StandIn, method: str = "PUT") -> list[dict[str, Any]]:
    """Give the calls of one method from the journal, in the order in which they came."""
    return [entry for entry in api.journal() if entry["method"] == method]


def written(entry: dict[str, Any]) -> str:
    """Give what a PUT writes into the field firstname."""
    return str(entry["body"]["fields"]["firstname"])


def key_of(entry: dict[str, Any]) -> str:
    """Give the key that a PUT selects by."""
    conditions = [value for name, value in entry["query"] if name.startswith("fields")]
    return str(conditions[0]).partition("==")[2]


def numbers_by_key(api: StandIn) -> dict[str, list[int]]:
    """Give the numbers that the PUTs of each key brought, in the order in which they came."""
    numbers: dict[str, list[int]] = {}
    for entry in calls(api):
        numbers.setdefault(key_of(entry), []).append(int(written(entry)))
    return numbers


def disorder(api: StandIn, last: int) -> list[str]:
    """List the keys whose numbers were not written in order.

    A step back is one only if what follows is not repeated in order too, up to the last number.
    """
    return [
        f"{key}: {numbers}"
        for key, numbers in numbers_by_key(api).items()
        if numbers[0] != 1
        or numbers[-1] != last
        or any(later > earlier + 1 for earlier, later in pairwise(numbers))
    ]


def overlaps(api: StandIn) -> list[str]:
    """List the PUTs that came while another one of their key was being carried out."""
    ends: dict[str, float] = {}
    found = []
    for entry in calls(api):
        key = key_of(entry)
        if entry["time"] < ends.get(key, 0):
            found.append(f"{key}: {written(entry)}")
        ends[key] = max(ends.get(key, 0), entry["time"] + entry["seconds"])
    return found


def results_of(
    mail: Mail, events: list[dict[str, Any]], within: float = 60
) -> list[dict[str, Any]]:
    """Take results until each event has one; there may be more."""
    missing = {event["id"] for event in events}
    results: list[dict[str, Any]] = []

    def complete() -> bool:
        # One by one: a consumer would be given more than it takes, and lose the rest.
        while (body := mail.channel.basic_get(RESULTS, auto_ack=True)[2]) is not None:
            results.append(json.loads(body))
            missing.discard(results[-1]["event_id"])
        return not missing

    wait_for(complete, "a result for each event", within)
    return results


def assert_nothing_is_left(mail: Mail, *services: Service) -> None:
    """End services, and see that no event waits any more and that none was dead-lettered."""
    for each in services:
        assert each.terminate() == 0
    assert mail.ready(EVENTS) == 0
    assert mail.ready(DEAD_LETTERS) == 0


def readiness(running: Service) -> tuple[int, str]:
    """Ask a service whether it is ready, and for its word if it is not."""
    answer = httpx.get(f"{running.http_url}/readyz", trust_env=False)
    return answer.status_code, answer.text.strip()


def samples(running: Service, name: str) -> list[float]:
    """Read the numbers of a name, labels included if need be, from a service's metrics."""
    page = httpx.get(f"{running.http_url}/metrics", trust_env=False).text
    return [float(line.split()[-1]) for line in page.splitlines() if line.startswith(name)]


def sample(running: Service, name: str) -> float:
    """Read the first number of a name."""
    return samples(running, name)[0]


def finished(running: Service) -> float:
    """Ask a service how many events it has acknowledged."""
    return sum(samples(running, "profile_sync_events_finished_total"))


def oldest(running: Service) -> float:
    """Ask a service since when it holds its oldest event, in seconds; 0 if it holds none."""
    return sample(running, "profile_sync_oldest_event_seconds")


def messages(running: Service) -> Iterator[str]:
    """Give the log messages of a service."""
    return (line["message"] for line in running.log())
