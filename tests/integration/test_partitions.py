"""Partitions: replicas that share the events out among them, with RabbitMQ as all they share."""

import signal
import time
from collections.abc import Callable, Iterator

import pytest
from pika.exceptions import ChannelClosedByBroker

from tests.campaign.brokers import Cluster
from tests.campaign.order import by_key, steps, writes
from tests.integration.conftest import EVENTS, Mail, channel, wait_for
from tests.integration.replicas import QUICK, Replicas, Start, Stream, event, finals, route
from tests.programs import StandIn
from tests.rabbitmq import Node, Vhost

SOON = 15  # seconds in which the partitions are shared out anew
AFTER_A_RESTART = 30
UNNOTICED = 2 * (2 + 5)  # seconds in which a heartbeat of 2 may miss that a replica is gone

Make = Callable[..., Replicas]


@pytest.fixture
def api(standin: Callable[..., StandIn]) -> StandIn:
    """An API that answers in 20 ms."""
    return standin("--latency", "0.02")


@pytest.fixture
def make(api: StandIn, run_service: Start, environment: Callable[..., dict[str, str]]) -> Make:
    """Make replicas with short waits, none of which runs yet: `make(PARTITIONS="8")`."""
    return lambda **settings: Replicas(run_service, environment(api, **{**QUICK, **settings}))


@pytest.fixture
def replicas(make: Make) -> Replicas:
    """Replicas of eight partitions."""
    return make(PARTITIONS="8")


@pytest.fixture
def stream(vhost: Vhost, replicas: Replicas) -> Iterator[Stream]:
    """A hundred events a second for two hundred customers, from when one replica runs."""
    replicas.add()
    with Stream(vhost.amqp_url, 200, 100) as sending:
        yield sending


def shared_out(replicas: Replicas, *active: int, within: float = SOON) -> None:
    wait_for(lambda: tuple(replicas.active) == active, f"{active}", within)


def all_written_in_order(stream: Stream, api: StandIn) -> None:
    """See that each customer has one profile, all its events written, none out of order."""
    stream.end()
    last = {customer: [number] for customer, number in stream.sent.items()}
    wait_for(lambda: finals(api) == last, "every last event is written", 60)
    for customer, written in by_key(writes(api.journal())).items():
        assert {each.number for each in written} == set(range(1, stream.sent[customer] + 1))
        assert not steps(written).stale


def consumers(vhost: Vhost, queue: str) -> int | None:
    """Count the consumers of a queue; None if it is not there."""
    with channel(vhost.amqp_url) as asking:
        try:
            return int(asking.queue_declare(queue, passive=True).method.consumer_count)
        except ChannelClosedByBroker:
            return None


@pytest.mark.slow
@pytest.mark.usefixtures("stream")
def test_are_shared_out_soon_and_then_rest(replicas: Replicas) -> None:
    shared_out(replicas, 8)
    replicas.add(3)
    shared_out(replicas, 2, 2, 2, 2)
    before = replicas.metric("partition_handovers_total")
    time.sleep(60)
    assert replicas.active == [2, 2, 2, 2]
    assert replicas.metric("partition_handovers_total") == before


@pytest.mark.slow
def test_move_on_whatever_becomes_of_a_replica(
    replicas: Replicas, stream: Stream, api: StandIn
) -> None:
    first, second, third = *replicas.running, *replicas.add(2)
    shared_out(replicas, 3, 3, 2)
    replicas.end(first, signal.SIGKILL)
    shared_out(replicas, 4, 4)
    (fourth,) = replicas.add()
    shared_out(replicas, 3, 3, 2)
    with replicas.frozen(second):
        shared_out(replicas, 4, 4, within=UNNOTICED + SOON)
    shared_out(replicas, 3, 3, 2)
    replicas.end(third, signal.SIGTERM)
    shared_out(replicas, 4, 4)
    replicas.end(fourth, signal.SIGTERM)
    shared_out(replicas, 8)
    all_written_in_order(stream, api)


@pytest.mark.slow
def test_are_shared_out_anew_when_rabbitmq_restarts(
    private_node: Node, make: Make, api: StandIn
) -> None:
    url = private_node.create_vhost("restarted").amqp_url
    replicas = make(PARTITIONS="8", AMQP_URL=url)
    replicas.add(4)
    with Stream(url, 200, 100) as stream:
        shared_out(replicas, 2, 2, 2, 2)
        stream.end()
        private_node.kill()
        private_node.start()
    with Stream(url, 200, 100, stream.sent) as stream:
        shared_out(replicas, 2, 2, 2, 2, within=AFTER_A_RESTART)
        all_written_in_order(stream, api)


def test_keep_another_number_of_them_out(make: Make, mail: Mail) -> None:
    make(PARTITIONS="2").add()
    for number in ("1", "3"):
        said = make(PARTITIONS=number).start().output
        wait_for(lambda said=said: "PROFILE_SYNC_PARTITIONS" in said(), "it says why")  # type: ignore[misc]
    mail.send(event("c-1", 1), routing_key=route("c-1"))
    assert mail.results(1)[0]["outcome"] == "created"


def test_an_event_with_another_routing_key_is_done_counted_and_told_of_once(
    make: Make, mail: Mail
) -> None:
    replicas = make(PARTITIONS="2")
    replicas.add()
    (replica,) = replicas.running.values()
    mail.send(event("c-1", 1), routing_key=route("c-1"))
    mail.send(event("c-2", 1), routing_key="customers.c-2")
    mail.send(event("c-3", 1), routing_key=route("c-2"))
    assert {result["outcome"] for result in mail.results(3)} == {"created"}
    assert replicas.metric("misrouted_total") == [2]
    told = [line for line in replica.log() if "routing key" in line["message"]]
    assert len(told) == 1
    assert told[0]["level"] == "warning"
    assert "customers.c-2" not in str(told)


def test_a_queue_of_members_that_is_deleted_comes_back(
    make: Make, mail: Mail, vhost: Vhost
) -> None:
    replicas = make(PARTITIONS="2")
    replicas.add()
    (replica,) = replicas.running.values()
    members = f"{EVENTS}.members"
    wait_for(lambda: consumers(vhost, members) == 1, "it counts itself")
    mail.channel.queue_delete(members)
    wait_for(lambda: "cannot be counted" in replica.output(), "it says so")
    wait_for(lambda: consumers(vhost, members) == 1, "it is there again")
    mail.send(event("c-1", 1), routing_key=route("c-1"))
    assert mail.results(1)[0]["outcome"] == "created"
    assert replicas.metric("broker_links_total") == [1]


def test_two_replicas_share_them(make: Make, vhost: Vhost, api: StandIn) -> None:
    replicas = make(PARTITIONS="4")
    replicas.add()
    with Stream(vhost.amqp_url, 40, 100) as stream:
        shared_out(replicas, 4)
        replicas.add()
        shared_out(replicas, 2, 2)
        all_written_in_order(stream, api)
    assert sum(replicas.metric("partition_handovers_total")) == 2


@pytest.mark.slow
def test_are_given_up_in_an_outage_and_shared_out_anew_after_it(
    make: Make, vhost: Vhost, api: StandIn
) -> None:
    replicas = make(PARTITIONS="4", HOLD_TIMEOUT="1")
    replicas.add(2)
    with Stream(vhost.amqp_url, 40, 50) as stream:
        shared_out(replicas, 2, 2)
        api.freeze()
        wait_for(lambda: sum(replicas.active) == 0, "both have given their links up")
        api.thaw()
        shared_out(replicas, 2, 2, within=AFTER_A_RESTART)
        all_written_in_order(stream, api)


@pytest.mark.slow
def test_come_to_rest_when_rabbitmq_was_silent_for_a_while(private_node: Node, make: Make) -> None:
    url = private_node.create_vhost("silent").amqp_url
    replicas = make(PARTITIONS="4", AMQP_URL=url, HEARTBEAT="10", AMBIGUOUS_WAIT="13")
    replicas.add(2)
    with Stream(url, 40, 50):
        shared_out(replicas, 2, 2)
        private_node.freeze()
        time.sleep(7)  # longer than an answer may take, shorter than a link may be silent
        private_node.thaw()
        shared_out(replicas, 2, 2, within=AFTER_A_RESTART)
        time.sleep(5)
        before = replicas.metric("partition_handovers_total")
        time.sleep(5)
        assert replicas.metric("partition_handovers_total") == before
        assert replicas.active == [2, 2]


@pytest.mark.slow
def test_work_on_while_the_node_of_the_members_is_down(make: Make) -> None:
    with Cluster(3) as cluster:
        first, second, _ = cluster.nodes
        make(PARTITIONS="2", AMQP_URL=first.amqp_url()).add()
        first.kill()
        replicas = make(PARTITIONS="2", AMQP_URL=second.amqp_url())
        replicas.add()
        (replica,) = replicas.running.values()
        assert "cannot be counted" in replica.output()
        with Stream(second.amqp_url(), 20, 50):
            shared_out(replicas, 2)


def test_keep_another_number_of_them_out_also_who_declares_nothing(make: Make) -> None:
    make(PARTITIONS="2").add()
    said = make(PARTITIONS="3", DECLARE_TOPOLOGY="false").start().output
    wait_for(lambda: "PROFILE_SYNC_PARTITIONS" in said(), "it says why")
