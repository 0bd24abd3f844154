"""The programs that tests run as they are: the service and the stand-in for the API."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from tests.rabbitmq import free_ports


def eventually(true: Callable[[], bool], within: float = 10) -> bool:
    """Ask again and again until something is true; False if it is not `within` so many seconds."""
    deadline = time.monotonic() + within
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


class Program:
    """A program in a process group of its own, its output in a file; else told, one in Python."""

    def __init__(
        self,
        arguments: Sequence[str],
        output: Path,
        env: Mapping[str, str],
        executable: str = sys.executable,
    ) -> None:
        self._output = output
        with output.open("wb") as file:
            self.process = subprocess.Popen(
                [executable, *arguments],
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def output(self) -> str:
        """Return all that the program has written so far."""
        return self._output.read_text(errors="replace")

    def log(self) -> list[dict[str, Any]]:
        """Return the lines written so far that are JSON objects."""
        lines = (_json_object(line) for line in self.output().splitlines())
        return [line for line in lines if line is not None]

    def wait_until(
        self, ready: Callable[[], bool], what: str, timeout: float, interval: float = 0.05
    ) -> None:
        """Ask `ready` each `interval`; fail when the program ends first, or after `timeout`."""
        deadline = time.monotonic() + timeout
        while not ready():
            code = self.process.poll()
            if code is None and time.monotonic() < deadline:
                time.sleep(interval)
                continue
            fate = f"not {what} in {timeout} s" if code is None else f"ended with exit code {code}"
            name = " ".join(self.process.args[1:])  # type: ignore[arg-type, index] # always a list
            raise AssertionError(f"{name}: {fate}. Its output ends:\n{self.output()[-4000:]}")

    def terminate(self, timeout: float = 40) -> int:
        """Send SIGTERM, wait for the end and return the exit code; fail after `timeout`."""
        self.process.terminate()
        return self.process.wait(timeout)

    def kill(self) -> None:
        """End the program and its children at once (SIGKILL)."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Service(Program):
    """`profile-sync run`, with PROFILE_SYNC_… variables from the test alone.

    `arguments` run something else in its place that takes the same variables.
    """

    def __init__(
        self,
        env: Mapping[str, str],
        output: Path,
        arguments: Sequence[str] = ("-m", "service", "run"),
    ) -> None:
        port = env.get("PROFILE_SYNC_HTTP_PORT") or str(free_ports(1)[0])
        self.http_url = f"http://127.0.0.1:{port}"
        address = {"PROFILE_SYNC_HTTP_HOST": "127.0.0.1", "PROFILE_SYNC_HTTP_PORT": port}
        super().__init__(arguments, output, {**without_settings(), **address, **env})

    def wait_ready(self, timeout: float = 20) -> None:
        """Return when /readyz answers 200."""
        self.wait_until(self._ready, "ready", timeout)

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.http_url}/readyz", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False


class StandIn(Program):
    """The stand-in for the API on a free port, or on that of an earlier one: `--port`."""

    def __init__(self, arguments: Sequence[str], output: Path) -> None:
        port = str(free_ports(1)[0])
        super().__init__(
            ["-m", "tests.standin", "--port", port, *arguments], output, without_settings()
        )
        try:
            self.wait_until(lambda: bool(self.log()), "listening", 20)
        except AssertionError:
            self.kill()
            raise
        self.url: str = self.log()[0]["url"]

    def journal(self) -> list[dict[str, Any]]:
        """Return the requests that the stand-in has received, oldest first."""
        requests: list[dict[str, Any]] = self._control("GET", "journal").json()
        return requests

    def forget(self) -> None:
        """Empty the journal."""
        self._control("DELETE", "journal")

    def fail(self, fault: Mapping[str, Any]) -> None:
        """Order a fault for calls to come, for example `{"status": 503, "times": 3}`."""
        self._control("PUT", "faults", fault)

    def recover(self) -> None:
        """End the faults."""
        self._control("DELETE", "faults")

    def replace_token(self, token: str) -> None:
        """Take another access token from now on, and no longer the one before."""
        self._control("PUT", "token", {"token": token})

    def freeze(self) -> None:
        """Stop its clock (SIGSTOP): connections are taken and nothing is answered."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on (SIGCONT)."""
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End the stand-in, so that its address refuses connections."""
        self.terminate(10)

    def _control(self, method: str, what: str, body: object = None) -> httpx.Response:
        url = f"{self.url}/__standin/{what}"
        # A long journal takes its time.
        with httpx.Client(trust_env=False, timeout=60) as client:
            return client.request(method, url, json=body).raise_for_status()


def without_settings() -> dict[str, str]:
    """Return this environment without the settings that its owner may have made.

    Bytecode is kept, whatever that owner wishes: each start would take twice as long without.
    What runs here is on this machine, and no proxy is on the way to it.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PROFILE_SYNC_")
        and not name.lower().endswith("_proxy")
        and name != "PYTHONDONTWRITEBYTECODE"
    }


def _json_object(line: str) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
