"""What the commands for dead letters do with standard streams: closed, full, a terminal, a pipe."""

import fcntl
import os
import pty
import re
import resource
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.conftest import DEAD_LETTERS, Mail, wait_for
from tests.integration.test_dead_letters import declare, event, fill, settings
from tests.programs import without_settings
from tests.rabbitmq import Vhost

UUID = "172e9817-b306-5d25-af21-0238f8aeb170"
FULL = Path("/dev/full")
OTHERS = [("list",), ("list", "--each", "--json"), ("show", "evt-1"), ("export",)]
COMMANDS = [
    ("replay", "--dry-run", "--offline"),
    *(pytest.param(other, marks=pytest.mark.slow) for other in OTHERS),
]


@pytest.fixture
def declared(mail: Mail, vhost: Vhost) -> Mail:
    declare(mail, settings(vhost))
    return mail


needs_full = pytest.mark.skipif(not FULL.exists(), reason="only Linux has a disk that is full")


def run(
    vhost: Vhost,
    *arguments: str,
    before: Callable[[], object] | None = None,
    stdout: int | None = None,
) -> tuple[int, str]:
    """Run a command with another output than usual; give its exit code and what it complains of."""
    done = subprocess.run(
        [sys.executable, "-m", "service", "dead-letters", *arguments],
        env={**without_settings(), "PROFILE_SYNC_AMQP_URL": vhost.amqp_url},
        stdout=stdout,
        stderr=subprocess.PIPE,
        preexec_fn=before,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr


def on_terminal(vhost: Vhost, *arguments: str, columns: int = 80) -> str:
    """Run a command on a terminal, and give what that shows."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    plain = {name: text for name, text in without_settings().items() if name != "COLUMNS"}
    address = {"PROFILE_SYNC_AMQP_URL": vhost.amqp_url, "TERM": "xterm"}
    command = [sys.executable, "-m", "service", "dead-letters", *arguments]
    running = subprocess.Popen(
        command, env={**plain, **address}, stdin=slave, stdout=slave, stderr=slave
    )
    os.close(slave)
    shown = b""
    try:
        while more := os.read(master, 65536):
            shown += more
    except OSError:  # the terminal ends with the last that has it
        pass
    finally:
        os.close(master)
        running.wait(20)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode()).replace("\r\n", "\n")


def test_without_standard_input_nothing_is_confirmed(declared: Mail, vhost: Vhost) -> None:
    fill(declared, event(1))
    code, said = run(vhost, "discard", "--all", before=lambda: os.close(0))
    assert (code, said.count("\n"), "--yes" in said) == (2, 1, True)
    assert declared.ready(DEAD_LETTERS) == 1


def test_standard_input_cannot_hold_the_letters_and_the_answer(
    declared: Mail, vhost: Vhost
) -> None:
    fill(declared, event(1))
    said = on_terminal(vhost, "discard", "--in", "-")
    assert "give --yes" in said
    assert "Traceback" not in said
    assert declared.ready(DEAD_LETTERS) == 1


def test_what_is_written_to_a_closed_standard_output_is_not_taken_for_written(
    declared: Mail, vhost: Vhost
) -> None:
    fill(declared, event(1))
    code, said = run(vhost, "export", before=lambda: os.close(1))
    assert code == 1
    assert said == "profile-sync: standard output: Bad file descriptor\n"


@needs_full
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_full_disk_is_one_line(command: tuple[str, ...], declared: Mail, vhost: Vhost) -> None:
    fill(declared, event(1))
    with FULL.open("wb") as full:
        code, said = run(vhost, *command, stdout=full.fileno())
    assert (code, said) == (1, "profile-sync: standard output: No space left on device\n")
    wait_for(lambda: declared.ready(DEAD_LETTERS) == 1, "the letter back")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_reader_that_has_read_enough_is_no_fault(
    command: tuple[str, ...], declared: Mail, vhost: Vhost
) -> None:
    fill(declared, event(1))
    reading, writing = os.pipe()
    os.close(reading)
    try:
        assert run(vhost, *command, stdout=writing) == (1, "")
    finally:
        os.close(writing)
    wait_for(lambda: declared.ready(DEAD_LETTERS) == 1, "the letter back")


def test_a_file_that_cannot_be_written_whole_is_named_and_not_there(
    declared: Mail, vhost: Vhost, tmp_path: Path
) -> None:
    fill(declared, *(event(number) for number in range(50)))
    file = tmp_path / "letters.jsonl"
    small = (4096, 4096)  # bytes

    def grow_little() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, small)

    code, said = run(vhost, "export", str(file), before=grow_little)
    assert (code, said) == (1, f"profile-sync: {file}: File too large\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("how", [("list",), ("replay", "--dry-run")], ids=" ".join)
def test_an_id_stands_whole_on_a_narrow_terminal(
    how: tuple[str, ...], declared: Mail, vhost: Vhost
) -> None:
    fill(declared, event(1, id=UUID, where={}))
    offline = ("--offline",) if how[0] == "replay" else ()
    shown = on_terminal(vhost, *how, *offline, columns=50)
    assert UUID in shown.split()
    assert "\N{HORIZONTAL ELLIPSIS}" not in shown


def test_the_last_line_of_progress_stays_on_a_terminal(declared: Mail, vhost: Vhost) -> None:
    fill(declared, *(event(number) for number in range(3)))
    shown = on_terminal(vhost, "replay", "--reason", "unknown-field", "--offline")
    last = [line for line in shown.splitlines() if "replaying" in line][-1]
    assert "3/3" in last
    assert shown.splitlines()[-1] == "3 of 3 published to profile-sync.events"
