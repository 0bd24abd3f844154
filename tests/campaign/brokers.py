"""Faults of RabbitMQ, and a cluster of private nodes to have them on.

Node itself has `kill`, `stop`, `start`, `freeze` and `thaw`. A switch is a context: what it has
turned on is turned off at its end, so that no node is left behind with a fault.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote

from tests.ground import Ground
from tests.rabbitmq import Node, StartFailed, Vhost
from tests.servers import find_server


@contextmanager
def memory_alarm(node: Node) -> Iterator[None]:
    """Let the node believe that it has no memory left: it reads no connection that publishes."""
    node.control("set_vm_memory_high_watermark", "0.00001")
    try:
        yield
    finally:
        node.control("set_vm_memory_high_watermark", "0.4")


@contextmanager
def disk_alarm(node: Node) -> Iterator[None]:
    """Let the node believe that its disk is full: it reads no connection that publishes."""
    node.control("set_disk_free_limit", "1000000GB")
    try:
        yield
    finally:
        node.control("set_disk_free_limit", "50MB")


@contextmanager
def suspended_listeners(node: Node) -> Iterator[None]:
    """Let the node refuse new connections; those that are open stay."""
    node.control("suspend_listeners")
    try:
        yield
    finally:
        node.control("resume_listeners")


@contextmanager
def stopped_app(node: Node) -> Iterator[None]:
    """Stop RabbitMQ in good order while its Erlang VM goes on; start it again at the end."""
    node.control("stop_app")
    try:
        yield
    finally:
        node.control("start_app")


def close_connections(node: Node, reason: str = "campaign") -> None:
    """Close all connections of a node, as an operator can: CONNECTION_FORCED, 320."""
    node.control("close_all_connections", reason)


@dataclass(frozen=True)
class DeletedQueue:
    """A queue that was deleted, with its messages: what it takes to declare it again."""

    vhost: Vhost
    name: str
    declaration: dict[str, Any]
    bindings: list[dict[str, Any]]

    def declare(self) -> None:
        """Declare the queue and bind it, as it was; one that is there again already may stay."""
        broker, vhost, queue = self.vhost.broker, _part(self.vhost.name), _part(self.name)
        broker.api("PUT", f"/queues/{vhost}/{queue}", self.declaration)
        for binding in self.bindings:
            exchange = _part(binding["source"])
            what = {name: binding[name] for name in ("routing_key", "arguments")}
            broker.api("POST", f"/bindings/{vhost}/e/{exchange}/q/{queue}", what)


def delete_queue(vhost: Vhost, name: str) -> DeletedQueue:
    """Delete a queue under its consumers, and return what it takes to declare it again."""
    path = f"/queues/{_part(vhost.name)}/{_part(name)}"
    queue = vhost.broker.api("GET", path)
    declaration = {part: queue[part] for part in ("durable", "auto_delete", "arguments")}
    bindings = vhost.broker.api("GET", f"{path}/bindings")
    vhost.broker.api("DELETE", path)
    # The binding to the default exchange comes with every queue.
    named = [binding for binding in bindings if binding["source"]]
    return DeletedQueue(vhost, name, declaration, named)


class Cluster:
    """Some nodes of RabbitMQ on 127.0.0.1 that are one broker; three, unless told otherwise.

    They share a folder, an epmd and a watchdog: nothing of them outlives the parent process,
    however that ends.
    """

    def __init__(self, size: int = 3, version: int | None = None) -> None:
        """Choose the names and ports; `version` is 4, or none for the installed RabbitMQ.

        Raises MissingRabbitMQ.
        """
        self._ground = Ground(find_server(version))
        first = Node(ground=self._ground)
        others = [Node(ground=self._ground, peer=first.name) for _ in range(size - 1)]
        self.nodes = [first, *others]

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start the nodes that do not run, the first time one before the others, who join it.

        Raises StartFailed.
        """
        if self._ground.folder is None:
            self.nodes[0].start()
        self._all(_start)

    def stop(self) -> None:
        """Stop all nodes in good order; ports and data stay for another `start`."""
        self._all(Node.stop)

    def kill(self) -> None:
        """End all nodes at once (SIGKILL)."""
        self._all(Node.kill)

    def close(self) -> None:
        """End everything, and remove the folder."""
        self.kill()
        self._ground.close()

    @property
    def watchdog(self) -> int | None:
        """The process id of the watchdog, from the first start to `close`."""
        return self._ground.watchdog

    def amqp_urls(self, vhost: str = "/") -> list[str]:
        """Return the AMQP URLs of a virtual host, one a node."""
        return [node.amqp_url(vhost) for node in self.nodes]

    def leader(self, queue: str, vhost: str = "/", within: float = 20) -> Node:
        """Return the running node that leads a quorum queue; an election is waited for.

        Raises ApiError, and TimeoutError after so many seconds without a leader.
        """
        path = f"/queues/{_part(vhost)}/{_part(queue)}"
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            running = [node for node in self.nodes if node.pid]
            name = running[0].api("GET", path).get("leader")
            for node in running:
                if node.name == name:
                    return node
            time.sleep(0.05)
        raise TimeoutError(f"{queue} has had no leader for {within} s")

    def kill_leader(self, queue: str, vhost: str = "/") -> Node:
        """Kill the node that leads a quorum queue, and return it: its `start` brings it back."""
        leader = self.leader(queue, vhost)
        leader.kill()
        return leader

    def _all(self, step: Callable[[Node], None]) -> None:
        """Take the same step with all nodes at the same time: some wait for each other."""
        with ThreadPoolExecutor(len(self.nodes)) as threads:
            for _ in threads.map(step, self.nodes):
                pass


def _start(node: Node) -> None:
    """Start a node while others start, as a supervisor does.

    RabbitMQ 3.10 gives up when it asks a peer that is half up for its feature flags.
    """
    for last in (False, False, True):
        try:
            node.start()
        except StartFailed:
            if last:
                raise
        else:
            return


def _part(name: str) -> str:
    return quote(name, safe="")
