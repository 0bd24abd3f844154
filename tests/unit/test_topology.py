import pytest

from service.topology import (
    Binding,
    Exchange,
    Queue,
    event_queues,
    members_queue,
    partitions_exchange,
    topology,
)
from tests.unit.samples import settings

OFTEN = {"x-queue-type": "quorum", "x-delivery-limit": 1_000_000}
EVENTS, RESULTS, DEAD_LETTERS = (
    "profile-sync.events",
    "profile-sync.results",
    "profile-sync.dead-letters",
)


def test_is_that_of_the_contract() -> None:
    declared = topology(settings())
    assert set(declared.exchanges) == {Exchange(EVENTS), Exchange(RESULTS), Exchange(DEAD_LETTERS)}
    assert set(declared.bindings) == {
        Binding(EVENTS, EVENTS),
        Binding(RESULTS, RESULTS),
        Binding(DEAD_LETTERS, DEAD_LETTERS),
    }
    queues = {queue.name: queue for queue in declared.queues}
    assert queues[RESULTS] == Queue(RESULTS, OFTEN, "results")
    assert queues[DEAD_LETTERS] == Queue(DEAD_LETTERS, OFTEN, "dead letters")
    events = queues[EVENTS]
    assert events.role == "events"
    assert events.arguments.items() >= {
        ("x-queue-type", "quorum"),
        ("x-single-active-consumer", True),
        ("x-delivery-limit", 100),
        ("x-dead-letter-exchange", DEAD_LETTERS),
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
    assert {exchange.name for exchange in declared.exchanges} == {"ee", "re", "de"}
    assert set(declared.bindings) == {
        Binding("ee", "eq"),
        Binding("re", "rq"),
        Binding("de", "dq"),
    }
    (events,) = (queue for queue in declared.queues if queue.name == "eq")
    assert events.arguments["x-delivery-limit"] == 7
    assert events.arguments["x-dead-letter-exchange"] == "de"


@pytest.mark.parametrize("name", ["", "rq"])
def test_an_empty_result_queue_declares_none(name: str) -> None:
    declared = topology(settings(result_queue=name))
    bound = [one.destination for one in declared.bindings if one.source == RESULTS]
    assert bound == ([name] if name else [])
    assert Exchange(RESULTS) in declared.exchanges


class TestPartitions:
    def test_each_has_a_queue_like_that_of_a_single_one(self) -> None:
        declared, single = topology(settings(partitions=3)), topology(settings())
        queues = [queue for queue in declared.queues if queue.role == "events"]
        assert [queue.name for queue in queues] == [f"{EVENTS}.{number}" for number in range(3)]
        assert all(queue.arguments == single.queues[0].arguments for queue in queues)
        assert event_queues(settings(partitions=3)) == tuple(queue.name for queue in queues)

    def test_events_come_by_an_exchange_that_spreads_them(self) -> None:
        hashing = partitions_exchange(settings())
        declared = topology(settings(partitions=2))
        assert Exchange(hashing, "x-modulus-hash") in declared.exchanges
        of_events = [one for one in declared.bindings if one.source in (EVENTS, hashing)]
        # The last one lets events in: by then all queues have their place.
        assert of_events == [
            Binding(hashing, f"{EVENTS}.0"),
            Binding(hashing, f"{EVENTS}.1"),
            Binding(EVENTS, hashing, "exchange"),
        ]

    def test_their_number_is_kept_by_a_queue_that_is_declared_before_all_others(self) -> None:
        first, *others = topology(settings(partitions=2)).queues
        assert (first.name, first.role, first.arguments["x-max-length"]) == (EVENTS, "number", 2)
        assert first.arguments["x-queue-type"] == "quorum"
        bound = {one.destination for one in topology(settings(partitions=2)).bindings}
        (members,) = (one for one in others if one.role == "members")
        assert members.name == members_queue(settings())
        assert (members.arguments["x-queue-type"], members.arguments["x-max-length"]) == (
            "classic",
            2,
        )
        assert not {first.name, members.name} & bound
