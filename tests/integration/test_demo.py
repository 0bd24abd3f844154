"""The demo as a newcomer runs it: what it shows, what it says when something differs, its end."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests import prometheus
from tests.alerts import alerts
from tests.prometheus import Source
from tests.rabbitmq import Broker

ROOT = Path(__file__).parents[2]
EVENTS = ROOT / "deploy" / "demo" / "events"
OUTCOMES = ("updated", "created", "unmatched", "accepted", "rejected")

pytestmark = pytest.mark.slow


class Demo:
    """A run of the demo, and every process that it has started."""

    def __init__(self, folder: Path, environment: dict[str, str], options: tuple[str, ...]) -> None:
        self.folder = folder
        self._output = folder / "output"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "deploy.demo", *options],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.family: set[psutil.Process] = set()

    @property
    def output(self) -> str:
        return self._output.read_text("utf-8")

    def watch(self, until: Callable[[], bool], timeout: float = 60) -> None:
        """Note the demo's processes until something is true; fail when it takes too long."""
        deadline = time.monotonic() + timeout
        while not until():
            assert time.monotonic() < deadline, self.output
            if self.process.poll() is None:
                self.family |= set(psutil.Process(self.process.pid).children(recursive=True))
            time.sleep(0.02)

    def exit_code(self) -> int:
        self.watch(lambda: self.process.poll() is not None)
        return self.process.wait()

    def wait_for(self, text: str) -> None:
        self.watch(lambda: text in self.output or self.process.poll() is not None)
        assert text in self.output, self.output

    def service(self) -> psutil.Process:
        return next(one for one in self.family if one.cmdline()[-2:] == ["service", "run"])

    def assert_nothing_left(self) -> None:
        """See that no process and no temporary file of the run is there any more."""
        assert len(self.family) >= 2
        self.watch(lambda: not any(process.is_running() for process in self.family), 10)
        self.watch(lambda: [path.name for path in self.folder.iterdir()] == ["output"], 10)


Start = Callable[..., Demo]


@pytest.fixture
def demo(tmp_path: Path, broker: Broker) -> Iterator[Start]:
    """Run the demo, on the tests' RabbitMQ or on a private node of its own."""
    started: list[Demo] = []

    def start(*options: str, private: bool = False, **variables: str) -> Demo:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("PROFILE_SYNC")
        }
        folder = tmp_path / "run"
        folder.mkdir()
        environment |= {"TMPDIR": str(folder), **variables}
        if not private:
            environment["PROFILE_SYNC_TEST_AMQP_URL"] = broker.amqp_url()
            environment["PROFILE_SYNC_TEST_MANAGEMENT_URL"] = broker.management_url
        started.append(Demo(folder, environment, options))
        return started[-1]

    yield start
    for run in started:
        run.process.kill()
        run.process.wait()
        for process in run.family:
            if process.is_running():
                process.kill()


def vhosts(broker: Broker) -> set[str]:
    return {vhost["name"] for vhost in broker.api("GET", "/vhosts")}


def outcomes_shown(output: str) -> set[str]:
    return set(re.findall(r"→ (\w+)", output))


def test_shows_every_outcome_with_a_node_of_its_own(demo: Start) -> None:
    run = demo(private=True)
    assert run.exit_code() == 0, run.output
    assert set(OUTCOMES) <= outcomes_shown(run.output)
    assert "a private node" in run.output
    assert "identical, byte for byte" in run.output
    assert "\x1b" not in run.output
    last = run.output.splitlines()[-1]
    assert re.match(r"All \d+ events ended as expected\. [\d.]+ s, and nothing is left", last)
    run.assert_nothing_left()


@pytest.mark.parametrize("version", ["2", "4"])
@pytest.mark.parametrize("put_result", ["list", "empty"])
def test_shows_the_same_whatever_api_it_is(
    demo: Start, broker: Broker, put_result: str, version: str
) -> None:
    before = vhosts(broker)
    run = demo("--put-result", put_result, "--api-version", version)
    assert run.exit_code() == 0, run.output
    assert set(OUTCOMES) <= outcomes_shown(run.output)
    lists = (put_result, version) == ("list", "2")
    assert ("get-profiles" in run.output) is not lists  # read back
    assert ("post-token 1" in run.output) is (version == "4")
    assert vhosts(broker) == before
    run.assert_nothing_left()


@pytest.mark.parametrize("partitions", ["1", "4"])
def test_shows_the_updates_of_one_profile_in_their_order(demo: Start, partitions: str) -> None:
    run = demo(PROFILE_SYNC_PARTITIONS=partitions)
    assert run.exit_code() == 0, run.output
    assert (f"{partitions} partitions" in run.output) is (partitions != "1")
    assert re.search(r"misrouted_total +.*: 0$", run.output, re.MULTILINE)
    written = re.findall(r"^  07.*→ updated +profile 2 city=(\w+)", run.output, re.MULTILINE)
    assert written == ["Haarlem", "Leiden", "Zwolle"]
    assert "the API got them in this order" in run.output
    assert re.search(r"^  2 +4568 +Zoë +Zwolle\*", run.output, re.MULTILINE)


def test_an_event_that_ends_otherwise_is_named(demo: Start, tmp_path: Path) -> None:
    events = tmp_path / "events"
    shutil.copytree(EVENTS, events)
    table = (events / "expected.toml").read_text("utf-8")
    for name, wanted, other in (
        ("06-nobody-there", 'outcome = "unmatched"', 'outcome = "created"'),
        ("14-empty-key", 'reason = "unsafe-selection"', 'reason = "invalid-event"'),
    ):
        head, section, tail = table.partition(f"[{name}]")
        table = head + section + tail.replace(wanted, other, 1)
    (events / "expected.toml").write_text(table, "utf-8")
    run = demo("--events", str(events))
    assert run.exit_code() == 1
    assert "06-nobody-there: outcome is unmatched, not created" in run.output
    assert "14-empty-key: reason is unsafe-selection, not invalid-event" in run.output
    last = run.output.splitlines()[-1]
    assert last.startswith("Not as expected: 06-nobody-there, 14-empty-key.")
    run.assert_nothing_left()


def test_an_event_without_an_expectation_is_refused_at_once(demo: Start, tmp_path: Path) -> None:
    events = tmp_path / "events"
    shutil.copytree(EVENTS, events)
    (events / "99-new.json").write_text("{}")
    run = demo("--events", str(events))
    assert run.exit_code() == 1
    assert "99-new needs both a file and an expectation" in run.output


@pytest.mark.parametrize(
    ("number", "code", "last"),
    [
        (signal.SIGINT, 0, "nothing is left running."),
        (signal.SIGTERM, 143, "Everything that the demo started has ended."),
    ],
)
def test_kept_until_a_signal(demo: Start, number: signal.Signals, code: int, last: str) -> None:
    run = demo("--keep")
    run.wait_for("service.log")
    assert "./dev run check --database 1234 --where customerid" in run.output
    assert "./dev run dead-letters list" in run.output
    run.process.send_signal(number)
    assert run.exit_code() == code
    assert run.output.splitlines()[-1].endswith(last)
    run.assert_nothing_left()


@pytest.mark.skipif(prometheus.PROGRAM is None, reason="needs the program prometheus")
def test_observed_by_prometheus_with_the_rules_until_ctrl_c(demo: Start) -> None:
    run = demo("--observe", private=True)
    run.wait_for("mend it")
    found = re.search(r"^Prometheus watches: (http\S+)$", run.output, re.MULTILINE)
    assert found
    source = Source(found[1])
    jobs = {"profile-sync": "up", "profile-sync-rabbitmq": "up"}
    run.watch(lambda: source.targets() == jobs)
    run.watch(lambda: source.alerts()["ProfileSyncDeadLetters"] == "firing")
    assert source.alerts().keys() == alerts().keys()
    for page in ("alerts", "targets", "graphs"):
        address = re.search(rf"^  {page} +(http\S+)", run.output, re.MULTILINE)
        assert address
        assert httpx.get(address[1], trust_env=False).status_code == 200
    run.process.send_signal(signal.SIGINT)
    assert run.exit_code() == 0
    assert run.output.splitlines()[-1].endswith("nothing is left running.")
    run.assert_nothing_left()


def test_without_prometheus_it_says_how_to_get_it(demo: Start, tmp_path: Path) -> None:
    run = demo("--observe", PATH=str(tmp_path))
    assert run.exit_code() == 1
    assert "Prometheus is not installed" in run.output
    assert "apt-get install prometheus" in run.output


def test_a_sent_event_shows_while_it_is_kept(demo: Start) -> None:
    run = demo("--keep")
    run.wait_for("service.log")
    exports = re.search(r"^export (?:.*\\\n)+.*$", run.output, re.MULTILINE)
    send = re.search(r"\./dev run send \S+$", run.output, re.MULTILINE)
    assert exports
    assert send
    program = Path(sys.executable).parent / "profile-sync"
    command = send[0].replace("./dev run", str(program))
    script = f"{exports[0]}\n{command}"
    subprocess.run(["/bin/sh", "-c", script], cwd=ROOT, check=True, capture_output=True)
    run.wait_for("published elsewhere")
    run.process.send_signal(signal.SIGINT)
    assert run.exit_code() == 0


def test_a_service_that_dies_ends_the_demo_with_its_log(demo: Start) -> None:
    run = demo("--keep")
    run.wait_for("service.log")
    run.service().kill()
    assert run.exit_code() == 1
    assert "The service has ended by itself, exit code -9. Its log ends:" in run.output
    assert "link to RabbitMQ taken" in run.output
    run.assert_nothing_left()


def test_a_lost_rabbitmq_ends_the_demo(demo: Start, broker: Broker) -> None:
    before = vhosts(broker)
    run = demo("--keep")
    run.wait_for("service.log")
    (own,) = vhosts(broker) - before
    broker.delete_vhost(own)
    assert run.exit_code() == 1
    assert "The connection to RabbitMQ is lost" in run.output
    assert "Traceback" not in run.output
    run.assert_nothing_left()


@pytest.mark.parametrize("seconds", [0.5, 2.5])
def test_interrupted_while_it_starts(demo: Start, seconds: float) -> None:
    run = demo(private=True)
    run.wait_for("RabbitMQ ")
    begun = time.monotonic()
    run.watch(lambda: time.monotonic() > begun + seconds)
    run.process.terminate()
    assert run.exit_code() == 143
    run.assert_nothing_left()
