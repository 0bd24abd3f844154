"""One rule for all commands: how each ends, and in how few words, whatever is wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.test_cli import profile_sync
from tests.programs import without_settings
from tests.rabbitmq import Vhost, free_ports

EVENT = b'{"database": 1, "where": {"customerid": "7"}, "fields": {"age": "8"}}'
OF_RABBITMQ = [
    ("check",),
    ("topology", "--apply"),
    ("send", "-"),
    ("watch",),
    ("dead-letters", "list"),
]
OF_THE_API = [("render", "-"), ("catalogue", "1")]
PRINTING = [
    ("--help",),
    ("--version",),
    ("topology", "--print"),
    ("topology", "--permissions"),
    ("contract", "--json-schema"),
    ("contract", "--asyncapi"),
    ("render", "--offline", "-"),
]
commands = pytest.mark.parametrize("command", OF_RABBITMQ, ids=" ".join)


def nobody() -> str:
    """An address where nothing answers."""
    return f"127.0.0.1:{free_ports(1)[0]}"


def one_line(done: "subprocess.CompletedProcess[str]", code: int) -> str:
    """What the only line says."""
    assert "Traceback" not in done.stderr
    assert done.returncode == code, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("profile-sync: ")
    return line


@commands
def test_without_a_broker_it_is_1(command: tuple[str, ...]) -> None:
    url = f"amqp://guest:hidden@{nobody()}/"
    done = profile_sync(*command, given=EVENT, AMQP_URL=url, ACCESS_TOKEN="t", API_URL=api())
    assert done.returncode == 1
    assert "hidden" not in done.stdout + done.stderr
    if command != ("check",):
        line = one_line(done, 1)
        assert "Connection refused" in line
        assert "PROFILE_SYNC_AMQP_URL" in line


@commands
def test_with_wrong_credentials_it_is_1(command: tuple[str, ...], vhost: Vhost) -> None:
    url = vhost.amqp_url.replace("guest@", "hidden@")
    done = profile_sync(*command, given=EVENT, AMQP_URL=url, ACCESS_TOKEN="t", API_URL=api())
    assert done.returncode == 1
    assert "hidden" not in done.stdout + done.stderr
    assert "refused the user name or the password" in done.stdout + done.stderr
    if command != ("check",):
        assert "mend PROFILE_SYNC_AMQP_URL" in one_line(done, 1)


@pytest.mark.parametrize("command", OF_RABBITMQ[2:], ids=" ".join)
def test_with_nothing_declared_it_is_1_and_says_what_makes_it(
    command: tuple[str, ...], vhost: Vhost
) -> None:
    line = one_line(profile_sync(*command, given=EVENT, AMQP_URL=vhost.amqp_url), 1)
    assert "NOT_FOUND" in line
    assert "`profile-sync topology --apply` makes it" in line


@pytest.mark.parametrize("command", OF_THE_API, ids=" ".join)
def test_without_the_api_it_is_1(command: tuple[str, ...]) -> None:
    done = profile_sync(*command, given=EVENT, ACCESS_TOKEN="hidden", API_URL=api())
    assert "hidden" not in one_line(done, 1)


@pytest.mark.parametrize(
    "command", [*OF_RABBITMQ, *OF_THE_API, *PRINTING[2:4], PRINTING[5], ("run",)], ids=" ".join
)
def test_with_wrong_settings_it_is_2_and_nothing_is_begun(command: tuple[str, ...]) -> None:
    done = profile_sync(*command, given=EVENT, ACCESS_TOKEN="t", MAX_IN_FLIGHT="many")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "profile-sync: 1 setting cannot be used:",
        "  PROFILE_SYNC_MAX_IN_FLIGHT: must be a whole number",
    ]


@pytest.mark.parametrize(
    "command",
    [
        ("nothing",),
        ("check", "--nothing"),
        ("topology",),
        ("send",),
        ("send", "/nowhere/event.json"),
        ("send", "/"),
        ("watch", "--outcome", "lost"),
        ("render", "/nowhere/event.json"),
        ("render", "--catalogue", "/nowhere/saved.json", "-"),
        ("catalogue",),
        ("contract", "nothing"),
        ("contract", "event"),
        ("dead-letters", "list", "--nothing"),
        ("run", "now"),
        ("probe", "now"),
    ],
    ids=" ".join,
)
def test_wrong_use_is_2(command: tuple[str, ...]) -> None:
    done = profile_sync(*command, given=EVENT, ACCESS_TOKEN="t")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_none_is_2_for_probe_and_silence_1() -> None:
    assert profile_sync("probe", HTTP_PORT="none").returncode == 2
    host, _, port = nobody().partition(":")
    silent = profile_sync("probe", HTTP_HOST=host, HTTP_PORT=port)
    assert (silent.returncode, silent.stderr) == (1, "")
    assert "nothing answers" in silent.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("command", [*PRINTING, ("check",), ("probe",)], ids=" ".join)
def test_a_full_disk_is_one_line_and_1(command: tuple[str, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        code, errors = written_to(full.fileno(), *command)
    assert (code, errors) == (1, "profile-sync: standard output: No space left on device\n")


@pytest.mark.parametrize("command", [*PRINTING, ("check",)], ids=" ".join)
def test_a_pipe_that_nobody_reads_is_1_without_a_word(command: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        assert written_to(writer, *command) == (1, "")
    finally:
        os.close(writer)


def written_to(output: int, *command: str) -> tuple[int, str]:
    """The exit code and the errors of a command that writes there, and finds nothing running."""
    settings = {"AMQP_URL": f"amqp://{nobody()}/", "API_URL": api(), "ACCESS_TOKEN": "t"}
    environment = {f"PROFILE_SYNC_{name}": value for name, value in settings.items()}
    done = subprocess.run(
        [sys.executable, "-m", "service", *command],
        env={**without_settings(), "PROFILE_SYNC_HTTP_PORT": "1", **environment},
        input=EVENT,
        stdout=output,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr.decode()


def api() -> str:
    """The address of an API that is down."""
    return f"http://{nobody()}/v2"
