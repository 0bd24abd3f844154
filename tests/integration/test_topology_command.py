"""`profile-sync topology`: what it prints is what the service needs, and what it makes, too."""

import json
import shlex
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from service.commands.sending import key_of
from tests.integration.conftest import DEAD_LETTERS, EVENTS, RESULTS, Mail
from tests.integration.test_cli import profile_sync
from tests.integration.test_cli_events import publish, watching
from tests.integration.test_service import event
from tests.programs import Service, StandIn
from tests.rabbitmq import Broker, Node, Vhost, free_ports


def things(vhost: Vhost) -> dict[str, list[dict[str, Any]]]:
    """What is in a vhost, but for what RabbitMQ itself puts there."""
    path = quote(vhost.name, safe="")
    exchanges = vhost.broker.api("GET", f"/exchanges/{path}")
    queues = vhost.broker.api("GET", f"/queues/{path}?disable_stats=true")
    bindings = vhost.broker.api("GET", f"/bindings/{path}")
    parts = {
        "exchanges": ("name", "type", "durable", "auto_delete", "internal", "arguments"),
        "queues": ("name", "type", "durable", "auto_delete", "exclusive", "arguments"),
        "bindings": ("source", "destination", "destination_type", "routing_key", "arguments"),
    }
    found = {"exchanges": exchanges, "queues": queues, "bindings": bindings}
    return {
        kind: sorted(
            ({name: one[name] for name in parts[kind]} for one in ours(found[kind])), key=str
        )
        for kind in parts
    }


def ours(listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        one
        for one in listed
        if one.get("source", "x") and one.get("name", "x") and "amq." not in one.get("name", "")
    ]


@pytest.mark.parametrize(("partitions", "sizes"), [("1", [3, 3, 3]), ("4", [4, 8, 7])])
def test_what_it_prints_and_what_it_makes_is_what_the_service_declares(
    *,
    partitions: str,
    sizes: list[int],
    broker: Broker,
    vhost: Vhost,
    standin: Callable[..., StandIn],
    environment: Callable[..., dict[str, str]],
    run_service: Callable[[Mapping[str, str]], Service],
) -> None:
    run_service(environment(standin(), PARTITIONS=partitions)).wait_ready()
    declared = things(vhost)
    assert [len(listed) for listed in declared.values()] == sizes
    made = broker.create_vhost(f"{vhost.name} made")
    imported = broker.create_vhost(f"{vhost.name} imported")
    try:
        known: dict[str, Any] = {"PARTITIONS": partitions}
        assert profile_sync("topology", "--apply", AMQP_URL=made.amqp_url, **known).returncode == 0
        assert things(made) == declared
        printed = profile_sync("topology", "--print", AMQP_URL=imported.amqp_url, **known)
        assert ("rabbitmq-plugins enable rabbitmq_sharding" in printed.stderr) == (
            partitions != "1"
        )
        broker.api("POST", "/definitions", json.loads(printed.stdout))
        assert things(imported) == declared
    finally:
        broker.delete_vhost(made.name)
        broker.delete_vhost(imported.name)


def test_apply_can_be_repeated_and_leaves_what_differs(vhost: Vhost, mail: Mail) -> None:
    mail.channel.queue_declare(RESULTS, durable=True, arguments={"x-queue-type": "classic"})
    for word in ("made", "was there"):
        done = profile_sync("topology", "--apply", AMQP_URL=vhost.amqp_url)
        assert done.returncode == 1
        assert f"ok: exchange {EVENTS}: {'is made' if word == 'made' else word}" in done.stdout
        assert f"fault: queue {RESULTS}: is there and differs" in done.stdout
        assert "x-queue-type is classic and should be quorum" in done.stdout
    assert things(vhost)["queues"][-1]["arguments"] == {"x-queue-type": "classic"}
    assert len(things(vhost)["bindings"]) == 3


def test_rabbitmqctl_takes_what_is_printed(broker: Broker, vhost: Vhost) -> None:
    if not isinstance(broker, Node) or broker.folder is None:
        pytest.skip("needs a node of its own, whose rabbitmqctl is here")
    user = f"it's {vhost.name}"
    url = vhost.amqp_url.replace("guest:guest@", f"{quote(user, safe='')}:secret@")
    path = quote(user, safe="")
    broker.api("PUT", f"/users/{path}", {"password": "secret", "tags": ""})
    try:
        printed = profile_sync("topology", "--print", AMQP_URL=url).stdout
        (broker.folder / "definitions.json").write_text(printed)
        broker.control("import_definitions", str(broker.inside / "definitions.json"))
        lines = profile_sync("topology", "--permissions", AMQP_URL=url).stdout.splitlines()
        for line in (line.removeprefix("# ") for line in lines[1:4:2]):
            program, *arguments = shlex.split(line)
            assert program == "rabbitmqctl"
            broker.control(*arguments)
            (given,) = broker.api("GET", f"/users/{path}/permissions")
            assert given["vhost"] == vhost.name
            assert [given["configure"], given["write"], given["read"]] == arguments[-3:]
        assert {len(listed) for listed in things(vhost).values()} == {3}
    finally:
        broker.api("DELETE", f"/users/{path}")


def run_by_a_shell(script: str) -> list[list[str]]:
    """The arguments of each `rabbitmqctl` that a script runs."""
    stand_in = 'rabbitmqctl() { printf "%s\\n" "$@" .; }\n'
    done = subprocess.run(
        ["sh", "-eu"], input=stand_in + script, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return [part.splitlines() for part in done.stdout.split("\n.\n") if part]


@pytest.mark.parametrize("partitions", ["1", "4"])
@pytest.mark.parametrize("declares", ["true", "false"])
def test_the_printed_permissions_are_enough_to_work(
    *,
    declares: str,
    partitions: str,
    vhost: Vhost,
    login: Callable[..., str],
    mail: Mail,
    standin: Callable[..., StandIn],
    environment: Callable[..., dict[str, str]],
    run_service: Callable[[Mapping[str, str]], Service],
) -> None:
    known: dict[str, Any] = {"DECLARE_TOPOLOGY": declares, "PARTITIONS": partitions}
    (command,) = run_by_a_shell(
        profile_sync("topology", "--permissions", AMQP_URL=vhost.amqp_url, **known).stdout
    )
    assert command[:2] == ["set_permissions", f"--vhost={vhost.name}"]
    url = login(*command[-3:])
    if declares == "false":
        done = profile_sync("topology", "--apply", AMQP_URL=vhost.amqp_url, **known)
        assert done.returncode == 0
    service = run_service(environment(standin(), AMQP_URL=url, **known))
    service.wait_ready()
    for body in (json.dumps(event(1, create=True)).encode(), b"no JSON"):
        mail.channel.basic_publish(EVENTS, key_of(body, 1000), body)
    assert {result["outcome"] for result in mail.results(2)} == {"created", "rejected"}
    mail.take(DEAD_LETTERS, 1)
    assert not [line for line in service.log() if line["level"] in ("warning", "error")]
    checked = profile_sync(
        "check",
        AMQP_URL=url,
        **known,
        ACCESS_TOKEN="t",
        API_URL="http://[::1]:1/v2",
    ).stdout
    assert "may not" not in checked.replace("the user may not configure it", "")
    consumed = [EVENTS]
    if partitions != "1":
        consumed = [f"{EVENTS}.{end}" for end in (*range(int(partitions)), "members")]
        assert f"queue {EVENTS}.members: replicas: 1\n" in checked
    assert f"may read the queue {', '.join(consumed)}\n" in checked


@pytest.mark.parametrize("partitions", ["1", "3"])
def test_the_permissions_for_people_are_enough_for_all_commands(
    *,
    partitions: str,
    vhost: Vhost,
    login: Callable[..., str],
    mail: Mail,
    standin: Callable[..., StandIn],
    tmp_path: Path,
) -> None:
    known: dict[str, Any] = {"AMQP_URL": vhost.amqp_url, "PARTITIONS": partitions}
    command = profile_sync("topology", "--permissions", **known).stdout.splitlines()[5]
    settings: dict[str, Any] = {
        **known,
        "AMQP_URL": login(*shlex.split(command)[-3:]),
        "API_URL": f"{standin().url}/v2",
        "ACCESS_TOKEN": "demo-token",
    }

    def done(*arguments: str) -> str:
        ended = profile_sync(*arguments, given=json.dumps(event(1)).encode(), **settings)
        assert ended.returncode == 0, ended.stderr + ended.stdout
        return ended.stdout

    done("topology", "--apply")
    assert "may not" not in done("check")
    assert done("send", "-") == "1 sent to profile-sync.events\n"
    mail.channel.basic_publish(DEAD_LETTERS, "profile.update", json.dumps(event(2)).encode())
    mail.channel.connection.process_data_events()
    letters = str(tmp_path / "letters.jsonl")
    done("dead-letters", "list")
    done("dead-letters", "export", letters)
    done("dead-letters", "replay", letters)
    done("dead-letters", "discard", "--in", letters, "--yes")
    with watching(vhost, "--count", "1", url=settings["AMQP_URL"]) as program:
        publish(mail, "updated")
        program.communicate(timeout=20)
    assert program.returncode == 0


NAMES = {
    "EVENT_EXCHANGE": "ee",
    "EVENT_QUEUE": "eq",
    "RESULT_EXCHANGE": "re",
    "RESULT_QUEUE": "rq",
    "DEAD_LETTER_EXCHANGE": "de",
    "DEAD_LETTER_QUEUE": "dq",
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("declares", "partitions", "count"),
    [("true", "1", 15), ("false", "1", 3), ("true", "2", 24), ("false", "2", 6)],
)
def test_each_of_the_printed_permissions_is_needed_and_missed_by_check(
    *,
    declares: str,
    partitions: str,
    count: int,
    vhost: Vhost,
    login: Callable[..., str],
    standin: Callable[..., StandIn],
) -> None:
    settings: dict[str, Any] = {
        **NAMES,
        "API_URL": f"{standin().url}/v2",
        "ACCESS_TOKEN": "demo-token",
        "DECLARE_TOPOLOGY": declares,
        "PARTITIONS": partitions,
    }
    assert profile_sync("topology", "--apply", AMQP_URL=vhost.amqp_url, **settings).returncode == 0
    printed = profile_sync("topology", "--permissions", AMQP_URL=vhost.amqp_url, **settings)
    ((*_, configure, write, read),) = run_by_a_shell(printed.stdout)
    whole = [configure, write, read]
    assert profile_sync("check", AMQP_URL=login(*whole), **settings).returncode == 0
    missed = 0
    for place, pattern in enumerate(whole):
        names = pattern.strip("^()$").split("|") if pattern != "^$" else []
        for name in names:
            less = [other for other in names if other != name]
            given = [*whole[:place], f"^({'|'.join(less) or 'none'})$", *whole[place + 1 :]]
            done = profile_sync("check", AMQP_URL=login(*given), **settings)
            assert (done.returncode, "may not" in done.stdout) == (1, True), (place, name)
            missed += 1
    assert missed == count


def test_a_broker_that_cannot_be_used_is_one_line(vhost: Vhost, login: Callable[..., str]) -> None:
    port = free_ports(1)[0]
    down = profile_sync("topology", "--apply", AMQP_URL=f"amqp://guest:guest@127.0.0.1:{port}/")
    assert (down.returncode, down.stdout) == (1, "")
    assert down.stderr.splitlines() == [
        f"profile-sync: RabbitMQ: 127.0.0.1:{port}: Connection refused; "
        "is it running, and PROFILE_SYNC_AMQP_URL right?"
    ]
    wrong = profile_sync("topology", "--apply", AMQP_URL=vhost.amqp_url.replace("guest@", "no@"))
    assert wrong.returncode == 1
    assert "refused the user name or the password" in wrong.stderr
    assert len(wrong.stderr.splitlines()) == 1
    nobody = profile_sync("topology", "--apply", AMQP_URL=login())
    assert nobody.returncode == 1
    assert "cannot be made" in nobody.stdout
    assert "Traceback" not in nobody.stderr + nobody.stdout


@pytest.mark.parametrize("arguments", [[], ["--print", "--apply"]])
def test_one_thing_is_to_be_chosen(arguments: list[str]) -> None:
    done = profile_sync("topology", *arguments)
    assert done.returncode == 2
    assert "one of --print, --permissions, --apply and --move" in done.stderr
