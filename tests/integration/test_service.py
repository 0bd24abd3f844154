"""The service as a process, between a real RabbitMQ and the stand-in: what becomes of events."""

import json
import signal
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.integration.conftest import DEAD_LETTERS, EVENTS, RESULTS, Mail, wait_for
from tests.programs import Service, StandIn
from tests.rabbitmq import Vhost

Start = Callable[..., tuple[Service, StandIn]]


def event(number: object, key: object = "k", **more: Any) -> dict[str, Any]:
    return {
        "id": f"evt-{number}",
        "database": 1234,
        "where": {"customerid": f"{key}"},
        "fields": {"firstname": f"{number}"},
        **more,
    }


def puts(api: StandIn) -> list[dict[str, Any]]:
    return [entry for entry in api.journal() if entry["method"] == "PUT"]


def calls_of_profiles(api: StandIn) -> list[dict[str, Any]]:
    """Give what the stand-in was asked of profiles, but for the proof that a selection selects."""
    return [
        entry
        for entry in api.journal()
        if entry["path"].endswith("/profiles") and ["limit", "1"] not in entry["query"]
    ]


def unacknowledged(running: Service, mail: Mail) -> int:
    """Stop the service and count what it had not acknowledged: RabbitMQ has that back."""
    assert running.terminate() == 0
    return mail.ready(EVENTS)


@pytest.mark.parametrize(
    ("version", "put_result", "source"),
    [
        ("v2", "list", "put"),
        ("v2", "empty", "read-back"),
        ("v3", "empty", "read-back"),
        ("v4", "empty", "read-back"),
    ],
)
def test_each_outcome_reaches_the_result_queue(
    service: Start, mail: Mail, version: str, put_result: str, source: str
) -> None:
    running, api = service("--put-result", put_result, version=version)

    mail.send(event(1, create=True))
    (created,) = mail.results(1)
    mail.send(event(2, "nobody"))
    (unmatched,) = mail.results(1)
    mail.send(event(3, **{"async": True}))
    (accepted,) = mail.results(1)

    assert (created["outcome"], created["source"], created["matched"]) == ("created", source, 1)
    assert created["profiles"][0]["fields"]["customerid"] == "k"
    assert "secret" not in created["profiles"][0]
    assert (unmatched["outcome"], unmatched["matched"]) == ("unmatched", 0)
    assert (accepted["outcome"], accepted["source"]) == ("accepted", "none")
    assert unacknowledged(running, mail) == 0
    assert len(puts(api)) == 3


def test_an_update_carries_the_profiles_as_they_are_afterwards(service: Start, mail: Mail) -> None:
    service("--put-result", "empty")
    mail.send(event(1, create=True), event(2, interests={"football": True}))
    _, updated = mail.results(2)
    assert updated["outcome"] == "updated"
    assert updated["profiles"][0]["fields"]["firstname"] == "2"
    assert updated["profiles"][0]["interests"] == ["football"]


def test_a_profile_made_and_updated_within_one_second_is_created_once(
    service: Start, mail: Mail
) -> None:
    service("--put-result", "list")
    mail.send(*(event(n, create=True) for n in range(5)))
    outcomes = [result["outcome"] for result in mail.results(5)]
    assert outcomes == ["created", "updated", "updated", "updated", "updated"]


def test_a_moved_profile_is_read_back_by_its_new_key(service: Start, mail: Mail) -> None:
    service("--put-result", "empty")
    mail.send(event(1, "old", create=True), event(2, "old", fields={"customerid": "new"}))
    _, moved = mail.results(2)
    assert (moved["outcome"], moved["matched"]) == ("updated", 1)
    assert moved["profiles"][0]["fields"]["customerid"] == "new"


def test_a_result_carries_the_properties_that_consumers_need(service: Start, mail: Mail) -> None:
    service()
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    mail.send(event(1, create=True), correlation_id="order-7", headers={"traceparent": trace})
    mail.send(event(1, create=True))
    (method, first, _), (_, second, _) = mail.take(RESULTS, 2)
    assert method.routing_key == "profile.created.1234"
    assert first.content_type == "application/json"
    assert first.delivery_mode == 2
    assert first.type == "profile.created"
    assert first.correlation_id == "order-7"
    assert first.headers["traceparent"] == trace
    assert second.correlation_id == "evt-1"
    assert uuid.UUID(first.message_id).version == 5
    assert first.message_id == second.message_id


BAD_EVENTS: dict[str, tuple[bytes, str, str]] = {
    "bad JSON": (b'{"id": "evt-1", ', "invalid-json", "line 1"),
    "a wrong type": (json.dumps(event(1, create="yes")).encode(), "invalid-event", "create"),
    "an unknown key": (json.dumps(event(1, expext="one")).encode(), "invalid-event", "expext"),
    "an unknown database": (
        json.dumps(event(1, database=404)).encode(),
        "unknown-database",
        "404",
    ),
    "an empty key": (
        json.dumps(event(1, where={"customerid": ""})).encode(),
        "unsafe-selection",
        "customerid",
    ),
    "an unknown field": (
        json.dumps(event(1, where={"nofield": "x1234"})).encode(),
        "unknown-field",
        "nofield",
    ),
    "bytes that are no text": (b"\xff\xfe\x00", "invalid-json", "UTF-8"),
}


def test_bad_events_are_rejected_with_their_reasons_and_the_service_goes_on(
    service: Start, mail: Mail
) -> None:
    running, _ = service()
    bodies = [body for body, _, _ in BAD_EVENTS.values()]
    mail.send(*bodies, event(2, create=True), headers={"tenant": "blue"})

    results = mail.results(len(bodies) + 1)
    assert Counter(each["outcome"] for each in results) == {"rejected": len(bodies), "created": 1}
    letters = {body: properties for _, properties, body in mail.take(DEAD_LETTERS, len(bodies))}
    for body, reason, hint in BAD_EVENTS.values():
        (told,) = [each for each in results if each["reason"] == reason and hint in each["detail"]]
        assert told["outcome"] == "rejected"
        headers = letters[body].headers
        assert headers["tenant"] == "blue"
        assert headers["profile-sync-reason"] == reason
        assert hint in headers["profile-sync-detail"]
        assert headers["profile-sync-exchange"] == EVENTS
        assert headers["profile-sync-routing-key"] == "test"
    assert unacknowledged(running, mail) == 0


def test_properties_that_are_no_text_do_no_harm(service: Start, mail: Mail) -> None:
    running, _ = service()
    odd = b"\xff\xfe"
    mail.send(event(1, create=True), b"{", content_type=odd, message_id=odd, headers={"odd": odd})
    assert Counter(result["outcome"] for result in mail.results(2)) == {"created": 1, "rejected": 1}
    ((_, properties, body),) = mail.take(DEAD_LETTERS, 1)
    assert body == b"{"
    assert properties.headers["profile-sync-reason"] == "invalid-json"
    assert unacknowledged(running, mail) == 0


@pytest.mark.slow
def test_two_thousand_events_keep_the_order_of_their_keys(service: Start, mail: Mail) -> None:
    running, api = service("--latency", "0.02", MAX_IN_FLIGHT="32", LOG_LEVEL="info")
    mail.send(*(event(n, n % 50, create=True) for n in range(2000)))

    results = mail.results(2000, within=90)

    assert {result["event_id"] for result in results} == {f"evt-{n}" for n in range(2000)}
    assert {result["outcome"] for result in results} <= {"created", "updated"}
    written: dict[int, list[int]] = {}
    for entry in puts(api):
        number = int(entry["body"]["fields"]["firstname"])
        written.setdefault(number % 50, []).append(number)
    assert written == {key: list(range(key, 2000, 50)) for key in range(50)}
    assert mail.ready(DEAD_LETTERS) == 0
    assert unacknowledged(running, mail) == 0


def test_an_update_of_many_waits_for_what_came_before_and_holds_what_comes_after(
    service: Start, mail: Mail
) -> None:
    _, api = service("--latency", "0.05")
    many = event("many", expect="many", where=["firstname!=x"])
    mail.send(event(1, "a", create=True), event(2, "b", create=True), many, event(3, "a"))
    mail.results(4)
    journal = sorted(puts(api), key=lambda entry: float(entry["time"]))
    names = [entry["body"]["fields"]["firstname"] for entry in journal]
    assert set(names[:2]) == {"1", "2"}
    assert names[2:] == ["many", "3"]
    ends = [entry["time"] + entry["seconds"] for entry in journal]
    assert max(ends[:2]) <= journal[2]["time"]
    assert ends[2] <= journal[3]["time"]


def test_sigterm_in_the_middle_loses_nothing(service: Start, mail: Mail) -> None:
    running, _ = service("--latency", "0.05", LOG_LEVEL="info")
    mail.send(*(event(n, n, create=True) for n in range(400)))
    wait_for(lambda: mail.ready(RESULTS) > 50, "some results")

    assert running.terminate() == 0

    left = mail.ready(EVENTS)
    assert 0 < left < 400
    results = mail.results(400 - left)
    assert len({result["event_id"] for result in results}) == 400 - left
    assert mail.ready(RESULTS) == 0
    assert [line["message"] for line in running.log()][-2:] == [
        "stopping: calls in flight end first",
        "stopped",
    ]


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(
    service: Start, mail: Mail, second: signal.Signals
) -> None:
    running, _ = service()
    mail.channel.queue_unbind(RESULTS, RESULTS, "#")
    mail.send(event(1, create=True))
    wait_for(lambda: "takes not all messages" in running.output(), "the result returned")
    running.process.terminate()
    wait_for(lambda: "stopping" in running.output(), "the drain")
    running.process.send_signal(second)
    assert running.process.wait(5) == 128 + second
    assert "Traceback" not in running.output()
    wait_for(lambda: mail.ready(EVENTS) == 1, "the event back in the queue")


def test_a_second_replica_takes_over_in_order(
    service: Start,
    mail: Mail,
    run_service: Callable[[Mapping[str, str]], Service],
    environment: Callable[..., dict[str, str]],
) -> None:
    quick = {"HEARTBEAT": "2", "REQUEST_TIMEOUT": "1", "AMBIGUOUS_WAIT": "3"}
    first, api = service("--latency", "0.02", LOG_LEVEL="info", **quick)
    second = run_service(environment(api, LOG_LEVEL="info", **quick))
    second.wait_ready()
    mail.send(*(event(n, n % 7, create=True) for n in range(300)))
    wait_for(lambda: mail.ready(RESULTS) > 50, "some results")

    assert first.terminate() == 0

    results = mail.results(300)
    assert Counter(result["event_id"] for result in results).most_common(1)[0][1] == 1
    written: dict[int, list[int]] = {}
    for entry in puts(api):
        number = int(entry["body"]["fields"]["firstname"])
        written.setdefault(number % 7, []).append(number)
    assert written == {key: list(range(key, 300, 7)) for key in range(7)}


def test_an_outage_of_the_api_delays_events_and_dead_letters_none(
    service: Start, mail: Mail
) -> None:
    running, api = service()
    mail.send(*(event(key, key, create=True) for key in range(3)))
    mail.results(3)
    api.forget()
    api.fail({"status": 503, "until_reset": True})
    mail.send(*(event(n, n % 3) for n in range(30)))
    wait_for(lambda: len(api.journal()) > 6, "some attempts")
    assert mail.ready(RESULTS) == 0
    assert httpx.get(f"{running.http_url}/readyz").status_code == 200

    api.recover()

    assert len(mail.results(30)) == 30
    assert mail.ready(DEAD_LETTERS) == 0
    taken = [e for e in api.journal() if e["status"] == 200 and e["method"] == "PUT"]
    numbers = [int(entry["body"]["fields"]["firstname"]) for entry in taken]
    assert [[n for n in numbers if n % 3 == key] for key in range(3)] == [
        list(range(key, 30, 3)) for key in range(3)
    ]
    lines = [line["message"] for line in running.log()]
    assert lines.count("calls are paused") >= 1
    assert lines.count("calls go on, one at first") >= 1
    assert unacknowledged(running, mail) == 0


def test_a_refused_token_holds_events_and_turns_readiness_off(service: Start, mail: Mail) -> None:
    running, api = service()
    api.fail({"status": 400, "message": "Invalid access token", "until_reset": True})
    mail.send(event(1, create=True))

    def readiness() -> tuple[int, str]:
        answer = httpx.get(f"{running.http_url}/readyz")
        return answer.status_code, answer.text.strip()

    wait_for(lambda: readiness() == (503, "token"), "not ready because of the token")
    assert mail.ready(DEAD_LETTERS) == 0
    api.recover()
    assert mail.results(1)[0]["outcome"] == "created"
    wait_for(lambda: readiness() == (200, "ok"), "ready again")


def test_a_refused_token_of_version_4_is_renewed_without_an_attempt(
    service: Start, mail: Mail
) -> None:
    running, api = service(version="v4")
    mail.send(event(1, create=True))
    api.fail({"status": 401, "message": "Invalid access token", "nth": 1, "method": "PUT"})
    mail.send(event(2))
    assert [result["attempts"] for result in mail.results(2)] == [1, 1]
    tokens = [entry for entry in api.journal() if entry["path"] == "/authenticate"]
    assert len(tokens) == 2
    assert unacknowledged(running, mail) == 0
    assert "eyJ" not in running.output()


def test_a_token_that_version_4_does_not_give_holds_events(service: Start, mail: Mail) -> None:
    running, api = service("--token", "another-token", version="v4")
    mail.send(event(1))

    def readiness() -> tuple[int, str]:
        answer = httpx.get(f"{running.http_url}/readyz")
        return answer.status_code, answer.text.strip()

    wait_for(lambda: readiness() == (503, "token"), "not ready because of the token")
    assert mail.ready(DEAD_LETTERS) == 0
    assert {entry["path"] for entry in api.journal()} == {"/authenticate"}


@pytest.mark.parametrize("applied", ["before", pytest.param("after", marks=pytest.mark.slow)])
def test_a_create_without_an_answer_never_makes_a_second_profile(
    service: Start, mail: Mail, applied: str
) -> None:
    _, api = service(HEARTBEAT="1", REQUEST_TIMEOUT="1", AMBIGUOUS_WAIT="2")
    api.fail({"reset": applied, "times": 1, "method": "PUT"})
    mail.send(event(1, create=True))

    (result,) = mail.results(1)

    assert (result["outcome"], result["matched"]) == ("created", 1)
    first, look, second = calls_of_profiles(api)
    assert [entry["method"] for entry in (first, look, second)] == ["PUT", "GET", "PUT"]
    assert look["time"] - first["time"] >= 2
    found = httpx.get(
        f"{api.url}/v2/database/1234/profiles",
        params={"access_token": "demo-token", "fields[]": "customerid==k"},
    )
    assert found.json()["total"] == 1


@pytest.mark.slow
def test_a_create_that_another_process_left_behind_is_looked_up_before_it_is_repeated(
    service: Start,
    mail: Mail,
    run_service: Callable[[Mapping[str, str]], Service],
    environment: Callable[..., dict[str, str]],
) -> None:
    quick = {"HEARTBEAT": "1", "REQUEST_TIMEOUT": "1", "AMBIGUOUS_WAIT": "2"}
    first, api = service("--latency", "0.5", **quick)
    mail.send(event(1, create=True))
    wait_for(lambda: len(puts(api)) == 1, "the call")
    first.kill()

    run_service(environment(api, **quick))
    (result,) = mail.results(1)

    assert result["outcome"] in ("created", "updated")
    assert result["matched"] == 1
    methods = [entry["method"] for entry in calls_of_profiles(api)]
    assert methods == ["PUT", "GET", "PUT"]


def test_a_dead_letter_that_no_queue_takes_holds_all_calls_back(service: Start, mail: Mail) -> None:
    running, _ = service()
    mail.channel.queue_unbind(DEAD_LETTERS, DEAD_LETTERS, "#")
    mail.send(b"{")
    said = "RabbitMQ takes not all messages; events wait"
    wait_for(lambda: said in [line["message"] for line in running.log()], "the pause")
    mail.send(*(event(n, n, create=True) for n in range(20)))
    mail.channel.queue_bind(DEAD_LETTERS, DEAD_LETTERS, "#")
    mail.take(DEAD_LETTERS, 1)
    assert len(mail.results(21)) == 21
    lines = [line["message"] for line in running.log()]
    assert lines.count(said) == lines.count("RabbitMQ takes messages again") == 1
    assert unacknowledged(running, mail) == 0


def table(content: bytes) -> bytes:
    """A field `a` that is a table of the given content."""
    return b"\x01aF" + len(content).to_bytes(4, "big") + content


def nested(depth: int) -> bytes:
    content = b""
    for _ in range(depth):
        content = table(content)
    return content


@pytest.mark.parametrize(
    "field",
    [b"\x05after" + b"T" + (2**62).to_bytes(8, "big"), nested(5000)],
    ids=["beyond the year 9999", "nested 5,000 deep"],
)
def test_headers_that_cannot_be_read_end_as_a_dead_letter(
    field: bytes, service: Start, mail: Mail
) -> None:
    running, _ = service()
    body = json.dumps(event(0, 0, create=True, id="evt-bad")).encode()
    mail.send_raw_header(body, field)
    mail.send(*(event(n, n, create=True) for n in range(5)))
    results = {result["event_id"]: result for result in mail.results(6)}
    assert results["evt-bad"]["reason"] == "undecodable-headers"
    ((_, properties, letter),) = mail.take(DEAD_LETTERS, 1)
    assert letter == body
    assert properties.headers["profile-sync-reason"] == "undecodable-headers"
    assert properties.headers["profile-sync-dropped-headers"] == "*"
    assert "link to RabbitMQ lost" not in [line["message"] for line in running.log()]


@pytest.mark.slow
def test_a_missing_permission_does_not_use_up_deliveries(
    standin: Callable[..., StandIn],
    environment: Callable[..., dict[str, str]],
    run_service: Callable[[Mapping[str, str]], Service],
    vhost: Vhost,
    mail: Mail,
) -> None:
    declarer = run_service(environment(standin()))
    declarer.wait_ready()
    assert declarer.terminate() == 0
    name = f"reader-{uuid.uuid4().hex[:8]}"
    vhost.broker.api("PUT", f"/users/{name}", {"password": "reader", "tags": ""})
    permissions = {"configure": "", "write": "", "read": ".*"}
    path = f"/permissions/{quote(vhost.name, safe='')}/{name}"
    vhost.broker.api("PUT", path, permissions)
    mail.send(*(event(n, n, create=True) for n in range(3)))
    service = run_service(
        environment(
            standin(),
            AMQP_URL=vhost.amqp_url.replace("guest:guest", f"{name}:reader"),
            DECLARE_TOPOLOGY="false",
            HEARTBEAT="1",
            REQUEST_TIMEOUT="1",
            AMBIGUOUS_WAIT="11",  # longer than a link without any event must last to be a good one
        )
    )

    def spent() -> list[float]:
        tries = "next try for a link"
        return [line["seconds"] for line in service.log() if line["message"] == tries]

    wait_for(lambda: len(spent()) >= 3, "three links lost", 60)
    assert spent()[1] >= 0.25
    assert spent()[2] >= 0.5
    assert mail.ready(RESULTS) == mail.ready(DEAD_LETTERS) == 0
    service.terminate()
    vhost.broker.api("DELETE", f"/users/{name}")


def test_a_result_that_no_queue_takes_is_published_again_when_one_does(
    service: Start, mail: Mail
) -> None:
    running, _ = service()
    mail.channel.queue_unbind(RESULTS, RESULTS, "#")
    mail.send(event(1, create=True))

    def readiness() -> str:
        return httpx.get(f"{running.http_url}/readyz").text.strip()

    wait_for(lambda: readiness() == "unroutable", "not ready because of the unbound exchange")
    assert mail.ready(RESULTS) == 0
    mail.channel.queue_bind(RESULTS, RESULTS, "#")
    assert mail.results(1)[0]["outcome"] == "created"
    wait_for(lambda: readiness() == "ok", "ready again")
    assert unacknowledged(running, mail) == 0


def test_the_token_is_nowhere_to_be_seen(service: Start, mail: Mail) -> None:
    token = "to+ken/with&odd=characters"
    running, api = service("--token", token, ACCESS_TOKEN=token)
    mail.send(event(1, create=True), b"{", event(2, where={"nofield": "x1234"}))
    results = mail.take(RESULTS, 3)
    api.fail({"status": 503, "times": 2})
    mail.send(event(3))
    results += mail.take(RESULTS, 1)
    api.stop()
    mail.send(event(4))
    wait_for(lambda: "could not be reached" in running.output(), "a refused connection")
    shown = running.output() + httpx.get(f"{running.http_url}/metrics").text
    shown += "".join(body.decode() for _, _, body in results)
    shown += "".join(f"{p.headers}{b!r}" for _, p, b in mail.take(DEAD_LETTERS, 2))
    assert "evt-3" in shown
    for form in (token, "to%2Bken%2Fwith%26odd%3Dcharacters", "to+ken"):
        assert form not in shown


def test_metrics_count_what_happened(service: Start, mail: Mail) -> None:
    running, _ = service()
    mail.send(event(1, create=True), event(2), b"{")
    mail.results(3)
    done = "profile_sync_lanes 0.0"
    wait_for(lambda: done in httpx.get(f"{running.http_url}/metrics").text, "all acknowledged")
    assert httpx.get(f"{running.http_url}/livez").text == "ok\n"
    page = httpx.get(f"{running.http_url}/metrics").text.splitlines()
    for line in (
        "profile_sync_events_received_total 3.0",
        'profile_sync_events_finished_total{outcome="rejected",reason="invalid-json"} 1.0',
        'profile_sync_api_requests_total{call="put-profiles",status="2xx"} 2.0',
        'profile_sync_dead_letters_total{reason="invalid-json"} 1.0',
        "profile_sync_profiles_created_total 1.0",
        "profile_sync_broker_connected 1.0",
        "profile_sync_lanes 0.0",
        "profile_sync_in_flight 0.0",
    ):
        assert line in page
    assert not [line for line in page if "_created{" in line or "_created " in line]
