"""What the demo runs: RabbitMQ, the stand-in for the API, and the service. Start, watch, end."""

import os
import secrets
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import TimeoutExpired
from types import FrameType
from typing import Any

import httpx

from deploy.demo.cases import DATABASE
from tests.programs import Program
from tests.rabbitmq import ApiError, Broker, Node, Vhost, free_ports

PREFIX = "PROFILE_SYNC_"
TOKEN = "demo-token"  # noqa: S105 - the stand-in's
PARTITIONS = os.environ.get(f"{PREFIX}PARTITIONS", "1")  # the only setting that comes from outside
LATENCY = 0.02  # seconds of each call of the stand-in; a real API is farther away


class DemoFailed(Exception):
    """The demo cannot go on; the message says why."""


class Interrupted(BaseException):
    """SIGINT or SIGTERM came."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
        self.exit_code = 128 + number


class Signals:
    """Turns the first SIGINT or SIGTERM into `Interrupted`, but never in the midst of a start.

    Those that follow are ignored: the demo is ending already.
    """

    def __init__(self) -> None:
        self._came: int | None = None
        self._raised = False
        self._holding = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._receive)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep a signal back until what must not be cut in two is done."""
        self._holding = True
        try:
            yield
        finally:
            self._holding = False
            self._raise()

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        self._came = self._came or number
        if not self._holding:
            self._raise()

    def _raise(self) -> None:
        if self._came and not self._raised:
            self._raised = True
            raise Interrupted(self._came)


def is_private() -> bool:
    """Tell whether the demo brings its own RabbitMQ."""
    return Broker.from_environment() is None


@contextmanager
def rabbitmq() -> Iterator[Vhost]:
    """Run a private node, or take a fresh virtual host of the broker that the environment names."""
    external = Broker.from_environment()
    if external is None:
        with Node() as node:
            yield Vhost(node, "/")
        return
    name = f"profile-sync-demo-{secrets.token_hex(3)}"
    try:
        yield external.create_vhost(name)
    finally:
        with suppress(ApiError):  # never made
            external.delete_vhost(name)


@dataclass(frozen=True, slots=True)
class Api:
    """Which API the stand-in plays: what it answers to a PUT, and the version that is called."""

    put_result: str
    version: str

    @property
    def lists(self) -> bool:
        """True if a PUT is answered with its profiles."""
        return self.put_result == "list" and self.version == "2"


class StandIn:
    """The stand-in for the API, with the seeded database."""

    def __init__(self, folder: Path, put_result: str) -> None:
        self._log_file = folder / "standin.log"
        seed = Path(__file__).parent / "seed.json"
        options = {
            "--seed-file": seed,
            "--token": TOKEN,
            "--put-result": put_result,
            "--latency": LATENCY,
        }
        arguments = [str(part) for option in options.items() for part in option]
        self.program = Program(
            ["-m", "tests.standin", "--port", "0", *arguments],
            self._log_file,
            _environment({}),
        )

    def wait_listening(self) -> None:
        """Return when it answers.

        Raises:
            DemoFailed: with the end of its output.
        """
        wait(self.program, lambda: bool(self.program.log()), "listening")

    @property
    def url(self) -> str:
        """Where it listens."""
        return str(self.program.log()[0]["url"])

    def age(self) -> float:
        """Return the seconds since it began to listen, its profiles made."""
        return time.time() - self._log_file.stat().st_mtime

    def profiles(self) -> list[dict[str, Any]]:
        """Return the database's profiles, as the API gives them."""
        answer = fetch(f"{self.url}/v2/database/{DATABASE[0]}/profiles?access_token={TOKEN}")
        return list(answer.json()["data"])

    def journal(self) -> list[dict[str, Any]]:
        """Return the calls it has received, oldest first."""
        return list(fetch(f"{self.url}/__standin/journal").json())


class Service:
    """The service, a process of its own, set by PROFILE_SYNC_ variables as anywhere else."""

    def __init__(self, folder: Path, amqp_url: str, api_url: str, version: str) -> None:
        port = free_ports(1)[0]
        self.url = f"http://127.0.0.1:{port}"
        self.log_file = folder / "service.log"
        self.settings = {
            "AMQP_URL": amqp_url,
            "API_URL": f"{api_url}/v{version}",
            "AUTH_URL": f"{api_url}/authenticate",
            "ACCESS_TOKEN": TOKEN,
            "HTTP_HOST": "127.0.0.1",
            "HTTP_PORT": str(port),
            "LOG_FORMAT": "text",
            "SECRETS_DIR": str(folder),
            "PARTITIONS": PARTITIONS,
        }
        self.program = Program(["-m", "service", "run"], self.log_file, _environment(self.settings))

    def wait_ready(self) -> None:
        """Return when it has declared its queues and takes events.

        Raises:
            DemoFailed: with the end of its log.
        """
        wait(self.program, self._ready, "ready")

    def metrics(self) -> str:
        """Return the page that Prometheus would scrape."""
        return fetch(f"{self.url}/metrics").text

    def _ready(self) -> bool:
        with suppress(DemoFailed):
            return fetch(f"{self.url}/readyz").is_success
        return False


def fetch(url: str) -> httpx.Response:
    """GET an address of this machine.

    Raises:
        DemoFailed: nothing answered.
    """
    try:
        return httpx.get(url, trust_env=False, timeout=10)
    except httpx.TransportError as error:
        raise DemoFailed(f"{url.partition('?')[0]}: {error}") from error


def check_running(name: str, program: Program) -> None:
    """Raise DemoFailed, with the end of its output, if a program has ended."""
    code = program.process.poll()
    if code is not None:
        tail = "\n".join(program.output().splitlines()[-20:])
        raise DemoFailed(f"The {name} has ended by itself, exit code {code}. Its log ends:\n{tail}")


def end(program: Program) -> None:
    """End a program in good order, or the hard way if it takes over 10 seconds."""
    try:
        program.terminate(10)
    except TimeoutExpired:
        program.kill()


def wait(program: Program, ready: Callable[[], bool], what: str) -> None:
    """Return when a program is ready.

    Raises:
        DemoFailed: it has ended, or took over 30 seconds; with the end of its output.
    """
    try:
        program.wait_until(ready, what, 30)
    except AssertionError as error:
        raise DemoFailed(str(error)) from None


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return this environment, its PROFILE_SYNC_ variables replaced by `settings`.

    All of it is on this machine, and no proxy is on the way.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(PREFIX) and not name.lower().endswith("_proxy")
    }
    return kept | {PREFIX + name: value for name, value in settings.items()}
