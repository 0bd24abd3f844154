"""RabbitMQ for the demo, the tests and `./dev broker`: a private node, or a broker elsewhere.

Standard library only. `python -m tests.rabbitmq` runs a private node in the foreground.
"""

import argparse
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Self

from tests.ground import Ground, StartFailed, end_process
from tests.management import GUEST, HOST, ApiError, Broker, Vhost
from tests.servers import MissingRabbitMQ, find_server, free_ports

__all__ = [
    "ApiError",
    "Broker",
    "MissingRabbitMQ",
    "Node",
    "StartFailed",
    "Vhost",
    "find_server",
    "free_ports",
]


class Node(Broker):
    """A RabbitMQ node of one's own on 127.0.0.1, in a temporary folder, for root or anyone else.

    Nothing of it outlives the parent process, however that ends. `stop` and `kill` keep ports
    and data, so that `start` goes on from there; `close`, or leaving the context, removes all.
    """

    def __init__(
        self,
        version: int | None = None,
        *,
        ground: Ground | None = None,
        peer: str | None = None,
        certificates: Mapping[str, bytes] | None = None,
    ) -> None:
        """Choose the names and the ports; `start` does the rest.

        `version` is 4, or none for the installed RabbitMQ. A node of a cluster shares a ground
        with the others, who keep it, and joins its peer at its first start. With `certificates`,
        the contents of `ca.pem`, `certificate.pem` and `key.pem`, the node takes TLS on a port of
        its own too, from clients with a certificate of that CA, whose common name may be the
        login. Raises MissingRabbitMQ.
        """
        self._own_ground = ground is None
        self._ground = ground or Ground(find_server(version))
        self._server = self._ground.server
        self._peer = peer
        self._certificates = certificates
        self._ports = _Ports(*free_ports(5))
        self._id = secrets.token_hex(4)
        self.name = f"profile-sync-{self._id}@localhost"
        self._process: subprocess.Popen[bytes] | None = None
        self._frozen = False
        super().__init__(
            f"amqp://{GUEST}:{GUEST}@{HOST}:{self._ports.amqp}",
            f"http://{HOST}:{self._ports.management}",
        )
        self.prometheus_url = f"http://{HOST}:{self._ports.prometheus}/metrics"

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def folder(self) -> Path | None:
        """The temporary folder, from the first start to `close`."""
        return self._ground.folder

    @property
    def inside(self) -> Path:
        """The path by which the node's own programs know that folder."""
        return self._ground.inside

    @property
    def pid(self) -> int | None:
        """The process id of the running node; its process group is led by its epmd."""
        return self._process.pid if self._process else None

    @property
    def watchdog(self) -> int | None:
        """The process id of the watchdog, from the first start to `close`."""
        return self._ground.watchdog

    @property
    def amqps_url(self) -> str:
        """The AMQP URL of its port for TLS."""
        return f"amqps://{GUEST}:{GUEST}@{HOST}:{self._ports.amqps}/%2F"

    def start(self, timeout: float = 60) -> None:
        """Start the node and return when it takes AMQP and management requests.

        Raises StartFailed after `timeout` seconds, or as soon as the node gives up.
        """
        if self._process:
            return
        group = self._ground.start()
        folder = self._prepare()
        assert self._ground.folder is not None
        with (folder / "node.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._server.command(self._ground.folder, self._server.server),
                env=self._environment(),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=group,
            )
        deadline = time.monotonic() + timeout
        self._wait(lambda: _speaks_amqp(self._ports.amqp), self._process, deadline)
        self._wait(self._answers, self._process, deadline)

    def stop(self) -> None:
        """Stop the node in good order; ports and data stay for another `start`."""
        self.thaw()
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the node at once, without a chance to save anything (SIGKILL)."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Stop the clock of the node (SIGSTOP): its connections stay open and say nothing."""
        if self._process and not self._frozen:
            self._process.send_signal(signal.SIGSTOP)
            os.waitpid(self._process.pid, os.WUNTRACED)  # until the last of its threads stands
            self._frozen = True

    def thaw(self) -> None:
        """Let a frozen node go on (SIGCONT)."""
        if self._process:
            self._process.send_signal(signal.SIGCONT)
        self._frozen = False

    def save(self) -> None:
        """Have the declared queues on the disk: RabbitMQ writes them up to two seconds late.

        A quorum queue younger than that hangs for ever after a `kill`, its messages with it.
        """
        self.control("eval", "[ok = dets:sync(T) || T <- dets:all()], ok = mnesia:sync_log().")

    def control(self, *arguments: str) -> None:
        """Run `rabbitmqctl` on the node, for what the management API cannot do.

        Raises subprocess.CalledProcessError.
        """
        folder = self._ground.folder
        assert folder is not None
        subprocess.run(
            self._server.command(folder, self._server.control, "-n", self.name, *arguments),
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
        )

    def show(self, certificates: Mapping[str, bytes]) -> None:
        """Replace some of the certificates of a running node; new connections see them."""
        folder = self.folder
        assert folder is not None
        for name, content in certificates.items():
            (folder / self._id / name).write_bytes(content)
        self.control("eval", "ssl:clear_pem_cache().")

    def close(self) -> None:
        """End the node and remove its folder: what it would save in good order goes with it."""
        self.kill()
        if self._own_ground:
            self._ground.close()

    def wait(self) -> int:
        """Return the running node's exit code when it ends by itself."""
        return self._process.wait() if self._process else 0

    def log(self) -> str:
        """Return what the node has logged."""
        path = self.folder / self._id / "node.log" if self.folder else None
        return path.read_text(errors="replace") if path and path.exists() else ""

    def _prepare(self) -> Path:
        """Make the node's own folder and its configuration."""
        assert self._ground.folder is not None
        folder = self._ground.folder / self._id
        if folder.exists():
            return folder
        folder.mkdir()
        plugins = ["rabbitmq_management", "rabbitmq_prometheus", "rabbitmq_sharding"]
        if self._certificates:
            plugins.append("rabbitmq_auth_mechanism_ssl")
        (folder / "enabled_plugins").write_text(f"[{','.join(plugins)}].\n")
        (folder / "advanced.config").write_text("[{rabbit,[{quorum_tick_interval,500}]}].\n")
        settings = [
            f"listeners.tcp.private = {HOST}:{self._ports.amqp}",
            f"management.tcp.ip = {HOST}",
            f"management.tcp.port = {self._ports.management}",
            f"prometheus.tcp.ip = {HOST}",
            f"prometheus.tcp.port = {self._ports.prometheus}",
        ]
        if self._peer:
            settings += [
                "cluster_formation.peer_discovery_backend = classic_config",
                f"cluster_formation.classic_config.nodes.1 = {self._peer}",
                f"cluster_formation.classic_config.nodes.2 = {self.name}",
            ]
        if self._certificates:
            for name, content in self._certificates.items():
                (folder / name).write_bytes(content)
            inside = self._ground.inside / self._id
            settings += [
                f"listeners.ssl.private = {HOST}:{self._ports.amqps}",
                f"ssl_options.cacertfile = {inside / 'ca.pem'}",
                f"ssl_options.certfile = {inside / 'certificate.pem'}",
                f"ssl_options.keyfile = {inside / 'key.pem'}",
                "ssl_options.verify = verify_peer",
                "ssl_options.fail_if_no_peer_cert = true",
                "auth_mechanisms.1 = PLAIN",
                "auth_mechanisms.2 = EXTERNAL",
                "ssl_cert_login_from = common_name",
            ]
        (folder / "rabbitmq.conf").write_text("".join(f"{line}\n" for line in settings))
        return folder

    def _environment(self) -> dict[str, str]:
        folder = self._ground.inside / self._id
        return {
            **self._ground.environment(),
            # The script then becomes the Erlang VM, which takes signals itself.
            "RUNNING_UNDER_SYSTEMD": "true",
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_DIST_PORT": str(self._ports.distribution),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "config"),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            # Few schedulers, bound to no core and never spinning: nodes run side by side.
            "RABBITMQ_SCHEDULER_BIND_TYPE": "u",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none"
                " -start_epmd false -kernel inet_dist_use_interface {127,0,0,1}"
            ),
        }

    def _answers(self) -> bool:
        try:
            self.api("GET", "/overview")
        except (ApiError, OSError):
            return False
        return True

    def _wait(
        self, ready: Callable[[], bool], process: subprocess.Popen[bytes], deadline: float
    ) -> None:
        while not ready():
            code = process.poll()
            if code is None and time.monotonic() < deadline:
                time.sleep(0.05)
                continue
            log = self.log()
            self._end(signal.SIGKILL)
            fate = "was not ready in time" if code is None else f"ended with exit code {code}"
            tail = "\n".join(log.splitlines()[-40:])
            raise StartFailed(f"The private RabbitMQ node {fate}. Its log ends:\n{tail}")

    def _end(self, first: signal.Signals) -> None:
        if self._process:
            end_process(self._process, first, within=30)
        if self._own_ground:
            self._ground.stop()
        self._process = None
        self._frozen = False


@dataclass(frozen=True)
class _Ports:
    amqp: int
    distribution: int
    management: int
    prometheus: int
    amqps: int


def _speaks_amqp(port: int) -> bool:
    """Say hello as AMQP 0-9-1 does; a node that has booted offers Connection.Start (10, 10)."""
    with suppress(OSError), socket.create_connection((HOST, port), timeout=5) as connection:
        connection.sendall(b"AMQP\x00\x00\x09\x01")
        with connection.makefile("rb") as answers:
            frame = answers.read(11)
        return frame[:3] == b"\x01\x00\x00" and frame[7:] == b"\x00\x0a\x00\x0a"
    return False


def main(arguments: list[str] | None = None) -> int:
    """Run a node in the foreground until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.rabbitmq", description="Run a private RabbitMQ node."
    )
    parser.add_argument("--find", action="store_true", help="only say which programs would run")
    parser.add_argument(
        "--rabbitmq", type=int, choices=[4], help="the version to run; else the installed one"
    )
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        if options.find:
            server = find_server(options.rabbitmq)
            print(server.server, server.epmd, sep="\n")
            return 0
        with Node(options.rabbitmq) as node:
            print(f"AMQP        {node.amqp_url()}")
            print(f"management  {node.management_url}  ({GUEST}/{GUEST})")
            print(f"prometheus  {node.prometheus_url}")
            print("Ctrl-C ends it, and its data goes with it.", flush=True)
            code = node.wait()
            print(f"The node ended by itself, exit code {code}.", file=sys.stderr)
    except (MissingRabbitMQ, StartFailed) as error:
        print(error, file=sys.stderr)
    except KeyboardInterrupt:
        return 0
    return 1


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
