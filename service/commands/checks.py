"""What facts about RabbitMQ mean for the service: findings, in words. No I/O here."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from service.commands.facts import Action, Difference, Node, Permission, Refusal, Seen
from service.commands.findings import Finding, State, unseen
from service.topology import Role

_OLDEST = (3, 10)
_LOCKED = 405  # RESOURCE_LOCKED: an exclusive queue of somebody else
_RECREATE = (
    "it cannot be changed: delete the {kind} when it is empty and unused, and let "
    "`profile-sync topology --apply` make it anew"
)
ENABLE_PLUGIN = "`rabbitmq-plugins enable rabbitmq_sharding` on each node of RabbitMQ"
_BLIND = "--management URL asks the management API instead"

# What a difference does, by its name, whatever it is of; "fault" if events or results get lost, or
# out of order.
_WHY: dict[str, tuple[State, str]] = {
    "x-queue-type": (
        "fault",
        "only a quorum queue outlives its node, and counts deliveries",
    ),
    "x-single-active-consumer": (
        "fault",
        "without it all replicas take events at once and break the order, and nobody notices",
    ),
    "x-dead-letter-exchange": (
        "fault",
        "what RabbitMQ itself dead-letters is lost, or goes elsewhere",
    ),
    "x-dead-letter-strategy": (
        "warning",
        "what RabbitMQ itself dead-letters can be lost on the way",
    ),
    "x-overflow": (
        "warning",
        "once a limit is set, RabbitMQ drops the oldest messages, in place of refusing new ones",
    ),
    "x-dead-letter-routing-key": ("warning", "dead letters of RabbitMQ itself lose their own key"),
    "x-message-ttl": ("fault", "messages that wait for longer (in ms) are lost"),
    "x-expires": ("fault", "RabbitMQ deletes it, with all in it, when nobody uses it so long (ms)"),
    "x-max-length": ("fault", "messages beyond that number are dropped or refused"),
    "x-max-length-bytes": ("fault", "messages beyond that size are dropped or refused"),
    "x-consumer-timeout": ("warning", "RabbitMQ ends a link that holds an event longer (in ms)"),
    "durable": ("fault", "it is gone when RabbitMQ restarts"),
    "auto_delete": ("fault", "RabbitMQ deletes it when nothing uses it any more"),
    "type": ("fault", "an exchange of another type sends messages elsewhere, or nowhere"),
    "internal": ("fault", "nobody can publish to an internal exchange"),
    "alternate-exchange": ("warning", "what no queue takes goes there, and nobody is told"),
}
_DOING: dict[Action, str] = {
    "read": "read the queue",
    "write": "write to the exchange",
    "configure": "configure",
    "bind": "bind the {kind}",
}
_REFUSED = re.compile(r"access to (queue|exchange) '(.*)' in vhost ", re.DOTALL)
_UNKNOWN: tuple[State, str] = ("warning", "the service does not expect it")
_OF_EVENTS = "x-single-active-consumer"  # what only queues of events have
_OF_QUORUM_QUEUES = {"x-delivery-limit", "x-dead-letter-strategy"}


@dataclass(frozen=True, slots=True)
class Setting:
    """What a meaning depends on: RabbitMQ's version, whether the service declares, and its user."""

    version: str
    declares: bool
    grant: str
    """The command that gives the user all that the service needs."""
    runs: bool = False
    """True if a service runs: it has declared what it declares, and does so no more."""
    partitions: int = 1

    @property
    def to_permit(self) -> str:
        """What to do about a permission that is missing."""
        return f"RabbitMQ's administrator can give all that is needed: {self.grant}"

    @property
    def limits_by_default(self) -> bool:
        """True if a queue without x-delivery-limit has one of 20."""
        return _numbers(self.version)[:1] >= (4,)


def of_nodes(nodes: Sequence[Node]) -> list[Finding]:
    """Tell which nodes can be used."""
    usable = [node for node in nodes if not node.lost]
    findings = [_of_node(node, alone=not usable) for node in nodes]
    clusters = sorted({node.cluster for node in usable if node.cluster})
    if len(clusters) > 1:
        what = f"its nodes are of several clusters: {', '.join(clusters)}"
        todo = "name the nodes of one: events at the others are never taken"
        findings.append(Finding("AMQP_URL", "fault", what, todo))
    return findings


def of_permissions(user: str, permissions: Iterable[Permission], setting: Setting) -> list[Finding]:
    """Tell what the user may do and what not, a line for all that is of one kind."""
    area = f"user {user}"
    allowed: dict[str, list[str]] = {}
    lacking: dict[tuple[str, str], list[Permission]] = {}
    untold: dict[Refusal, list[str]] = {}
    missing: list[str] = []
    for permission in permissions:
        doing = _DOING[permission.action].format(kind=permission.kind)
        if permission.granted:
            allowed.setdefault(doing, []).append(permission.name)
        elif permission.granted is False:
            lacking.setdefault((doing, _lacking(permission)), []).append(permission)
        elif permission.refusal is not None and permission.refusal.missing:
            missing.append(f"{doing} {permission.name}")
        elif permission.refusal is not None:
            untold.setdefault(permission.refusal, []).append(f"{doing} {permission.name}")
    findings = [
        Finding(area, "ok", f"may {doing} {', '.join(dict.fromkeys(names))}")
        for doing, names in allowed.items()
    ]
    if missing:
        what = f"whether it may {', '.join(missing)}"
        findings.append(unseen(area, what, "that is not there"))
    findings += [_of_untold(area, ", ".join(asked), why) for why, asked in untold.items()]
    for (doing, word), lacks in lacking.items():
        names = ", ".join(dict.fromkeys(lack.name for lack in lacks))
        places = ", ".join(dict.fromkeys(_place(lack) for lack in lacks))
        what = f"may not {doing} {names}: the permission {word} is missing for {places}"
        findings.append(Finding(area, "fault", what, setting.to_permit))
    return findings


def _of_untold(area: str, asked: str, refusal: Refusal) -> Finding:
    what = f"whether it may {asked}"
    if refusal.code:
        return unseen(area, what, f"RabbitMQ says {refusal.text}")
    what += f": not looked at, because {refusal.text}"
    todo = "`rabbitmqctl status` tells of alarms and their limits; then check again"
    return Finding(area, "fault", what, todo)


def _lacking(permission: Permission) -> str:
    if permission.action != "bind":
        return permission.action
    # To bind takes two: to write to what is bound, and to read the exchange it is bound to.
    bound = (permission.name, f"{permission.kind} {permission.name}")
    return "write" if _place(permission) in bound else "read"


def _place(permission: Permission) -> str:
    text = permission.refusal.text if permission.refusal is not None else ""
    named = _REFUSED.search(text)
    return f"{named[1]} {named[2]}" if named else permission.name


def of_seen(seen: Seen, role: Role | None, setting: Setting) -> list[Finding]:
    """Tell how an exchange or a queue is; `role` is what a queue is for."""
    area = f"{seen.kind} {seen.name}"
    if seen.refusal is not None:
        return [_unseen(seen.refusal, area, setting)]
    findings = of_differences(seen, role, setting)
    if findings and setting.declares:
        what = "is not as the service declares it, which so gets no link to RabbitMQ"
        todo = "mend what is said of it, or set DECLARE_TOPOLOGY=false if it is meant so"
        findings.insert(0, Finding(area, "fault", what, todo))
    if seen.uncompared is not None:
        why = (
            "the user may not configure it"
            if seen.uncompared.forbidden
            else f"RabbitMQ says {seen.uncompared.text}"
        )
        what = "other differences" if seen.differences else "differences"
        findings.append(unseen(area, what, why, _BLIND))
    elif not findings:
        findings.append(Finding(area, "ok", "is as it should be"))
    return findings + (of_messages(seen, role, setting) if role else [])


def of_differences(seen: Seen, role: Role | None, setting: Setting) -> list[Finding]:
    """Tell what each difference does."""
    listed = list(seen.differences)
    if any(difference.name == "x-queue-type" for difference in listed):
        listed = [one for one in listed if one.name not in _OF_QUORUM_QUEUES]
    return [_of_difference(one, seen, role, setting) for one in listed]


def of_messages(seen: Seen, role: Role, setting: Setting) -> list[Finding]:
    """Tell who waits in a queue, and who reads it."""
    area = f"queue {seen.name}"
    waiting, readers = seen.messages, seen.consumers
    wait = f"{waiting} wait{'s' * (waiting == 1)}"
    match role:
        case "events" if not readers and setting.runs and setting.partitions > 1:
            what = f"has no consumer, and replicas run; {wait}"
            todo = "check again: it may change hands just now; else see the replicas' logs"
            return [Finding(area, "warning", what, todo)]
        case "events" if not readers:
            return [Finding(area, "note", f"has no consumer: no service runs; {wait}")]
        case "events" if readers == 1:
            # Of a single active consumer: RabbitMQ does not count those that stand by.
            return [Finding(area, "ok", f"has a consumer; {wait}")]
        case "events":
            what = f"has {readers} consumers that take events at once; {wait}"
            return [Finding(area, "warning", what, "see x-single-active-consumer")]
        case "number" if waiting or readers:
            return _misused(area, waiting, readers)
        case "number":
            what = f"is empty and keeps the number of partitions, {setting.partitions}"
            return [Finding(area, "ok", what)]
        case "members":
            return [Finding(area, "note", f"replicas: {readers}")]
        case "results" if waiting and not readers:
            what = f"nobody reads it, and {waiting} result{'s' * (waiting > 1)} {_wait(waiting)}"
            todo = (
                "consume them; or, if nobody wants them, delete the queue, and set RESULT_QUEUE "
                "to nothing and UNROUTABLE_RESULTS=drop"
            )
            return [Finding(area, "warning", what, todo)]
        case "results":
            return [Finding(area, "ok", f"consumers: {readers}; {wait}")]
        case "dead letters" if waiting:
            what = f"{waiting} dead letter{'s' * (waiting > 1)} {_wait(waiting)}"
            todo = "`profile-sync dead-letters list` says why"
            return [Finding(area, "warning", what, todo)]
        case _:
            return [Finding(area, "ok", "no dead letters wait")]


def _misused(area: str, waiting: int, readers: int) -> list[Finding]:
    """Tell who takes the queue that keeps the number of partitions for the one of the events."""
    findings = []
    if waiting:
        what = f"{waiting} message{'s' * (waiting > 1)} {_wait(waiting)} where no replica looks"
        todo = "let senders publish to EVENT_EXCHANGE alone; take them out and publish them there"
        findings.append(Finding(area, "fault", what, todo))
    if readers:
        what = f"has {readers} consumer{'s' * (readers > 1)}, and no event comes here"
        todo = "a service with PARTITIONS=1 and DECLARE_TOPOLOGY=false may be one: end it"
        findings.append(Finding(area, "warning", what, todo))
    return findings


def partitions_there(seen: Seen, wanted: int) -> int | None:
    """Read from EVENT_QUEUE how many partitions there are, if they are not as many as wanted."""
    told = {one.name: one.current for one in seen.differences}
    if wanted > 1 and told.get(_OF_EVENTS) == "true":
        return 1
    number = told.get("x-max-length")
    keeps = wanted > 1 or told.get(_OF_EVENTS, "true") is None
    # What is the same in all of these queues.
    ours = not told.keys() & {"x-queue-type", "x-overflow"}
    return int(number) if number is not None and keeps and ours and number.isdecimal() else None


def of_number(queue: str, there: int, wanted: int) -> Finding:
    """Tell that there are not as many partitions as there should be."""
    are = "is 1 partition" if there == 1 else f"are {there} partitions"
    what = f"there {are}, and PARTITIONS is {wanted}: no service with that takes events"
    todo = f"set PARTITIONS={there}; or let `profile-sync topology --move` make them {wanted}"
    return Finding(f"queue {queue}", "fault", what, todo)


def of_more(queue: str, wanted: int) -> Finding:
    """Tell that there is a partition more than there should be."""
    what = f"is there: there are more partitions than PARTITIONS, which is {wanted}"
    todo = "set PARTITIONS to their number, or let `profile-sync topology --move` change that"
    return Finding(f"queue {queue}", "fault", what, todo)


def of_move(marker: str) -> Finding:
    """Tell that the number of partitions is being changed."""
    what = "is there: the number of partitions is being changed"
    todo = "`profile-sync topology --move`, with the new number, goes on with it"
    return Finding(f"queue {marker}", "fault", what, todo)


def of_plugin(exchange: str, refused: str) -> Finding:
    """Tell that RabbitMQ does not know the exchange that spreads events over partitions."""
    what = f"its type cannot be used: {refused}"
    return Finding(f"exchange {exchange}", "fault", what, ENABLE_PLUGIN)


def _of_node(node: Node, *, alone: bool) -> Finding:
    area = f"RabbitMQ {node.address}"
    if node.lost:
        todo = "look at AMQP_URL, and at that node"
        return Finding(area, "fault" if alone else "warning", node.lost, todo)
    if node.product != "RabbitMQ":
        what = f"is {node.product or 'no RabbitMQ'} {node.version}".rstrip()
        return Finding(area, "warning", what, "only RabbitMQ is known to work")
    if _numbers(node.version)[:2] < _OLDEST:
        what = f"RabbitMQ {node.version} is too old"
        return Finding(area, "fault", what, "use 3.10 or newer: older ones lose dead letters")
    return Finding(area, "ok", f"RabbitMQ {node.version} answers")


def _unseen(refusal: Refusal, area: str, setting: Setting) -> Finding:
    if refusal.missing and setting.declares and not setting.runs:
        return Finding(area, "note", "is not there yet; `profile-sync run` makes it")
    if refusal.missing:
        why = "a running service does not make it" if setting.runs else "DECLARE_TOPOLOGY is false"
        todo = "`profile-sync topology --apply` makes it, --print is for whoever may do so"
        return Finding(area, "fault", f"is not there, and {why}", todo)
    if refusal.forbidden:
        why = "RabbitMQ 4.3 and newer want the permission configure for that, and it is missing"
        return unseen(area, "what it is like", why, _BLIND)
    what = f"cannot be looked at: {refusal.text}"
    if refusal.code == _LOCKED:
        todo = (
            "it belongs to one connection: end that, and `profile-sync topology --apply` makes it"
        )
    else:
        todo = "look into RabbitMQ's log, and check again"
    return Finding(area, "fault", what, todo)


def _of_difference(
    difference: Difference, seen: Seen, role: Role | None, setting: Setting
) -> Finding:
    name, current, wanted = difference.name, difference.current, difference.wanted
    state, why = _WHY.get(name, _UNKNOWN)
    todo = _RECREATE.format(kind=seen.kind)
    if name == "x-delivery-limit":
        state, why = _of_limit(current, role, setting)
        if role == "events" and current is not None and not _endless(current):
            todo = f"set DELIVERY_LIMIT={current}; or else: {todo}"
    if current is None:
        what = f"{name} is missing and should be {wanted}"
    elif wanted is None:
        what = f"{name} is {current} and should not be there"
    else:
        what = f"{name} is {current} and should be {wanted}"
    return Finding(f"{seen.kind} {seen.name}", state, f"{what}: {why}", todo)


def _of_limit(current: str | None, role: Role | None, setting: Setting) -> tuple[State, str]:
    times = current or ("20" if setting.limits_by_default else None)
    if times is not None and _endless(times):
        if role != "events":
            return "note", "RabbitMQ keeps a message however often it is looked at"
        times = None
    if role == "events" and times is None:
        return "warning", "an event that ends the service comes back for ever"
    if role == "events":
        return "warning", f"RabbitMQ dead-letters an event after {times} deliveries: lost links too"
    if times is None:
        return "warning", "from RabbitMQ 4 on, who looks at a message 20 times loses it"
    return "fault", f"who looks at a message {times} times loses it"


def _endless(limit: str) -> bool:
    return limit.startswith("-")  # in RabbitMQ 4


def _wait(count: int) -> str:
    return "waits" if count == 1 else "wait"


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.split("-", maxsplit=1)[0].split("+", maxsplit=1)[0].split(".")
    return tuple(int(part) for part in parts if part.isdecimal())
