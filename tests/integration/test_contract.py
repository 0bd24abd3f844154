"""The contract and what really travels: each message is as its schema has it."""

import json
import re
from collections.abc import Callable
from typing import Any

import pika
import pytest

from service.commands import examples
from service.commands.contract import document
from tests import nodejs
from tests.documents import documents
from tests.integration.conftest import DEAD_LETTERS, EVENTS, RESULTS, Arrived, Mail, wait_for
from tests.integration.test_cli import profile_sync
from tests.integration.test_service import event
from tests.programs import Service, StandIn
from tests.schemas import Validator, faults, validator
from tests.unit.commands.test_contract import SAMPLES

Start = Callable[..., tuple[Service, StandIn]]

needs_node = pytest.mark.skipif(nodejs.missing() is not None, reason=nodejs.missing() or "")

PROPERTIES = (
    "content_type",
    "content_encoding",
    "delivery_mode",
    "priority",
    "correlation_id",
    "reply_to",
    "expiration",
    "message_id",
    "timestamp",
    "type",
    "user_id",
    "app_id",
)


@pytest.fixture(scope="module")
def described() -> Any:
    """The AsyncAPI document as the command prints it."""
    return json.loads(profile_sync("contract", "--asyncapi").stdout)


def properties_of(message: pika.BasicProperties) -> dict[str, Any]:
    found = {name: getattr(message, name) for name in PROPERTIES}
    return {name: value for name, value in found.items() if value is not None}


def assert_as_described(described: Any, channel: str, message: str, arrived: Arrived) -> None:
    method, properties, _ = arrived
    told = described["components"]["messages"][message]
    schemas = {"components": described["components"]}
    for schema, value in (
        ({**told["headers"], **schemas}, properties.headers or {}),
        (told["x-amqp-properties"], properties_of(properties)),
    ):
        assert faults(Validator(schema), value) == []
    address = described["channels"][channel]["address"]
    key = re.sub(r"\\\{\w+\\\}", r"[^.]+", re.escape(address))
    assert channel == "deadLetters" or re.fullmatch(key, str(method.routing_key))


def test_results_and_dead_letters_are_as_described(
    service: Start, mail: Mail, described: Any
) -> None:
    service("--put-result", "empty")
    trace = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
    mail.send(event(1, create=True), headers=trace, correlation_id="order-7")
    mail.send(event(2, interests=["football"]), event(3, "nobody"), event(4, **{"async": True}))
    mail.send(
        {"specversion": "1.0", "id": "ce", "source": "/", "type": "t", "data": event(5)},
        b"{",
        event(6, where={}),
        event(7, fields={"fristname": "x"}),
        event(8, database=404),
        headers={"x-tenant": "blue"},
        expiration="600000",
        message_id="m-1",
        app_id="shop",
    )
    arrived = mail.take(RESULTS, 9)
    outcomes = set()
    for one in arrived:
        told = json.loads(one[2])
        assert faults(validator("result"), told) == []
        assert list(told) == list(examples.RESULTS[0])
        assert_as_described(described, "results", "Result", one)
        outcomes.add(told["outcome"])
    assert outcomes == {"created", "updated", "unmatched", "accepted", "rejected"}

    for one in mail.take(DEAD_LETTERS, 4):
        headers = one[1].headers or {}
        assert faults(validator("dead-letter", "DeadLetterHeaders"), headers) == []
        assert headers["x-tenant"] == "blue"
        assert headers["profile-sync-dropped-headers"] == "expiration"
        assert_as_described(described, "deadLetters", "DeadLetter", one)


def test_an_event_that_failed_is_told_as_described(
    service: Start, mail: Mail, described: Any
) -> None:
    _, api = service(RETRY_ATTEMPTS="2", RETRY_MAX="0.1")
    api.fail({"status": 500, "key": "bad", "method": "PUT", "until_reset": True})
    mail.send(event(0, "bad"))
    sent = 1
    while not mail.ready(DEAD_LETTERS) and sent < 1000:
        mail.send(event(sent, f"k{sent % 7}"))
        sent += 1
        wait_for(lambda: mail.ready(RESULTS) >= sent - 1, "the results of the others")  # noqa: B023
    results = [json.loads(body) for _, _, body in mail.take(RESULTS, sent)]
    (failed,) = [result for result in results if result["outcome"] == "failed"]
    assert faults(validator("result"), failed) == []
    (one,) = mail.take(DEAD_LETTERS, 1)
    headers = one[1].headers or {}
    assert headers["profile-sync-status"] == failed["status"] == 500
    assert faults(validator("dead-letter", "DeadLetterHeaders"), headers) == []
    assert_as_described(described, "deadLetters", "DeadLetter", one)


def test_what_rabbitmq_itself_dead_letters_is_as_described(
    service: Start, mail: Mail, described: Any
) -> None:
    running, _ = service(DELIVERY_LIMIT="1")
    assert running.terminate() == 0
    mail.send(event(1))
    mail.channel.basic_consume(
        EVENTS, lambda channel, method, *_: channel.basic_nack(method.delivery_tag)
    )
    (one,) = mail.take(DEAD_LETTERS, 1)
    headers = one[1].headers or {}
    assert headers["x-death"][0]["reason"] == "delivery_limit"
    assert faults(validator("dead-letter", "BrokerDeadLetterHeaders"), headers) == []
    assert faults(validator("dead-letter", "DeadLetterHeaders"), headers) != []
    assert_as_described(described, "deadLetters", "BrokerDeadLetter", one)


def test_what_is_declared_is_what_is_described(service: Start, mail: Mail, described: Any) -> None:
    service()
    for channel in described["channels"].values():
        binding = channel["bindings"]["amqp"]
        if binding["is"] == "queue":
            told = binding["queue"]
            # RabbitMQ refuses to declare again with other arguments.
            mail.channel.queue_declare(
                told["name"], durable=told["durable"], arguments=channel["x-queue-arguments"]
            )
        else:
            told = binding["exchange"]
            mail.channel.exchange_declare(told["name"], told["type"], durable=told["durable"])
    assert len(described["channels"]) == 6


class TestCommand:
    @pytest.mark.parametrize("kind", ["event", "result", "dead-letter"])
    def test_prints_a_schema(self, kind: str) -> None:
        done = profile_sync("contract", "--json-schema", kind)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == documents()[f"{kind}.schema.json"]

    def test_prints_all_schemas_in_one(self) -> None:
        done = profile_sync("contract", "--json-schema")
        assert {"event", "result", "dead-letter"} <= json.loads(done.stdout)["$defs"].keys()

    def test_describes_the_topology_that_is_set_without_credentials(self) -> None:
        done = profile_sync(
            "contract",
            "--asyncapi",
            AMQP_URL="amqps://me:hidden-password@[::1]/tenant%2F1,amqp://me:hidden-password@b:99",
            EVENT_EXCHANGE="in",
            RESULT_QUEUE="",
        )
        assert (done.returncode, done.stderr) == (0, "")
        told = json.loads(done.stdout)
        servers = {
            (one["protocol"], one["host"], one["pathname"]) for one in told["servers"].values()
        }
        assert servers == {("amqps", "[::1]:5671", "/tenant%2F1"), ("amqp", "b:99", "/%2F")}
        assert told["channels"]["events"]["bindings"]["amqp"]["exchange"]["name"] == "in"
        assert "resultsQueue" not in told["channels"]
        assert "hidden-password" not in done.stdout

    def test_explains_itself(self) -> None:
        done = profile_sync("contract")
        assert done.returncode == 0
        assert "--json-schema [event|result|dead-letter]" in done.stdout
        assert "--asyncapi" in done.stdout

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("event",), "profile-sync contract --json-schema event"),
            (("--json-schema", "--asyncapi"), "one at a time"),
            (("--json-schema", "reslt"), "'event', 'result', 'dead-letter'"),
        ],
        ids=repr,
    )
    def test_refuses_what_it_cannot_print(self, arguments: tuple[str, ...], words: str) -> None:
        done = profile_sync("contract", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert words in done.stderr
        assert "Traceback" not in done.stderr

    def test_needs_settings_that_can_be_used(self) -> None:
        done = profile_sync("contract", "--asyncapi", AMQP_URL="http://rabbit")
        assert (done.returncode, done.stdout) == (2, "")
        assert "PROFILE_SYNC_AMQP_URL" in done.stderr


def errors(text: str) -> list[str]:
    return [one["message"] for one in nodejs.run("asyncapi.mjs", text) if one["severity"] == 0]


@pytest.mark.slow
@needs_node
def test_others_can_read_the_asyncapi_document() -> None:
    text = documents()["asyncapi.json"]
    assert errors(text) == []
    assert errors(text.replace('"is": "queue"', '"is": "topic"')) != []
    assert errors(text.replace("#/channels/results", "#/channels/result")) != []


@pytest.mark.slow
@needs_node
def test_others_take_and_refuse_the_events_that_we_do() -> None:
    plain = [(value, verdict) for value, verdict in SAMPLES if verdict != "beyond a schema"]
    values = [value for value, _ in plain if not isinstance(value, bytes)]
    given = json.dumps({"schema": document("event"), "values": values})
    ours = [verdict == "taken" for value, verdict in plain if not isinstance(value, bytes)]
    assert nodejs.run("ajv.mjs", given) == ours


@pytest.mark.slow
@needs_node
@pytest.mark.parametrize("kind", ["result", "dead-letter"])
def test_others_validate_what_is_published_as_we_do(kind: Any) -> None:
    values = [*examples.RESULTS, examples.DEAD_LETTER, examples.BROKER_DEAD_LETTER]
    given = json.dumps({"schema": document(kind), "values": values})
    ours = [not faults(validator(kind), value) for value in values]
    assert nodejs.run("ajv.mjs", given) == ours == [kind == "result"] * 2 + [kind != "result"] * 2
