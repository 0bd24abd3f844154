"""The private node that everything else runs against: it comes, serves, and leaves nothing."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pika
import psutil
import pytest

from tests.integration.conftest import channel
from tests.programs import eventually
from tests.rabbitmq import ApiError, Broker, MissingRabbitMQ, Node, StartFailed, Vhost, find_server

ROOT = Path(__file__).parents[2]
PERSISTENT = pika.BasicProperties(delivery_mode=2)  # type: ignore[no-untyped-call] # pika's own


def publish_durable(url: str, queue: str, body: bytes) -> None:
    with channel(url) as opened:
        opened.queue_declare(queue, durable=True)
        opened.basic_publish("", queue, body, PERSISTENT)


def take(url: str, queue: str) -> bytes | None:
    with channel(url) as opened:
        return opened.basic_get(queue, auto_ack=True)[2]


@pytest.fixture
def node(request: pytest.FixtureRequest, broker: Broker) -> Node:
    """The node of all tests where it is private, or else this file's own."""
    found = broker if isinstance(broker, Node) else request.getfixturevalue("private_node")
    assert isinstance(found, Node)
    return found


def family(node: Node) -> list[psutil.Process]:
    """The node with its children, epmd and the watchdog."""
    assert node.pid
    vm = psutil.Process(node.pid)
    group = os.getpgid(node.pid)  # epmd leads it
    others = [child for child in psutil.Process().children() if child.pid in (group, node.watchdog)]
    return [vm, *vm.children(recursive=True), *others]


def test_a_message_comes_back_from_the_vhost_of_a_test(vhost: Vhost) -> None:
    publish_durable(vhost.amqp_url, "greetings", b"hello")
    assert take(vhost.amqp_url, "greetings") == b"hello"


@pytest.mark.parametrize("kind", ["classic", "quorum"])
def test_a_queue_tells_its_messages_within_two_seconds(vhost: Vhost, kind: str) -> None:
    with channel(vhost.amqp_url) as opened:
        opened.queue_declare("greetings", durable=True, arguments={"x-queue-type": kind})
        opened.basic_publish("", "greetings", b"hello", PERSISTENT)
    assert eventually(lambda: vhost.queue("greetings")["messages"] == 1, 2)
    assert vhost.queue("greetings")["type"] == kind


def test_a_missing_queue_is_an_api_error(vhost: Vhost) -> None:
    with pytest.raises(ApiError) as refused:
        vhost.queue("nowhere")
    assert refused.value.status == 404


def test_closing_the_connections_of_a_vhost_ends_them(vhost: Vhost) -> None:
    with channel(vhost.amqp_url) as opened:
        assert vhost.close_connections() == 1
        with pytest.raises(pika.exceptions.AMQPError):
            opened.queue_declare("too late")


def test_a_deleted_vhost_is_gone(broker: Broker) -> None:
    vhost = broker.create_vhost("here / today")
    broker.delete_vhost(vhost.name)
    with pytest.raises(pika.exceptions.AMQPError), channel(vhost.amqp_url):
        pass


def test_an_external_broker_is_taken_from_the_environment() -> None:
    url = "amqps://me:p%40ss@[::1]:5671/ignored?heartbeat=5"
    broker = Broker.from_environment({"PROFILE_SYNC_TEST_AMQP_URL": url})
    assert broker
    assert broker.amqp_url("a/b c") == "amqps://me:p%40ss@[::1]:5671/a%2Fb%20c?heartbeat=5"
    assert broker.management_url == "http://[::1]:15672"
    assert broker.user == "me"


def test_no_external_broker_without_its_variable() -> None:
    assert Broker.from_environment({}) is None


def test_a_missing_rabbitmq_names_three_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.servers._SERVERS", ())
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("RABBITMQ_SERVER", raising=False)
    with pytest.raises(MissingRabbitMQ) as missing:
        find_server()
    for way in ("apt-get install", "docker run", "PROFILE_SYNC_TEST_AMQP_URL"):
        assert way in str(missing.value)


def test_a_node_that_ends_at_once_fails_with_its_log(
    monkeypatch: pytest.MonkeyPatch, node: Node, tmp_path: Path
) -> None:
    assert node  # without an installed rabbitmq-server this test is not possible
    server = tmp_path / "server"
    server.write_text("#!/bin/sh\necho no licence to run today\nexit 3\n")
    server.chmod(0o755)
    monkeypatch.setenv("RABBITMQ_SERVER", str(server))
    with pytest.raises(StartFailed, match=r"(?s)exit code 3.*no licence to run today"), Node():
        pass


def test_a_node_listens_on_the_loopback_only(node: Node) -> None:
    listening = [
        connection.laddr
        for process in family(node)
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len({address.port for address in listening}) == 5
    assert {address.ip for address in listening} <= {"127.0.0.1", "::1"}


def test_a_node_serves_management_and_prometheus(node: Node) -> None:
    assert node.api("GET", "/overview")["node"] == node.name
    metrics = httpx.get(node.prometheus_url, trust_env=False)
    assert "rabbitmq_build_info" in metrics.text


@pytest.mark.slow
def test_a_killed_node_keeps_persistent_messages(private_node: Node) -> None:
    publish_durable(private_node.amqp_url(), "kept-by-a-kill", b"still here")
    before = private_node.amqp_url()
    private_node.save()
    private_node.kill()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", pika.URLParameters(before).port), timeout=5)
    private_node.start()
    assert private_node.amqp_url() == before
    assert take(private_node.amqp_url(), "kept-by-a-kill") == b"still here"


@pytest.mark.slow
def test_a_stopped_node_starts_again_with_its_data(private_node: Node) -> None:
    publish_durable(private_node.amqp_url(), "stopped", b"still here")
    private_node.stop()
    private_node.start()
    assert take(private_node.amqp_url(), "stopped") == b"still here"


@pytest.mark.slow
def test_two_nodes_run_side_by_side_and_leave_nothing(node: Node) -> None:
    with Node() as other:
        other.create_vhost("only here")
        assert "only here" in [vhost["name"] for vhost in other.api("GET", "/vhosts")]
        assert "only here" not in [vhost["name"] for vhost in node.api("GET", "/vhosts")]
        folder, others = other.folder, family(other)
        assert folder
        assert len(others) >= 4  # the node, its helper, epmd, the watchdog
    assert not folder.exists()
    assert eventually(lambda: not any(process.is_running() for process in others))


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_outlives_the_parent(node: Node, tmp_path: Path, end: int) -> None:
    assert node  # without an installed rabbitmq-server this test is not possible
    with foreground(["-m", "tests.rabbitmq"], tmp_path) as parent:
        children = psutil.Process(parent.pid).children(recursive=True)
        assert len(children) >= 4
        parent.send_signal(end)
        assert parent.wait(20) == (-end if end == signal.SIGKILL else 0)
    assert eventually(lambda: not any(child.is_running() for child in children))
    assert eventually(lambda: not list(tmp_path.glob("profile-sync-rabbitmq-*")))


AS_NOBODY = """
import os, sys
from tests import rabbitmq
"127.0.0.1".encode("idna")  # what is imported late, while the interpreter can still be read
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
sys.exit(rabbitmq.main([]))
"""


@pytest.mark.slow
@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_a_node_runs_as_somebody_else(node: Node) -> None:
    assert node  # without an installed rabbitmq-server this test is not possible
    with tempfile.TemporaryDirectory() as created:
        folder = Path(created)
        os.chown(folder, 65534, 65534)
        with foreground(["-c", AS_NOBODY], folder) as parent:
            children = psutil.Process(parent.pid).children(recursive=True)
            assert {child.uids().effective for child in children} == {65534}
            parent.terminate()
            assert parent.wait(20) == 0
        assert not list(folder.glob("profile-sync-rabbitmq-*"))


@contextmanager
def foreground(arguments: list[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a node in another Python, its temporary files in `folder`, until it says it is up."""
    with (folder / "output").open("wb") as output:
        parent = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(folder)},
            stdout=output,
            stderr=output,
        )
    try:
        up = eventually(lambda: "Ctrl-C" in (folder / "output").read_text(), 60)
        assert up, (folder / "output").read_text()
        yield parent
    finally:
        parent.kill()
        parent.wait()
