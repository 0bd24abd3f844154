"""Fixtures: RabbitMQ, and the programs that run against it."""

import itertools
import os
import secrets
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.programs import Service, StandIn
from tests.rabbitmq import Broker, MissingRabbitMQ, Node, Vhost
from tests.servers import chosen_version

# What is started in the background of a shell has SIGINT ignored, and its programs after it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take what runs on this machine out of reach of a proxy that the environment names."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    """RabbitMQ for all tests: the one that PROFILE_SYNC_TEST_AMQP_URL names, or a private node."""
    if external := Broker.from_environment():
        yield external
        return
    with _new_node() as node:
        yield node


@pytest.fixture
def vhost(broker: Broker) -> Iterator[Vhost]:
    """A virtual host of the test's own."""
    fresh = broker.create_vhost(f"profile-sync test/{secrets.token_hex(4)}")
    yield fresh
    broker.delete_vhost(fresh.name)


@pytest.fixture(scope="session")
def _other_node() -> Iterator[Node]:
    with _new_node() as node:
        yield node


@pytest.fixture
def private_node(request: pytest.FixtureRequest) -> Node:
    """A node that the test may stop and kill; the next test finds it running again."""
    node: Node = request.getfixturevalue("_other_node")
    node.start()
    return node


@pytest.fixture
def standin(tmp_path: Path) -> Iterator[Callable[..., StandIn]]:
    """Start stand-ins for the API: `standin("--put-result", "empty")`."""
    started: list[StandIn] = []
    number = itertools.count(1)

    def start(*arguments: str) -> StandIn:
        started.append(StandIn(arguments, tmp_path / f"standin-{next(number)}.log"))
        return started[-1]

    yield start
    for program in started:
        program.kill()


@pytest.fixture
def run_service(tmp_path: Path) -> Iterator[Callable[[Mapping[str, str]], Service]]:
    """Start the service with PROFILE_SYNC_… variables: `run_service({...})`."""
    started: list[Service] = []
    number = itertools.count(1)

    def start(env: Mapping[str, str]) -> Service:
        started.append(Service(env, tmp_path / f"service-{next(number)}.log"))
        return started[-1]

    yield start
    for program in started:
        program.kill()


def _new_node() -> Node:
    try:
        return Node(chosen_version())
    except MissingRabbitMQ as error:
        missing = str(error)
    if Broker.from_environment():
        pytest.skip("needs a node of its own to stop, and rabbitmq-server is not installed")
    pytest.fail(missing, pytrace=False)
