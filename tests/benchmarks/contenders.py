"""Who is measured, and how each is started."""

from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.peers.contract import LOOPS, Loop
from tests.programs import Program, Service, without_settings

TOKEN = "benchmark-token"

_PEERS = "tests.benchmarks.peers"
_SLOW, _MIDDLE, _FAST = 1_000, 2_000, 8_000


@dataclass(frozen=True, slots=True)
class Load:
    """What one run has to do.

    `delay` is the API's, in seconds. With `skewed` keys a few of them have most of the events.
    """

    events: int
    delay: float = 0.0
    in_flight: int = 64
    prefetch: int = 200
    classic: bool = False
    api_tls: bool = False
    broker_tls: bool = False
    partitions: int = 1
    skewed: bool = False
    coalesce: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run takes place: the addresses, who signed their certificates, and one to show."""

    amqp_url: str
    api_url: str
    ca_file: Path
    certificate: Path
    key: Path
    output: Path


@dataclass(frozen=True, slots=True)
class Contender:
    """A program that does the work; `events` keep it busy for some seconds.

    Without `loops` it is one that works in threads.
    """

    name: str
    module: str
    events: int
    loops: tuple[Loop, ...] = LOOPS

    def start(self, loop: Loop | None, load: Load, place: Place) -> Program:
        """Start it on one of its loops."""
        variables = {
            "AMQP_URL": place.amqp_url,
            "API_URL": place.api_url,
            "ACCESS_TOKEN": TOKEN,
            "CONNECTIONS": f"{load.in_flight}",
            "PREFETCH": f"{load.prefetch}",
            "LOOP": loop or "asyncio",
        }
        peer = {f"PEER_{name}": value for name, value in variables.items()}
        return Program(["-m", self.module], place.output, {**_environment(), **peer})


class Ours(Contender):
    """The service as its users run it, with the load's calls in flight and prefetch."""

    __slots__ = ()

    def start(self, loop: Loop | None, load: Load, place: Place) -> Service:
        """Start it on one of its loops; uvloop is the one it takes by itself."""
        module = self.module if loop == "uvloop" else "tests.benchmarks.on_asyncio"
        return Service(_settings(load, place), place.output, ["-m", module, "run"])


def _settings(load: Load, place: Place) -> dict[str, str]:
    settings = {
        "AMQP_URL": place.amqp_url,
        "API_URL": place.api_url,
        "ACCESS_TOKEN": TOKEN,
        "MAX_IN_FLIGHT": f"{load.in_flight}",
        "PREFETCH": f"{load.prefetch}",
    }
    if load.partitions > 1:
        settings["PARTITIONS"] = f"{load.partitions}"
    if load.coalesce:
        settings["COALESCE"] = "in-flight"
    if load.classic:
        settings["DECLARE_TOPOLOGY"] = "false"
    if load.broker_tls:
        settings["AMQP_CA_FILE"] = f"{place.ca_file}"
        settings["AMQP_CERT_FILE"] = f"{place.certificate}"
        settings["AMQP_KEY_FILE"] = f"{place.key}"
    env = {f"PROFILE_SYNC_{name}": value for name, value in settings.items()}
    return {**env, "SSL_CERT_FILE": f"{place.ca_file}"} if load.api_tls else env


OURS = Ours("profile-sync", "service", _FAST)
FLOOR = Contender("floor: bytes by hand", "tests.benchmarks.floor", _FAST)
AIOPIKA_AIOHTTP = Contender("aio-pika + aiohttp", f"{_PEERS}.aiopika_aiohttp", _MIDDLE)
AIOPIKA_HTTPX = Contender("aio-pika + httpx", f"{_PEERS}.aiopika_httpx", _SLOW)
FASTSTREAM = Contender("FastStream + httpx", f"{_PEERS}.faststream_httpx", _SLOW)
PIKA = Contender("pika + httpx, one at a time", f"{_PEERS}.pika_blocking_httpx", _SLOW, ())
KOMBU = Contender("kombu + httpx, 64 threads", f"{_PEERS}.kombu_threads_httpx", _SLOW, ())

PEERS = (AIOPIKA_AIOHTTP, AIOPIKA_HTTPX, FASTSTREAM, PIKA, KOMBU)
ALL = (OURS, *PEERS, FLOOR)


def _environment() -> dict[str, str]:
    """Return the environment without what its owner may have set for other programs."""
    return {
        name: value for name, value in without_settings().items() if not name.startswith("PEER_")
    }
