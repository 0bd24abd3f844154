from typing import Any

import pytest

from service.commands.differences import declared_queue
from service.commands.facts import Difference
from service.commands.findings import Finding
from service.commands.policies import (
    acknowledgement_timeout,
    differences,
    of_binding,
    of_policies,
    of_readers,
    of_strays,
)
from service.topology import Binding


def queue(rules: Any, **arguments: Any) -> dict[str, Any]:
    return {"effective_policy_definition": rules, "policy": "mine", "arguments": arguments}


def worst(findings: list[Finding]) -> str:
    return max(
        (finding.state for finding in findings), key=["ok", "note", "warning", "fault"].index
    )


@pytest.mark.parametrize(
    ("told", "state", "words"),
    [
        (queue({"message-ttl": 5000}), "fault", "message-ttl is 5000 by policy mine"),
        (queue({"expires": 5000}), "fault", "expires is 5000"),
        (queue({"max-length": 9}), "fault", "overflow drop-head"),
        (queue({"max-length-bytes": 9}), "fault", "max-length-bytes is 9"),
        (queue({"max-length": 9, "overflow": "reject-publish"}), "note", "refuses"),
        (queue({"max-length": 9}, **{"x-overflow": "reject-publish"}), "note", "refuses"),
        (queue({"delivery-limit": 9}, **{"x-delivery-limit": 9}), "ok", "loses no messages"),
        (queue({"delivery-limit": 8}, **{"x-delivery-limit": 9}), "fault", "lost, to look at"),
        (queue({"delivery-limit": 8}), "fault", "lost, to look at"),
        (queue({"delivery-limit": 8}, **{"x-delivery-limit": -1}), "fault", "lost, to look at"),
        (queue({"delivery-limit": -1}, **{"x-delivery-limit": 9}), "ok", "loses no messages"),
        (
            queue({"delivery-limit": 8}, **{"x-delivery-limit": 9, "x-dead-letter-exchange": "d"}),
            "warning",
            "dead-lettered",
        ),
        ({"effective_policy_definition": [], "arguments": []}, "ok", "no policy"),
        ({}, "ok", "no policy"),
    ],
)
def test_policies_that_lose_messages_are_faults(
    told: dict[str, Any], state: str, words: str
) -> None:
    findings = of_policies("q", told)
    assert worst(findings) == state
    assert words in findings[0].what


def test_an_operator_policy_is_named_as_one() -> None:
    told = {"effective_policy_definition": {"message-ttl": 1}, "operator_policy": "theirs"}
    assert "by operator policy theirs" in of_policies("q", told)[0].what


def binding(key: str, destination: str = "q", kind: str = "queue") -> dict[str, Any]:
    return {"destination": destination, "destination_type": kind, "routing_key": key}


@pytest.mark.parametrize(
    ("bindings", "declares", "state"),
    [
        ([binding("#"), binding("a")], False, "ok"),
        ([binding("profile.#")], False, "warning"),
        ([binding("#", "other"), binding("#", kind="exchange")], False, "fault"),
        ([], False, "fault"),
        ([], True, "note"),
    ],
)
def test_a_queue_is_to_be_bound_with_all_keys(
    bindings: list[dict[str, Any]], declares: bool, state: str
) -> None:
    assert of_binding(Binding("x", "q"), bindings, declares=declares).state == state


def test_an_exchange_may_be_what_is_bound() -> None:
    wanted = Binding("x", "h", "exchange")
    found = of_binding(wanted, [binding("#", "h", "exchange")], declares=False)
    assert (found.area, found.state) == ("exchange h", "ok")
    assert of_binding(wanted, [binding("#", "h")], declares=False).state == "fault"


def test_what_else_is_bound_to_the_exchange_of_the_partitions_is_a_fault() -> None:
    wanted = [Binding("h", "q.0"), Binding("h", "q.1"), Binding("x", "h", "exchange")]
    right = [binding("#", "q.0"), binding("#", "q.1")]
    assert of_strays("h", wanted, right) == []
    more = [*right, binding("#", "theirs"), binding("key", "q.0")]
    found = of_strays("h", wanted, more)
    assert [one.what for one in found] == [
        "q.0 is bound to it with key",
        "theirs is bound to it with #",
    ]
    assert {one.state for one in found} == {"fault"}


def test_of_a_queue_that_is_always_empty_only_its_own_loss_is_told() -> None:
    rules = {"message-ttl": 1, "max-length": 1}
    assert worst(of_policies("q", queue(rules), empty=True)) == "ok"
    assert worst(of_policies("q", queue({**rules, "expires": 1}), empty=True)) == "fault"


def test_results_without_a_queue_of_ours_need_somebody_elses() -> None:
    assert of_readers("x", [], drops=False).state == "fault"
    assert of_readers("x", [], drops=True).state == "note"
    assert "theirs" in of_readers("x", [binding("#", "theirs")], drops=False).what


def test_the_acknowledgement_timeout_is_that_of_the_queue_or_its_policy() -> None:
    assert acknowledgement_timeout(queue({"consumer-timeout": 90_000})) == 90
    assert acknowledgement_timeout(queue({}, **{"x-consumer-timeout": 60_000})) == 60
    assert acknowledgement_timeout(queue({})) is None


def test_arguments_are_compared_with_the_declaration() -> None:
    declared = declared_queue("q", {"x-queue-type": "quorum"})
    told = {"durable": True, "auto_delete": False, "exclusive": False, "arguments": {}}
    assert differences(declared, told) == (Difference("x-queue-type", "quorum", None),)
