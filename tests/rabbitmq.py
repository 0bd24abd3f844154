"""RabbitMQ for the demo, the tests and `./dev broker`: a private node, or a broker elsewhere.

Standard library only. `python -m tests.rabbitmq` runs a private node in the foreground.
"""

import argparse
import json
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Self
from urllib.parse import quote, unquote, urlsplit

_HOST = "127.0.0.1"
_GUEST = "guest"

# Debian's and Red Hat's packages keep the script that any user may run here; their command in
# sbin serves root and the user rabbitmq only.
_SERVERS = (
    "/usr/lib/rabbitmq/bin/rabbitmq-server",
    "/opt/homebrew/opt/rabbitmq/sbin/rabbitmq-server",
    "/usr/local/opt/rabbitmq/sbin/rabbitmq-server",
)

_MISSING = """\
RabbitMQ is needed here, and none was found. Three ways out:
  1. install it with your package manager, for example: apt-get install rabbitmq-server
                                                    or: brew install rabbitmq
  2. start it in Docker, and say where it is:
       docker run -d --rm -p 5672:5672 -p 15672:15672 rabbitmq:4-management
       export PROFILE_SYNC_TEST_AMQP_URL=amqp://guest:guest@127.0.0.1:5672
  3. use a broker you have: set PROFILE_SYNC_TEST_AMQP_URL, and PROFILE_SYNC_TEST_MANAGEMENT_URL
     if its management plugin does not listen on port 15672 of the same host"""

# Ends a node whose parent died without a word: then its end of the pipe is closed. Every line
# names the process group to end by then; an empty line means that nothing runs.
_WATCHDOG = """
group=
while read -r line; do
  if [ "$line" = done ]; then exit; fi
  group=$line
done
if [ -n "$group" ]; then kill -s KILL -- "-$group"; sleep 0.2; fi
rm -rf -- "$1"
"""


class MissingRabbitMQ(Exception):
    """There is no rabbitmq-server to run; the message names the ways out."""

    def __init__(self) -> None:
        super().__init__(_MISSING)


class StartFailed(Exception):
    """The node did not come up; the message ends with the last lines of its log."""


class ApiError(Exception):
    """The management API refused a request."""

    def __init__(self, method: str, path: str, status: int, answer: str) -> None:
        super().__init__(f"{method} {path}: {status} {answer}")
        self.status = status


class Broker:
    """A running RabbitMQ, reached over AMQP and its management API."""

    def __init__(self, amqp: str, management: str) -> None:
        """Take an AMQP URL, whose path is ignored, and the management plugin's base URL."""
        self._amqp = urlsplit(amqp)
        self.management_url = management.rstrip("/")
        self.user = unquote(self._amqp.username or _GUEST)
        password = unquote(self._amqp.password or _GUEST)
        self._login = b64encode(f"{self.user}:{password}".encode()).decode()
        # A proxy that the environment names is not meant for this.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Broker | None":
        """Return the broker that PROFILE_SYNC_TEST_AMQP_URL names, or nothing if it is not set."""
        amqp = environ.get("PROFILE_SYNC_TEST_AMQP_URL")
        if not amqp:
            return None
        host = urlsplit(amqp).hostname or _HOST
        management = environ.get("PROFILE_SYNC_TEST_MANAGEMENT_URL")
        return cls(amqp, management or f"http://{f'[{host}]' if ':' in host else host}:15672")

    def amqp_url(self, vhost: str = "/") -> str:
        """Return the AMQP URL of a virtual host, its name percent-encoded."""
        return self._amqp._replace(path="/" + quote(vhost, safe="")).geturl()

    def api(self, method: str, path: str, body: object = None) -> Any:
        """Call the management API and return its JSON, or None where it answers nothing.

        `path` follows `/api`, its parts percent-encoded. Raises ApiError.
        """
        request = urllib.request.Request(  # noqa: S310 - the broker's own URL
            f"{self.management_url}/api{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Basic {self._login}",
                "Content-Type": "application/json",
            },
        )
        try:
            with self._opener.open(request, timeout=30) as response:
                content = response.read()
        except urllib.error.HTTPError as refusal:
            with refusal:
                raise ApiError(
                    method, path, refusal.code, refusal.read().decode(errors="replace")
                ) from None
        return json.loads(content) if content else None

    def create_vhost(self, name: str) -> "Vhost":
        """Create a virtual host that the broker's user may use fully."""
        self.api("PUT", f"/vhosts/{_part(name)}", {})
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        self.api("PUT", f"/permissions/{_part(name)}/{_part(self.user)}", everything)
        return Vhost(self, name)

    def delete_vhost(self, name: str) -> None:
        """Delete a virtual host and all in it; its connections are closed."""
        self.api("DELETE", f"/vhosts/{_part(name)}")

    def queue(self, vhost: str, name: str) -> dict[str, Any]:
        """Return a queue's type, arguments and numbers of messages, as they are now.

        Of a quorum queue the numbers are as old as its last tick: half a second on a private
        node, five seconds by RabbitMQ's default. Raises ApiError.
        """
        # Of a single queue the API would tell what it sampled up to five seconds ago.
        path = f"/queues/{_part(vhost)}"
        queues: list[dict[str, Any]] = self.api(
            "GET", f"{path}?disable_stats=true&enable_queue_totals=true"
        )
        for queue in queues:
            if queue["name"] == name:
                return queue
        raise ApiError("GET", f"{path}/{_part(name)}", 404, "no such queue")

    def close_connections(self, vhost: str, timeout: float = 10) -> int:
        """Close a virtual host's connections, as an operator can, and return their number.

        The API lists a connection up to five seconds after it was opened: the first is waited for.
        """
        deadline = time.monotonic() + timeout
        while not (connections := self.api("GET", f"/vhosts/{_part(vhost)}/connections")):
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        for connection in connections:
            with suppress(ApiError):  # one that has just ended by itself
                self.api("DELETE", f"/connections/{_part(connection['name'])}")
        return len(connections)


@dataclass(frozen=True)
class Vhost:
    """One virtual host of a broker."""

    broker: Broker
    name: str

    @property
    def amqp_url(self) -> str:
        """The AMQP URL of this virtual host."""
        return self.broker.amqp_url(self.name)

    def queue(self, name: str) -> dict[str, Any]:
        """Return a queue's type, arguments and numbers of messages, as Broker.queue does."""
        return self.broker.queue(self.name, name)

    def close_connections(self) -> int:
        """Close the connections, as Broker.close_connections does, and return their number."""
        return self.broker.close_connections(self.name)


class Node(Broker):
    """A RabbitMQ node of one's own on 127.0.0.1, in a temporary folder, for root or anyone else.

    Nothing of it outlives the parent process, however that ends. `stop` and `kill` keep ports
    and data, so that `start` goes on from there; `close`, or leaving the context, removes all.
    """

    def __init__(self) -> None:
        """Choose the names and the ports; `start` does the rest.

        Raises MissingRabbitMQ.
        """
        self._server = find_server()
        self._epmd_program = _find_epmd()
        self._ports = _Ports(*free_ports(5))
        self.name = f"profile-sync-{secrets.token_hex(4)}@localhost"
        self.prometheus_url = f"http://{_HOST}:{self._ports.prometheus}/metrics"
        self.folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._epmd: subprocess.Popen[bytes] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None
        super().__init__(
            f"amqp://{_GUEST}:{_GUEST}@{_HOST}:{self._ports.amqp}",
            f"http://{_HOST}:{self._ports.management}",
        )

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
    def pid(self) -> int | None:
        """The process id of the running node; its process group is led by its epmd."""
        return self._process.pid if self._process else None

    @property
    def watchdog(self) -> int | None:
        """The process id of the watchdog, from the first start to `close`."""
        return self._watchdog.pid if self._watchdog else None

    def start(self, timeout: float = 60) -> None:
        """Start the node and return when it takes AMQP and management requests.

        Raises StartFailed after `timeout` seconds, or as soon as the node gives up.
        """
        if self._process:
            return
        folder = self._prepare()
        environment = self._environment(folder)
        # epmd in the foreground, before the node: the node would start one that is nobody's child.
        self._epmd = subprocess.Popen(
            [self._epmd_program, "-port", str(self._ports.epmd), "-address", _HOST],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )
        self._tell_watchdog(str(self._epmd.pid))
        deadline = time.monotonic() + timeout
        self._wait(lambda: _listens(self._ports.epmd), self._epmd, deadline)
        with (folder / "node.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._server],
                env=environment,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=self._epmd.pid,
            )
        self._wait(lambda: _speaks_amqp(self._ports.amqp), self._process, deadline)
        self._wait(self._answers, self._process, deadline)

    def stop(self) -> None:
        """Stop the node in good order; ports and data stay for another `start`."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the node at once, without a chance to save anything (SIGKILL)."""
        self._end(signal.SIGKILL)

    def control(self, *arguments: str) -> None:
        """Run `rabbitmqctl` on the node, for what the management API cannot do."""
        assert self.folder is not None
        subprocess.run(
            [str(Path(self._server).with_name("rabbitmqctl")), "-n", self.name, *arguments],
            env=self._environment(self.folder),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
        )

    def close(self) -> None:
        """End the node and remove its folder: what it would save in good order goes with it."""
        self.kill()
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
        if self._watchdog:
            self._tell_watchdog("done")
            self._watchdog.communicate(timeout=10)
        self.folder = self._watchdog = None

    def wait(self) -> int:
        """Return the running node's exit code when it ends by itself."""
        return self._process.wait() if self._process else 0

    def log(self) -> str:
        """Return what the node has logged."""
        path = self.folder / "node.log" if self.folder else None
        return path.read_text(errors="replace") if path and path.exists() else ""

    def _prepare(self) -> Path:
        """Make the node's folder, and the watchdog that removes it when nobody else does."""
        if self.folder:
            return self.folder
        self.folder = folder = Path(tempfile.mkdtemp(prefix="profile-sync-rabbitmq-"))
        self._watchdog = subprocess.Popen(
            ["/bin/sh", "-c", _WATCHDOG, "rabbitmq-watchdog", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )
        cookie = folder / ".erlang.cookie"
        cookie.write_text(secrets.token_hex(20))
        cookie.chmod(0o400)
        (folder / "enabled_plugins").write_text("[rabbitmq_management,rabbitmq_prometheus].\n")
        (folder / "advanced.config").write_text("[{rabbit,[{quorum_tick_interval,500}]}].\n")
        (folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.private = {_HOST}:{self._ports.amqp}\n"
            f"management.tcp.ip = {_HOST}\n"
            f"management.tcp.port = {self._ports.management}\n"
            f"prometheus.tcp.ip = {_HOST}\n"
            f"prometheus.tcp.port = {self._ports.prometheus}\n"
        )
        return folder

    def _environment(self, folder: Path) -> dict[str, str]:
        """Return all variables of the node; the caller's own might point at another node."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(folder),
            "ERL_EPMD_ADDRESS": _HOST,
            "ERL_EPMD_PORT": str(self._ports.epmd),
            "ERL_CRASH_DUMP_SECONDS": "0",
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
            _end_process(self._process, first, within=30)
        if self._epmd:
            _end_process(self._epmd, signal.SIGTERM, within=5)
            self._tell_watchdog("")
        self._process = self._epmd = None

    def _tell_watchdog(self, line: str) -> None:
        if self._watchdog and self._watchdog.stdin:
            with suppress(BrokenPipeError):
                self._watchdog.stdin.write(f"{line}\n".encode())
                self._watchdog.stdin.flush()


@dataclass(frozen=True)
class _Ports:
    amqp: int
    distribution: int
    epmd: int
    management: int
    prometheus: int


def find_server() -> str:
    """Return the path of a rabbitmq-server that any user may run, RABBITMQ_SERVER first.

    Raises MissingRabbitMQ.
    """
    for candidate in (os.environ.get("RABBITMQ_SERVER"), *_SERVERS, "rabbitmq-server"):
        if candidate and (found := shutil.which(candidate)):
            return found
    raise MissingRabbitMQ


def _find_epmd() -> str:
    if found := shutil.which("epmd"):
        return found
    if erl := shutil.which("erl"):
        beside = Path(erl).resolve().parent / "epmd"
        if beside.exists():
            return str(beside)
    raise MissingRabbitMQ


def free_ports(count: int) -> list[int]:
    """Return ports of 127.0.0.1 that nobody listens on.

    All lie below the range from which systems serve outgoing connections: otherwise a client
    that knocks while a server is down could be given the server's port, and meet itself there.
    """
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(20_000, 32_000)  # noqa: S311 - not a secret
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind((_HOST, port))
                found.append(port)
    return found


def _part(name: str) -> str:
    return quote(name, safe="")


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection((_HOST, port), timeout=1):
        return True
    return False


def _speaks_amqp(port: int) -> bool:
    """Say hello as AMQP 0-9-1 does; a node that has booted offers Connection.Start (10, 10)."""
    with suppress(OSError), socket.create_connection((_HOST, port), timeout=5) as connection:
        connection.sendall(b"AMQP\x00\x00\x09\x01")
        with connection.makefile("rb") as answers:
            frame = answers.read(11)
        return frame[:3] == b"\x01\x00\x00" and frame[7:] == b"\x00\x0a\x00\x0a"
    return False


def _end_process(process: subprocess.Popen[bytes], first: signal.Signals, within: float) -> None:
    process.send_signal(first)
    try:
        process.wait(within)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main(arguments: list[str] | None = None) -> int:
    """Run a node in the foreground until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.rabbitmq", description="Run a private RabbitMQ node."
    )
    parser.add_argument("--find", action="store_true", help="only say which programs would run")
    find = parser.parse_args(arguments).find
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        if find:
            print(find_server(), _find_epmd(), sep="\n")
            return 0
        with Node() as node:
            print(f"AMQP        {node.amqp_url()}")
            print(f"management  {node.management_url}  ({_GUEST}/{_GUEST})")
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
