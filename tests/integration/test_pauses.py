"""The service while the API, its token or a queue is away, and how work goes on after it."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import DEAD_LETTERS, EVENTS, RESULTS, Mail, Wire, wait_for
from tests.integration.harm import readiness, sample
from tests.programs import Service, StandIn

Start = Callable[..., tuple[Service, StandIn]]
QUICK = {"REQUEST_TIMEOUT": "1", "HEARTBEAT": "2", "AMBIGUOUS_WAIT": "3"}
RESUMES = 5.0  # seconds from the end of an outage: four until it is noticed, and a new link
Run = Callable[[Mapping[str, str]], Service]


def event(number: object, key: object, **more: Any) -> dict[str, Any]:
    return {
        "id": f"evt-{number}",
        "database": 1234,
        "where": {"customerid": f"{key}"},
        "create": True,
        "fields": {"firstname": f"{number}"},
        **more,
    }


def written(api: StandIn) -> dict[str, list[int]]:
    """The numbers of the updates that the API took, by key, in its order."""
    numbers: dict[str, list[int]] = {}
    for entry in api.journal():
        if entry["method"] == "PUT" and entry["status"] in (200, 201, 303):
            key = dict(entry["query"])["fields[]"]
            numbers.setdefault(key, []).append(int(entry["body"]["fields"]["firstname"]))
    return numbers


def count(running: Service, message: str) -> int:
    return [line["message"] for line in running.log()].count(message)


def probes(api: StandIn) -> int:
    return sum(entry["path"].endswith("/identity") for entry in api.journal())


@pytest.mark.slow
@pytest.mark.parametrize("asked", [1, 12])
def test_a_long_outage_costs_one_hand_back_and_no_event(
    service: Start, mail: Mail, wire: Wire, asked: int
) -> None:
    running, api = service(AMQP_URL=wire.url, HOLD_TIMEOUT="1", RETRY_BASE="0.1", **QUICK)
    mail.send(*(event(n, n % 10) for n in range(10)))
    assert len(mail.results(10)) == 10
    api.fail({"status": 503, "until_reset": True})
    mail.send(*(event(n, n % 10) for n in range(10, 200)))
    wait_for(lambda: mail.ready(EVENTS) == 190, "all events back in the queue")
    before = probes(api)
    wait_for(lambda: probes(api) > before + asked, "some probes", 90)
    assert mail.ready(EVENTS) == 190
    assert readiness(running)[0] == 200
    assert sample(running, 'profile_sync_paused{cause="outage"}') == 1

    over = time.time()
    api.recover()
    assert len(mail.results(190)) == 190
    assert Counter(count for _, count in wire.handed) == {0: 200, 1: 190}
    updates = [each["time"] for each in api.journal() if each["method"] == "PUT"]
    assert min(at for at in updates if at > over) - over <= RESUMES
    assert mail.ready(DEAD_LETTERS) == 0
    assert count(running, "link to RabbitMQ taken") == 2
    assert sample(running, 'profile_sync_paused{cause="outage"}') == 0
    assert all(numbers == sorted(numbers) for numbers in written(api).values())


def test_a_short_outage_is_sat_out(service: Start, mail: Mail) -> None:
    running, api = service(HOLD_TIMEOUT="60")
    api.fail({"refuse": 1.5})
    mail.send(*(event(n, n % 10) for n in range(100)))
    wait_for(lambda: count(running, "calls are paused") == 1, "the pause")
    assert len(mail.results(100)) == 100
    assert count(running, "link to RabbitMQ taken") == 1
    assert mail.ready(DEAD_LETTERS) == 0


@pytest.mark.parametrize("trials", [6, pytest.param(25, marks=pytest.mark.slow)])
def test_updates_that_fail_while_the_api_answers_cost_nothing(
    service: Start, mail: Mail, wire: Wire, trials: int
) -> None:
    running, api = service(AMQP_URL=wire.url, HOLD_TIMEOUT="1", RETRY_BASE="0.02")
    mail.send(*(event(n, n) for n in range(10)))
    assert len(mail.results(10)) == 10
    api.fail({"status": 500, "method": "PUT", "until_reset": True})
    mail.send(*(event(n, n % 10, create=False) for n in range(10, 100)))
    # Each trial is followed by another pause, as seldom as every two to four seconds.
    wait_for(lambda: count(running, "calls are paused") >= trials, "some trials", 90)
    assert count(running, "link to RabbitMQ taken") == 1
    api.recover()
    assert len(mail.results(90)) == 90
    assert Counter(count for _, count in wire.handed) == {0: 100}
    assert mail.ready(DEAD_LETTERS) == 0
    assert count(running, "link to RabbitMQ lost") == 0
    assert all(numbers == sorted(numbers) for numbers in written(api).values())


@pytest.fixture
def with_token_file(
    standin: Callable[..., StandIn],
    environment: Callable[..., dict[str, str]],
    run_service: Run,
    tmp_path: Path,
) -> Callable[..., tuple[Service, Path]]:
    """Start a service whose file has yesterday's token, and an API that takes tomorrow's."""

    def start(version: str = "v2", **more: str) -> tuple[Service, Path]:
        file = tmp_path / "access_token"
        file.write_text("t0ken-of-yesterday")
        api = standin("--token", "t0ken-of-tomorrow")
        settings = environment(api, version, SECRETS_DIR=str(tmp_path), **more)
        del settings["PROFILE_SYNC_ACCESS_TOKEN"]
        return run_service(settings), file

    return start


@pytest.mark.parametrize("version", ["v2", "v4"])
def test_a_new_token_in_its_file_is_used_at_once(
    with_token_file: Callable[..., tuple[Service, Path]], mail: Mail, version: str
) -> None:
    running, file = with_token_file(version, RETRY_MAX="60")
    wait_for(lambda: count(running, "link to RabbitMQ taken") == 1, "a link")
    mail.send(*(event(n, n) for n in range(20)))
    wait_for(lambda: readiness(running) == (503, "token"), "not ready for its token")
    wait_for(lambda: mail.ready(EVENTS) == 20, "the events back in the queue")
    assert sample(running, 'profile_sync_paused{cause="token"}') == 1

    file.write_text("t0ken-of-tomorrow\n")
    assert len(mail.results(20)) == 20
    wait_for(lambda: readiness(running) == (200, "ok"), "ready again")
    assert mail.ready(DEAD_LETTERS) == 0
    assert "t0ken" not in running.output()


def test_a_token_replaced_in_time_pauses_nothing(
    with_token_file: Callable[..., tuple[Service, Path]], mail: Mail
) -> None:
    running, file = with_token_file()
    running.wait_ready()
    file.write_text("t0ken-of-tomorrow")
    mail.send(*(event(n, n) for n in range(20)))
    assert len(mail.results(20)) == 20
    assert count(running, "link to RabbitMQ taken") == 1


def test_an_event_that_fails_alone_ends_as_failed(service: Start, mail: Mail) -> None:
    _, api = service(RETRY_ATTEMPTS="3", RETRY_MAX="0.1")
    api.fail({"status": 500, "key": "bad", "method": "PUT", "until_reset": True})
    mail.send(event(0, "bad", create=False), event(1, "bad", create=False, id="evt-next"))
    sent = 2
    while mail.ready(DEAD_LETTERS) < 2 and sent < 2000:
        mail.send(event(sent, f"k{sent % 7}"))
        sent += 1
        wait_for(lambda: mail.ready(RESULTS) >= sent - 2, "the results of the others")  # noqa: B023
    results = mail.results(sent)
    failed = [result for result in results if result["outcome"] == "failed"]
    assert [result["event_id"] for result in failed] == ["evt-0", "evt-next"]
    assert {result["reason"] for result in failed} == {"attempts-exhausted"}
    letters = mail.take(DEAD_LETTERS, 2)
    assert letters[0][1].headers["profile-sync-reason"] == "attempts-exhausted"


def test_no_update_follows_one_that_may_still_be_carried_out(service: Start, mail: Mail) -> None:
    _, api = service(**QUICK)
    mail.send(event(0, "k"))
    mail.results(1)
    # The first call is carried out long after the service has given it up.
    api.fail({"latency": 2.5, "method": "PUT", "times": 1})
    mail.send(*(event(n, "k", create=False) for n in range(1, 6)))
    assert len(mail.results(5)) == 5
    (numbers,) = written(api).values()
    assert numbers == sorted(numbers)


@pytest.mark.parametrize("policy", ["pause", "drop"])
def test_results_that_no_queue_takes(service: Start, mail: Mail, policy: str) -> None:
    running, api = service(UNROUTABLE_RESULTS=policy, MAX_IN_FLIGHT="4")
    mail.channel.queue_unbind(RESULTS, RESULTS, "#")
    mail.send(*(event(n, n) for n in range(50)))
    if policy == "drop":
        wait_for(lambda: mail.ready(EVENTS) == 0, "an empty queue")
        wait_for(lambda: sample(running, "profile_sync_results_unroutable_total") == 50, "drops")
        assert readiness(running) == (200, "ok")
        return
    wait_for(lambda: readiness(running) == (503, "unroutable"), "not ready")
    puts = sum(entry["method"] == "PUT" for entry in api.journal())
    assert puts < 30  # No new calls; those in flight ended.
    mail.channel.queue_bind(RESULTS, RESULTS, "#")
    assert len(mail.results(50)) == 50
    assert sum(entry["method"] == "PUT" for entry in api.journal()) == 50


def test_all_calls_keep_the_rate(service: Start, mail: Mail) -> None:
    _, api = service("--put-result", "empty", RATE_LIMIT="40", MAX_IN_FLIGHT="32")
    mail.send(*(event(n, n) for n in range(40)))
    assert len(mail.results(40)) == 40
    times = sorted(entry["time"] for entry in api.journal())
    assert len(times) >= 80  # PUT and read-back, fields, interests, the proof
    # Over any ten calls in a row, give or take what the network adds.
    spans = [later - earlier for earlier, later in zip(times, times[10:], strict=False)]
    assert sorted(spans)[len(spans) // 2] >= 0.225
