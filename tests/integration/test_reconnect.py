"""RabbitMQ that is not there yet, goes away, or comes back: the service waits and loses nothing."""

import os
import signal
import time
from collections.abc import Callable, Mapping
from itertools import pairwise

import httpx
import pytest

from tests.integration.conftest import DEAD_LETTERS, EVENTS, RESULTS, Mail, wait_for
from tests.integration.test_service import event
from tests.programs import Service, StandIn
from tests.rabbitmq import Node, Vhost

Run = Callable[[Mapping[str, str]], Service]


def settings(amqp_url: str, api: StandIn) -> dict[str, str]:
    return {
        "PROFILE_SYNC_AMQP_URL": amqp_url,
        "PROFILE_SYNC_API_URL": f"{api.url}/v2",
        "PROFILE_SYNC_ACCESS_TOKEN": "demo-token",
        "PROFILE_SYNC_LOG_LEVEL": "debug",
        "PROFILE_SYNC_HEARTBEAT": "2",
        "PROFILE_SYNC_REQUEST_TIMEOUT": "1",
        "PROFILE_SYNC_AMBIGUOUS_WAIT": "3",
    }


def messages(service: Service) -> list[str]:
    return [line["message"] for line in service.log()]


def published(service: Service) -> float:
    """Count the results that RabbitMQ has confirmed to this service."""
    page = httpx.get(f"{service.http_url}/metrics").text.splitlines()
    name = "profile_sync_results_published_total{"
    return sum(float(line.rpartition(" ")[2]) for line in page if line.startswith(name))


def done(mail: Mail, service: Service, events: int) -> bool:
    """Tell whether so many events have results, and the service has no event in hand."""
    page = httpx.get(f"{service.http_url}/metrics").text
    idle = "profile_sync_oldest_event_seconds 0.0\n" in page
    return idle and mail.ready(EVENTS) == 0 and mail.ready(RESULTS) >= events


def restarts(api: StandIn, key: int) -> int:
    """Count how often the updates of a key went back to an earlier one."""
    written = [
        int(entry["body"]["fields"]["firstname"])
        for entry in api.journal()
        if entry["method"] == "PUT" and entry["body"]["fields"]["customerid"] == f"{key}"
    ]
    return sum(later < earlier for earlier, later in pairwise(written))


def leave(mail: Mail) -> None:
    """Leave the node to the next test with empty queues."""
    for queue in (EVENTS, RESULTS, DEAD_LETTERS):
        mail.channel.queue_purge(queue)
    mail.close()


@pytest.mark.slow
def test_waits_for_a_broker_that_is_not_there_and_says_so_once(
    private_node: Node, standin: Callable[..., StandIn], run_service: Run
) -> None:
    private_node.stop()
    service = run_service(settings(private_node.amqp_url(), standin()))
    wait_for(lambda: "no link to RabbitMQ; trying on" in messages(service), "the log line")
    assert httpx.get(f"{service.http_url}/livez").status_code == 200
    answer = httpx.get(f"{service.http_url}/readyz")
    assert (answer.status_code, answer.text) == (503, "no-broker\n")
    wait_for(lambda: messages(service).count("next try for a link") >= 5, "several tries")

    private_node.start()

    service.wait_ready(40)
    mail = Mail(private_node.amqp_url())
    mail.send(event(1, create=True))
    assert mail.results(1)[0]["outcome"] == "created"
    refused = [line for line in service.log() if "refused" in line.get("detail", "")]
    assert len(refused) == 1
    assert messages(service).count("link to RabbitMQ taken") == 1
    assert service.terminate() == 0
    leave(mail)


@pytest.mark.slow
@pytest.mark.parametrize(("end", "away"), [("stop", 2.0), ("stop", 20.0), ("kill", 0.0)])
def test_a_broker_that_goes_away_in_the_middle_costs_no_event(
    private_node: Node, standin: Callable[..., StandIn], run_service: Run, end: str, away: float
) -> None:
    api = standin("--latency", "0.05")
    service = run_service(settings(private_node.amqp_url(), api))
    service.wait_ready()
    mail = Mail(private_node.amqp_url())
    mail.send(*(event(n, n % 40, create=True) for n in range(400)))
    wait_for(lambda: mail.ready(RESULTS) > 50, "some results")

    mail.close()
    before = published(service)
    getattr(private_node, end)()
    time.sleep(away)  # the outage itself
    private_node.start()

    wait_for(lambda: published(service) > before, "work goes on", 60)
    mail = Mail(private_node.amqp_url())
    wait_for(lambda: done(mail, service, 400), "all events finished", 90)
    results = mail.results(mail.ready(RESULTS))
    assert {result["event_id"] for result in results} == {f"evt-{n}" for n in range(400)}
    assert mail.ready(DEAD_LETTERS) == 0
    last: dict[str, str] = {}
    for entry in (entry for entry in api.journal() if entry["method"] == "PUT"):
        last[entry["body"]["fields"]["customerid"]] = entry["body"]["fields"]["firstname"]
    assert last == {f"{key}": f"{360 + key}" for key in range(40)}
    for key in range(40):
        assert restarts(api, key) <= 1
    assert messages(service).count("link to RabbitMQ lost") >= 1
    assert messages(service).count("link to RabbitMQ taken") >= 2
    assert service.terminate() == 0
    assert mail.ready(EVENTS) == 0
    leave(mail)


def test_a_killed_service_loses_nothing(
    vhost: Vhost, mail: Mail, standin: Callable[..., StandIn], run_service: Run
) -> None:
    api = standin("--latency", "0.02")
    first = run_service(settings(vhost.amqp_url, api))
    first.wait_ready()
    mail.send(*(event(n, n, create=True) for n in range(200)))
    wait_for(lambda: mail.ready(RESULTS) > 50, "some results")

    os.killpg(first.process.pid, signal.SIGKILL)

    second = run_service(settings(vhost.amqp_url, api))
    second.wait_ready()
    wait_for(lambda: done(mail, second, 200), "all events finished", 60)
    results = mail.results(mail.ready(RESULTS))
    assert {result["event_id"] for result in results} == {f"evt-{n}" for n in range(200)}
    assert second.terminate() == 0
    assert mail.ready(EVENTS) == 0
