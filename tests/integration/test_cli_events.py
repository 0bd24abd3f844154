"""Sending events by hand and watching their results."""

import hashlib
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.integration.conftest import EVENTS, RESULTS, Mail
from tests.integration.test_cli import profile_sync
from tests.integration.test_service import event
from tests.programs import eventually, without_settings
from tests.rabbitmq import Vhost


@pytest.fixture
def exchanges(mail: Mail) -> Mail:
    for name in (EVENTS, RESULTS):
        mail.channel.exchange_declare(name, "topic", durable=True)
        mail.channel.queue_declare(name, durable=True)
        mail.channel.queue_bind(name, name, "#")
    return mail


def test_lines_are_sent_in_their_order(tmp_path: Path, vhost: Vhost, exchanges: Mail) -> None:
    file = tmp_path / "events.jsonl"
    bodies = [f'{{"id": "{number}"}}'.encode() for number in range(3000)]
    file.write_bytes(b"\n".join(bodies))
    done = profile_sync("send", "--rate", "100000", str(file), AMQP_URL=vhost.amqp_url)
    assert (done.returncode, done.stdout) == (0, "3000 sent to profile-sync.events\n")
    arrived = exchanges.take(EVENTS, 3000)
    assert [body for _, _, body in arrived] == bodies
    assert {(each.delivery_mode, each.timestamp is None) for _, each, _ in arrived} == {(2, False)}


def test_each_event_has_the_routing_key_of_its_profile_or_that_which_is_given(
    vhost: Vhost, exchanges: Mail
) -> None:
    bodies = [json.dumps(event(number, number)).encode() for number in (1, 2, 1)]
    given = b"\n".join([*bodies, b"broken"])
    for more in ((), ("--routing-key", "mine")):
        sent = profile_sync("send", *more, "-", given=given, AMQP_URL=vhost.amqp_url)
        assert sent.returncode == 0
    arrived = [method.routing_key for method, _, _ in exchanges.take(EVENTS, 8)]
    recipe = [hashlib.sha256(f"1234\ncustomerid=={n}".encode()).hexdigest() for n in (1, 2)]
    assert arrived == [recipe[0], recipe[1], recipe[0], "profile.update", *["mine"] * 4]


def test_the_first_event_that_is_not_taken_is_named(
    tmp_path: Path, vhost: Vhost, exchanges: Mail
) -> None:
    exchanges.channel.queue_delete(EVENTS)
    exchanges.channel.queue_declare(
        EVENTS, durable=True, arguments={"x-max-length": 2, "x-overflow": "reject-publish"}
    )
    exchanges.channel.queue_bind(EVENTS, EVENTS, "#")
    file = tmp_path / "events.jsonl"
    file.write_text("{}\n" * 5)
    done = profile_sync("send", "--rate", "20", str(file), AMQP_URL=vhost.amqp_url)
    assert done.returncode == 1
    assert done.stderr == (
        f"profile-sync: {file}, line 3: a queue refused it (is it full?); `profile-sync check "
        "--management URL` tells of limits and policies; 2 of 5 confirmed; `--from 3` sends the "
        "rest\n"
    )


def test_what_was_taken_after_the_first_failure_is_told(
    tmp_path: Path, vhost: Vhost, exchanges: Mail
) -> None:
    exchanges.channel.queue_delete(EVENTS)
    limits = {"x-max-length": 5, "x-overflow": "reject-publish"}
    exchanges.channel.queue_declare(EVENTS, durable=True, arguments=limits)
    exchanges.channel.queue_bind(EVENTS, EVENTS, "#")
    file = tmp_path / "events.jsonl"
    bodies = [f'{{"id": "{number}"}}' for number in range(2000)]
    file.write_text("\n".join(bodies))
    done = profile_sync("send", str(file), AMQP_URL=vhost.amqp_url)
    told = re.search(r"line (\d+): a queue refused it.*; (\d+) of 2000 confirmed", done.stderr)
    assert told
    first, sent = int(told[1]), int(told[2])
    after = re.search(r", and (\d+) of the confirmed once more", done.stderr)
    assert sent == first - 1 + (int(after[1]) if after else 0)
    assert len(exchanges.take(EVENTS, sent)) == sent


def test_the_rest_is_sent_from_where_it_stopped(
    tmp_path: Path, vhost: Vhost, exchanges: Mail
) -> None:
    files = [tmp_path / name for name in ("a.jsonl", "b.jsonl")]
    for name, file in zip("ab", files, strict=True):
        file.write_text("\n".join(f'{{"id": "{name}{number}"}}' for number in range(3)))
    names = map(str, files)
    done = profile_sync("send", "--from", "3", *names, AMQP_URL=vhost.amqp_url)
    assert (done.returncode, done.stdout) == (0, "4 sent to profile-sync.events\n")
    ids = [json.loads(body)["id"] for _, _, body in exchanges.take(EVENTS, 4)]
    assert ids == ["a2", "b0", "b1", "b2"]
    none = profile_sync("send", "--from", "4", str(files[0]), AMQP_URL=vhost.amqp_url)
    assert none.returncode == 2
    assert none.stderr == "profile-sync: --from 4: there are 3 events\n"


@contextmanager
def watching(
    vhost: Vhost, *arguments: str, heartbeat: str = "10", url: str | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """The command watch, once its queue is bound."""
    path = f"/exchanges/{quote(vhost.name, safe='')}/{RESULTS}/bindings/source"
    before = len(vhost.broker.api("GET", path))
    program = subprocess.Popen(
        [sys.executable, "-m", "service", "watch", *arguments],
        env={
            **without_settings(),
            "PROFILE_SYNC_AMQP_URL": url or vhost.amqp_url,
            "PROFILE_SYNC_HEARTBEAT": heartbeat,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert eventually(lambda: len(vhost.broker.api("GET", path)) > before, 20)
        yield program
    finally:
        program.kill()
        program.communicate()


def started(*keys: str) -> bytes:
    """What is said at the start."""
    return (
        f"watching {' and '.join(keys or ['profile.*.*'])} at the exchange {RESULTS}, by a queue "
        "of its own: nothing is taken from others; Ctrl-C ends\n"
    ).encode()


def publish(mail: Mail, *outcomes: str) -> list[bytes]:
    bodies = []
    for number, outcome in enumerate(outcomes):
        result: dict[str, Any] = {
            "event_id": f"evt-{number}",
            "outcome": outcome,
            "database": "1234",
        }
        result |= {"matched": 1, "attempts": 1, "reason": None, "detail": None}
        bodies.append(json.dumps({**result, "finished_at": "2026-11-23T10:00:00"}).encode())
        mail.channel.basic_publish(RESULTS, f"profile.{outcome}.1234", bodies[-1])
    return bodies


def test_watching_shows_results_and_takes_none_away(vhost: Vhost, exchanges: Mail) -> None:
    with watching(vhost, "--count", "2") as program:
        bodies = publish(exchanges, "updated", "rejected")
        output, errors = program.communicate(timeout=20)
    assert (program.returncode, errors) == (0, started())
    told = [line.split()[:4] for line in output.decode().splitlines()]
    assert told == [
        ["10:00:00", "updated", "1234", "evt-0"],
        ["10:00:00", "rejected", "1234", "evt-1"],
    ]
    assert [body for _, _, body in exchanges.take(RESULTS, 2)] == bodies


def test_watching_shows_only_what_is_asked_for(vhost: Vhost, exchanges: Mail) -> None:
    wanted = ("--outcome", "failed", "--outcome", "rejected", "--database", "1234", "--json")
    with watching(vhost, *wanted, "--count", "2") as program:
        bodies = publish(exchanges, "updated", "rejected", "created", "failed")
        output, errors = program.communicate(timeout=20)
    assert output.splitlines() == [bodies[1], bodies[3]]
    assert errors == started("profile.failed.1234", "profile.rejected.1234")


def test_watching_waits_for_one_event(vhost: Vhost, exchanges: Mail) -> None:
    with watching(vhost, "--id", "evt-2", "--count", "1") as program:
        publish(exchanges, "updated", "updated", "created")
        output, _ = program.communicate(timeout=20)
    assert output.split()[1:4] == [b"created", b"1234", b"evt-2"]


def test_watching_ends_quietly_when_nobody_reads_any_more(vhost: Vhost, exchanges: Mail) -> None:
    with watching(vhost) as program:
        assert program.stdout is not None
        program.stdout.close()
        publish(exchanges, "updated")
        program.stdout = None
        _, errors = program.communicate(timeout=20)
    assert (program.returncode, errors) == (0, started())


def test_watching_ends_with_ctrl_c(vhost: Vhost, exchanges: Mail) -> None:
    with watching(vhost) as program:
        publish(exchanges, "updated")
        assert program.stdout is not None
        assert program.stdout.readline()
        program.send_signal(signal.SIGINT)
        _, errors = program.communicate(timeout=20)
    assert (program.returncode, errors) == (130, started())


def test_watching_says_why_it_cannot(vhost: Vhost) -> None:
    nothing = profile_sync("watch", AMQP_URL=vhost.amqp_url)
    assert nothing.returncode == 1
    assert nothing.stderr.startswith("profile-sync: RabbitMQ: 404 NOT_FOUND - no exchange")
    assert nothing.stderr.count("\n") == 1
    unknown = profile_sync("watch", "--outcome", "lost", AMQP_URL=vhost.amqp_url)
    assert unknown.returncode == 2
    assert "there is no outcome lost; those are updated, created" in unknown.stderr


def test_watching_goes_on_though_its_reader_pauses(vhost: Vhost, exchanges: Mail) -> None:
    many, pause = 3000, 8.0  # more than a pipe holds; several heartbeats of a second
    with watching(vhost, "--count", str(many), heartbeat="1") as program:
        publish(exchanges, *["updated"] * many)
        begun = time.monotonic()
        exchanges.channel.connection.sleep(pause)
        assert time.monotonic() - begun >= pause
        output, errors = program.communicate(timeout=30)
    assert (program.returncode, errors) == (0, started())
    assert len(output.splitlines()) == many
