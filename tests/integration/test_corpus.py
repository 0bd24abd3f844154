"""The corpus, all of it, through one service, one broker and one stand-in."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pika
import psutil

from tests.corpus import CASES
from tests.corpus.case import PRIVATE, Case
from tests.integration.conftest import DEAD_LETTERS, EVENTS, RESULTS, Arrived, Mail
from tests.programs import Service, StandIn

GOOD = {"created", "updated", "unmatched", "accepted"}
MEMORY = 64_000_000  # bytes it may take more for them: four of the largest bodies

SEED = {
    "databases": [
        {
            "id": 1234,
            "name": "Customers",
            "fields": [
                {"name": "customerid", "type": "text", "index": True},
                {"name": "firstname", "type": "text"},
                {"name": "city", "type": "text"},
                {"name": "note", "type": "big"},
                {"name": "email", "type": "email", "index": True},
                {"name": "age", "type": "integer"},
                {"name": "score", "type": "float"},
                {"name": "birthday", "type": "empty_date"},
                {"name": "seen", "type": "empty_datetime"},
                {"name": "country", "type": "select", "choices": ["nl", "be"], "default": "nl"},
            ],
            "interests": ["football", "tennis"],
        }
    ]
}


def send(mail: Mail, case: Case) -> None:
    if case.raw_header is not None:
        mail.send_raw_header(case.body, case.raw_header)
        return
    properties = pika.BasicProperties(  # type: ignore[no-untyped-call]
        **{"delivery_mode": 2, "correlation_id": case.name, **case.properties}
    )
    mail.channel.basic_publish(EVENTS, "corpus", case.body, properties)


def by_mark(results: list[Arrived]) -> dict[str, dict[str, Any]]:
    return {str(properties.correlation_id): json.loads(body) for _, properties, body in results}


def fault(case: Case, result: dict[str, Any]) -> str | None:
    """Say how a result differs from what its case demands."""
    ended = result["outcome"] if result["outcome"] in GOOD else result["reason"]
    if ended != case.ends:
        return f"{case.name}: ends as {ended}, not as {case.ends}: {result['detail']}"
    kept = result["profiles"][0]["fields"] if result["profiles"] else {}
    differing = {name for name, value in case.keeps.items() if kept.get(name) != value}
    if differing:
        return f"{case.name}: kept otherwise: {sorted(differing)}"
    if ended not in GOOD and (result["attempts"] or not result["detail"]):
        return f"{case.name}: sent all the same, or not explained"
    if PRIVATE in f"{result['detail']}":
        return f"{case.name}: its detail tells a value"
    return None


def test_each_case_ends_as_it_must(
    service: Callable[..., tuple[Service, StandIn]], mail: Mail, tmp_path: Path
) -> None:
    seed = tmp_path / "seed.json"
    seed.write_text(json.dumps(SEED))
    running, _ = service("--seed-file", str(seed), MAX_RESPONSE_BYTES="8388608")
    process = psutil.Process(running.process.pid)
    memory = process.memory_info().rss
    for case in CASES:
        send(mail, case)
    told = by_mark(mail.take(RESULTS, len(CASES), 120))
    assert told.keys() == {case.mark for case in CASES}
    faults = [found for case in CASES if (found := fault(case, told[case.mark]))]
    assert faults == [], "\n".join(faults)
    rejected = [case.body for case in CASES if case.ends not in GOOD]
    letters = mail.take(DEAD_LETTERS, len(rejected))
    assert Counter(body for _, _, body in letters) == Counter(rejected)
    assert mail.ready(EVENTS) == 0
    assert process.memory_info().rss - memory < MEMORY
    log = running.output()
    assert PRIVATE not in log
    assert "\x1b" not in log
    assert running.terminate() == 0
