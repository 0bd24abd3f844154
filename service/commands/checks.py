"""What facts about RabbitMQ mean for the service: findings, in words. No I/O here."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from service.commands.facts import Difference, Node, Permission, Refusal, Seen
from service.commands.findings import Finding, State

Role = Literal["events", "results", "dead letters"]

_OLDEST = (3, 10)
_RECREATE = (
    "it cannot be changed: delete the {kind} when it is empty and unused, and let "
    "`profile-sync topology --apply` make it anew"
)
PERMISSIONS = "`profile-sync topology --permissions` prints what to set"
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
    "type": ("fault", "only a topic exchange gives the queue bound with # all there is"),
    "internal": ("fault", "nobody can publish to an internal exchange"),
    "alternate-exchange": ("warning", "what no queue takes goes there, and nobody is told"),
}
_UNKNOWN: tuple[State, str] = ("warning", "the service does not expect it")
_OF_QUORUM_QUEUES = {"x-delivery-limit", "x-dead-letter-strategy"}


@dataclass(frozen=True, slots=True)
class Setting:
    """What a meaning depends on: RabbitMQ's version, and whether the service declares."""

    version: str
    declares: bool

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


def of_permissions(user: str, permissions: Iterable[Permission]) -> list[Finding]:
    """Tell what the user lacks."""
    area = f"user {user}"
    allowed: dict[str, list[str]] = {}
    findings = []
    for permission in permissions:
        doing = _doing(permission)
        if permission.granted:
            allowed.setdefault(doing, []).append(permission.name)
        elif permission.granted is False:
            what = f"may not {doing} {permission.name}"
            findings.append(Finding(area, "fault", what, PERMISSIONS))
        elif permission.refusal is not None and not permission.refusal.missing:
            what = f"whether it may {doing} {permission.name} cannot be told"
            state: State = "note" if permission.refusal.code else "fault"
            findings.append(Finding(area, state, f"{what}: {permission.refusal.text}"))
    found = [
        Finding(area, "ok", f"may {doing} {', '.join(dict.fromkeys(names))}")
        for doing, names in allowed.items()
    ]
    return found + findings


def of_seen(seen: Seen, role: Role | None, setting: Setting) -> list[Finding]:
    """Tell how an exchange or a queue is; `role` is what a queue is for."""
    area = f"{seen.kind} {seen.name}"
    if seen.refusal is not None:
        return [_unseen(seen.refusal, area, setting)]
    findings = of_differences(seen, role, setting)
    if findings and setting.declares:
        what = "is not as the service declares it, which so gets no link to RabbitMQ"
        todo = "mend it as said below, or set DECLARE_TOPOLOGY=false if it is meant so"
        findings.insert(0, Finding(area, "fault", what, todo))
    if seen.uncompared is not None:
        why = (
            "the user may not configure it"
            if seen.uncompared.forbidden
            else f"RabbitMQ says {seen.uncompared.text}"
        )
        findings.append(Finding(area, "note", f"(other) differences cannot be told: {why}", _BLIND))
    elif not findings:
        findings.append(Finding(area, "ok", "is as it should be"))
    return findings + (of_messages(seen, role) if role else [])


def of_differences(seen: Seen, role: Role | None, setting: Setting) -> list[Finding]:
    """Tell what each difference does."""
    listed = list(seen.differences)
    if any(difference.name == "x-queue-type" for difference in listed):
        listed = [one for one in listed if one.name not in _OF_QUORUM_QUEUES]
    return [_of_difference(one, seen, role, setting) for one in listed]


def of_messages(seen: Seen, role: Role) -> list[Finding]:
    """Tell who waits in a queue, and who reads it."""
    area = f"queue {seen.name}"
    waiting, readers = seen.messages, seen.consumers
    wait = f"{waiting} wait{'s' * (waiting == 1)}"
    match role:
        case "events" if not readers:
            return [Finding(area, "note", f"has no consumer: no service runs; {wait}")]
        case "events" if readers == 1:
            # Of a single active consumer: RabbitMQ does not count those that stand by.
            return [Finding(area, "ok", f"has a consumer; {wait}")]
        case "events":
            what = f"has {readers} consumers that take events at once; {wait}"
            return [Finding(area, "warning", what, "see x-single-active-consumer")]
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
            return [Finding(area, "ok", "holds no dead letters")]


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
    if refusal.missing and setting.declares:
        return Finding(area, "note", "is not there yet; `profile-sync run` makes it")
    if refusal.missing:
        todo = "`profile-sync topology --apply` makes it, --print is for whoever may do so"
        return Finding(area, "fault", "is not there, and DECLARE_TOPOLOGY is false", todo)
    if refusal.forbidden:
        what = "cannot be looked at: RabbitMQ 4.3 and newer want the permission to configure it"
        return Finding(area, "note", what, _BLIND)
    return Finding(area, "fault", f"cannot be looked at: {refusal.text}")


def _of_difference(
    difference: Difference, seen: Seen, role: Role | None, setting: Setting
) -> Finding:
    name, current, wanted = difference.name, difference.current, difference.wanted
    state, why = _WHY.get(name, _UNKNOWN)
    todo = _RECREATE.format(kind=seen.kind)
    if name == "x-delivery-limit":
        state, why = _of_limit(current, role, setting)
        if role == "events" and current is not None:
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
    if role == "events" and times is None:
        return "warning", "an event that ends the service comes back for ever"
    if role == "events":
        return "warning", f"RabbitMQ dead-letters an event after {times} deliveries: lost links too"
    if times is None:
        return "warning", "from RabbitMQ 4 on, who looks at a message 20 times loses it"
    return "fault", f"who looks at a message {times} times loses it"


def _doing(permission: Permission) -> str:
    match permission.action:
        case "read":
            return "read the queue"
        case "write":
            return "write to the exchange"
        case "configure":
            return "configure"
        case "bind":
            return "bind the queue"


def _wait(count: int) -> str:
    return "waits" if count == 1 else "wait"


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.split("-", maxsplit=1)[0].split("+", maxsplit=1)[0].split(".")
    return tuple(int(part) for part in parts if part.isdecimal())
