"""How each kind of fault is done and undone, on the real parts.

Each is a context: what comes before its `yield` does it, what comes after undoes it.
"""

import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial

from pika.exceptions import AMQPError

from tests.campaign.api_faults import API_FAULTS, Fault
from tests.campaign.harvest import Harvest
from tests.campaign.process_faults import PROCESS_FAULTS, send
from tests.campaign.queues import MEMBERS
from tests.campaign.stage import LINKS, VHOST, Stage
from tests.integration.conftest import DEAD_LETTERS, RESULTS
from tests.programs import eventually
from tests.rabbitmq import ApiError

_POLICY = "/policies/%2F/campaign"


class NotDone(Exception):
    """The fault could not be made just now, so that its effect could be told; no harm done."""


# RabbitMQ


@contextmanager
def _broker_killed(stage: Stage) -> Iterator[None]:
    node = stage.any_node()
    if stage.remade:
        # RabbitMQ loses a queue for ever that was deleted and made again shortly before a kill.
        node.stop()
        node.start()
        stage.remade = False
    node.kill()
    yield
    node.start()


@contextmanager
def _leader_killed(stage: Stage) -> Iterator[None]:
    name = stage.node.queue(VHOST, stage.any_event_queue())["leader"]
    leader = next(node for node in stage.nodes if node.name == name)
    leader.kill()
    yield
    leader.start()


@contextmanager
def _broker_stopped(stage: Stage) -> Iterator[None]:
    node = stage.any_node()
    node.stop()
    yield
    node.start()


@contextmanager
def _broker_frozen(stage: Stage) -> Iterator[None]:
    pid = stage.any_node().pid
    send(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        send(pid, signal.SIGCONT)


@contextmanager
def _memory_alarm(stage: Stage) -> Iterator[None]:
    node = stage.any_node()
    node.control("set_vm_memory_high_watermark", "0.00001")
    yield
    node.control("set_vm_memory_high_watermark", "0.4")


@contextmanager
def _memory_alarm_and_kill(stage: Stage) -> Iterator[None]:
    with _memory_alarm(stage):
        yield
        stage.end_replica(signal.SIGKILL)
        stage.add_replica()


@contextmanager
def _disk_alarm(stage: Stage) -> Iterator[None]:
    node = stage.any_node()
    node.control("set_disk_free_limit", "900GB")
    yield
    node.control("set_disk_free_limit", "50MB")


@contextmanager
def _connections_closed(stage: Stage) -> Iterator[None]:
    for node in stage.running():
        node.control("close_all_connections", "campaign")
    yield


@contextmanager
def _listeners_suspended(stage: Stage) -> Iterator[None]:
    node = stage.any_node()
    node.control("suspend_listeners")
    yield
    node.control("resume_listeners")


@contextmanager
def _unbound(stage: Stage, queue: str) -> Iterator[None]:
    """A binding taken away: what is published there is returned."""
    bind(stage, queue, False)
    try:
        yield
    finally:
        bind(stage, queue, True)


@contextmanager
def _queue_full(stage: Stage) -> Iterator[None]:
    policy = {
        "pattern": f"^{RESULTS}$",
        "definition": {"max-length": 1, "overflow": "reject-publish"},
        "apply-to": "queues",
    }
    stage.node.api("PUT", _POLICY, policy)
    yield
    stage.node.api("DELETE", _POLICY)


@contextmanager
def _result_queue_deleted(stage: Stage) -> Iterator[None]:
    """Emptied first, and deleted when nothing can come any more; what came yet is counted.

    A queue that is looking for a leader gives nothing for a while, and is not empty.
    """
    arguments = stage.node.queue(VHOST, RESULTS)["arguments"]
    stage.remade = True
    if not _emptied(stage):
        bind(stage, RESULTS, True)
        raise NotDone("the result queue does not become empty")
    connection = stage.connect()
    answer = connection.channel().queue_delete(RESULTS)
    stage.destroyed += answer.method.message_count
    connection.close()
    yield
    connection = stage.connect()
    connection.channel().queue_declare(RESULTS, durable=True, arguments=arguments)
    connection.close()
    bind(stage, RESULTS, True)


@contextmanager
def _event_queue_deleted(stage: Stage) -> Iterator[None]:
    """Only while it is empty and nothing is sent; the service makes it anew, and binds it.

    What is sent before it is bound goes by the number of queues that are left: out of order.
    """
    assert stage.load is not None
    queue = stage.any_event_queue()
    stage.load.pause()
    try:
        if not eventually(stage.is_idle, 30):
            raise NotDone("the event queue does not become empty")
        stage.remade = True
        connection = stage.connect()
        connection.channel().queue_delete(queue)
        connection.close()
        yield
        made = eventually(lambda: _is_bound(stage, queue), 20)
    finally:
        stage.load.go()
    if not made:
        raise NotDone("the service has not made its queue anew")


def _emptied(stage: Stage) -> bool:
    """Unbind the result queue, and take the results until RabbitMQ says that there are no more.

    A process that has just been started binds it again.
    """
    for _ in range(5):
        bind(stage, RESULTS, False)
        with suppress(AMQPError):
            take(stage, stage.results, tries=1)
        connection = stage.connect()
        answer = connection.channel().queue_declare(RESULTS, passive=True)
        connection.close()
        if answer.method.message_count == 0:
            return True
    return False


@contextmanager
def _members_queue_deleted(stage: Stage) -> Iterator[None]:
    """The replicas cannot count each other, until one of them has made it anew."""
    stage.remade = True
    connection = stage.connect()
    connection.channel().queue_delete(MEMBERS)
    connection.close()
    yield


def _is_bound(stage: Stage, queue: str) -> bool:
    """Tell whether a queue has more bindings than that to the default exchange."""
    with suppress(ApiError, OSError):
        return len(stage.node.api("GET", f"/queues/%2F/{queue}/bindings")) > 1
    return False


def bind(stage: Stage, queue: str, on: bool) -> None:
    """Bind a queue to the exchange of its name, or take the binding away."""
    connection = stage.connect()
    channel = connection.channel()
    if on:
        channel.queue_bind(queue, queue, "#")
    else:
        channel.queue_unbind(queue, queue, "#")
    connection.close()


def take(stage: Stage, harvest: Harvest, quiet: float = 1.0, tries: int = 5) -> None:
    """Take what is in a queue; a broker that has just come up may need a while."""
    for left in reversed(range(tries)):
        try:
            harvest.take(stage.node.amqp_url(), quiet)
        except (AMQPError, OSError):
            if not left:
                raise
            time.sleep(1)
        else:
            return


# The connections


@contextmanager
def _cut(stage: Stage, link: str) -> Iterator[None]:
    for proxy in stage.links[link]:
        proxy.cut()
    yield


@contextmanager
def _reset(stage: Stage, link: str) -> Iterator[None]:
    for proxy in stage.links[link]:
        proxy.reset()
    yield


@contextmanager
def _stalled(stage: Stage, link: str) -> Iterator[None]:
    for proxy in stage.links[link]:
        proxy.stall()
    try:
        yield
    finally:
        for proxy in stage.links[link]:
            proxy.flow()


@contextmanager
def _delayed(stage: Stage, link: str) -> Iterator[None]:
    for proxy in stage.links[link]:
        proxy.delay(0.1)
    try:
        yield
    finally:
        for proxy in stage.links[link]:
            proxy.delay(0)


@contextmanager
def _refused(stage: Stage, link: str) -> Iterator[None]:
    """No new connections, and an end of those that are open."""
    for proxy in stage.links[link]:
        proxy.refuse(True)
        proxy.reset()
    try:
        yield
    finally:
        for proxy in stage.links[link]:
            proxy.refuse(False)


FAULTS: Mapping[str, Fault] = {
    "broker-frozen": _broker_frozen,
    "broker-killed": _broker_killed,
    "broker-stopped": _broker_stopped,
    "connections-closed": _connections_closed,
    "dead-letters-unbound": partial(_unbound, queue=DEAD_LETTERS),
    "disk-alarm": _disk_alarm,
    "event-queue-deleted": _event_queue_deleted,
    "leader-killed": _leader_killed,
    "listeners-suspended": _listeners_suspended,
    "members-queue-deleted": _members_queue_deleted,
    "memory-alarm": _memory_alarm,
    "memory-alarm-and-kill": _memory_alarm_and_kill,
    "result-queue-deleted": _result_queue_deleted,
    "result-queue-full": _queue_full,
    "results-unbound": partial(_unbound, queue=RESULTS),
    **{f"{link}-cut": partial(_cut, link=link) for link in LINKS},
    **{f"{link}-delayed": partial(_delayed, link=link) for link in LINKS},
    **{f"{link}-refused": partial(_refused, link=link) for link in LINKS},
    **{f"{link}-reset": partial(_reset, link=link) for link in LINKS},
    **{f"{link}-stalled": partial(_stalled, link=link) for link in LINKS},
    **API_FAULTS,
    **PROCESS_FAULTS,
}


def calm(stage: Stage) -> None:
    """Undo whatever may still be wrong, so that nothing hinders the work any more."""
    for node in stage.nodes:
        send(node.pid, signal.SIGCONT)
        node.start()
        for arguments in _USUAL:
            node.control(*arguments)
    for proxy in (proxy for link in LINKS for proxy in stage.links[link]):
        proxy.delay(0)
        proxy.flow()
        proxy.refuse(False)
    stage.write_token(stage.token)
    stage.relent_all()
    with suppress(ApiError):
        stage.node.api("DELETE", _POLICY)
    for queue in (RESULTS, DEAD_LETTERS):
        bind(stage, queue, True)
    for replica in stage.replicas.values():
        send(replica.process.pid, signal.SIGCONT)
    for proxy in (proxy for own in stage.own_links.values() for proxy in own):
        proxy.flow()
    if not stage.replicas:
        stage.add_replica()


_USUAL = (
    ("set_vm_memory_high_watermark", "0.4"),
    ("set_disk_free_limit", "50MB"),
    ("resume_listeners",),
)
