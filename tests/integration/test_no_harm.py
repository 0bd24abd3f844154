"""No event harms a profile: one for each key, on its last value, whatever is lost on the way."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping

import pytest

from tests.integration.conftest import DEAD_LETTERS, EVENTS, RESULTS, Mail, Wire, wait_for
from tests.integration.harm import (
    KEYS,
    QUICK,
    UNEVEN,
    UPDATES,
    assert_nothing_is_left,
    calls,
    disorder,
    expected,
    finished,
    messages,
    mixed,
    numbers_by_key,
    oldest,
    order,
    overlaps,
    post,
    profiles,
    readiness,
    results_of,
    stored,
    update,
    written,
)
from tests.programs import Service, StandIn
from tests.rabbitmq import Vhost

Start = Callable[..., tuple[Service, StandIn]]
Run = Callable[[Mapping[str, str]], Service]
Environment = Callable[..., dict[str, str]]
Fault = Mapping[str, object]

# Shorter still than a second replica could do with.
QUICKEST = {"HEARTBEAT": "1", "REQUEST_TIMEOUT": "1", "AMBIGUOUS_WAIT": "2"}

# The first seed is for the quick tests, the others take their time.
SLOW = pytest.mark.slow
SEEDS = [pytest.param(seed, marks=[SLOW] if seed else []) for seed in range(20)]


@pytest.mark.parametrize("seed", SEEDS)
def test_quick_updates_of_new_keys_make_one_profile_each(
    service: Start, mail: Mail, seed: int
) -> None:
    put_result = ("list", "empty")[seed % 2]
    running, api = service(*UNEVEN, "--seed", f"{seed}", "--put-result", put_result)
    events = mixed(seed)
    mail.send(*events)

    results = results_of(mail, events)

    assert stored(api) == expected(UPDATES)
    in_order = list(range(1, UPDATES + 1))
    assert numbers_by_key(api) == {f"{key}": in_order for key in range(KEYS)}
    assert overlaps(api) == []
    outcomes = Counter(result["outcome"] for result in results)
    assert outcomes == {"created": KEYS, "updated": KEYS * (UPDATES - 1)}
    assert {result["matched"] for result in results} == {1}
    assert_nothing_is_left(mail, running)


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "kills"), [(0, 2), *((seed, 8) for seed in range(1, 13))])
def test_replicas_that_are_killed_and_replaced_make_one_profile_for_each_key(  # noqa: PLR0917
    standin: Callable[..., StandIn],
    environment: Environment,
    run_service: Run,
    mail: Mail,
    seed: int,
    kills: int,
) -> None:
    put_result = ("list", "empty")[seed % 2]
    api = standin(*UNEVEN, "--seed", f"{seed}", "--put-result", put_result)
    # Few calls at a time, so that there is work left for those who come after.
    in_flight = "4" if kills > 2 else "8"
    settings = environment(api, **QUICK, MAX_IN_FLIGHT=in_flight, LOG_LEVEL="info")
    replicas = [run_service(settings)]
    replicas[0].wait_ready()
    replicas += [run_service(settings), run_service(settings)]
    events = mixed(seed)
    mail.send(*events)
    dice = random.Random(seed)  # noqa: S311 - nothing secret

    for kill in range(kills):
        time.sleep(1)  # one a second
        killed = dice.randrange(len(replicas)) if kill else 0  # first the one at work
        replicas[killed].kill()
        replicas[killed] = run_service(settings)

    results = results_of(mail, events, 90)
    assert stored(api) == expected(UPDATES)
    assert disorder(api, UPDATES) == []
    assert overlaps(api) == []
    assert {result["outcome"] for result in results} <= {"created", "updated"}
    assert {result["matched"] for result in results} == {1}
    assert_nothing_is_left(mail, *replicas)


# How often the link is heard of, how long a replica is frozen, in seconds.
FROZEN = [(2, 20), (4, 25)]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("heartbeat", "seconds"), FROZEN)
def test_a_frozen_replica_that_wakes_overwrites_nothing(  # noqa: PLR0917
    standin: Callable[..., StandIn],
    environment: Environment,
    run_service: Run,
    mail: Mail,
    seed: int,
    heartbeat: int,
    seconds: int,
) -> None:
    api = standin(*UNEVEN, "--seed", f"{seed}")
    waits = {**QUICK, "HEARTBEAT": f"{heartbeat}", "AMBIGUOUS_WAIT": f"{heartbeat + 1}"}
    settings = environment(api, **waits, MAX_IN_FLIGHT="4")
    frozen = run_service(settings)
    frozen.wait_ready()
    other = run_service(settings)
    other.wait_ready()
    events, later = mixed(seed), mixed(seed, UPDATES + 1)
    mail.send(*events)
    wait_for(lambda: len(calls(api)) > 40 + seed, "some calls")

    os.killpg(frozen.process.pid, signal.SIGSTOP)
    begun = time.monotonic()
    results_of(mail, events)
    time.sleep(max(begun + seconds - time.monotonic(), 0))  # as long as it is frozen
    mail.send(*later)
    os.killpg(frozen.process.pid, signal.SIGCONT)

    results_of(mail, later)
    taken = "link to RabbitMQ taken"
    wait_for(lambda: list(messages(frozen)).count(taken) == 2, "a new link of the frozen one")
    assert stored(api) == expected(2 * UPDATES)
    assert disorder(api, 2 * UPDATES) == []
    assert overlaps(api) == []
    assert_nothing_is_left(mail, frozen, other)


# What is lost of the calls of a key: the create, its look-up.
LOST: dict[str, list[Fault]] = {
    "nothing": [],
    "before": [{"reset": "before", "method": "PUT"}],
    "after": [{"reset": "after", "method": "PUT"}],
    "before, and before": [
        {"reset": "before", "method": "PUT"},
        {"reset": "before", "method": "GET"},
    ],
    "after, and after": [
        {"reset": "after", "method": "PUT"},
        {"reset": "after", "method": "GET"},
    ],
    "twice": [{"reset": "after", "method": "PUT", "times": 2}],
}


@pytest.mark.slow
def test_a_create_in_the_background_makes_one_profile_and_the_last_update_stays(
    service: Start, mail: Mail
) -> None:
    running, api = service("--async-delay", "0.7", **QUICKEST)
    events = []
    for number, faults in enumerate(LOST.values()):
        for fault in faults:
            order(api, {**fault, "key": f"key{number}", "times": fault.get("times", 1)})
        events += [
            update(f"key{number}", 1, **{"async": True}),
            update(f"key{number}", 2),
            update(f"key{number}", 3, create=False),
        ]
    mail.send(*events)

    results = results_of(mail, events)

    last = [(f"key{number}", "3") for number in range(len(LOST))]
    assert stored(api) == last
    outcomes = {result["event_id"]: result["outcome"] for result in results}
    for number, lost in enumerate(LOST):
        each = [outcomes[f"evt-key{number}-{count}"] for count in (1, 2, 3)]
        # One whose profile a look has found is updated at once, and so known to have been made.
        made = any(
            {"reset": "after", "method": "PUT"}.items() <= each.items() for each in LOST[lost]
        )
        assert each == ["created" if made else "accepted", "updated", "updated"], lost
        assert numbers_by_key(api)[f"key{number}"][-2:] == [2, 3], lost
    time.sleep(0.7)  # as long as anything can be in the background
    assert stored(api) == last
    assert_nothing_is_left(mail, running)


@pytest.mark.parametrize("calls_before", [20, *(pytest.param(n, marks=SLOW) for n in (1, 40, 59))])
def test_equal_events_without_ids_all_count_though_the_link_is_lost(
    service: Start, mail: Mail, wire: Wire, calls_before: int
) -> None:
    running, api = service(
        *("--latency", "0.2"), AMQP_URL=wire.url, MAX_IN_FLIGHT="4", PREFETCH="60", **QUICKEST
    )
    keys = [f"{key}" for key in range(20)]
    events = [update(key, number) for number in ("A", "B", "A") for key in keys]
    for event in events:
        del event["id"]
    mail.send(*events)
    wait_for(lambda: len(calls(api)) >= calls_before, "some calls")
    wire.proxy.reset()

    # Right after the loss neither the service nor the queue has the events: both look empty.
    wait_for(lambda: finished(running) >= len(events), "an end for each event", 60)
    wait_for(lambda: oldest(running) == 0 == mail.ready(EVENTS), "an empty queue", 60)
    assert list(messages(running)).count("link to RabbitMQ lost") == 1
    assert max(count for _, count in wire.handed) == 1
    assert stored(api) == sorted((key, "A") for key in keys)
    assert mail.ready(RESULTS) >= len(events)
    assert_nothing_is_left(mail, running)


def test_a_create_in_the_background_whose_link_is_lost_makes_one_profile(
    service: Start, mail: Mail, vhost: Vhost
) -> None:
    running, api = service("--async-delay", "1", **QUICKEST)
    events = [update("k", 1, **{"async": True}), update("k", 2)]
    mail.send(*events)
    wait_for(lambda: len(calls(api)) == 1, "the create")
    mail.close()
    wait_for(lambda: vhost.close_connections() > 0, "a lost link")

    mail = Mail(vhost.amqp_url)
    results_of(mail, events)

    assert stored(api) == [("k", "2")]
    creates = [written(entry) for entry in calls(api) if ["create", "1"] in entry["query"]]
    assert creates == ["1", "2"]  # the first was found, and not made again
    assert_nothing_is_left(mail, running)
    mail.close()


# How a PUT answers, and when it is lost; some of them take their time.
ANSWERED = [
    pytest.param(put_result, lost, marks=[] if quick else [pytest.mark.slow])
    for put_result, lost, quick in (
        ("list", None, False),
        ("list", "before", False),
        ("list", "after", False),
        ("empty", None, True),
        ("empty", "before", False),
        ("empty", "after", False),
    )
]


@pytest.mark.parametrize(("put_result", "lost"), ANSWERED)
def test_an_update_of_its_own_key_gives_the_moved_profile_and_keeps_the_order_of_both(
    service: Start, mail: Mail, put_result: str, lost: str | None
) -> None:
    running, api = service("--latency", "0.02", "--put-result", put_result, **QUICKEST)
    if lost is not None:
        order(api, {"reset": lost, "method": "PUT", "key": "moving", "times": 1})
    moving = update("old", "moving", create=False)
    moving["fields"]["customerid"] = "new"
    events = [
        update("old", 1),
        update("apart", 2),
        moving,
        update("new", 3, create=False),
        update("old", 4),
        update("new", 5),
    ]
    mail.send(*events)

    results = {result["event_id"]: result for result in results_of(mail, events)}

    moved = results[moving["id"]]
    assert (moved["outcome"], moved["matched"]) == ("updated", 1)
    in_answer = put_result == "list" and lost != "after"
    assert moved["source"] == ("put" if in_answer else "read-back")
    assert moved["profiles"][0]["ID"] == results["evt-old-1"]["profiles"][0]["ID"]
    assert moved["profiles"][0]["fields"]["customerid"] == "new"
    assert moved["profiles"][0]["fields"]["firstname"] == "moving"
    assert results["evt-old-4"]["outcome"] == "created"
    assert stored(api) == [("apart", "2"), ("new", "5"), ("old", "4")]
    assert {*map(written, calls(api)[:2])} == {"1", "2"}
    last = [written(entry) for entry in calls(api)[2:]]
    assert last[0] == "moving"
    again = ["moving"] if lost == "before" else []
    assert [number for number in last[1:] if number != "4"] == [*again, "3", "5"]
    assert_nothing_is_left(mail, running)


@pytest.mark.parametrize(("put_result", "lost"), ANSWERED)
def test_an_update_of_a_key_that_is_not_there_is_unmatched(
    service: Start, mail: Mail, put_result: str, lost: str | None
) -> None:
    running, api = service("--put-result", put_result, **QUICKEST)
    if lost is not None:
        order(api, {"reset": lost, "method": "PUT", "times": 1})
    moving = update("old", "moving", create=False)
    moving["fields"]["customerid"] = "new"
    mail.send(moving)
    (result,) = mail.results(1)
    assert (result["outcome"], result["matched"]) == ("unmatched", 0)
    assert profiles(api) == []
    assert_nothing_is_left(mail, running)


def test_an_api_that_heeds_no_selection_is_sent_no_update(
    standin: Callable[..., StandIn],
    environment: Environment,
    run_service: Run,
    mail: Mail,
) -> None:
    api = standin("--selection", "ignore")
    post(api, {"customerid": "a", "firstname": "1"}, {"customerid": "b", "firstname": "2"})
    running = run_service(environment(api))
    running.wait_ready()
    mail.send(update("a", 3), update("c", 4))

    wait_for(lambda: readiness(running) == (503, "selection-guard"), "not ready")
    wait_for(lambda: mail.ready(EVENTS) == 2, "the events back in the queue")
    mail.send(update("b", 5))
    wait_for(lambda: mail.ready(EVENTS) == 3, "the third event in the queue")
    assert readiness(running) == (503, "selection-guard")
    assert running.terminate() == 0
    assert calls(api) == []
    assert stored(api) == [("a", "1"), ("b", "2")]
    assert mail.ready(EVENTS) == 3
    assert mail.ready(RESULTS) == mail.ready(DEAD_LETTERS) == 0
    told = [line["level"] for line in running.log() if "does not select" in line["message"]]
    assert told == ["critical"]


def test_an_api_that_heeds_no_selection_of_an_update_is_sent_no_second_one(
    standin: Callable[..., StandIn],
    environment: Environment,
    run_service: Run,
    mail: Mail,
) -> None:
    api = standin("--selection", "ignore-put")
    post(api, *({"customerid": f"{key}"} for key in range(3)))
    running = run_service(environment(api, MAX_IN_FLIGHT="1"))
    running.wait_ready()
    mail.send(*(update(key, 1, create=False) for key in range(3)))

    wait_for(lambda: readiness(running) == (503, "selection-guard"), "not ready")
    # What is written is written; the others go back.
    (result,) = mail.results(1)
    assert (result["outcome"], result["profiles"], result["source"]) == ("updated", [], "none")
    assert "customerid" in result["detail"]
    wait_for(lambda: mail.ready(EVENTS) == 2, "the others back in the queue")
    assert running.terminate() == 0
    assert len(calls(api)) == 1
    assert mail.ready(RESULTS) == mail.ready(DEAD_LETTERS) == 0
