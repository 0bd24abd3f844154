"""A service between RabbitMQ and the API, watched by a Prometheus in which time passes faster.

Each trouble really breaks something, and mends it: see `TROUBLES`.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml  # type: ignore[import-untyped] # as in tests.alerts

from service.conditions import EQUAL, Condition, routing_key, selection_key
from tests import prometheus
from tests.alerts import shortened
from tests.campaign.proxy import Proxy
from tests.integration.conftest import EVENTS, RESULTS, Mail, wait_for
from tests.integration.harm import finished, oldest, readiness
from tests.programs import Service, StandIn, eventually
from tests.prometheus import Prometheus
from tests.rabbitmq import Node, Vhost, free_ports

FASTER = 60  # an hour of the rules is a minute here
_FIRE = 60.0  # seconds until an alert must have fired
_CLEAR = 120.0  # ... until one must have cleared: the longest window takes half of it
_TOKEN = "demo-token"
_REFUSED: Mapping[str, Any] = {"status": 400, "message": "No", "method": "PUT"}


class Stage:
    """What runs, and the ways between: `wire` to RabbitMQ, `eye` from Prometheus to RabbitMQ.

    There is one replica, `service`; Prometheus looks for as many as there are partitions.
    """

    def __init__(
        self, vhost: Vhost, node: Node, folder: Path, stack: ExitStack, partitions: int = 1
    ) -> None:
        self.node = node
        self._folder = folder
        self._services = 0
        self.api = StandIn((), folder / "standin.log")
        stack.callback(self.api.kill)
        self.wire = stack.enter_context(Proxy(_port(vhost.amqp_url)))
        self.eye = stack.enter_context(Proxy(_port(node.prometheus_url)))
        by_wire = urlsplit(vhost.amqp_url)
        by_wire = by_wire._replace(netloc=f"guest:guest@127.0.0.1:{self.wire.port}")
        self._settings = {
            "AMQP_URL": by_wire.geturl(),
            "API_URL": f"{self.api.url}/v2",
            "ACCESS_TOKEN": _TOKEN,
            "HOLD_TIMEOUT": "1",
            "RETRY_BASE": "0.2",
            "RETRY_MAX": "2",
            "PARTITIONS": str(partitions),
        }
        self._ports = free_ports(partitions)
        self.service = self.serve()
        stack.callback(self._kill_service)
        self.mail = Mail(f"{vhost.amqp_url}?heartbeat=0")
        stack.callback(self.mail.close)
        config = prometheus.example(
            self._rules(vhost),
            [f"http://127.0.0.1:{port}" for port in self._ports],
            f"http://127.0.0.1:{self.eye.port}",
            vhost.name,
        )
        # As long as a series counts as the latest one: the default by the same divisor.
        latest = f"--query.lookback-delta={300 / FASTER:g}s"
        self.source = stack.enter_context(Prometheus(folder, config, latest))
        # What happens before a first look at a number is not seen in it.
        seen = "profile_sync:links == 1 and profile_sync:event_consumers == 1"
        wait_for(lambda: bool(self.source.query(seen)), "what Prometheus sees")

    def serve(self, **more: str) -> Service:
        """Start the service, and wait until it is ready."""
        self.service = self._start(0, **more)
        return self.service

    @contextmanager
    def another(self, **more: str) -> Iterator[None]:
        """Run a second replica."""
        replica = self._start(1, **more)
        try:
            yield
        finally:
            replica.kill()

    def send(self, *keys: object, **more: Any) -> None:
        """Send an update of each key, by the key's partition."""
        for key in keys:
            condition = Condition("customerid", EQUAL, f"{key}")
            event = {
                "database": 1234,
                "where": {"customerid": f"{key}"},
                "fields": {"firstname": "John"},
                **more,
            }
            self.mail.send(event, routing_key=routing_key(selection_key("1234", [condition])))

    def finish(self, *keys: object, **more: Any) -> None:
        """Send an update of each key, and wait until they have ended."""
        before = finished(self.service)
        self.send(*keys, **more)
        wait_for(lambda: finished(self.service) == before + len(keys), "the events' ends", 30)

    def fired(self, alert: str, since: float) -> bool:
        """Tell whether an alert has fired since an instant of the monotonic clock."""
        return self.source.has_fired(alert, time.monotonic() - since)

    def _start(self, place: int, **more: str) -> Service:
        self._services += 1
        given = {**self._settings, "HTTP_PORT": str(self._ports[place]), **more}
        settings = {f"PROFILE_SYNC_{name}": value for name, value in given.items()}
        started = Service(settings, self._folder / f"service-{self._services}.log")
        started.wait_ready()
        return started

    def _kill_service(self) -> None:
        self.service.kill()

    def _rules(self, vhost: Vhost) -> Path:
        path = self._folder / "rules.yaml"
        rules = yaml.safe_load(prometheus.rules_for(vhost.name))
        path.write_text(json.dumps(shortened(rules, FASTER)))
        return path


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that breaks, from entering a context to leaving it, and what fires for it."""

    name: str
    alerts: tuple[str, ...]
    happens: Callable[[Stage], AbstractContextManager[None]]


@contextmanager
def _links_break(stage: Stage) -> Iterator[None]:
    for number in range(10):
        stage.wire.reset()
        # A link that gets nothing done is replaced ever more slowly.
        stage.finish(f"cut-{number}")
    yield


@contextmanager
def _two_match(stage: Stage) -> Iterator[None]:
    for key in ("twin-1", "twin-2"):
        stage.finish(key, create=True, fields={"lastname": "Twin"})
    stage.finish("twin", where={"lastname": "Twin"})
    yield


@contextmanager
def _nobody_takes_results(stage: Stage) -> Iterator[None]:
    yield
    stage.mail.channel.queue_purge(RESULTS)


@contextmanager
def _the_api_hangs(stage: Stage) -> Iterator[None]:
    since = time.monotonic()
    stage.api.freeze()
    try:
        # All are of one key: its calls are so few that they make no outage.
        stage.send(*["one"] * 1100)
        await_alert(lambda: stage.fired("ProfileSyncEventsLate", since), "ProfileSyncEventsLate")
        stage.send(*["one"] * 300)
        yield
    finally:
        stage.api.thaw()
    wait_for(
        lambda: stage.mail.ready(EVENTS) == 0 and oldest(stage.service) == 0,
        "the ends of all events",
        60,
    )


@contextmanager
def _no_way_to_rabbitmq(stage: Stage) -> Iterator[None]:
    stage.wire.refuse(True)
    stage.wire.reset()
    try:
        yield
    finally:
        stage.wire.refuse(False)


@contextmanager
def _prometheus_does_not_see_rabbitmq(stage: Stage) -> Iterator[None]:
    stage.eye.refuse(True)
    stage.eye.reset()
    try:
        yield
    finally:
        stage.eye.refuse(False)


def _fails(keys: int, **fault: Any) -> Callable[[Stage], AbstractContextManager[None]]:
    @contextmanager
    def happens(stage: Stage) -> Iterator[None]:
        stage.api.fail(fault)
        try:
            stage.send(*(f"key-{number}" for number in range(keys)))
            yield
        finally:
            stage.api.recover()

    return happens


@contextmanager
def _every_third_is_refused(stage: Stage) -> Iterator[None]:
    # Beside many calls of shortly before, these would be a small share.
    calm = "profile_sync:api_requests:increase10m < 5"
    wait_for(lambda: bool(stage.source.query(calm)), "that few calls are made", 60)
    with _fails(90, every=3, **_REFUSED)(stage):
        yield


@contextmanager
def _another_token(stage: Stage) -> Iterator[None]:
    stage.api.replace_token("another-token")
    try:
        stage.send("token")
        yield
    finally:
        stage.api.replace_token(_TOKEN)


@contextmanager
def _no_queue_for_results(stage: Stage) -> Iterator[None]:
    stage.mail.channel.queue_unbind(RESULTS, RESULTS, "#")
    try:
        stage.send("unbound")
        yield
    finally:
        stage.mail.channel.queue_bind(RESULTS, RESULTS, "#")


@contextmanager
def _results_are_dropped(stage: Stage) -> Iterator[None]:
    assert stage.service.terminate() == 0
    stage.serve(UNROUTABLE_RESULTS="drop")
    with _no_queue_for_results(stage):
        yield


@contextmanager
def _no_memory(stage: Stage) -> Iterator[None]:
    stage.api.freeze()
    try:
        # RabbitMQ blocks a connection when it publishes: the result comes after the alarm.
        stage.send("blocked")
        stage.node.control("set_vm_memory_high_watermark", "0.00001")
        stage.api.thaw()
        yield
    finally:
        stage.api.thaw()
        stage.node.control("set_vm_memory_high_watermark", "0.4")


@contextmanager
def _no_selection_and_then_no_service(stage: Stage) -> Iterator[None]:
    since = time.monotonic()
    strange = {"ID": "1", "fields": {}, "interests": [], "created": "", "modified": ""}
    page = {"start": 0, "limit": 1, "count": 1, "total": 1, "data": [strange]}
    stage.api.fail(
        {"status": 200, "body": json.dumps(page), "method": "GET", "until_reset": True}
        | {"call": "database/profiles"}
    )
    try:
        stage.send("guard", where={"email": "john@example.com"})
        wait_for(lambda: readiness(stage.service) == (503, "selection-guard"), "the guard")
        await_alert(
            lambda: stage.fired("ProfileSyncSelectionGuard", since), "ProfileSyncSelectionGuard"
        )
        assert stage.service.terminate() == 0
        yield
    finally:
        stage.api.recover()
        stage.serve()


# Those of a line happen together; a link that is lost by a pause is no broken one, so that the
# links come first.
TROUBLES = (
    (
        Trouble("links break", ("ProfileSyncLinksBreak",), _links_break),
        Trouble("two match", ("ProfileSyncMultipleMatches",), _two_match),
        Trouble("nobody takes results", ("ProfileSyncResultsWait",), _nobody_takes_results),
        Trouble(
            "the API hangs",
            ("ProfileSyncEventsLate", "ProfileSyncNoProgress", "ProfileSyncQueueGrows"),
            _the_api_hangs,
        ),
    ),
    (Trouble("no way to RabbitMQ", ("ProfileSyncNoConsumer",), _no_way_to_rabbitmq),),
    (
        Trouble(
            "the API refuses every third",
            ("ProfileSyncApiErrors", "ProfileSyncDeadLetters"),
            _every_third_is_refused,
        ),
    ),
    (Trouble("another token", ("ProfileSyncTokenRefused",), _another_token),),
    (
        Trouble(
            "the API is elsewhere",
            ("ProfileSyncWrongConfiguration",),
            _fails(1, status=301, headers={"Location": "https://example.com/"}, until_reset=True),
        ),
    ),
    (Trouble("no queue for results", ("ProfileSyncUnroutable",), _no_queue_for_results),),
    (
        Trouble(
            "the API refuses all",
            ("ProfileSyncRefusals",),
            _fails(150, until_reset=True, **_REFUSED),
        ),
        Trouble(
            "nobody sees RabbitMQ", ("ProfileSyncQueueUnseen",), _prometheus_does_not_see_rabbitmq
        ),
    ),
    (Trouble("the API is down", ("ProfileSyncOutage",), _fails(10, status=503, until_reset=True)),),
    (Trouble("no memory", ("ProfileSyncBlocked",), _no_memory),),
    (
        Trouble(
            "no selection, then no service",
            ("ProfileSyncSelectionGuard", "ProfileSyncDown"),
            _no_selection_and_then_no_service,
        ),
    ),
    (Trouble("results are dropped", ("ProfileSyncMessagesReturned",), _results_are_dropped),),
)


def watch(stage: Stage, troubles: tuple[Trouble, ...]) -> None:
    """See that what fires for some troubles is silent before, fires, and is silent after."""
    named = [alert for trouble in troubles for alert in trouble.alerts]
    assert not [alert for alert in named if stage.source.alerts()[alert] == "firing"]
    since = time.monotonic()
    with ExitStack() as broken:
        for trouble in troubles:
            broken.enter_context(trouble.happens(stage))
        _await_all(named, lambda alert: stage.fired(alert, since), "fired", _FIRE)
    _await_all(named, lambda alert: stage.source.alerts()[alert] != "firing", "cleared", _CLEAR)


def await_alert(true: Callable[[], bool], alert: str) -> None:
    """Wait until an alert has fired."""
    wait_for(true, f"that {alert} fires", _FIRE)


def _await_all(alerts: list[str], true: Callable[[str], bool], what: str, within: float) -> None:
    """Wait until something is true of all alerts; fail with the names of the others."""
    begun, left = time.monotonic(), set(alerts)

    def none_left() -> bool:
        came = {alert for alert in left if true(alert)}
        for alert in came:
            print(f"{alert} {what} after {time.monotonic() - begun:.1f} s")
        left.difference_update(came)
        return not left

    assert eventually(none_left, within), f"not {what} in {within:g} s: {sorted(left)}"


def _port(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port
