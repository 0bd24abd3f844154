from typing import Any

import pytest

from service.commands.differences import (
    Unreadable,
    compare,
    declared_exchange,
    declared_queue,
    take_over,
)
from service.commands.facts import Declared, Difference, Refusal

QUEUE = declared_queue("q", {"x-queue-type": "quorum", "x-delivery-limit": 100})


def refusal(text: str) -> Refusal:
    return Refusal(406, f"PRECONDITION_FAILED - {text}")


def inequivalent(name: str, received: str, current: str, what: str = "queue 'q'") -> Refusal:
    return refusal(
        f"inequivalent arg '{name}' for {what} in vhost '/': "
        f"received {received} but current is {current}"
    )


@pytest.mark.parametrize(
    ("said", "difference", "value"),
    [
        (
            inequivalent(
                "x-delivery-limit",
                "the value '100' of type 'signedint'",
                "the value '7' of type 'signedint'",
            ),
            Difference("x-delivery-limit", "100", "7"),
            7,
        ),
        (
            inequivalent("x-delivery-limit", "the value '100' of type 'signedint'", "none"),
            Difference("x-delivery-limit", "100", None),
            None,
        ),
        (
            inequivalent("x-message-ttl", "none", "the value '1000' of type 'long'"),
            Difference("x-message-ttl", None, "1000"),
            1000,
        ),
        (
            inequivalent("x-overflow", "none", "the value 'drop-head' of type 'longstr'"),
            Difference("x-overflow", None, "drop-head"),
            "drop-head",
        ),
        (
            inequivalent("x-single-active-consumer", "none", "the value 'true' of type 'bool'"),
            Difference("x-single-active-consumer", None, "true"),
            True,
        ),
        (
            inequivalent("x-queue-type", "'quorum'", "'classic'"),
            Difference("x-queue-type", "quorum", "classic"),
            "classic",
        ),
        (
            refusal("invalid arg 'x-delivery-limit' for queue 'q' in vhost '/' of queue type x"),
            Difference("x-delivery-limit", "100", None),
            None,
        ),
        (
            inequivalent("x-delivery-limit", "'100'", "'7'"),
            Difference("x-delivery-limit", "100", "7"),
            7,
        ),
        (
            inequivalent("x-delivery-limit", "'100'", "'-1'"),
            Difference("x-delivery-limit", "100", "-1"),
            -1,
        ),
        (
            refusal("invalid property 'non-durable' for queue 'q' in vhost '/'"),
            Difference("x-queue-type", "quorum", None),
            None,
        ),
    ],
)
def test_an_argument_is_taken_over_as_it_is(
    said: Refusal, difference: Difference, value: Any
) -> None:
    changed, found = take_over(QUEUE, said)
    assert found == difference
    assert changed.arguments.get(difference.name) == value
    others = {n: v for n, v in QUEUE.arguments.items() if n != difference.name}
    assert others.items() <= changed.arguments.items()


def test_flags_are_taken_over_too() -> None:
    changed, found = take_over(QUEUE, inequivalent("durable", "'true'", "'false'"))
    assert found == Difference("durable", "true", "false")
    assert changed.flags["durable"] is False
    exchange, found = take_over(
        declared_exchange("x"), inequivalent("type", "'topic'", "'direct'", "exchange 'x'")
    )
    assert found == Difference("type", "topic", "direct")
    assert exchange.flags["type"] == "direct"


@pytest.mark.parametrize(
    "said",
    [
        Refusal(403, "ACCESS_REFUSED - configure access to queue 'q' refused for user 'u'"),
        refusal("no such thing"),
        inequivalent("x-delivery-limit", "the value '100' of type 'signedint'", "the value '7..."),
        inequivalent("x-args", "none", "the value '[]' of type 'array'"),
        # What does not change the declaration would be said for ever.
        inequivalent("x-delivery-limit", "none", "the value '100' of type 'signedint'"),
        refusal("invalid arg 'x-priority' for queue 'q'"),
    ],
)
def test_what_cannot_be_taken_over_is_not_guessed(said: Refusal) -> None:
    with pytest.raises(Unreadable):
        take_over(QUEUE, said)


def test_two_sides_that_are_known_are_compared_as_a_whole() -> None:
    flags = {"durable": False, "auto_delete": False, "exclusive": False, "node": "rabbit@a"}
    found = compare(QUEUE, flags, {"x-queue-type": "quorum", "x-max-length": 5})
    assert set(found) == {
        Difference("durable", "true", "false"),
        Difference("x-delivery-limit", "100", None),
        Difference("x-max-length", None, "5"),
    }
    same = Declared("queue", "q", QUEUE.flags, QUEUE.arguments)
    assert compare(QUEUE, same.flags, same.arguments) == []
