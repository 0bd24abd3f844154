"""`profile-sync topology --move`: another number of partitions while events flow."""

import hashlib
import itertools
import json
import shlex
import signal
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pika
import pytest

from service.broker import Nodes, open_line
from service.commands.moving import move
from service.commands.sending import key_of
from service.commands.survey import Survey
from service.settings import Settings
from service.topology import event_queues, members_queue
from tests.integration.conftest import EVENTS, Mail, channel, wait_for
from tests.integration.test_cli import profile_sync
from tests.integration.test_service import event
from tests.integration.test_topology_command import things
from tests.programs import Program, Service, StandIn, without_settings
from tests.rabbitmq import Broker, Vhost

KEYS = 40


def settings(vhost: Vhost, partitions: int) -> Settings:
    known = Settings.load(access_token="unused", amqp_url=vhost.amqp_url)
    return known.model_copy(update={"partitions": partitions})


def applied(vhost: Vhost, partitions: int) -> None:
    done = profile_sync("topology", "--apply", AMQP_URL=vhost.amqp_url, PARTITIONS=str(partitions))
    assert done.returncode == 0, done.stdout + done.stderr


class Publisher(threading.Thread):
    """Publishes without pause, one event at a time, each confirmed and none unroutable."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.sent = Counter[int]()
        self.error: BaseException | None = None
        self._url = url
        self._ends = threading.Event()

    def run(self) -> None:
        try:
            with channel(self._url) as opened:
                while not self._ends.is_set():
                    for key in range(KEYS):
                        body = json.dumps([key, self.sent[key]]).encode()
                        routing_key = hashlib.sha256(str(key).encode()).hexdigest()
                        opened.basic_publish(EVENTS, routing_key, body, mandatory=True)
                        self.sent[key] += 1
        except BaseException as error:
            self.error = error

    def end(self) -> Counter[int]:
        """Publish no more; how many there were of each key."""
        self._ends.set()
        self.join()
        assert self.error is None, self.error
        return self.sent


class Replicas(threading.Thread):
    """Take what is in some queues as replicas do, and note it in its order."""

    def __init__(self, url: str, queues: tuple[str, ...], seen: list[tuple[int, int]]) -> None:
        super().__init__()
        self._url, self._queues, self._seen = url, queues, seen
        self._ends = threading.Event()
        self.start()

    def run(self) -> None:
        connection = pika.BlockingConnection(pika.URLParameters(self._url))
        opened = connection.channel()
        opened.basic_qos(prefetch_count=50)
        for queue in self._queues:
            opened.basic_consume(queue, self._take)
        while not self._ends.is_set():
            connection.process_data_events(time_limit=0.05)
        connection.close()

    def _take(self, opened: Any, method: Any, _properties: Any, body: bytes) -> None:
        key, number = json.loads(body)
        self._seen.append((key, number))
        opened.basic_ack(method.delivery_tag)

    def end(self) -> None:
        """End without a hurry; what was not acknowledged goes back."""
        self._ends.set()
        self.join()


@contextmanager
def publishing(vhost: Vhost) -> Iterator[Publisher]:
    publisher = Publisher(vhost.amqp_url)
    publisher.start()
    try:
        wait_for(lambda: publisher.sent.total() > 500 or bool(publisher.error), "some events")
        yield publisher
    finally:
        publisher.end()


@asynccontextmanager
async def asking(vhost: Vhost) -> AsyncIterator[Survey]:
    line = await open_line(Nodes([vhost.amqp_url]), 10, "move")
    try:
        yield Survey(line, "")
    finally:
        line.lose("given up")
        await line.close()


class Killed(Exception):
    """The move ends before its next step."""


class Mover:
    """Moves, and lets replicas of the old number run between what the move says of them."""

    def __init__(self, vhost: Vhost, seen: list[tuple[int, int]]) -> None:
        self._vhost, self._seen = vhost, seen
        self.killed: set[str] = set()

    async def move(self, before: int, after: int, *, kills: bool = False) -> None:
        """Move; if it is killed, once before each step, and begun again."""
        old, new = settings(self._vhost, before), settings(self._vhost, after)
        queues = (*event_queues(old), *([members_queue(old)] if before > 1 else []))
        replicas: list[Replicas] = []

        def tell(line: str) -> None:
            if line.startswith("new events go to") and not replicas:
                replicas.append(Replicas(self._vhost.amqp_url, queues, self._seen))
            if "end all replicas once" in line:
                replicas[0].end()
            step = line.lstrip("0123456789")
            if kills and step not in self.killed:
                self.killed.add(step)
                raise Killed

        try:
            while not await self._moved(new, tell):
                pass
        finally:
            for each in replicas:
                each.end()

    async def _moved(self, new: Settings, tell: Callable[[str], None]) -> bool:
        async with asking(self._vhost) as asked:
            try:
                await move(asked, new, tell, pause=0.05)
            except Killed:
                return False
        return True


def each_once_in_order(seen: list[tuple[int, int]], sent: Counter[int]) -> None:
    numbers: dict[int, list[int]] = {key: [] for key in sent}
    for key, number in seen:
        numbers[key].append(number)
    for key, count in sent.items():
        assert numbers[key] == list(range(count)), f"key {key}"


def rest(vhost: Vhost, partitions: int, seen: list[tuple[int, int]]) -> None:
    """Take what is left in the queues of the last number."""
    queues = event_queues(settings(vhost, partitions))
    with channel(vhost.amqp_url) as opened:

        def left() -> int:
            declared = (opened.queue_declare(queue, passive=True) for queue in queues)
            return sum(one.method.message_count for one in declared)

        spread = [
            opened.queue_declare(queue, passive=True).method.message_count for queue in queues
        ]
        assert all(spread), spread
        replicas = Replicas(vhost.amqp_url, queues, seen)
        wait_for(lambda: not left(), "empty queues")
        replicas.end()


@pytest.mark.slow
async def test_every_event_comes_once_and_in_order_while_the_number_changes(vhost: Vhost) -> None:
    applied(vhost, 1)
    seen: list[tuple[int, int]] = []
    mover = Mover(vhost, seen)
    with publishing(vhost) as publisher:
        for before, after in ((1, 4), (4, 1), (1, 8)):
            await mover.move(before, after)
        sent = publisher.end()
    rest(vhost, 8, seen)
    each_once_in_order(seen, sent)


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 1)])
async def test_a_move_that_is_killed_at_any_step_goes_on(
    before: int, after: int, broker: Broker, vhost: Vhost
) -> None:
    applied(vhost, before)
    seen: list[tuple[int, int]] = []
    mover = Mover(vhost, seen)
    with publishing(vhost) as publisher:
        await mover.move(before, after, kills=True)
        sent = publisher.end()
    rest(vhost, after, seen)
    each_once_in_order(seen, sent)
    steps = ("making", "binding", "unbinding", "deleting")
    assert sum(line.startswith(steps) for line in mover.killed) == 22
    other = broker.create_vhost(f"{vhost.name} other")
    try:
        applied(other, after)
        assert things(vhost) == things(other)
    finally:
        broker.delete_vhost(other.name)


def run(vhost: Vhost, partitions: int, *arguments: str) -> Any:
    return profile_sync(
        "topology", "--move", *arguments, AMQP_URL=vhost.amqp_url, PARTITIONS=str(partitions)
    )


def test_each_step_is_told_and_what_to_do_next(broker: Broker, vhost: Vhost) -> None:
    applied(vhost, 1)
    done = run(vhost, 2, "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    first, *_, last = done.stdout.splitlines()
    assert first == "from 1 partition to 2"
    assert last == (
        "done: start the replicas with PROFILE_SYNC_PARTITIONS=2; "
        "they may have PROFILE_SYNC_DECLARE_TOPOLOGY=true again"
    )
    again = run(vhost, 2, "--yes")
    assert (again.returncode, again.stdout) == (0, "nothing to do: there are 2 partitions\n")
    other = broker.create_vhost(f"{vhost.name} other")
    try:
        applied(other, 2)
        assert things(vhost) == things(other)
    finally:
        broker.delete_vhost(other.name)


def test_the_printed_permissions_are_enough_to_move(
    vhost: Vhost, login: Callable[..., str]
) -> None:
    applied(vhost, 1)
    for partitions in ("2", "1"):
        known: dict[str, Any] = {"PARTITIONS": partitions}
        printed = profile_sync("topology", "--permissions", AMQP_URL=vhost.amqp_url, **known)
        *_, command = printed.stdout.splitlines()
        url = login(*shlex.split(command)[-3:])
        done = profile_sync("topology", "--move", "--yes", AMQP_URL=url, **known)
        assert done.returncode == 0, done.stderr
    nobody = profile_sync("topology", "--move", "--yes", AMQP_URL=login(), PARTITIONS="2")
    assert nobody.returncode == 1
    assert "`profile-sync topology --permissions` prints what to set" in nobody.stderr


def test_what_cannot_be_moved_is_told(vhost: Vhost, mail: Mail) -> None:
    nobody = run(vhost, 4)
    assert (nobody.returncode, "give --yes" in nobody.stderr) == (2, True)
    nothing = run(vhost, 4, "--yes")
    assert nothing.returncode == 1
    assert f"there is no queue {EVENTS}: `profile-sync topology --apply` makes it" in nothing.stderr
    mail.channel.queue_declare(EVENTS, durable=True)
    theirs = run(vhost, 4, "--yes")
    assert (theirs.returncode, "is none of ours" in theirs.stderr) == (1, True)
    mail.channel.queue_delete(EVENTS)
    applied(vhost, 2)
    before = things(vhost)
    directly = run(vhost, 3, "--yes")
    assert directly.returncode == 1
    assert "move to PROFILE_SYNC_PARTITIONS=1 first, and from there to 3" in directly.stderr
    assert things(vhost) == before
    mail.channel.basic_publish("", EVENTS, b"astray")
    wait_for(lambda: mail.ready(EVENTS) == 1, "the message")
    astray = run(vhost, 1, "--yes")
    assert (astray.returncode, "where no replica looks" in astray.stderr) == (1, True)


def holds_nothing(service: Service) -> bool:
    page = httpx.get(f"{service.http_url}/metrics", trust_env=False).text
    return "\nprofile_sync_oldest_event_seconds 0.0\n" in page


@pytest.mark.slow
def test_services_take_each_event_once_while_they_are_moved(
    *,
    vhost: Vhost,
    mail: Mail,
    standin: Callable[..., StandIn],
    environment: Callable[..., dict[str, str]],
    run_service: Callable[[Mapping[str, str]], Service],
    tmp_path: Path,
) -> None:
    applied(vhost, 1)
    api, number = standin("--latency", "0.01"), itertools.count()

    def start(partitions: str) -> Service:
        known = {"DECLARE_TOPOLOGY": "false", "PARTITIONS": partitions, "MAX_IN_FLIGHT": "4"}
        return run_service(environment(api, **known))

    def publish(count: int) -> None:
        for sent in itertools.islice(number, count):
            body = json.dumps(event(sent, sent % 20, create=True)).encode()
            mail.channel.basic_publish(EVENTS, key_of(body, 1000), body, mandatory=True)

    mail.channel.confirm_delivery()
    old = [start("1"), start("1")]
    old[0].wait_ready()
    publish(200)
    variables = {"PROFILE_SYNC_AMQP_URL": vhost.amqp_url, "PROFILE_SYNC_PARTITIONS": "4"}
    command = ["-m", "service", "topology", "--move", "--yes"]
    moving = Program(command, tmp_path / "move.log", {**without_settings(), **variables})
    try:
        while "end all replicas once" not in moving.output():
            assert moving.process.poll() is None, moving.output()
            publish(10)
            mail.channel.connection.sleep(0.1)  # as many as the services can do
        for each in old:
            wait_for(partial(holds_nothing, each), "all events done", 60)
        for each in old:
            each.terminate()
        assert moving.process.wait(30) == 0
    finally:
        moving.kill()
    for each in (start("4"), start("4")):
        each.wait_ready()
    publish(50)
    count = next(number)
    results = mail.results(count, within=60)
    assert sorted(one["event_id"] for one in results) == sorted(f"evt-{n}" for n in range(count))
    for key in range(20):
        ends = [int(one["event_id"][4:]) for one in results]
        assert [n for n in ends if n % 20 == key] == sorted(n for n in ends if n % 20 == key)


def test_ctrl_c_ends_it_for_now_and_it_goes_on_with_the_same_number_alone(
    vhost: Vhost, mail: Mail, tmp_path: Path
) -> None:
    applied(vhost, 1)
    mail.channel.basic_consume(EVENTS, lambda *_: None)
    environment = {
        **without_settings(),
        "PROFILE_SYNC_AMQP_URL": vhost.amqp_url,
        "PROFILE_SYNC_PARTITIONS": "2",
    }
    command = ["-m", "service", "topology", "--move", "--yes"]
    program = Program(command, tmp_path / "move.log", environment)
    try:
        wait_for(lambda: "end all replicas once" in program.output(), "the replicas' turn to end")
        second = run(vhost, 2, "--yes")
        assert second.returncode == 1
        assert "another `profile-sync topology --move` is at work" in second.stderr
        program.process.send_signal(signal.SIGINT)
        assert program.process.wait(20) == 130
        assert "run again, it goes on" in program.output()
    finally:
        program.kill()
    other = run(vhost, 4, "--yes")
    assert other.returncode == 1
    assert "a move to 2 partitions is under way" in other.stderr
    unmade = profile_sync("topology", "--apply", AMQP_URL=vhost.amqp_url)
    assert (unmade.returncode, "is being changed" in unmade.stdout) == (1, True)
    api = {"API_URL": "http://[::1]:1/v2", "ACCESS_TOKEN": "t"}
    checked = profile_sync("check", "--quiet", AMQP_URL=vhost.amqp_url, **api)  # type: ignore[arg-type]
    assert f"fault: queue {EVENTS}.moved: is there: the number of partitions is" in checked.stdout
