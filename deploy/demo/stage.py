"""Everything that runs during the demo: started in order, ended in the opposite one."""

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from deploy.demo import observe
from deploy.demo.programs import (
    LATENCY,
    PARTITIONS,
    Api,
    Service,
    Signals,
    StandIn,
    check_running,
    end,
    is_private,
    rabbitmq,
    wait,
)
from deploy.demo.screen import Screen
from deploy.demo.sender import Sender
from tests.prometheus import Prometheus
from tests.rabbitmq import Vhost

# The API's dates are whole seconds: a profile that is changed in its first one looks new.
_FIRST_SECOND = 1.1

_Program = TypeVar("_Program", StandIn, Service, Prometheus)


@dataclass(frozen=True, slots=True)
class Stage:
    """What runs; Prometheus if it was asked for."""

    vhost: Vhost
    standin: StandIn
    service: Service
    sender: Sender
    prometheus: Prometheus | None

    def check(self) -> None:
        """Raise DemoFailed, with the end of its log, if a program has ended."""
        check_running("service", self.service.program)
        check_running("stand-in", self.standin.program)
        if self.prometheus:
            check_running("Prometheus", self.prometheus.program)


def set_up(
    screen: Screen, signals: Signals, stack: ExitStack, api: Api, *, observed: bool
) -> Stage:
    """Start all of it; `stack` ends it.

    Raises:
        DemoFailed: with the end of a program's log.
    """

    def start(make: Callable[[], _Program]) -> _Program:
        with signals.held():
            made = make()
            stack.callback(end, made.program)
        return made

    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="profile-sync-demo-")))
    standin = start(lambda: StandIn(folder, api.put_result))  # comes up while RabbitMQ does
    broker = "a private node" if is_private() else "a virtual host of the one you have"
    with screen.step("RabbitMQ", broker):
        vhost = stack.enter_context(rabbitmq())
    plays = f"a stand-in, version {api.version}, {LATENCY * 1000:.0f} ms a call"
    with screen.step("API", f"{plays}, PUT gives {'its profiles' if api.lists else 'nothing'}"):
        standin.wait_listening()
    shared = "" if PARTITIONS == "1" else f", {PARTITIONS} partitions"
    with screen.step("service", f"profile-sync run, a process of its own{shared}"):
        service = start(lambda: Service(folder, vhost.amqp_url, standin.url, api.version))
        service.wait_ready()
    prometheus = None
    if observed:
        with screen.step("Prometheus", "asks both each second, and judges by deploy/prometheus"):
            prometheus = start(lambda: observe.start(folder, service.url, vhost))
            wait(prometheus.program, partial(observe.sees, prometheus), "observing")
    time.sleep(max(0.0, _FIRST_SECOND - standin.age()))
    sender = stack.enter_context(closing(Sender(vhost.amqp_url)))
    return Stage(vhost, standin, service, sender, prometheus)
