import pytest

from service.commands.checks import (
    Setting,
    of_nodes,
    of_number,
    of_permissions,
    of_seen,
    partitions_there,
)
from service.commands.facts import Action, Difference, Node, Permission, Refusal, Seen
from service.commands.findings import Finding
from service.topology import Kind, Role

GRANT = "rabbitmqctl set_permissions me"
OLD, NEW = Setting("3.10.8", declares=False, grant=GRANT), Setting("4.0.5", False, GRANT)
DECLARES = Setting("3.10.8", declares=True, grant=GRANT)
MISSING = Refusal(404, "NOT_FOUND - no queue 'q' in vhost '/'")
FORBIDDEN = Refusal(403, "ACCESS_REFUSED - access to queue 'q' in vhost '/' refused for user 'u'")
BLOCKED = Refusal(0, "RabbitMQ takes no messages")


def differing(name: str, wanted: str | None, current: str | None, kind: Kind = "queue") -> Seen:
    return Seen(kind, "q", differences=(Difference(name, wanted, current),))


def first(seen: Seen, role: Role | None = "events", setting: Setting = OLD) -> Finding:
    return of_seen(seen, role, setting)[0]


@pytest.mark.parametrize(
    ("name", "wanted", "current", "state", "why"),
    [
        ("x-single-active-consumer", "true", None, "fault", "break the order"),
        ("x-queue-type", "quorum", "classic", "fault", "outlives its node"),
        ("x-dead-letter-exchange", "d", None, "fault", "lost"),
        ("x-dead-letter-strategy", "at-least-once", None, "warning", "lost on the way"),
        ("x-overflow", "reject-publish", "drop-head", "warning", "drops the oldest"),
        ("x-message-ttl", None, "1000", "fault", "wait for longer"),
        ("x-expires", None, "1000", "fault", "deletes it"),
        ("x-max-length", None, "5", "fault", "dropped or refused"),
        ("durable", "true", "false", "fault", "restarts"),
        ("x-something-new", None, "5", "warning", "does not expect"),
    ],
)
def test_each_difference_of_the_event_queue_is_explained(
    name: str, wanted: str | None, current: str | None, state: str, why: str
) -> None:
    found = first(differing(name, wanted, current))
    assert found.state == state
    assert name in found.what
    assert why in found.what
    assert "delete the queue" in found.todo


@pytest.mark.parametrize(
    ("role", "setting", "current", "state", "why"),
    [
        ("events", OLD, None, "warning", "comes back for ever"),
        ("events", NEW, None, "warning", "after 20 deliveries"),
        ("events", OLD, "7", "warning", "after 7 deliveries"),
        ("events", NEW, "-1", "warning", "comes back for ever"),
        ("dead letters", NEW, "-1", "note", "however often"),
        ("results", NEW, "-1", "note", "however often"),
        ("dead letters", OLD, None, "warning", "from RabbitMQ 4 on"),
        ("dead letters", NEW, None, "fault", "20 times loses it"),
        ("results", NEW, "5", "fault", "5 times loses it"),
    ],
)
def test_what_a_delivery_limit_does_depends_on_queue_and_version(
    role: Role, setting: Setting, current: str | None, state: str, why: str
) -> None:
    found = first(differing("x-delivery-limit", "100", current), role, setting)
    assert found.state == state
    assert why in found.what


def test_a_limit_of_the_event_queue_can_be_mended_by_its_setting() -> None:
    assert "set DELIVERY_LIMIT=7" in first(differing("x-delivery-limit", "100", "7")).todo
    assert "DELIVERY_LIMIT" not in first(differing("x-delivery-limit", "100", "-1")).todo


def test_a_classic_queue_is_not_blamed_for_what_only_quorum_queues_have() -> None:
    seen = Seen(
        "queue",
        "q",
        differences=(
            Difference("x-queue-type", "quorum", "classic"),
            Difference("x-delivery-limit", "100", None),
        ),
    )
    whats = [finding.what for finding in of_seen(seen, "events", OLD)]
    assert not [what for what in whats if "x-delivery-limit" in what]


def test_any_difference_keeps_a_service_that_declares_from_its_link() -> None:
    found = of_seen(differing("x-overflow", "reject-publish", None), "events", DECLARES)
    assert [finding.state for finding in found[:2]] == ["fault", "warning"]
    assert "no link" in found[0].what


@pytest.mark.parametrize("name", ["type", "internal", "auto_delete", "durable"])
def test_an_exchange_that_loses_messages_is_a_fault(name: str) -> None:
    found = first(differing(name, "a", "b", "exchange"), None)
    assert (found.area, found.state) == ("exchange q", "fault")


def test_what_is_missing_is_a_fault_only_if_nobody_makes_it() -> None:
    assert first(Seen("queue", "q", MISSING), setting=DECLARES).state == "note"
    fault = first(Seen("queue", "q", MISSING))
    assert (fault.state, "topology --apply" in fault.todo) == ("fault", True)


def test_what_may_not_be_looked_at_is_no_fault() -> None:
    unseen = first(Seen("queue", "q", FORBIDDEN))
    assert (unseen.state, "4.3" in unseen.what) == ("note", True)
    assert "--management" in unseen.todo
    uncompared = first(Seen("queue", "q", uncompared=FORBIDDEN))
    assert (uncompared.state, "may not configure" in uncompared.what) == ("note", True)
    unread = first(Seen("queue", "q", uncompared=Refusal(406, "no such text")))
    assert (unread.state, "no such text" in unread.what) == ("note", True)
    locked = first(Seen("queue", "q", Refusal(405, "RESOURCE_LOCKED")))
    assert (locked.state, "one connection" in locked.todo) == ("fault", True)


@pytest.mark.parametrize(
    ("role", "messages", "consumers", "state", "words"),
    [
        ("events", 3, 0, "note", "no service runs; 3 wait"),
        ("events", 1, 1, "ok", "a consumer; 1 waits"),
        ("events", 0, 3, "warning", "3 consumers that take events at once"),
        ("results", 5, 0, "warning", "5 results wait"),
        ("results", 5, 1, "ok", "5 wait"),
        ("results", 0, 0, "ok", "0 wait"),
        ("dead letters", 1, 0, "warning", "1 dead letter waits"),
        ("dead letters", 0, 0, "ok", "no dead letters"),
        ("members", 0, 3, "note", "replicas: 3"),
        ("number", 0, 0, "ok", "keeps the number of partitions, 1"),
        ("number", 2, 0, "fault", "2 messages wait where no replica looks"),
        ("number", 0, 1, "warning", "has 1 consumer, and no event comes here"),
    ],
)
def test_who_waits_and_who_reads_is_told(
    role: Role, messages: int, consumers: int, state: str, words: str
) -> None:
    found = of_seen(Seen("queue", "q", None, messages, consumers), role, OLD)
    assert found[0] == Finding("queue q", "ok", "is as it should be")
    assert found[1].state == state
    assert words in found[1].what


def test_a_partition_without_a_consumer_is_told_where_replicas_run() -> None:
    runs = Setting("3.10.8", False, GRANT, runs=True, partitions=4)
    found = of_seen(Seen("queue", "q", None, 3, 0), "events", runs)[1]
    assert (found.state, "no consumer, and replicas run" in found.what) == ("warning", True)
    alone = Setting("3.10.8", False, GRANT, runs=False, partitions=4)
    assert of_seen(Seen("queue", "q", None, 3, 0), "events", alone)[1].state == "note"


@pytest.mark.parametrize(
    ("wanted", "current", "there"),
    [
        (1, {}, None),
        (4, {}, None),
        (4, {"x-single-active-consumer": "true"}, 1),
        (4, {"x-max-length": "2"}, 2),
        (1, {"x-single-active-consumer": None, "x-max-length": "8"}, 8),
        (1, {"x-max-length": "1000"}, None),
        (1, {"x-single-active-consumer": None}, None),
        (1, {"x-single-active-consumer": None, "x-max-length": "8", "x-overflow": None}, None),
        (4, {"x-max-length": None}, None),
    ],
)
def test_the_queue_of_the_events_tells_how_many_partitions_there_are(
    wanted: int, current: dict[str, str | None], there: int | None
) -> None:
    differences = tuple(Difference(name, "other", value) for name, value in current.items())
    assert partitions_there(Seen("queue", "q", differences=differences), wanted) == there


def test_another_number_of_partitions_is_a_fault_with_both_ways_out() -> None:
    found = of_number("q", 1, 4)
    assert (found.state, "there is 1 partition, and PARTITIONS is 4" in found.what) == (
        "fault",
        True,
    )
    assert "set PARTITIONS=1" in found.todo
    assert "topology --move" in found.todo


def test_a_node_too_many_is_a_warning_and_none_a_fault() -> None:
    up, down = Node("a:5672", "RabbitMQ", "3.10.8", "c"), Node("b:5672", lost="Connection refused")
    assert [finding.state for finding in of_nodes([up, down])] == ["ok", "warning"]
    assert [finding.state for finding in of_nodes([down])] == ["fault"]
    assert "Connection refused" in of_nodes([down])[0].what


@pytest.mark.parametrize(
    ("product", "version", "state"),
    [
        ("RabbitMQ", "3.10.0", "ok"),
        ("RabbitMQ", "4.1.0-rc.1", "ok"),
        ("RabbitMQ", "3.9.29", "fault"),
        ("Other", "1.0", "warning"),
        ("", "", "warning"),
    ],
)
def test_another_product_or_an_old_version_is_told(product: str, version: str, state: str) -> None:
    assert of_nodes([Node("a:5672", product, version)])[0].state == state


def test_nodes_of_two_clusters_are_a_fault() -> None:
    nodes = [Node("a", "RabbitMQ", "4.0.0", "one"), Node("b", "RabbitMQ", "4.0.0", "two")]
    assert of_nodes(nodes)[-1].state == "fault"
    assert "one, two" in of_nodes(nodes)[-1].what


@pytest.mark.parametrize(
    ("action", "refusal", "state"),
    [
        ("read", Refusal(406, "PRECONDITION_FAILED"), "ok"),
        ("read", FORBIDDEN, "fault"),
        ("read", Refusal(403, "ACCESS_REFUSED - queue 'q' in exclusive use"), "note"),
        ("write", BLOCKED, "fault"),
        ("write", Refusal(406, "PRECONDITION_FAILED"), "ok"),
        ("configure", FORBIDDEN, "fault"),
        ("bind", None, "ok"),
        ("bind", FORBIDDEN, "fault"),
    ],
)
def test_permissions_are_told_one_by_one(
    action: Action, refusal: Refusal | None, state: str
) -> None:
    (found,) = of_permissions("me", [Permission(action, "q", refusal)], OLD)
    assert (found.area, found.state) == ("user me", state)
    assert "q" in found.what
    assert found.todo or state != "fault"


def access(kind: Kind, name: str, how: str = "access") -> Refusal:
    text = f"ACCESS_REFUSED - {how} to {kind} '{name}' in vhost '/' refused for user 'u'"
    return Refusal(403, text)


@pytest.mark.parametrize(
    ("action", "refusal", "says"),
    [
        ("read", access("queue", "q"), "may not read the queue q: the permission read"),
        ("write", access("exchange", "q"), "the permission write is missing for exchange q"),
        ("configure", access("queue", "q"), "the permission configure is missing for queue q"),
        ("bind", access("queue", "q"), "the permission write is missing for queue q"),
        ("bind", access("exchange", "e"), "the permission read is missing for exchange e"),
        ("bind", access("exchange", "e", "read access"), "permission read is missing for exch"),
        ("bind", access("exchange", "q"), "the permission read is missing for exchange q"),
    ],
)
def test_the_missing_permission_is_named_with_what_gives_it(
    action: Action, refusal: Refusal, says: str
) -> None:
    (found,) = of_permissions("me", [Permission(action, "q", refusal)], OLD)
    assert says in found.what
    assert GRANT in found.todo


def test_to_bind_an_exchange_takes_writing_to_it() -> None:
    lacks = [
        Permission("bind", "q", access("exchange", "q"), "exchange"),
        Permission("bind", "q", access("exchange", "e"), "exchange"),
    ]
    write, read = of_permissions("me", lacks, OLD)
    assert "may not bind the exchange q: the permission write is missing" in write.what
    assert "the permission read is missing for exchange e" in read.what


def test_one_line_tells_of_all_that_lacks_one_permission() -> None:
    lacks = [
        Permission("configure", "a", access("exchange", "a")),
        Permission("configure", "a", access("queue", "a")),
        Permission("configure", "b", access("queue", "b")),
    ]
    (found,) = of_permissions("me", lacks, OLD)
    assert found.what == (
        "may not configure a, b: the permission configure is missing for "
        "exchange a, queue a, queue b"
    )


def test_what_is_not_there_tells_that_its_permissions_were_not_looked_at() -> None:
    (found,) = of_permissions("me", [Permission("read", "q", MISSING)], OLD)
    assert found.state == "note"
    assert found.what.endswith("read the queue q: not looked at, because that is not there")
