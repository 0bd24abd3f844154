"""Looks at processes of the service again and again: what they take up, and what they tell."""

import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

import httpx

from tests.campaign.evidence import Vitals
from tests.programs import Service

_EVERY = 2.0  # seconds
_PROC = Path("/proc")


class Watch:
    """Looks on in a thread of its own while it is entered; `seen` is what it has seen.

    Without /proc, as on macOS, it sees what they tell, and zeros.
    """

    def __init__(self, processes: Callable[[], Mapping[str, Service]]) -> None:
        self.seen: list[Vitals] = []
        self._processes = processes
        self._looking = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Look at nothing more but when told to."""
        self._ended.set()
        self._thread.join()

    def look(self, name: str, process: Service) -> None:
        """Look at one process now, if it is still there."""
        with self._looking, suppress(OSError):
            page = _page(process)
            memory, files, threads = _taken_up(process.process.pid)
            self.seen.append(Vitals(name, time.time(), memory, files, threads, page))

    def _run(self) -> None:
        while not self._ended.wait(_EVERY):
            for name, process in self._processes().items():
                self.look(name, process)


def _page(process: Service) -> str:
    with suppress(httpx.HTTPError):
        return httpx.get(f"{process.http_url}/metrics", trust_env=False, timeout=1).text
    return ""


def _taken_up(pid: int) -> tuple[int, int, int]:
    """Give bytes of memory, open files, and threads.

    Raises:
        OSError: the process has ended.
    """
    if not _PROC.exists():
        return 0, 0, 0
    facts = dict(re.findall(r"(\w+):\s+(\d+)", (_PROC / f"{pid}/status").read_text()))
    if "VmRSS" not in facts:
        raise FileNotFoundError(pid)  # it has ended, and nobody has asked how
    files = len(os.listdir(_PROC / f"{pid}/fd"))
    return int(facts["VmRSS"]) * 1024, files, int(facts["Threads"])
