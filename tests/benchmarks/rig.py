"""What stands around a run: a RabbitMQ node and stubs of the API, both with TLS too."""

import os
import secrets
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from tests.benchmarks.contenders import Load, Place
from tests.certificates import Authority, pair, write_pair
from tests.programs import Program
from tests.rabbitmq import Node, Vhost, free_ports

_HOST = "127.0.0.1"


class _Files:
    """A certificate of this machine with its key, and that of the authority that signed it."""

    def __init__(self, folder: Path) -> None:
        authority = Authority()
        leaf = authority.issue()
        self.authority = Path(authority.write(folder / "ca.pem"))
        self.certificate, self.key = map(Path, write_pair(leaf, folder))
        self.both = folder / "both.pem"
        leaf.private_key_and_cert_chain_pem.write_to_path(f"{self.both}")
        self.of_the_node = {"ca.pem": authority.pem(), **pair(leaf)}


class StubApis:
    """Stubs of the API, each started when its URL is asked for and ended with the context."""

    def __init__(self) -> None:
        self._urls: dict[tuple[float, Path | None], str] = {}
        self._exits = ExitStack()

    def __enter__(self) -> Self:
        self._folder = Path(self._exits.enter_context(tempfile.TemporaryDirectory()))
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    def url(self, delay: float, certificate: Path | None = None) -> str:
        """Give the URL of one that answers after so many seconds, with TLS or without."""
        if (delay, certificate) not in self._urls:
            self._urls[delay, certificate] = self._start(delay, certificate)
        return self._urls[delay, certificate]

    def _start(self, delay: float, certificate: Path | None) -> str:
        port = free_ports(1)[0]
        arguments = ["-m", "tests.benchmarks.api", "--port", f"{port}", "--delay", f"{delay}"]
        if certificate is not None:
            arguments += ["--certificate", f"{certificate}"]
        api = Program(arguments, self._folder / f"api-{port}.log", os.environ)
        self._exits.callback(api.kill)
        api.wait_until(lambda: _listens(port), "listening", 20)
        return f"{'http' if certificate is None else 'https'}://{_HOST}:{port}/v2"


class Rig:
    """Everything that runs beside the contenders, for as long as the context lasts."""

    def __init__(self) -> None:
        self._exits = ExitStack()
        self._runs = 0

    def __enter__(self) -> Self:
        with ExitStack() as exits:
            self._folder = Path(exits.enter_context(tempfile.TemporaryDirectory()))
            self._files = _Files(self._folder)
            self._apis = exits.enter_context(StubApis())
            self.node = exits.enter_context(Node(certificates=self._files.of_the_node))
            self._exits = exits.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    @contextmanager
    def vhost(self) -> Iterator[Vhost]:
        """Make a virtual host for one run."""
        fresh = self.node.create_vhost(f"run-{secrets.token_hex(4)}")
        try:
            yield fresh
        finally:
            self.node.delete_vhost(fresh.name)

    def _amqps_url(self, vhost: Vhost) -> str:
        plain, encrypted = urlsplit(vhost.amqp_url), urlsplit(self.node.amqps_url)
        login = plain.netloc.rpartition("@")[0]
        address = encrypted.netloc.rpartition("@")[2]
        return plain._replace(scheme="amqps", netloc=f"{login}@{address}").geturl()

    def place(self, vhost: Vhost, load: Load) -> Place:
        """Say where a run in a virtual host takes place."""
        self._runs += 1
        return Place(
            self._amqps_url(vhost) if load.broker_tls else vhost.amqp_url,
            self._apis.url(load.delay, self._files.both if load.api_tls else None),
            self._files.authority,
            self._files.certificate,
            self._files.key,
            self._folder / f"run-{self._runs}.log",
        )


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection((_HOST, port), timeout=1):
        return True
    return False
