import re
import shlex

import pytest

from service.commands.definitions import commands, definitions, least_permissions
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


def allowed(pattern: str) -> set[str]:
    return {name for name in [*NAMES.values(), "other", "eqq", "xre"] if re.search(pattern, name)}


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


@pytest.mark.parametrize("name", ["a.b", "a|b", "it's", "-a b", "$x", "a(b", "a-b_c"])
def test_any_name_stands_for_itself_alone(name: str) -> None:
    least = least_permissions(topology(settings(event_queue=name)), declares=False)
    assert re.search(least.read, name)
    assert not re.search(least.read, name.replace(".", "x") + "x")
    (given,) = [shlex.split(line) for line in [least.command("v h", "me")]]
    assert given[-1] == least.read
    assert given[2:5] == ["--vhost=v h", "--", "me"]


def test_each_command_says_what_it_is_for() -> None:
    first, _, second, _ = commands(TOPOLOGY, "/", "me")
    assert first.startswith("#")
    assert "DECLARE_TOPOLOGY=false" in second
