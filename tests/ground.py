"""What RabbitMQ nodes stand on, and what leaves nothing of them behind.

Standard library only.
"""

import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from tests.management import HOST
from tests.servers import Server, free_ports

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


class StartFailed(Exception):
    """The node did not come up; the message ends with the last lines of its log."""


class Ground:
    """What nodes stand on: a temporary folder, an epmd, and a watchdog that ends all of it.

    The nodes of a cluster share one. Their processes are in one group, led by the epmd.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.epmd_port = free_ports(1)[0]
        self.folder: Path | None = None
        self._epmd: subprocess.Popen[bytes] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None

    @property
    def watchdog(self) -> int | None:
        """The process id of the watchdog, from the first `start` to `close`."""
        return self._watchdog.pid if self._watchdog else None

    @property
    def inside(self) -> Path:
        """The path by which the server's programs know the folder."""
        assert self.folder is not None
        return self.server.inside(self.folder)

    def start(self) -> int:
        """Make the folder and start the watchdog and epmd, if need be; return the process group.

        Raises StartFailed.
        """
        if self._epmd:
            return self._epmd.pid
        folder = self._prepare()
        # epmd in the foreground, before a node: that would start one that is nobody's child.
        arguments = ("-port", str(self.epmd_port), "-address", HOST)
        self._epmd = subprocess.Popen(
            self.server.command(folder, self.server.epmd, *arguments),
            env=self.environment(),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )
        self._tell_watchdog(str(self._epmd.pid))
        deadline = time.monotonic() + 10
        while not _listens(self.epmd_port):
            if self._epmd.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise StartFailed("epmd, which RabbitMQ needs, did not start")
            time.sleep(0.01)
        return self._epmd.pid

    def stop(self) -> None:
        """End epmd; the folder stays."""
        if self._epmd:
            end_process(self._epmd, signal.SIGTERM, within=5)
            self._tell_watchdog("")
        self._epmd = None

    def close(self) -> None:
        """End epmd and the watchdog, and remove the folder."""
        self.stop()
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
        if self._watchdog:
            self._tell_watchdog("done")
            self._watchdog.communicate(timeout=10)
        self.folder = self._watchdog = None

    def environment(self) -> dict[str, str]:
        """Return the variables of all programs; the caller's own might point at another node."""
        return {
            "PATH": self.server.path,
            "LANG": "C.UTF-8",
            "HOME": str(self.inside),
            "ERL_EPMD_ADDRESS": HOST,
            "ERL_EPMD_PORT": str(self.epmd_port),
            "ERL_CRASH_DUMP_SECONDS": "0",
        }

    def _prepare(self) -> Path:
        """Make the folder, and the watchdog that removes it when nobody else does."""
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
        return folder

    def _tell_watchdog(self, line: str) -> None:
        if self._watchdog and self._watchdog.stdin:
            with suppress(BrokenPipeError):
                self._watchdog.stdin.write(f"{line}\n".encode())
                self._watchdog.stdin.flush()


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False


def end_process(process: subprocess.Popen[bytes], first: signal.Signals, within: float) -> None:
    """Send a signal, and SIGKILL when the process has not ended in so many seconds."""
    process.send_signal(first)
    try:
        process.wait(within)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
