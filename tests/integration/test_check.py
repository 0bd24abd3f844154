"""`profile-sync check` against real deployments: what it finds, and that it changes nothing."""

import json
import re
import signal
import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from tests.certificates import Authority
from tests.integration.conftest import DEAD_LETTERS, EVENTS, RESULTS, Mail, wait_for
from tests.integration.test_cli import profile_sync
from tests.integration.test_topology_command import things
from tests.programs import Program, StandIn, without_settings
from tests.rabbitmq import Broker, Node, Vhost, free_ports
from tests.tls_front import TLSFront

Found = list[dict[str, str]]
Check = Callable[..., tuple[int, Found]]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    """A stand-in that no test of this file changes."""
    running = StandIn([], tmp_path_factory.mktemp("standin") / "log")
    yield running
    running.kill()


@pytest.fixture
def check(vhost: Vhost, api: StandIn) -> Check:
    """Run the command in the test's vhost: its exit code, and what it found."""

    def run(*arguments: str, **settings: str) -> tuple[int, Found]:
        basic: dict[str, Any] = {
            "AMQP_URL": vhost.amqp_url,
            "API_URL": f"{api.url}/v2",
            "ACCESS_TOKEN": "demo-token",
            "DECLARE_TOPOLOGY": "false",
        }
        done = profile_sync("check", "--json", *arguments, **{**basic, **settings})
        assert done.stderr == ""
        told = json.loads(done.stdout)
        assert told["ok"] is (done.returncode == 0)
        assert all(one["todo"] for one in told["findings"] if one["state"] == "fault")
        return done.returncode, told["findings"]

    return run


@pytest.fixture
def applied(vhost: Vhost) -> Vhost:
    """A vhost with all that the service needs."""
    assert profile_sync("topology", "--apply", AMQP_URL=vhost.amqp_url).returncode == 0
    return vhost


def told(found: Found, state: str) -> dict[str, str]:
    """What was found in one state, by its area."""
    texts: dict[str, str] = {}
    for one in found:
        if one["state"] == state:
            text = one["what"] + (f" -> {one['todo']}" if one["todo"] else "")
            texts[one["area"]] = f"{texts[one['area']]}\n{text}" if one["area"] in texts else text
    return texts


@pytest.mark.usefixtures("applied")
def test_all_is_well_where_all_is_well(check: Check, broker: Broker) -> None:
    for declares in ("true", "false"):
        code, found = check(
            "--database",
            "customers",
            "--where",
            "CustomerID",
            "--management",
            broker.management_url,
            DECLARE_TOPOLOGY=declares,
        )
        assert code == 0
        assert told(found, "warning") == told(found, "fault") == {}
        assert set(told(found, "note")) == {f"queue {EVENTS}"}  # no service runs
        well = told(found, "ok")
        assert "RabbitMQ" in next(text for area, text in well.items() if "RabbitMQ" in area)
        assert "1234 Customers" in well["database customers"]
        assert "customerid can be selected by" in well["database customers"]
        assert f"is bound to {EVENTS} with #" in well[f"queue {EVENTS}"]
        assert "may write to the exchange" in well[f"user {broker.user}"]


def test_nothing_is_changed_and_no_message_is_taken(
    applied: Vhost, check: Check, mail: Mail
) -> None:
    before = things(applied)
    mail.send({"an": "event"})
    for declares in ("true", "false"):
        check(DECLARE_TOPOLOGY=declares)
    assert things(applied) == before
    assert (mail.ready(RESULTS), mail.ready(DEAD_LETTERS)) == (0, 0)
    ((method, properties, _),) = mail.take(EVENTS, 1)
    assert method.redelivered is False
    assert "x-delivery-count" not in (properties.headers or {})


def test_an_empty_broker_is_left_empty(vhost: Vhost, check: Check) -> None:
    code, found = check(DECLARE_TOPOLOGY="true")
    assert code == 0
    notes = told(found, "note")
    assert {
        f"{kind} {name}" for kind in ("exchange", "queue") for name in (EVENTS, RESULTS)
    } <= set(notes)
    code, found = check()
    assert code == 1
    assert len(told(found, "fault")) == 6
    assert "topology --apply" in told(found, "fault")[f"queue {EVENTS}"]
    assert things(vhost) == {"exchanges": [], "queues": [], "bindings": []}


@pytest.mark.usefixtures("applied")
def test_all_differences_of_a_queue_are_found_at_once(check: Check, mail: Mail) -> None:
    mail.channel.queue_delete(EVENTS)
    mail.channel.queue_declare(
        EVENTS, durable=True, arguments={"x-queue-type": "quorum", "x-max-length": 1000}
    )
    mail.channel.queue_delete(RESULTS)
    mail.channel.queue_declare(RESULTS, auto_delete=True, durable=False)
    code, found = check()
    assert code == 1
    faults, warnings = told(found, "fault"), told(found, "warning")
    events = "\n".join((faults[f"queue {EVENTS}"], warnings[f"queue {EVENTS}"]))
    for name in (
        "x-single-active-consumer is missing and should be true",
        "x-delivery-limit is missing and should be 100",
        f"x-dead-letter-exchange is missing and should be {DEAD_LETTERS}",
        "x-dead-letter-strategy is missing and should be at-least-once",
        "x-overflow is missing and should be reject-publish",
        "x-max-length is 1000 and should not be there",
    ):
        assert name in events
    assert len(events.splitlines()) == 6
    results = faults[f"queue {RESULTS}"]
    for name in ("x-queue-type is ", "durable is false", "auto_delete is true"):
        assert name in results
    assert len(results.splitlines()) == 3
    code, found = check(DECLARE_TOPOLOGY="true")
    assert "gets no link" in told(found, "fault")[f"queue {EVENTS}"]


@pytest.mark.usefixtures("applied")
def test_a_delivery_limit_can_be_matched_by_its_setting(check: Check) -> None:
    _, found = check(DELIVERY_LIMIT="7")
    assert "set DELIVERY_LIMIT=100" in told(found, "warning")[f"queue {EVENTS}"]


@pytest.mark.usefixtures("applied")
def test_an_exchange_of_another_kind_is_found(check: Check, mail: Mail) -> None:
    mail.channel.exchange_delete(RESULTS)
    mail.channel.exchange_declare(
        RESULTS, "direct", durable=False, arguments={"alternate-exchange": "amq.fanout"}
    )
    code, found = check()
    assert code == 1
    wrong = told(found, "fault")[f"exchange {RESULTS}"]
    assert "type is direct and should be topic" in wrong
    assert "durable is false and should be true" in wrong
    assert "alternate-exchange is amq.fanout" in told(found, "warning")[f"exchange {RESULTS}"]


ALL = f"^({EVENTS}|{RESULTS}|{DEAD_LETTERS})$"


LACKS = [
    ({"read": f"^{RESULTS}$"}, "false", f"may not read the queue {EVENTS}"),
    ({"write": f"^{RESULTS}$"}, "false", f"may not write to the exchange {DEAD_LETTERS}"),
    ({"write": ""}, "false", f"may not write to the exchange {RESULTS}"),
    ({"configure": f"^{EVENTS}$"}, "true", f"may not configure {RESULTS}"),
    ({"write": f"^({RESULTS}|{DEAD_LETTERS})$"}, "true", f"may not bind the queue {EVENTS}"),
    (
        {"read": f"^{EVENTS}$"},
        "true",
        f"may not bind the queue {DEAD_LETTERS}, {RESULTS}: the permission read is missing",
    ),
]


@pytest.mark.parametrize("topology", ["there", "not there"])
def test_what_the_user_lacks_is_named(
    topology: str, request: pytest.FixtureRequest, check: Check, login: Callable[..., str]
) -> None:
    if topology == "there":
        request.getfixturevalue("applied")
    for lacks, declares, words in LACKS:
        url = login(**{"configure": ALL, "write": ALL, "read": ALL, **lacks})
        code, found = check(AMQP_URL=url, DECLARE_TOPOLOGY=declares)
        assert code == 1
        area = f"user {urlsplit(url).username}"
        assert words in told(found, "fault")[area]
        assert "rabbitmqctl set_permissions " in told(found, "fault")[area]


def test_what_only_a_user_who_may_configure_is_told_the_management_api_tells(
    broker: Broker, check: Check, login: Callable[..., str], mail: Mail
) -> None:
    for name in (EVENTS, RESULTS, DEAD_LETTERS):
        mail.channel.exchange_declare(name, "topic", durable=True)
        mail.channel.queue_declare(name, durable=True, arguments={"x-queue-type": "quorum"})
    url = login(write=ALL, read=ALL)
    code, found = check(AMQP_URL=url)
    assert code == 0
    assert "the user may not configure it" in told(found, "note")[f"queue {EVENTS}"]
    code, found = check("--management", logged_in(broker), AMQP_URL=url)
    assert code == 1
    faults = told(found, "fault")[f"queue {EVENTS}"]
    assert "x-single-active-consumer is missing" in faults
    assert f"is not bound to {EVENTS}" in faults


def logged_in(broker: Broker) -> str:
    """The management URL with the user and password of the broker's owner."""
    owner = broker.amqp_url().split("//")[1].partition("@")[0]
    return broker.management_url.replace("//", f"//{owner}@")


class TestPartitions:
    @pytest.fixture(autouse=True)
    def _applied(self, vhost: Vhost) -> None:
        done = profile_sync("topology", "--apply", AMQP_URL=vhost.amqp_url, PARTITIONS="3")
        assert done.returncode == 0, done.stdout

    def test_all_is_well_where_all_is_well(self, check: Check, broker: Broker) -> None:
        for declares in ("true", "false"):
            known: dict[str, Any] = {"DECLARE_TOPOLOGY": declares, "PARTITIONS": "3"}
            code, found = check("--management", broker.management_url, **known)
            assert (code, told(found, "warning"), told(found, "fault")) == (0, {}, {})
            well, notes = told(found, "ok"), told(found, "note")
            assert "keeps the number of partitions, 3" in well[f"queue {EVENTS}"]
            assert f"is bound to {EVENTS} with #" in well[f"exchange {EVENTS}.partitions"]
            assert "replicas: 0" in notes[f"queue {EVENTS}.members"]
            for number in range(3):
                queue = f"queue {EVENTS}.{number}"
                assert f"is bound to {EVENTS}.partitions with #" in well[queue]
                assert "no service runs; 0 wait" in notes[queue]

    def test_replicas_are_counted_and_a_partition_without_one_is_told(
        self, check: Check, mail: Mail
    ) -> None:
        for queue in (f"{EVENTS}.members", f"{EVENTS}.members", f"{EVENTS}.0", f"{EVENTS}.1"):
            mail.channel.basic_consume(queue, lambda *_: None)
        code, found = check(PARTITIONS="3")
        assert code == 0
        assert "replicas: 2" in told(found, "note")[f"queue {EVENTS}.members"]
        assert "has a consumer" in told(found, "ok")[f"queue {EVENTS}.1"]
        assert set(told(found, "warning")) == {f"queue {EVENTS}.2"}
        assert "has no consumer, and replicas run" in told(found, "warning")[f"queue {EVENTS}.2"]

    def test_what_lies_in_the_queue_of_their_number_is_a_fault(
        self, check: Check, broker: Broker, mail: Mail
    ) -> None:
        mail.channel.basic_publish("", EVENTS, b"{}")
        mail.channel.queue_bind(EVENTS, EVENTS, "#")
        wait_for(lambda: mail.ready(EVENTS) == 1, "the message")
        code, found = check("--management", broker.management_url, PARTITIONS="3")
        assert code == 1
        fault = told(found, "fault")[f"queue {EVENTS}"]
        assert "1 message waits where no replica looks" in fault
        assert f"is bound to {EVENTS}, beside {EVENTS}.partitions: events come twice" in fault

    def test_bindings_more_or_less_are_faults(
        self, check: Check, broker: Broker, mail: Mail
    ) -> None:
        hashing = f"{EVENTS}.partitions"
        mail.channel.queue_unbind(f"{EVENTS}.1", hashing, "#")
        mail.channel.queue_bind(RESULTS, hashing, "#")
        mail.channel.exchange_unbind(hashing, EVENTS, "#")
        code, found = check("--management", broker.management_url, PARTITIONS="3")
        assert code == 1
        faults = told(found, "fault")
        assert f"is not bound to {hashing}" in faults[f"queue {EVENTS}.1"]
        assert f"{RESULTS} is bound to it with #" in faults[f"exchange {hashing}"]
        assert f"is not bound to {EVENTS}" in faults[f"exchange {hashing}"]

    @pytest.mark.parametrize(("number", "move"), [("1", "make them 1"), ("8", "make them 8")])
    def test_another_number_is_told_and_apply_leaves_all_as_it_is(
        self, check: Check, vhost: Vhost, number: str, move: str
    ) -> None:
        before = things(vhost)
        for declares in ("true", "false"):
            code, found = check(DECLARE_TOPOLOGY=declares, PARTITIONS=number)
            assert code == 1
            fault = told(found, "fault")[f"queue {EVENTS}"]
            assert f"there are 3 partitions, and PARTITIONS is {number}" in fault
            assert "set PARTITIONS=3" in fault
            assert move in fault
        done = profile_sync("topology", "--apply", AMQP_URL=vhost.amqp_url, PARTITIONS=number)
        assert (done.returncode, "there are 3 partitions" in done.stdout) == (1, True)
        assert things(vhost) == before

    @pytest.mark.parametrize("number", ["1", "2"])
    def test_a_user_who_may_not_configure_is_told_of_more_partitions(
        self, check: Check, login: Callable[..., str], number: str
    ) -> None:
        ours = r"^(profile-sync\..*)$"
        code, found = check(AMQP_URL=login("", ours, ours), PARTITIONS=number)
        assert code == 1
        more = f"queue {EVENTS}.{0 if number == '1' else 2}"
        assert "there are more partitions than PARTITIONS" in told(found, "fault")[more]

    def test_an_exchange_of_another_kind_is_a_fault(self, check: Check, mail: Mail) -> None:
        mail.channel.exchange_delete(f"{EVENTS}.partitions")
        mail.channel.exchange_declare(f"{EVENTS}.partitions", "topic", durable=True)
        code, found = check(PARTITIONS="3")
        assert code == 1
        fault = told(found, "fault")[f"exchange {EVENTS}.partitions"]
        assert "type is topic and should be x-modulus-hash" in fault


@pytest.mark.slow
def test_a_node_without_the_plugin_for_partitions_is_a_fault(
    private_node: Node, check: Check
) -> None:
    url = private_node.amqp_url()
    known: dict[str, Any] = {"PARTITIONS": "2"}
    registry = 'rabbit_registry:{}(exchange, <<"x-modulus-hash">>{}).'
    private_node.control("eval", registry.format("unregister", ""))
    try:
        code, found = check(AMQP_URL=url, **known)
        applied = profile_sync("topology", "--apply", AMQP_URL=url, **known)
    finally:
        module = ", rabbit_sharding_exchange_type_modulus_hash"
        private_node.control("eval", registry.format("register", module))
    assert code == 1
    fault = told(found, "fault")[f"exchange {EVENTS}.partitions"]
    assert "rabbitmq-plugins enable rabbitmq_sharding" in fault
    assert applied.returncode == 1
    said = applied.stderr + applied.stdout  # RabbitMQ 3 ends the connection
    assert re.search("enable (the plugin )?rabbitmq_sharding", said)


def test_policies_that_lose_messages_are_found(applied: Vhost, check: Check) -> None:
    broker, path = applied.broker, quote(applied.name, safe="")
    policies = {
        EVENTS: {"max-length": 10},
        RESULTS: {"message-ttl": 60_000, "max-length": 10},
        DEAD_LETTERS: {"expires": 600_000, "max-length-bytes": 10_000},
    }
    for queue, rules in policies.items():
        rule = {"pattern": f"^{queue}$", "definition": rules, "apply-to": "queues"}
        broker.api("PUT", f"/policies/{path}/of-{queue}", rule)

    def policy(queue: str) -> bool:
        return bool(broker.api("GET", f"/queues/{path}/{queue}").get("policy"))

    for queue in policies:
        # RabbitMQ tells of one queue what it knew up to five seconds ago.
        wait_for(partial(policy, queue), f"the policy of {queue}")
    code, found = check("--management", broker.management_url)
    assert code == 1
    faults = told(found, "fault")
    assert f"message-ttl is 60000 by policy of-{RESULTS}" in faults[f"queue {RESULTS}"]
    assert "max-length is 10" in faults[f"queue {RESULTS}"]
    assert "expires is 600000" in faults[f"queue {DEAD_LETTERS}"]
    assert "with overflow drop-head" in faults[f"queue {DEAD_LETTERS}"]
    # It has reject-publish: nothing is lost.
    assert "a full queue refuses messages" in told(found, "note")[f"queue {EVENTS}"]
    assert set(faults) == {f"queue {RESULTS}", f"queue {DEAD_LETTERS}"}


def test_bindings_that_lack_are_found(applied: Vhost, check: Check, mail: Mail) -> None:
    management = ("--management", applied.broker.management_url)
    for name in (EVENTS, RESULTS):
        mail.channel.queue_unbind(name, name, "#")
    mail.channel.queue_bind(RESULTS, RESULTS, "profile.created.*")
    code, found = check(*management)
    assert code == 1
    assert f"is not bound to {EVENTS}" in told(found, "fault")[f"queue {EVENTS}"]
    assert "profile.created.*" in told(found, "warning")[f"queue {RESULTS}"]
    _, found = check(*management, DECLARE_TOPOLOGY="true")
    assert "yet; `profile-sync run` does it" in told(found, "note")[f"queue {EVENTS}"]
    mail.channel.queue_delete(RESULTS)
    _, found = check(*management, RESULT_QUEUE="")
    assert "the service stands still" in told(found, "fault")[f"exchange {RESULTS}"]


def test_what_a_running_service_would_not_make_again_is_a_fault(
    applied: Vhost, check: Check, mail: Mail
) -> None:
    management = ("--management", applied.broker.management_url)
    mail.channel.basic_consume(EVENTS, lambda *_: None)
    mail.channel.queue_delete(DEAD_LETTERS)
    mail.channel.queue_unbind(RESULTS, RESULTS, "#")
    code, found = check(*management, DECLARE_TOPOLOGY="true")
    assert code == 1
    faults = told(found, "fault")
    assert "a running service does not make it" in faults[f"queue {DEAD_LETTERS}"]
    assert f"is not bound to {RESULTS}" in faults[f"queue {RESULTS}"]


@pytest.mark.usefixtures("applied")
def test_messages_that_nobody_reads_are_warned_of(check: Check, mail: Mail) -> None:
    for name, count in ((RESULTS, 2), (DEAD_LETTERS, 3)):
        for _ in range(count):
            mail.channel.basic_publish(name, "any", b"{}")
    wait_for(lambda: (mail.ready(RESULTS), mail.ready(DEAD_LETTERS)) == (2, 3), "the messages")
    code, found = check()
    assert code == 0
    warnings = told(found, "warning")
    assert "2 results wait" in warnings[f"queue {RESULTS}"]
    assert "3 dead letters wait" in warnings[f"queue {DEAD_LETTERS}"]


def test_consumers_are_told_of(applied: Vhost, check: Check, mail: Mail) -> None:
    broker, path = applied.broker, f"/queues/{quote(applied.name, safe='')}/{EVENTS}"
    for _ in range(2):
        mail.channel.basic_consume(EVENTS, lambda *_: None)
    wait_for(lambda: broker.api("GET", path).get("consumers") == 2, "RabbitMQ to know of both")
    code, found = check("--management", broker.management_url)
    assert code == 0
    assert "has a consumer" in told(found, "ok")[f"queue {EVENTS}"]
    assert "replicas: 2" in told(found, "note")[f"queue {EVENTS}"]


def test_a_broker_that_cannot_be_used_is_one_fault(
    vhost: Vhost, api: StandIn, check: Check
) -> None:
    port, web = free_ports(1)[0], api.url.rpartition(":")[2]
    for url, words in (
        (f"amqp://guest:guest@127.0.0.1:{port}/", "Connection refused"),
        (vhost.amqp_url.replace(":guest@", ":no@"), "refused the user name or the password"),
        (vhost.amqp_url + "x", "refused the virtual host"),
        (f"amqp://guest:guest@127.0.0.1:{web}/", "does not speak AMQP"),
        (f"amqps://guest:guest@127.0.0.1:{web}/", "speaks no TLS"),
    ):
        code, found = check(AMQP_URL=url)
        assert code == 1
        (fault,) = told(found, "fault").values()
        assert words in fault
        assert "guest" not in fault


@pytest.mark.slow
def test_a_broker_that_takes_no_messages_is_a_fault(private_node: Node, check: Check) -> None:
    limit = "set_vm_memory_high_watermark"
    url = private_node.amqp_url()
    assert profile_sync("topology", "--apply", AMQP_URL=url).returncode == 0
    private_node.control(limit, "0.0000001")
    try:
        code, found = check(AMQP_URL=url)
    finally:
        private_node.control(limit, "0.4")
    assert code == 1
    (fault,) = told(found, "fault").values()
    assert "short of memory or disk" in fault
    assert f"queue {EVENTS}" in told(found, "ok")


def test_a_second_node_that_is_down_is_a_warning(applied: Vhost, check: Check) -> None:
    port = free_ports(1)[0]
    down = f"amqp://guest:guest@127.0.0.1:{port}/"
    code, found = check(AMQP_URL=f"{down},{applied.amqp_url}")
    assert code == 0
    assert "Connection refused" in told(found, "warning")[f"RabbitMQ 127.0.0.1:{port}"]
    assert f"queue {EVENTS}" in told(found, "ok")


def test_the_management_api_is_told_of_in_words(
    applied: Vhost, api: StandIn, check: Check, login: Callable[..., str]
) -> None:
    port = free_ports(1)[0]
    _, found = check("--management", f"http://127.0.0.1:{port}")
    assert "cannot be reached: Connection refused" in told(found, "fault")["management"]
    _, found = check(
        "--management", applied.broker.management_url, AMQP_URL=login(".*", ".*", ".*")
    )
    assert "no tag management" in told(found, "fault")["management"]
    for other in (api.url, applied.amqp_url.replace("amqp:", "http:")):
        code, found = check("--management", other)
        assert code == 1
        assert "http://127.0.0.1" in told(found, "fault")["management"]
    _, found = check("--management", f"{applied.broker.management_url}/elsewhere")
    assert "no management API" in told(found, "fault")["management"]
    for unusable in ("amqp://x", "http://x:port", "http://a b"):
        wrong = profile_sync("check", "--management", unusable, ACCESS_TOKEN="t")
        assert (wrong.returncode, wrong.stdout) == (2, "")
        assert "write http://host:15672" in wrong.stderr


def test_the_management_api_is_asked_by_https_of_a_trusted_server_alone(
    applied: Vhost, check: Check, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = urlsplit(applied.broker.management_url).port
    assert port
    with TLSFront(port, authority.issue()) as front:
        url = f"https://127.0.0.1:{front.port}"
        code, found = check("--management", url)
        assert code == 0
        assert "is bound to" in told(found, "ok")[f"queue {EVENTS}"]
        monkeypatch.delenv("SSL_CERT_FILE")
        _, found = check("--management", url)
        assert "is not trusted" in told(found, "fault")["management"]
        assert "SSL_CERT_FILE can name the file of its CA" in told(found, "fault")["management"]


@pytest.mark.usefixtures("applied")
def test_the_api_is_told_of_in_words(check: Check) -> None:
    code, found = check(ACCESS_TOKEN="wrong")
    assert code == 1
    assert "the access token invalid" in told(found, "fault")["API"]
    port = free_ports(1)[0]
    _, found = check(API_URL=f"http://127.0.0.1:{port}/v2")
    assert "could not be reached" in told(found, "fault")["API"]
    _, found = check(API_URL=f"https://127.0.0.1:{port}/v2", HTTP_PORT="0")
    assert "could not be reached" in told(found, "fault")["API"]


@pytest.mark.usefixtures("applied")
def test_an_api_without_tls_is_told_of(api: StandIn, check: Check) -> None:
    _, found = check(API_URL=api.url.replace("http:", "https:") + "/v2")
    assert "TLS" in told(found, "fault")["API"]


@pytest.mark.usefixtures("applied")
def test_a_proxy_on_the_way_is_named_without_its_password(
    check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_ports(1)[0]
    monkeypatch.setenv("HTTP_PROXY", f"http://me:hidden-word@127.0.0.1:{port}")
    _, found = check(ALLOW_PLAIN_HTTP="true")
    proxy, _ = told(found, "note")["API"].splitlines()
    assert proxy == f"called by way of the proxy 127.0.0.1:{port}"
    assert "proxy" in told(found, "fault")["API"]
    assert "hidden-word" not in str(found)


@pytest.mark.usefixtures("applied")
def test_databases_and_fields_are_looked_up(api: StandIn, check: Check) -> None:
    api.forget()
    where = ("--where", "costumerid", "--where", "age", "--where", "email")
    code, found = check("--database", "1234", *where, DATABASES="Customers, 99")
    assert code == 1
    assert "the API knows no database 99" in told(found, "fault")["database 99"]
    for name in ("1234", "Customers"):
        assert "did you mean customerid?" in told(found, "fault")[f"database {name}"]
        assert "age is not indexed" in told(found, "warning")[f"database {name}"]
        assert "email can be selected by" in told(found, "ok")[f"database {name}"]
    assert len(api.journal()) == 1 + 3 + 3 + 1
    assert {call["method"] for call in api.journal()} == {"GET"}


def test_wrong_settings_end_with_2(vhost: Vhost) -> None:
    done = profile_sync("check", AMQP_URL=vhost.amqp_url, AMBIGUOUS_WAIT="1")
    assert (done.returncode, done.stdout) == (2, "")
    assert "AMBIGUOUS_WAIT: must be at least HEARTBEAT + REQUEST_TIMEOUT" in done.stderr
    assert "ACCESS_TOKEN: is required" in done.stderr


def test_on_a_pipe_each_finding_is_a_line(applied: Vhost, api: StandIn) -> None:
    done = profile_sync(
        "check", AMQP_URL=applied.amqp_url, API_URL=f"{api.url}/v2", ACCESS_TOKEN="demo-token"
    )
    *lines, last = done.stdout.splitlines()
    assert done.returncode == 0
    assert {line.partition(": ")[0] for line in lines} <= {"ok", "note", "warning"}
    assert last == "no faults, no warnings"


def test_ctrl_c_ends_it_with_130(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        settings = {
            "PROFILE_SYNC_AMQP_URL": f"amqp://guest:guest@127.0.0.1:{port}/",
            "PROFILE_SYNC_ACCESS_TOKEN": "t",
        }
        arguments = ["-m", "service", "check"]
        program = Program(arguments, tmp_path / "log", {**without_settings(), **settings})
        connection, _ = silent.accept()
        with connection:
            program.process.send_signal(signal.SIGINT)
            assert program.process.wait(30) == 130
    assert program.output() == ""


def plainly(vhost: Vhost, api_url: str, *arguments: str, **settings: str) -> Any:
    basic: dict[str, Any] = {"AMQP_URL": vhost.amqp_url, "API_URL": f"{api_url}/v2"}
    return profile_sync("check", *arguments, **{**basic, "ACCESS_TOKEN": "demo-token", **settings})


@pytest.mark.usefixtures("applied")
def test_faults_are_said_last_and_quietly_alone(vhost: Vhost, api: StandIn) -> None:
    loud = plainly(vhost, api.url, "--database", "nowhere")
    assert (loud.returncode, loud.stderr) == (1, "")
    *_, last, count = loud.stdout.splitlines()
    assert last.startswith("fault: database nowhere: ")
    assert " -> " in last
    assert count == "1 fault, no warnings"
    quiet = plainly(vhost, api.url, "--database", "nowhere", "--quiet")
    assert (quiet.returncode, quiet.stdout) == (1, f"{last}\n")
    well = plainly(vhost, api.url, "--database", "customers", "--quiet")
    assert (well.returncode, well.stdout, well.stderr) == (0, "", "")


def test_a_part_that_was_not_looked_at_says_why(check: Check) -> None:
    dead = f"http://127.0.0.1:{free_ports(1)[0]}/v2"
    code, found = check("--database", "7", API_URL=dead)
    assert code == 1
    notes = told(found, "note")
    assert notes["database 7"] == "its fields: not looked at, because the API failed"
    (login,) = [text for area, text in notes.items() if area.startswith("user ")]
    assert login.endswith("not looked at, because that is not there")
    nobody = f"amqp://127.0.0.1:{free_ports(1)[0]}/"
    code, found = check(AMQP_URL=nobody)
    assert told(found, "note")["RabbitMQ"] == (
        "exchanges, queues and permissions: not looked at, because no node can be used"
    )


def test_what_keeps_it_from_beginning_is_json_too(vhost: Vhost, api: StandIn) -> None:
    for arguments, settings, word in (
        ([], {"MAX_IN_FLIGHT": "many"}, "PROFILE_SYNC_MAX_IN_FLIGHT: must be a whole number"),
        (["--where", "customerid"], {}, "name one with --database"),
        (["--management", "rabbit:15672"], {}, "--management: write http://host:15672"),
    ):
        done = plainly(vhost, api.url, "--json", *arguments, **settings)
        assert (done.returncode, done.stderr) == (2, "")
        written = json.loads(done.stdout)
        ((what, todo),) = [(one["what"], one["todo"]) for one in written["findings"]]
        assert (written["ok"], word in what, bool(todo)) == (False, True, True)
        said = plainly(vhost, api.url, *arguments, **settings)
        assert (said.returncode, said.stdout) == (2, "")
        assert word in said.stderr
