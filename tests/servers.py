"""The RabbitMQ servers that a node can run: the installed one, or 4.0 in a folder of its own.

Standard library only.
"""

import os
import random
import shutil
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.management import HOST

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

_MISSING_4 = """\
RabbitMQ 4 is not unpacked here. `./dev test --rabbitmq 4` does that, as root on a system with apt.
Elsewhere start it in Docker, and say where it is:
  docker run -d --rm -p 5672:5672 -p 15672:15672 rabbitmq:4-management
  export PROFILE_SYNC_TEST_AMQP_URL=amqp://guest:guest@127.0.0.1:5672"""

# A program of another system: it sees that system's files and the node's folder, in a mount
# namespace that ends with it, so that no mount is ever left behind. It keeps its process id.
_CHANGE_ROOT = """
root=$1 folder=$2
shift 2
mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" &&
  mount --bind "$folder" "$root/mnt" && exec chroot "$root" "$@"
"""
_FOLDER_INSIDE = Path("/mnt")
_PATH_INSIDE = "/usr/sbin:/usr/bin:/sbin:/bin"


class MissingRabbitMQ(Exception):
    """There is no rabbitmq-server to run; the message names the ways out."""

    def __init__(self, message: str = _MISSING) -> None:
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Server:
    """The programs of one RabbitMQ, and the folder that is the root of their system, if any."""

    server: str
    epmd: str
    root: Path | None = None

    def command(self, folder: Path, program: str, *arguments: str) -> list[str]:
        """Return what to run so that a program of this RabbitMQ finds a node's folder."""
        command = [program, *arguments]
        if self.root is None:
            return command
        change = ["unshare", "--mount", "/bin/sh", "-c", _CHANGE_ROOT, "rabbitmq-root"]
        return [*change, str(self.root), str(folder), *command]

    def inside(self, folder: Path) -> Path:
        """Return the path by which the programs know a node's folder."""
        return folder if self.root is None else _FOLDER_INSIDE

    @property
    def control(self) -> str:
        """The path of rabbitmqctl."""
        return str(Path(self.server).with_name("rabbitmqctl"))

    @property
    def path(self) -> str:
        """The variable PATH for the programs."""
        return os.environ.get("PATH", os.defpath) if self.root is None else _PATH_INSIDE


def chosen_version(environ: Mapping[str, str] = os.environ) -> int | None:
    """Return the version that PROFILE_SYNC_TEST_RABBITMQ chooses; None is the installed one."""
    return _version(environ.get("PROFILE_SYNC_TEST_RABBITMQ"))


def find_server(version: int | None = None) -> Server:
    """Return the RabbitMQ to run: 4, as `./dev` unpacks it, or else the installed one.

    The installed one is any that any user may run, RABBITMQ_SERVER first. Raises MissingRabbitMQ.
    """
    if _version(version) is None:
        return Server(_find_installed(), _find_epmd())
    root = unpacked()
    if not root.is_dir() or os.getuid() != 0:
        raise MissingRabbitMQ(_MISSING_4)
    return Server(_SERVERS[0], "/usr/bin/epmd", root)


def unpacked(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder into which `./dev` unpacks RabbitMQ 4, whole or not there at all."""
    cache = environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "profile-sync" / "rabbitmq-4"


def _version(version: str | int | None) -> int | None:
    if version in (None, ""):
        return None
    if str(version) != "4":
        raise ValueError(f"RabbitMQ {version}: only 4 can be chosen, or nothing: the installed one")
    return 4


def _find_installed() -> str:
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
                probe.bind((HOST, port))
                found.append(port)
    return found
