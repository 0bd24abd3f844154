"""The parts of a campaign, all real: RabbitMQ, the stand-in, proxies between, the service."""

import json
import os
import random
import re
import secrets
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx
import pika
from pika.exceptions import AMQPError

from tests.campaign.brokers import Cluster
from tests.campaign.events import seed_data
from tests.campaign.evidence import Ending, Handed
from tests.campaign.harvest import Harvest
from tests.campaign.load import Load
from tests.campaign.pace import Pace
from tests.campaign.proxy import Proxy
from tests.campaign.queues import event_queues
from tests.campaign.tap import Tap
from tests.campaign.watch import Watch
from tests.integration.conftest import DEAD_LETTERS, RESULTS
from tests.programs import Service, StandIn, eventually
from tests.rabbitmq import ApiError, Node

VHOST = "/"
SETTINGS: Mapping[str, str] = {
    "REQUEST_TIMEOUT": "1",
    "CONNECT_TIMEOUT": "1",
    "HEARTBEAT": "2",
    "AMBIGUOUS_WAIT": "3",
    "DRAIN_TIMEOUT": "5",
    "CONFIRM_TIMEOUT": "4",
    "HOLD_TIMEOUT": "3",
    "RETRY_BASE": "0.1",
    "RETRY_MAX": "1",
}
"""Short waits, so that much happens in a minute."""

LINKS = ("amqp", "api-link")

_AMQP = "amqp://guest:guest@127.0.0.1:{}/%2F"
_MOST_REPLICAS = 3
MOST_SHARING = 4
"""Replicas, where they share partitions."""

_Thing = TypeVar("_Thing")

_PAGE = 1000  # the most profiles that the API gives at a time


@dataclass(frozen=True, slots=True)
class Nodes:
    """What RabbitMQ there is: how many nodes, and version 4 or, with None, the installed one."""

    count: int = 1
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What shall run: the arguments of Python that run the service, and how hard it works."""

    program: Sequence[str]
    nodes: Nodes
    pace: Pace


class Stage:
    """Everything that runs, each part ended by its process id when the stage is left."""

    def __init__(self, folder: Path, seed: int, wanted: Wanted) -> None:
        """Take the folder for outputs."""
        self.folder = folder
        self.tokens: list[str] = []
        self.token = self.new_token()
        self.replicas: dict[str, Service] = {}
        self.own_links: dict[str, list[Proxy]] = {}
        self._ways: dict[str, ExitStack] = {}
        self.partitions = wanted.pace.partitions
        self.event_queues = event_queues(self.partitions)
        self.endings: list[Ending] = []
        self.watch = Watch(lambda: dict(self.replicas))
        self.handed: list[Handed] = []
        self.taken = set[str | None]()
        self.destroyed = 0
        self.remade = False
        self.results, self.dead_letters = Harvest(RESULTS), Harvest(DEAD_LETTERS)
        self.load: Load | None = None
        self._seed = seed
        self._dice = random.Random(f"stage {seed}")  # noqa: S311 - nothing secret
        self._wanted = wanted
        self._started = 0
        self._rules: dict[str, Mapping[str, Any]] = {}
        self._exits = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as exits:
            self.nodes = self._start_nodes(exits)
            exits.callback(self._keep_node_logs)
            self.api = self._start_api()
            exits.callback(self.api.kill)
            to_nodes = [Proxy(_port(node.amqp_url()), self._tap) for node in self.nodes]
            self.links = {"amqp": to_nodes, "api-link": [Proxy(_port(self.api.url))]}
            for proxy in (*to_nodes, *self.links["api-link"]):
                exits.enter_context(proxy)
            exits.callback(self._kill_all)
            exits.enter_context(self.watch)
            self.write_token(self.token)
            self.add_replica()
            assert eventually(self.is_served, 30), f"nothing takes events: {self.outputs()}"
            self._exits = exits.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    def _start_nodes(self, exits: ExitStack) -> list[Node]:
        nodes = self._wanted.nodes
        if nodes.count == 1:
            return [exits.enter_context(Node(nodes.version))]
        return exits.enter_context(Cluster(nodes.count, nodes.version)).nodes

    def _start_api(self) -> StandIn:
        seed_file = self.folder / "seed.json"
        seed_file.write_text(json.dumps(seed_data()))
        options = {
            "--token": self.token,
            "--seed-file": f"{seed_file}",
            "--seed": f"{self._seed}",
            "--put-result": ("list", "empty")[self._seed % 2],
            **self._wanted.pace.api,
        }
        pairs = [part for pair in options.items() for part in pair]
        return StandIn(pairs, self.folder / "standin.log")

    def _tap(self) -> Tap:
        """Note what RabbitMQ hands over."""

        def note(uid: str | None, count: int) -> None:
            self.handed.append(Handed(uid, count, time.time()))
            self.taken.add(uid)

        return Tap(note)

    def new_token(self) -> str:
        """Make a token, of signs that are written in many ways; it must be told nowhere."""
        self.tokens.append(f"T0k+{secrets.token_hex(12)}/&=")
        return self.tokens[-1]

    def revoke_token(self) -> None:
        """Let the API know a new token, and the one before no longer."""
        self.token = self.new_token()
        url = f"{self.api.url}/__standin/token"
        answer = httpx.put(url, json={"token": self.token}, trust_env=False, timeout=10)
        answer.raise_for_status()

    def write_token(self, token: str) -> None:
        """Put a token into the file that the service reads, in one go."""
        folder = self.folder / "secrets"
        folder.mkdir(exist_ok=True)
        (folder / "new").write_text(token)
        (folder / "new").rename(folder / "access_token")

    # Replicas

    def add_replica(self) -> None:
        """Start one more process of the service, if there are not as many as may be already."""
        if len(self.replicas) == (MOST_SHARING if self.partitions > 1 else _MOST_REPLICAS):
            return
        self._started += 1
        name = f"service-{self._started}"
        settings = {
            **SETTINGS,
            **_worked(self._wanted.pace),
            "AMQP_URL": ",".join(_AMQP.format(proxy.port) for proxy in self._links_of(name)),
            "API_URL": f"http://127.0.0.1:{self.links['api-link'][0].port}/v2",
            "SECRETS_DIR": f"{self.folder / 'secrets'}",
        }
        env = {f"PROFILE_SYNC_{each}": value for each, value in settings.items()}
        self.replicas[name] = Service(env, self.folder / f"{name}.log", self._wanted.program)

    def _links_of(self, name: str) -> list[Proxy]:
        """Give a process its own way to RabbitMQ, if it is one of several that work."""
        common = self.links["amqp"]
        if self.partitions == 1:
            return common
        own = [Proxy(proxy.port) for proxy in common]
        self._ways[name] = ways = ExitStack()
        self.own_links[name] = [ways.enter_context(proxy) for proxy in own]
        return own

    def end_replica(self, how: signal.Signals) -> None:
        """End the process that has run longest, by SIGTERM or SIGKILL, and note how it went."""
        if not self.replicas:
            return
        name = next(iter(self.replicas))
        replica = self.replicas.pop(name)
        self.watch.look(name, replica)
        by_itself = replica.process.poll()
        begun = time.monotonic()
        if by_itself is None:
            _end(replica, how)
        self.own_links.pop(name, None)
        self._ways.pop(name, ExitStack()).close()
        asked = how.name if by_itself is None else ""
        code = replica.process.returncode
        self.endings.append(Ending(name, asked, code, time.monotonic() - begun))

    def _kill_all(self) -> None:
        for replica in self.replicas.values():
            replica.kill()
        for ways in self._ways.values():
            ways.close()

    def shares(self) -> dict[str, int | None]:
        """Ask each process on how many partitions it works; None if it does not tell."""
        return {name: _active(replica) for name, replica in list(self.replicas.items())}

    def outputs(self) -> dict[str, str]:
        """Read what the processes of the service have written."""
        return {path.name: path.read_text() for path in sorted(self.folder.glob("service-*.log"))}

    # RabbitMQ

    def running(self) -> list[Node]:
        """Give the nodes that have not been stopped or killed."""
        return [node for node in self.nodes if node.pid is not None]

    @property
    def node(self) -> Node:
        """A node that runs, if there is one."""
        return (self.running() or self.nodes)[0]

    def any_node(self) -> Node:
        """Give a node to do harm to."""
        return self.draw(self.nodes)

    def any_event_queue(self) -> str:
        """Name one of the event queues."""
        return self.draw(self.event_queues)

    def draw(self, things: Sequence[_Thing]) -> _Thing:
        """Choose one, by the seed."""
        return self._dice.choice(things)

    def _keep_node_logs(self) -> None:
        for number, node in enumerate(self.nodes, start=1):
            (self.folder / f"rabbitmq-{number}.log").write_text(node.log())

    def connect(self) -> pika.BlockingConnection:
        """Connect to RabbitMQ, not by way of the proxy."""
        return pika.BlockingConnection(pika.URLParameters(self.node.amqp_url()))

    def is_served(self) -> bool:
        """Return whether somebody takes events, of each partition."""
        try:
            connection = self.connect()
        except (AMQPError, OSError):
            return False
        try:
            channel = connection.channel()
            answers = [channel.queue_declare(queue, passive=True) for queue in self.event_queues]
            return all(answer.method.consumer_count for answer in answers)
        except AMQPError:
            return False
        finally:
            if connection.is_open:
                connection.close()

    def answered(self) -> int:
        """Count the results so far: while their number grows, there is work and it goes on."""
        try:
            count: int = self.node.queue(VHOST, RESULTS).get("messages", 0)
        except (ApiError, OSError):
            return 0
        return count

    def is_idle(self) -> bool:
        """Return whether the event queues are empty, held events included.

        It is asked twice: what RabbitMQ tells is as old as the queues' last tick.
        """
        for pause in (0.6, 0.0):
            try:
                queues = self.node.queues(VHOST)
                if any(queues.get(name, {}).get("messages", 1) for name in self.event_queues):
                    return False
            except (ApiError, OSError):
                return False
            time.sleep(pause)
        return True

    # The API

    def order(self, name: str, rule: Mapping[str, Any]) -> None:
        """Let the API do wrong, until `relent`."""
        self._rules[name] = {**rule, "name": name, "until_reset": True}
        self._tell_api()

    def relent(self, name: str) -> None:
        """Take a fault back."""
        self._rules.pop(name, None)
        self._tell_api()

    def relent_all(self) -> None:
        """Take all faults back."""
        self._rules.clear()
        self._tell_api()

    def _tell_api(self) -> None:
        if self._rules:
            url = f"{self.api.url}/__standin/faults"
            rules = list(self._rules.values())
            httpx.put(url, json=rules, trust_env=False, timeout=10).raise_for_status()
        else:
            self.api.recover()

    def profiles(self) -> list[dict[str, Any]]:
        """Read all profiles of the database."""
        url = f"{self.api.url}/v2/database/1234/profiles"
        found: list[dict[str, Any]] = []
        while True:
            query = {"access_token": self.token, "start": f"{len(found)}", "limit": f"{_PAGE}"}
            answer = httpx.get(url, params=query, trust_env=False, timeout=30)
            page = answer.raise_for_status().json()["data"]
            found += page
            if len(page) < _PAGE:
                return found


def _worked(pace: Pace) -> dict[str, str]:
    """Make the settings that say how hard a process works."""
    more = {"COALESCE": "in-flight"} if pace.coalescing else {}
    return {
        "MAX_IN_FLIGHT": f"{pace.slots}",
        "PREFETCH": f"{pace.window}",
        "PARTITIONS": f"{pace.partitions}",
        "LOG_LEVEL": pace.log_level,
        **more,
    }


def _active(replica: Service) -> int | None:
    with suppress(httpx.HTTPError):
        page = httpx.get(f"{replica.http_url}/metrics", trust_env=False, timeout=2).text
        told = re.search(r"^profile_sync_partitions_active (\S+)", page, re.MULTILINE)
        return int(float(told[1])) if told else None
    return None


def _port(url: str) -> int:
    return httpx.URL(url).port or 0


def _end(replica: Service, how: signal.Signals) -> None:
    """End a process that lives, frozen or not; one that does not obey within 20 s is killed."""
    if how == signal.SIGTERM:
        # Python itself ends at a SIGTERM that comes before the service has begun.
        eventually(lambda: bool(replica.output()), 10)
        with suppress(ProcessLookupError):
            os.killpg(replica.process.pid, signal.SIGCONT)
        with suppress(subprocess.TimeoutExpired):
            replica.terminate(20)
            return
    replica.kill()
