import pytest

from service.topology import Queue, topology
from tests.unit.samples import settings

OFTEN = {"x-queue-type": "quorum", "x-delivery-limit": 1_000_000}


def test_is_that_of_the_contract() -> None:
    declared = topology(settings())
    assert set(declared.exchanges) == {
        "profile-sync.events",
        "profile-sync.results",
        "profile-sync.dead-letters",
    }
    queues = {queue.name: queue for queue in declared.queues}
    assert queues["profile-sync.results"] == Queue(
        "profile-sync.results", "profile-sync.results", OFTEN
    )
    assert queues["profile-sync.dead-letters"] == Queue(
        "profile-sync.dead-letters", "profile-sync.dead-letters", OFTEN
    )
    events = queues["profile-sync.events"]
    assert events.exchange == "profile-sync.events"
    assert events.arguments.items() >= {
        ("x-queue-type", "quorum"),
        ("x-single-active-consumer", True),
        ("x-delivery-limit", 100),
        ("x-dead-letter-exchange", "profile-sync.dead-letters"),
    }
    assert len(queues) == 3


def test_rabbitmqs_own_dead_letters_are_confirmed_too() -> None:
    arguments = topology(settings()).queues[0].arguments
    assert arguments["x-dead-letter-strategy"] == "at-least-once"
    assert arguments["x-overflow"] == "reject-publish"


def test_takes_its_names_and_limit_from_the_settings() -> None:
    declared = topology(
        settings(
            event_exchange="ee",
            event_queue="eq",
            result_exchange="re",
            result_queue="rq",
            dead_letter_exchange="de",
            dead_letter_queue="dq",
            delivery_limit=7,
        )
    )
    assert set(declared.exchanges) == {"ee", "re", "de"}
    assert {(queue.name, queue.exchange) for queue in declared.queues} == {
        ("eq", "ee"),
        ("rq", "re"),
        ("dq", "de"),
    }
    (events,) = (queue for queue in declared.queues if queue.name == "eq")
    assert events.arguments["x-delivery-limit"] == 7
    assert events.arguments["x-dead-letter-exchange"] == "de"


@pytest.mark.parametrize("name", ["", "rq"])
def test_an_empty_result_queue_declares_none(name: str) -> None:
    declared = topology(settings(result_queue=name))
    assert [q.name for q in declared.queues if q.exchange == "profile-sync.results"] == (
        [name] if name else []
    )
    assert "profile-sync.results" in declared.exchanges
