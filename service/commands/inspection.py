"""RabbitMQ looked at as a whole, by AMQP and by the management API: findings.

Nothing is changed, but by `apply`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from service.addresses import user, virtual_host
from service.broker import host_and_port
from service.commands import checks, policies
from service.commands.checks import Setting
from service.commands.definitions import least_permissions
from service.commands.differences import declared_exchange, declared_queue
from service.commands.facts import Declared, Node, Permission, Refusal, Seen
from service.commands.findings import Finding, faultless, unseen
from service.commands.management import Management, Untold
from service.commands.survey import Survey, declarations, survey
from service.connection import LinkLost
from service.settings import Settings
from service.topology import (
    Kind,
    Role,
    event_queues,
    markers,
    members_queue,
    partitions_exchange,
    topology,
)

Bound = Mapping[str, Sequence[policies.Told]]
"""What is bound to each exchange."""

_NOTHING = unseen("RabbitMQ", "exchanges, queues and permissions", "no node can be used")


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found by AMQP; `unseen` is what only the management API may tell of."""

    findings: list[Finding]
    unseen: list[Declared]
    setting: Setting


async def by_amqp(settings: Settings) -> Looked:
    """Reach every node of AMQP_URL, and look at the topology and the permissions by the first."""
    nodes: list[Node] = []
    looked = Looked([_NOTHING], [], _setting("", settings, settings.amqp_urls[0]))
    for url in settings.amqp_urls:
        try:
            async with survey(url, settings.amqp_certificates, settings.heartbeat) as asked:
                if all(node.lost for node in nodes):
                    looked = await _look(asked, settings, url)
                nodes.append(asked.node)
        except LinkLost as error:
            nodes.append(Node(host_and_port(url), lost=str(error)))
    return Looked([*checks.of_nodes(nodes), *looked.findings], looked.unseen, looked.setting)


def by_management(
    settings: Settings, management: Management, looked: Looked
) -> tuple[list[Finding], float | None]:
    """Look at bindings and policies, and at what AMQP does not tell.

    The number is the shortest acknowledgement timeout of an event queue in seconds, if one has its
    own.
    """
    try:
        management.greet()
        findings = [
            finding
            for declared in looked.unseen
            for finding in _told(management, declared, settings, looked.setting)
        ]
        findings += _readers(management, settings)
        wanted = topology(settings)
        sources = {binding.source for binding in wanted.bindings}
        bound = {exchange: management.bindings(exchange) for exchange in sources}
        timeouts: list[float | None] = []
        for queue in wanted.queues:
            told = management.queue(queue.name)
            if told is None:
                area, what = f"queue {queue.name}", "its binding and policies"
                findings.append(unseen(area, what, "it is not there"))
                continue
            findings += _bindings("queue", queue.name, settings, bound, looked.setting)
            empty = queue.role in ("number", "members")
            findings += policies.of_policies(queue.name, told, empty=empty)
            if queue.role == "events":
                timeouts.append(policies.acknowledgement_timeout(told))
                if settings.partitions == 1:
                    findings.append(policies.of_replicas(queue.name, told))
        findings += _spreading(settings, bound, looked.setting)
    except Untold as error:
        todo = "look at --management; its user needs the tag management"
        what = f"bindings and policies were not looked at: {error}"
        return [Finding("management", "fault", what, todo)], None
    return findings, min((each for each in timeouts if each is not None), default=None)


async def apply(settings: Settings) -> list[Finding]:
    """Make what is not there, and bind it; what is there but differs is told and left.

    Raises:
        LinkLost: no node can be used, or the connection ended.
    """
    reason = ""
    for url in settings.amqp_urls:
        try:
            async with survey(url, settings.amqp_certificates, settings.heartbeat) as asked:
                return await _apply(asked, settings, url)
        except LinkLost as error:
            reason = f"{host_and_port(url)}: {error}"
    raise LinkLost(reason)


async def _look(asked: Survey, settings: Settings, url: str) -> Looked:
    setting = _setting(asked.node.version, settings, url)
    declared = declarations(topology(settings))
    seen = [await asked.look(one) for one in declared]
    runs = any(_role(one, settings) in ("events", "members") and one.consumers for one in seen)
    setting = replace(setting, runs=runs)
    permissions = await _permissions(asked, settings, declared)
    findings = checks.of_permissions(user(url) or "the certificate's user", permissions, setting)
    findings += await _of_number(asked, seen, settings)
    if settings.partitions > 1:
        findings += await _of_plugin(settings, url)
    for one in seen:
        findings += _of_seen(one, settings, setting)
    unseen = [
        one
        for one, found in zip(declared, seen, strict=True)
        if any(
            refusal is not None and refusal.forbidden
            for refusal in (found.refusal, found.uncompared)
        )
    ]
    return Looked(findings, unseen, setting)


async def _of_number(asked: Survey, seen: list[Seen], settings: Settings) -> list[Finding]:
    """Tell of a change of the number of partitions, or of one more than there should be."""
    if (moves := await _of_move(asked, settings)) is not None:
        return [moves]
    (events,) = (one for one in seen if one.kind == "queue" and one.name == settings.event_queue)
    if events.uncompared is None:
        return []
    # Who may not configure the queue is not told what it keeps.
    number = 0 if settings.partitions == 1 else settings.partitions
    more = await asked.count(f"{settings.event_queue}.{number}")
    return [] if more.refusal is not None else [checks.of_more(more.name, settings.partitions)]


async def _of_move(asked: Survey, settings: Settings) -> Finding | None:
    for marker in reversed(markers(settings)):
        if (await asked.count(marker)).refusal is None:
            return checks.of_move(marker)
    return None


async def _of_plugin(settings: Settings, url: str) -> list[Finding]:
    """See whether RabbitMQ knows the type of exchange; version 3 ends the connection if not.

    Raises:
        LinkLost: there is none to ask by.
    """
    name = partitions_exchange(settings)
    async with survey(url, settings.amqp_certificates, settings.heartbeat) as asked:
        try:
            told = await asked.may_configure(declared_exchange(name, "x-modulus-hash"))
        except LinkLost as error:
            return [checks.of_plugin(name, str(error))]
    if told.refusal is not None and told.refusal.unknown_type:
        return [checks.of_plugin(name, told.refusal.text)]
    return []


async def _permissions(
    asked: Survey, settings: Settings, declared: list[Declared]
) -> list[Permission]:
    found = []
    if settings.declare_topology:
        found += [await asked.may_configure(_of_any_type(one)) for one in declared]
        found += [await asked.may_bind(binding) for binding in topology(settings).bindings]
    consumed = [*event_queues(settings)]
    if settings.partitions > 1:
        consumed.append(members_queue(settings))
        if not settings.declare_topology:
            found.append(await asked.may_configure(declared_queue(consumed[-1], {})))
    found += [await asked.may_read(queue) for queue in consumed]
    # Last: where RabbitMQ is short of memory or disk, nothing is answered after these.
    for exchange in (settings.result_exchange, settings.dead_letter_exchange):
        found.append(await asked.may_write(exchange))
    return found


def _of_any_type(declared: Declared) -> Declared:
    """Ask about an exchange as one of a type that RabbitMQ knows in any case."""
    return declared_exchange(declared.name) if declared.kind == "exchange" else declared


def _of_seen(seen: Seen, settings: Settings, setting: Setting) -> list[Finding]:
    role = _role(seen, settings)
    if seen.kind == "queue" and seen.name == settings.event_queue:
        there = checks.partitions_there(seen, settings.partitions)
        if there is not None:
            return [checks.of_number(seen.name, there, settings.partitions)]
    return checks.of_seen(seen, role, setting)


def _told(
    management: Management, declared: Declared, settings: Settings, setting: Setting
) -> list[Finding]:
    """Look at an exchange or a queue that AMQP does not show."""
    queue = declared.kind == "queue"
    told = management.queue(declared.name) if queue else management.exchange(declared.name)
    if told is None:
        missing = Seen(declared.kind, declared.name, Refusal(404, ""))
        return checks.of_seen(missing, None, setting)
    waiting, readers = int(told.get("messages_ready", 0)), int(told.get("consumers", 0))
    differences = policies.differences(declared, told)
    seen = Seen(declared.kind, declared.name, None, waiting, readers, differences)
    return _of_seen(seen, settings, setting)


def _bindings(
    kind: Kind, name: str, settings: Settings, bound: Bound, setting: Setting
) -> list[Finding]:
    """Tell of the bindings that a queue or an exchange should have."""
    will_be = setting.declares and not setting.runs
    return [
        policies.of_binding(binding, bound[binding.source], declares=will_be)
        for binding in topology(settings).bindings
        if (binding.kind, binding.destination) == (kind, name)
    ]


def _spreading(settings: Settings, bound: Bound, setting: Setting) -> list[Finding]:
    """Tell whether events reach the partitions, and nothing else."""
    if settings.partitions == 1:
        return []
    hashing, wanted = partitions_exchange(settings), topology(settings).bindings
    findings = _bindings("exchange", hashing, settings, bound, setting)
    findings += policies.of_strays(hashing, wanted, bound[hashing])
    led_to = {one.get("destination") for one in bound[settings.event_exchange]}
    # Alone it is no stray: then there is only one partition.
    if {settings.event_queue, hashing} <= led_to:
        what = f"is bound to {settings.event_exchange}, beside {hashing}: events come twice"
        findings.append(Finding(f"queue {settings.event_queue}", "fault", what, "unbind it"))
    return findings


def _readers(management: Management, settings: Settings) -> list[Finding]:
    """Tell who takes the results, where the service has no queue for them."""
    if settings.result_queue:
        return []
    exchange, drops = settings.result_exchange, settings.unroutable_results == "drop"
    return [policies.of_readers(exchange, management.bindings(exchange), drops=drops)]


async def _apply(asked: Survey, settings: Settings, url: str) -> list[Finding]:
    wanted = topology(settings)
    setting = _setting(asked.node.version, settings, url, declares=True)
    if (moves := await _of_move(asked, settings)) is not None:
        return [moves]
    declared = declarations(wanted)
    (events,) = (one for one in declared if (one.kind, one.name) == ("queue", settings.event_queue))
    seen = await asked.look(events)
    if (there := checks.partitions_there(seen, settings.partitions)) is not None:
        return [checks.of_number(seen.name, there, settings.partitions)]
    findings: list[Finding] = []
    for one in declared:
        findings += await _make(asked, one, settings, setting)
    if settings.partitions > 1 and not faultless(findings):
        # One queue more or less, and all events would be spread in another way.
        what = "nothing is bound to it, as not all is there"
        area = f"exchange {partitions_exchange(settings)}"
        return [*findings, Finding(area, "fault", what, "mend the other faults, and run it again")]
    for binding in wanted.bindings:
        refusal = await asked.bind(binding)
        area = f"{binding.kind} {binding.destination}"
        if refusal is None:
            findings.append(Finding(area, "ok", f"is bound to {binding.source} with #"))
        elif not refusal.missing:
            what = f"cannot be bound to {binding.source}: {refusal.text}"
            findings.append(Finding(area, "fault", what, setting.to_permit))
    return findings


async def _make(
    asked: Survey, declared: Declared, settings: Settings, setting: Setting
) -> list[Finding]:
    seen = await asked.look(declared)
    area = f"{declared.kind} {declared.name}"
    if seen.refusal is not None:
        refusal = await asked.make(declared)
        if refusal is None:
            return [Finding(area, "ok", "is made")]
        todo = setting.to_permit if refusal.forbidden else "look into RabbitMQ's log"
        if refusal.unknown_type:
            todo = checks.ENABLE_PLUGIN
        return [Finding(area, "fault", f"cannot be made: {refusal.text}", todo)]
    if seen.differences or seen.uncompared is not None:
        what = "is there and differs, and is left as it is"
        differences = checks.of_differences(seen, _role(seen, settings), setting)
        if seen.uncompared is not None:
            what += f": {seen.uncompared.text}"
        todo = "mend what is said of it, or set DECLARE_TOPOLOGY=false if it is meant so"
        return [Finding(area, "fault", what, todo), *differences]
    return [Finding(area, "ok", "was there, as it should be")]


def _setting(
    version: str, settings: Settings, url: str, *, declares: bool | None = None
) -> Setting:
    declares = settings.declare_topology if declares is None else declares
    least = least_permissions(topology(settings), declares=declares)
    grant = least.command(virtual_host(url), user(url))
    return Setting(version, settings.declare_topology, grant, partitions=settings.partitions)


def _role(seen: Seen, settings: Settings) -> Role | None:
    roles = {queue.name: queue.role for queue in topology(settings).queues}
    return roles.get(seen.name) if seen.kind == "queue" else None
