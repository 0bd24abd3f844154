import re
import shlex
import subprocess

import pytest

from service.commands.definitions import (
    commands,
    definitions,
    least_permissions,
    permissions_of_people,
)
from service.topology import topology
from tests.unit.samples import settings

NAMES = {
    "event_exchange": "ee",
    "event_queue": "eq",
    "result_exchange": "re",
    "result_queue": "rq",
    "dead_letter_exchange": "de",
    "dead_letter_queue": "dq",
}
TOPOLOGY = topology(settings(**NAMES))


def test_definitions_hold_all_that_the_service_declares() -> None:
    written = definitions(TOPOLOGY, "a vhost")
    assert written["vhosts"] == [{"name": "a vhost"}]
    assert {(one["name"], one["type"], one["durable"]) for one in written["exchanges"]} == {
        ("ee", "topic", True),
        ("re", "topic", True),
        ("de", "topic", True),
    }
    queues = {one["name"]: one["arguments"] for one in written["queues"]}
    assert queues == {queue.name: queue.arguments for queue in TOPOLOGY.queues}
    bound = {(one["source"], one["routing_key"], one["destination"]) for one in written["bindings"]}
    assert bound == {("ee", "#", "eq"), ("re", "#", "rq"), ("de", "#", "dq")}
    things = [*written["exchanges"], *written["queues"], *written["bindings"]]
    assert {one["vhost"] for one in things} == {"a vhost"}


PARTITIONS = {"eq.0", "eq.1", "eq.members", "ee.partitions"}


def allowed(pattern: str) -> set[str]:
    others = ["other", "eqq", "xre", "eq.2", "eqx0", "ee.moving", "eq.moved"]
    names = [*NAMES.values(), *PARTITIONS, *others]
    return {name for name in names if re.search(pattern, name)}


def test_a_service_that_declares_may_configure_and_bind_its_own_and_nothing_else() -> None:
    least = least_permissions(TOPOLOGY, declares=True)
    assert allowed(least.configure) == {"ee", "re", "de", "eq", "rq", "dq"}
    assert allowed(least.write) == {"re", "de", "eq", "rq", "dq"}
    assert allowed(least.read) == {"eq", "ee", "re", "de"}


def test_a_service_that_declares_nothing_publishes_and_reads_alone() -> None:
    least = least_permissions(TOPOLOGY, declares=False)
    assert allowed(least.configure) == set()
    assert allowed(least.write) == {"re", "de"}
    assert allowed(least.read) == {"eq"}


class TestPartitions:
    TOPOLOGY = topology(settings(**NAMES, partitions=2))

    def test_definitions_bind_an_exchange_too(self) -> None:
        written = definitions(self.TOPOLOGY, "/")
        types = {one["name"]: one["type"] for one in written["exchanges"]}
        assert types["ee.partitions"] == "x-modulus-hash"
        bound = {
            (one["source"], one["destination_type"], one["destination"])
            for one in written["bindings"]
        }
        assert bound == {
            ("ee", "exchange", "ee.partitions"),
            ("ee.partitions", "queue", "eq.0"),
            ("ee.partitions", "queue", "eq.1"),
            ("re", "queue", "rq"),
            ("de", "queue", "dq"),
        }

    def test_a_service_that_declares_may_bind_an_exchange_to_an_exchange(self) -> None:
        least = least_permissions(self.TOPOLOGY, declares=True)
        assert allowed(least.configure) == {*NAMES.values(), *PARTITIONS}
        assert allowed(least.write) == {"re", "de", "rq", "dq", "eq.0", "eq.1", "ee.partitions"}
        assert allowed(least.read) == {
            *("eq.0", "eq.1", "eq.members"),
            *("ee", "ee.partitions", "re", "de"),
        }

    def test_one_that_declares_nothing_counts_the_replicas_and_reads_all_partitions(self) -> None:
        least = least_permissions(self.TOPOLOGY, declares=False)
        assert allowed(least.configure) == {"eq.members"}
        assert allowed(least.write) == {"re", "de"}
        assert allowed(least.read) == {"eq.0", "eq.1", "eq.members"}

    def test_who_changes_their_number_may_use_all_names_there_are_before_and_after(self) -> None:
        for wanted in (self.TOPOLOGY, TOPOLOGY):
            *_, line = commands(wanted, "/", "me", declares=True)
            for pattern in shlex.split(line.removeprefix("# "))[-3:]:
                names = {*PARTITIONS, "ee", "eq", "eq.2", "ee.moving", "eq.moved"}
                assert allowed(pattern) >= names
                assert not allowed(pattern) & {"other", "eqq", "xre", "eqx0"}


@pytest.mark.parametrize("name", ["a.b", "a|b", "it's", "-a b", "$x", "a(b", "a-b_c"])
def test_any_name_stands_for_itself_alone(name: str) -> None:
    least = least_permissions(topology(settings(event_queue=name)), declares=False)
    assert re.search(least.read, name)
    assert not re.search(least.read, name.replace(".", "x") + "x")
    (given,) = [shlex.split(line) for line in [least.command("v h", "me")]]
    assert given[-1] == least.read
    assert given[2:5] == ["--vhost=v h", "--", "me"]


@pytest.mark.parametrize("declares", [True, False])
def test_only_what_the_service_needs_is_active_and_the_rest_is_comment(declares: bool) -> None:
    lines = commands(TOPOLOGY, "/", "me", declares=declares)
    (active,) = [line for line in lines if not line.startswith("#")]
    assert active == least_permissions(TOPOLOGY, declares=declares).command("/", "me")
    assert f"DECLARE_TOPOLOGY={str(declares).lower()} as it is set" in lines[0]
    assert least_permissions(TOPOLOGY, declares=not declares).command("/", "me") in lines[3]
    assert permissions_of_people(TOPOLOGY).command("/", "operator") in lines[5]
    assert len(lines) == 8


def test_the_user_of_a_certificate_is_left_to_who_runs_the_script() -> None:
    line = least_permissions(TOPOLOGY, declares=False).command("/", None)
    asked = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
    assert asked.returncode != 0
    assert "RABBITMQ_USER: the one that RabbitMQ takes the certificate for" in asked.stderr
    named = f"RABBITMQ_USER='a b'; rabbitmqctl() {{ printf '%s\n' \"$4\"; }}; {line}"
    told = subprocess.run(["sh", "-c", named], capture_output=True, text=True, check=True)
    assert told.stdout == "a b\n"


def test_people_may_use_the_queue_of_watch_too() -> None:
    least = permissions_of_people(TOPOLOGY)
    for pattern in (least.configure, least.write, least.read):
        assert re.search(pattern, "amq.gen-3fU")
        assert not re.search(pattern, "xamq.gen-")
        assert "other" not in allowed(pattern)
