"""The commands as a user runs them."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import EVENTS, Mail, wait_for
from tests.integration.test_service import event
from tests.programs import Service, StandIn
from tests.rabbitmq import Vhost, free_ports


def profile_sync(
    *arguments: str, given: bytes = b"", **settings: str
) -> subprocess.CompletedProcess[str]:
    environment = {n: v for n, v in os.environ.items() if not n.startswith("PROFILE_SYNC_")}
    environment |= {f"PROFILE_SYNC_{name}": value for name, value in settings.items()}
    done = subprocess.run(
        [sys.executable, "-m", "service", *arguments],
        env=environment,
        input=given,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


def test_wrong_settings_are_all_listed_by_name_and_end_with_2() -> None:
    done = profile_sync(
        "run",
        AMQP_URL="http://user:hidden-password@host",
        API_URL="https://api.copernica.com/v9",
        MAX_IN_FLIGHT="many",
        PREFECH="7",
    )
    assert done.returncode == 2
    assert done.stdout == ""
    title, *faults = done.stderr.splitlines()
    assert title == "profile-sync: 5 settings cannot be used:"
    assert [fault.strip().partition(":")[0] for fault in faults] == [
        "PROFILE_SYNC_PREFECH",
        "PROFILE_SYNC_ACCESS_TOKEN",
        "PROFILE_SYNC_API_URL",
        "PROFILE_SYNC_AMQP_URL",
        "PROFILE_SYNC_MAX_IN_FLIGHT",
    ]
    assert "did you mean PROFILE_SYNC_PREFETCH?" in faults[0]
    assert "hidden-password" not in done.stderr


def test_a_proxy_and_files_that_cannot_be_used_end_with_2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://me:hidden-password@proxy:1080")
    done = profile_sync(
        "run",
        ACCESS_TOKEN="unused",
        AMQP_URL="amqps://rabbit",
        AMQP_CA_FILE="/nowhere/ca.pem",
        AMQP_KEY_FILE="/nowhere/key.pem",
    )
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "profile-sync: 3 settings cannot be used:",
        "  PROFILE_SYNC_API_URL: the proxy is one for socks5, and only http and https can be used, "
        "in HTTPS_PROXY",
        "  PROFILE_SYNC_AMQP_CA_FILE: there is no such file",
        "  PROFILE_SYNC_AMQP_KEY_FILE: there is no such file",
    ]


def test_a_token_file_serves_as_well_as_a_variable(
    tmp_path: Path,
    standin: Callable[..., StandIn],
    run_service: Callable[[Mapping[str, str]], Service],
    vhost: Vhost,
    mail: Mail,
) -> None:
    (tmp_path / "access_token").write_text("demo-token\n")
    (tmp_path / "amqp_url").write_text(vhost.amqp_url + "\n")
    service = run_service(
        {
            "PROFILE_SYNC_SECRETS_DIR": str(tmp_path),
            "PROFILE_SYNC_API_URL": f"{standin().url}/v2",
        }
    )
    service.wait_ready()
    mail.send(event(1, create=True))
    assert mail.results(1)[0]["outcome"] == "created"


def test_a_port_in_use_ends_with_2_and_names_the_setting(
    standin: Callable[..., StandIn],
) -> None:
    port = standin().url.rpartition(":")[2]
    done = profile_sync("run", ACCESS_TOKEN="t0ken", HTTP_HOST="127.0.0.1", HTTP_PORT=port)
    assert done.returncode == 2
    assert "PROFILE_SYNC_HTTP_PORT" in done.stderr


@pytest.mark.slow
def test_a_missing_queue_is_said_once_and_asked_for_with_patience(
    standin: Callable[..., StandIn],
    environment: Callable[..., dict[str, str]],
    run_service: Callable[[Mapping[str, str]], Service],
    mail: Mail,
) -> None:
    service = run_service(environment(standin(), DECLARE_TOPOLOGY="false"))

    def messages() -> list[str]:
        return [line["message"] for line in service.log()]

    wait_for(lambda: messages().count("next try for a link") == 5, "five tries")
    spent = [line["seconds"] for line in service.log() if "seconds" in line]
    assert sum(spent) >= 0.125 + 0.25 + 0.5 + 1 + 2
    (said,) = [line for line in service.log() if line["level"] == "warning"]
    assert "NOT_FOUND - no queue 'profile-sync.events'" in said["detail"]
    mail.channel.queue_declare(EVENTS, durable=True, arguments={"x-queue-type": "quorum"})
    service.wait_ready()
    assert service.terminate() == 0


def test_sigterm_ends_it_while_it_waits_for_a_silent_broker(
    standin: Callable[..., StandIn],
    environment: Callable[..., dict[str, str]],
    run_service: Callable[[Mapping[str, str]], Service],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"amqp://guest:guest@127.0.0.1:{silent.getsockname()[1]}/"
        service = run_service(environment(standin(), AMQP_URL=url))
        connection, _ = silent.accept()
        with connection:
            assert service.terminate(9) == 0  # well before the 10 seconds of one connection


@pytest.fixture
def declared(mail: Mail) -> Mail:
    mail.channel.exchange_declare(EVENTS, "topic", durable=True)
    mail.channel.queue_declare(EVENTS, durable=True)
    mail.channel.queue_bind(EVENTS, EVENTS, "#")
    return mail


def test_send_publishes_files_and_standard_input_as_they_are(
    tmp_path: Path, vhost: Vhost, declared: Mail
) -> None:
    file = tmp_path / "event.json"
    file.write_bytes(b'{"broken": ')
    body = json.dumps(event(1)).encode()
    done = profile_sync("send", str(file), "-", given=body, AMQP_URL=vhost.amqp_url)
    assert (done.returncode, done.stdout) == (0, "2 sent to profile-sync.events\n")
    assert [sent for _, _, sent in declared.take(EVENTS, 2)] == [b'{"broken": ', body]


def test_send_says_why_it_could_not(tmp_path: Path, vhost: Vhost, mail: Mail) -> None:
    file = tmp_path / "event.json"
    missing = profile_sync("send", str(file), AMQP_URL=vhost.amqp_url)
    assert missing.returncode == 2
    assert "No such file" in missing.stderr
    file.write_bytes(b"{}")
    port = free_ports(1)[0]
    refused = profile_sync("send", str(file), AMQP_URL=f"amqp://guest:guest@127.0.0.1:{port}/")
    assert refused.returncode == 1
    assert "Connection refused" in refused.stderr
    mail.channel.exchange_declare(EVENTS, "topic", durable=True)
    unbound = profile_sync("send", str(file), AMQP_URL=vhost.amqp_url)
    assert unbound.returncode == 1
    assert "no queue is bound" in unbound.stderr


@pytest.mark.parametrize("command", [[], ["run"], ["send"], ["check"], ["topology"]], ids=" ".join)
def test_help_teaches_by_example(command: list[str]) -> None:
    done = profile_sync(*command, "--help")
    assert done.returncode == 0
    if command:
        assert f"profile-sync {command[0]}" in done.stdout


def test_render_shows_what_an_event_becomes_at_this_api(
    standin: Callable[..., StandIn], tmp_path: Path
) -> None:
    address: dict[str, Any] = {"API_URL": f"{standin().url}/v2", "ACCESS_TOKEN": "demo-token"}
    good = tmp_path / "good.json"
    good.write_text(
        '{"id": "e1", "database": "customers", "where": {"CUSTOMERID": 7}, "fields": {"age": 8}}'
    )
    bad = tmp_path / "bad.json"
    bad.write_text('{"database": 1234, "where": {"customerid": "7"}, "fields": {"agee": 8}}')
    asked = profile_sync("render", str(good), **address)
    assert asked.returncode == 0
    assert asked.stdout.startswith(
        f"PUT {address['API_URL']}/database/1234/profiles"
        "?fields%5B%5D=customerid%3D%3D7&create=0&async=0\n"
        '{"fields":{"age":"8"}}\n'
    )
    refused = profile_sync("render", str(bad), **address)
    assert (refused.returncode, "did you mean age?" in refused.stdout) == (1, True)

    saved = tmp_path / "customers.json"
    saved.write_text(profile_sync("catalogue", "1234", **address).stdout)
    offline = profile_sync("render", "--json", "--catalogue", str(saved), str(good))
    # Without an API to ask, the URL is that of the settings.
    assert json.loads(offline.stdout)["body"] == '{"fields":{"age":"8"}}'
    wrong = profile_sync("render", str(good), **{**address, "ACCESS_TOKEN": "wrong"})
    assert wrong.returncode == 1
    assert "the API calls the access token invalid" in wrong.stderr
    none = profile_sync("render", "--catalogue", str(good), str(good))
    assert (none.returncode, "is no catalogue" in none.stderr) == (2, True)
    for ended in (asked, refused, offline, wrong, none):
        assert "Traceback" not in ended.stderr
        assert "demo-token" not in ended.stdout + ended.stderr
