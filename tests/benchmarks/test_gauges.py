import os
import time

import pytest

from tests.benchmarks.gauges import cores, cpu_seconds, idle_seconds, machine, memory_mb


def test_cpu_is_what_the_process_itself_counts() -> None:
    before, own = cpu_seconds(os.getpid()), time.process_time()
    while time.process_time() < own + 0.2:
        pass
    used, counted = cpu_seconds(os.getpid()) - before, time.process_time() - own
    assert used == pytest.approx(counted, rel=0.2)


def test_no_more_is_idle_than_there_is() -> None:
    before, begun = idle_seconds(), time.monotonic()
    time.sleep(0.5)
    idle, passed = idle_seconds() - before, time.monotonic() - begun
    assert 0 <= idle <= cores() * (passed + 0.1)  # it is counted in ticks


def test_memory_is_that_of_a_running_interpreter() -> None:
    assert 5 < memory_mb(os.getpid()) < 5_000


def test_the_machine_is_named_with_its_cores() -> None:
    assert machine().endswith("cores")
