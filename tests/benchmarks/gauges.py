"""What a process has used so far, read from outside so that nothing in it has to measure."""

from contextlib import suppress
from pathlib import Path

import psutil


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of all threads of a process that still run, in seconds."""
    threads = Path(f"/proc/{pid}/task")
    if not threads.exists():  # Linux alone tells so exactly
        times = psutil.Process(pid).cpu_times()
        return float(times.user + times.system)
    nanoseconds = 0
    for thread in threads.iterdir():
        with suppress(OSError):  # it has just ended
            nanoseconds += int((thread / "schedstat").read_text().split()[0])
    return nanoseconds / 1e9


def idle_seconds() -> float:
    """Return how long all cores of the machine together have had nothing to do so far."""
    return float(psutil.cpu_times().idle)


def cores() -> int:
    """Count the cores of the machine."""
    return psutil.cpu_count() or 1


def memory_mb(pid: int) -> float:
    """Return the memory of a process that is in RAM, in MB."""
    return float(psutil.Process(pid).memory_info().rss) / 1e6


def machine() -> str:
    """Name the processor, and say how many cores of it there are."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line for line in lines if line.startswith("model name")).partition(": ")[2]
    except (OSError, StopIteration):
        name = "unknown processor"
    return f"{name}, {cores()} cores"
