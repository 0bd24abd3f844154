"""The faults of RabbitMQ do what they say, and end; a cluster is one, and leaves nothing."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import pika
import psutil
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from tests.campaign.brokers import (
    Cluster,
    close_connections,
    delete_queue,
    disk_alarm,
    memory_alarm,
    stopped_app,
    suspended_listeners,
)
from tests.integration.conftest import channel
from tests.programs import eventually
from tests.rabbitmq import MissingRabbitMQ, Node, Vhost, find_server
from tests.servers import chosen_version, unpacked

ROOT = Path(__file__).parents[2]
PERSISTENT = pika.BasicProperties(delivery_mode=2)  # type: ignore[no-untyped-call] # pika's own
QUORUM = {"x-queue-type": "quorum"}


def put(url: str, queue: str, body: bytes) -> None:
    with channel(url) as opened:
        opened.queue_declare(queue, durable=True, arguments=QUORUM)
        opened.basic_publish("", queue, body, PERSISTENT)


def take(url: str, queue: str) -> bytes | None:
    with channel(url) as opened:
        return opened.basic_get(queue, auto_ack=True)[2]


def takes_connections(node: Node) -> bool:
    with suppress(OSError, pika.exceptions.AMQPError), channel(node.amqp_url()):
        return True
    return False


@pytest.mark.slow
@pytest.mark.parametrize("alarm", [memory_alarm, disk_alarm])
def test_an_alarm_blocks_who_publishes_until_it_ends(
    private_node: Node, alarm: Callable[[Node], AbstractContextManager[None]]
) -> None:
    with channel(private_node.amqp_url()) as opened:
        opened.queue_declare("alarming")
        said: list[str] = []
        opened.connection.add_on_connection_blocked_callback(lambda *_: said.append("blocked"))
        opened.connection.add_on_connection_unblocked_callback(lambda *_: said.append("free"))
        with alarm(private_node):
            # Straight to the socket: the confirm comes only after the alarm.
            opened._impl.basic_publish("", "alarming", b"held")
            opened.connection.process_data_events(0)
            assert eventually(lambda: _hears(opened, said, "blocked"))
            assert said == ["blocked"]
        assert eventually(lambda: _hears(opened, said, "free"))
        assert opened.basic_get("alarming", auto_ack=True)[2] == b"held"
        opened.queue_delete("alarming")


def _hears(opened: BlockingChannel, said: list[str], what: str) -> bool:
    opened.connection.process_data_events(0)
    return what in said


@pytest.mark.slow
def test_closed_connections_end_with_their_code(private_node: Node) -> None:
    with channel(private_node.amqp_url()) as opened:
        close_connections(private_node, "for a test")
        with pytest.raises(pika.exceptions.ConnectionClosedByBroker) as closed:
            opened.queue_declare("too-late")
    assert closed.value.reply_code == 320
    assert "for a test" in closed.value.reply_text


@pytest.mark.slow
def test_suspended_listeners_refuse_and_keep_who_is_there(private_node: Node) -> None:
    with channel(private_node.amqp_url()) as opened:
        with suspended_listeners(private_node):
            assert not takes_connections(private_node)
            opened.queue_declare("still-here", exclusive=True)
        assert takes_connections(private_node)


@pytest.mark.slow
def test_a_stopped_app_comes_back_with_its_messages(private_node: Node) -> None:
    put(private_node.amqp_url(), "kept", b"still here")
    pid = private_node.pid
    with stopped_app(private_node):
        assert not takes_connections(private_node)
    assert private_node.pid == pid
    assert take(private_node.amqp_url(), "kept") == b"still here"


@pytest.mark.slow
def test_a_frozen_node_says_nothing_until_it_is_thawed(private_node: Node) -> None:
    address = ("127.0.0.1", pika.URLParameters(private_node.amqp_url()).port)
    private_node.freeze()
    try:
        with socket.create_connection(address, timeout=10) as connection:  # by the kernel
            connection.sendall(b"AMQP\x00\x00\x09\x01")
            connection.settimeout(0.2)
            with pytest.raises(TimeoutError):
                connection.recv(1)
            private_node.thaw()
            connection.settimeout(10)
            assert connection.recv(1) == b"\x01"
    finally:
        private_node.thaw()


@pytest.mark.slow
def test_a_frozen_node_can_be_stopped_in_good_order(private_node: Node) -> None:
    put(private_node.amqp_url(), "kept", b"still here")
    private_node.freeze()
    private_node.freeze()  # no more than once
    private_node.stop()
    private_node.start()
    assert take(private_node.amqp_url(), "kept") == b"still here"


def test_a_deleted_queue_is_declared_again_as_it_was(vhost: Vhost) -> None:
    arguments = {**QUORUM, "x-single-active-consumer": True, "x-delivery-limit": 100}
    with channel(vhost.amqp_url) as opened:
        opened.exchange_declare("events", "topic", durable=True)
        opened.queue_declare("events", durable=True, arguments=arguments)
        opened.queue_bind("events", "events", "profile.#", {"why": "a test"})
        opened.basic_publish("events", "profile.updated", b"lost", PERSISTENT)
        cancelled: list[str] = []
        opened.add_on_cancel_callback(lambda _: cancelled.append("by RabbitMQ"))
        opened.basic_consume("events", lambda *_: None)

        deleted = delete_queue(vhost, "events")

        assert eventually(lambda: _hears(opened, cancelled, "by RabbitMQ"))
        with pytest.raises(pika.exceptions.UnroutableError):
            opened.basic_publish("events", "profile.updated", b"nowhere", PERSISTENT, True)
        deleted.declare()
        deleted.declare()  # whoever was quicker may have declared it the same way
        opened.queue_declare("events", durable=True, arguments=arguments)
        opened.basic_publish("events", "profile.updated", b"new", PERSISTENT, True)
        assert len(vhost.broker.api("GET", f"/queues/{_quoted(vhost)}/events/bindings")) == 2
        for _, _, body in opened.consume("events", auto_ack=True):
            assert body == b"new"
            break


def _quoted(vhost: Vhost) -> str:
    return vhost.amqp_url.rpartition("/")[2]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster(3, chosen_version()) as three:
        yield three


@pytest.mark.slow
def test_three_nodes_are_one_broker(cluster: Cluster) -> None:
    urls = cluster.amqp_urls()
    assert len(set(urls)) == 3
    put(urls[0], "shared", b"from the first")
    for node in cluster.nodes:
        running = {member["name"]: member["running"] for member in node.api("GET", "/nodes")}
        assert running == {member.name: True for member in cluster.nodes}
    assert take(urls[2], "shared") == b"from the first"


@pytest.mark.slow
def test_a_killed_leader_is_followed_by_another_and_comes_back(cluster: Cluster) -> None:
    put(cluster.amqp_urls()[0], "led", b"kept")

    killed = cluster.kill_leader("led")

    assert not takes_connections(killed)
    successor = cluster.leader("led")
    assert successor is not killed
    put(successor.amqp_url(), "led", b"after")
    assert [take(successor.amqp_url(), "led") for _ in range(2)] == [b"kept", b"after"]
    killed.start()
    put(killed.amqp_url(), "led", b"by way of the one that came back")
    assert take(successor.amqp_url(), "led") == b"by way of the one that came back"


@pytest.mark.slow
@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_cluster_that_ends_as_a_whole_comes_back_with_its_messages(
    cluster: Cluster, end: str
) -> None:
    put(cluster.amqp_urls()[0], end, b"still here")
    for node in cluster.nodes:
        node.save()
    getattr(cluster, end)()
    assert not any(takes_connections(node) for node in cluster.nodes)
    cluster.start()
    cluster.leader(end)
    assert take(cluster.amqp_urls()[1], end) == b"still here"


@pytest.mark.slow
def test_a_cluster_listens_on_the_loopback_only(cluster: Cluster) -> None:
    pids = [node.pid for node in cluster.nodes if node.pid]
    group = os.getpgid(pids[0])  # epmd leads it
    family = [psutil.Process(pid) for pid in (*pids, group)]
    listening = [
        connection.laddr
        for process in family
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len({address.port for address in listening}) == 13
    assert {address.ip for address in listening} <= {"127.0.0.1", "::1"}


STARTS_A_CLUSTER = """
import sys
from tests.campaign.brokers import Cluster
with Cluster(3, {version}) as cluster:
    print("up", flush=True)
    sys.stdin.read()
"""


@pytest.mark.slow
@pytest.mark.parametrize("killed", [False, True])
def test_nothing_of_a_cluster_outlives_its_parent(
    cluster: Cluster, tmp_path: Path, killed: bool
) -> None:
    assert cluster  # without an installed rabbitmq-server this test is not possible
    before = time.time()
    with subprocess.Popen(
        [sys.executable, "-c", STARTS_A_CLUSTER.format(version=chosen_version())],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as parent:
        assert parent.stdout
        assert parent.stdin
        assert parent.stdout.readline() == b"up\n"
        children = psutil.Process(parent.pid).children(recursive=True)
        assert len(children) >= 5  # three nodes, epmd, the watchdog
        assert all(child.create_time() > before - 1 for child in children)
        if killed:
            parent.send_signal(signal.SIGKILL)
        else:
            parent.stdin.close()
        assert parent.wait(60) == (-signal.SIGKILL if killed else 0)
    assert eventually(lambda: not any(child.is_running() for child in children))
    assert eventually(lambda: not list(tmp_path.iterdir()))


@pytest.mark.slow
def test_rabbitmq_4_runs_beside_whatever_is_installed() -> None:
    try:
        find_server(4)
    except MissingRabbitMQ as missing:
        pytest.skip(str(missing))
    with Node(4) as node:
        assert node.api("GET", "/overview")["rabbitmq_version"].startswith("4.")
        put(node.amqp_url(), "kept", b"still here")
        node.save()
        node.kill()
        node.start()
        assert take(node.amqp_url(), "kept") == b"still here"
        folder = node.folder
        assert folder
    assert not folder.exists()
    # The node saw its folder by a mount that only it had.
    assert f"{unpacked()}/mnt" not in Path("/proc/self/mountinfo").read_text()


def test_rabbitmq_4_that_is_not_here_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(MissingRabbitMQ, match=r"\./dev test --rabbitmq 4"):
        Node(4)


@pytest.mark.slow
def test_the_nodes_of_tests_have_the_chosen_version(private_node: Node) -> None:
    version: str = private_node.api("GET", "/overview")["rabbitmq_version"]
    assert chosen_version() in (None, int(version.partition(".")[0]))


@pytest.mark.parametrize(("value", "version"), [(None, None), ("", None), ("4", 4)])
def test_the_environment_chooses_the_version(value: str | None, version: int | None) -> None:
    assert chosen_version({} if value is None else {"PROFILE_SYNC_TEST_RABBITMQ": value}) == version


def test_a_version_that_cannot_be_had_is_refused() -> None:
    with pytest.raises(ValueError, match="only 4 can be chosen"):
        chosen_version({"PROFILE_SYNC_TEST_RABBITMQ": "5"})
