"""Several replicas of one service, a stream of events to them, and what came of it at the API."""

import hashlib
import itertools
import json
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import httpx
import pika

from tests.campaign.order import final_values
from tests.integration.conftest import EVENTS
from tests.programs import Service, StandIn

Start = Callable[[Mapping[str, str]], Service]

QUICK = {
    "HEARTBEAT": "2",
    "REQUEST_TIMEOUT": "2",
    "CONNECT_TIMEOUT": "2",
    "DRAIN_TIMEOUT": "5",
    "AMBIGUOUS_WAIT": "4",
    "LOG_LEVEL": "info",
}
"""Settings with short waits, so that a replica that is gone is noticed soon."""


def route(customer: str) -> str:
    """Make the routing key of a customer's events, as README tells senders to."""
    return hashlib.sha256(f"1234\ncustomerid=={customer.lower()}".encode()).hexdigest()


class Stream:
    """Publishes numbered events of many customers, as fast as they are taken or at a rate.

    The n-th event of a customer writes n.
    """

    def __init__(
        self, url: str, customers: int, rate: float, sent: Counter[str] | None = None
    ) -> None:
        """Take the events a second, and what an earlier stream has sent to go on from there."""
        self.sent: Counter[str] = Counter(sent)
        self._url = url
        self._customers = [f"c-{number}" for number in range(customers)]
        self._rate = rate
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Stream":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Publish nothing more; all that was sent is in the queues afterwards."""
        self._ended.set()
        self._thread.join(30)

    def _run(self) -> None:
        connection = pika.BlockingConnection(pika.URLParameters(self._url))
        channel = connection.channel()
        channel.confirm_delivery()
        turns = itertools.cycle(self._customers)
        while not self._ended.wait(10 / self._rate):
            for customer in itertools.islice(turns, 10):
                self.sent[customer] += 1
                channel.basic_publish(
                    EVENTS,
                    route(customer),
                    event(customer, self.sent[customer]),
                    pika.BasicProperties(delivery_mode=2),  # type: ignore[no-untyped-call]
                    mandatory=True,
                )
        connection.close()


def event(customer: str, number: int) -> bytes:
    """Write the event that sets a customer's first name to a number, or creates that customer."""
    content = {
        "id": f"{customer}-{number}",
        "database": 1234,
        "where": {"customerid": customer},
        "create": True,
        "fields": {"firstname": f"{number}"},
    }
    return json.dumps(content).encode()


class Replicas:
    """The replicas that run, by name; `metric` asks each of them."""

    def __init__(self, start: Start, env: Mapping[str, str]) -> None:
        self._start = start
        self._env = env
        self._numbers = itertools.count(1)
        self.running: dict[str, Service] = {}

    def add(self, count: int = 1) -> list[str]:
        """Start replicas, and return their names when they are ready."""
        names = [f"replica-{next(self._numbers)}" for _ in range(count)]
        for name in names:
            self.running[name] = self._start(self._env)
        for name in names:
            self.running[name].wait_ready()
        return names

    def start(self) -> Service:
        """Start one that need not become ready, and is not one of those that run."""
        return self._start(self._env)

    def end(self, name: str, how: signal.Signals) -> None:
        """End one by SIGTERM or SIGKILL."""
        replica = self.running.pop(name)
        if how is signal.SIGTERM:
            assert replica.terminate() == 0
        else:
            replica.kill()

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """Stop the clock of one (SIGSTOP) for a while; it is not asked for anything meanwhile."""
        replica = self.running.pop(name)
        replica.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            replica.process.send_signal(signal.SIGCONT)
            self.running[name] = replica

    def metric(self, name: str) -> list[int]:
        """Read a metric without labels of each replica; 0 of one that does not answer."""
        return [_value(replica, name) for replica in self.running.values()]

    @property
    def active(self) -> list[int]:
        """How many partitions each replica works on, the most first."""
        return sorted(self.metric("partitions_active"), reverse=True)


def _value(replica: Service, name: str) -> int:
    try:
        page = httpx.get(f"{replica.http_url}/metrics", trust_env=False, timeout=5).text
    except httpx.TransportError:
        return 0
    found = [line for line in page.splitlines() if line.startswith(f"profile_sync_{name} ")]
    return int(float(found[0].split()[1])) if found else 0


def finals(api: StandIn) -> dict[str, list[int]]:
    """Read from the API the number that each customer's profiles hold, one each if all is well."""
    query = {"access_token": "demo-token", "limit": "1000"}
    url = f"{api.url}/v2/database/1234/profiles"
    answer = httpx.get(url, params=query, trust_env=False, timeout=30).raise_for_status()
    return final_values([
        profile for profile in answer.json()["data"] if profile["fields"]["customerid"][:2] == "c-"
    ])  # fmt: skip
