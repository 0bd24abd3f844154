"""RabbitMQ looked at as a whole, by AMQP and by the management API: findings.

Nothing is changed, but by `apply`.
"""

from dataclasses import dataclass, replace

from service.addresses import user, virtual_host
from service.broker import host_and_port
from service.commands import checks, policies
from service.commands.checks import Role, Setting
from service.commands.definitions import least_permissions
from service.commands.facts import Declared, Node, Permission, Refusal, Seen
from service.commands.findings import Finding, unseen
from service.commands.management import Management, Untold
from service.commands.survey import Survey, declarations, survey
from service.connection import LinkLost
from service.settings import Settings
from service.topology import Queue, topology

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

    The number is the acknowledgement timeout of the event queue in seconds, if it has its own.
    """
    try:
        management.greet()
        findings = [
            finding
            for declared in looked.unseen
            for finding in _told(management, declared, settings, looked.setting)
        ]
        findings += _readers(management, settings)
        timeout = None
        for queue in topology(settings).queues:
            told = management.queue(queue.name)
            if told is None:
                area, what = f"queue {queue.name}", "its binding and policies"
                findings.append(unseen(area, what, "it is not there"))
                continue
            findings.append(_binding(management, queue, looked.setting))
            findings += policies.of_policies(queue.name, told)
            if queue.name == settings.event_queue:
                timeout = policies.acknowledgement_timeout(told)
                findings.append(policies.of_replicas(queue.name, told))
    except Untold as error:
        todo = "look at --management; its user needs the tag management"
        what = f"bindings and policies were not looked at: {error}"
        return [Finding("management", "fault", what, todo)], None
    return findings, timeout


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
    runs = any(
        one.kind == "queue" and one.name == settings.event_queue and one.consumers for one in seen
    )
    setting = replace(setting, runs=runs)
    permissions = await _permissions(asked, settings, declared)
    findings = checks.of_permissions(user(url) or "the certificate's user", permissions, setting)
    for one in seen:
        findings += checks.of_seen(one, _role(one, settings), setting)
    unseen = [
        one
        for one, found in zip(declared, seen, strict=True)
        if any(
            refusal is not None and refusal.forbidden
            for refusal in (found.refusal, found.uncompared)
        )
    ]
    return Looked(findings, unseen, setting)


async def _permissions(
    asked: Survey, settings: Settings, declared: list[Declared]
) -> list[Permission]:
    found = []
    if settings.declare_topology:
        found += [await asked.may_configure(one.kind, one.name) for one in declared]
        queues = topology(settings).queues
        found += [await asked.may_bind(queue.name, queue.exchange) for queue in queues]
    found.append(await asked.may_read(settings.event_queue))
    # Last: where RabbitMQ is short of memory or disk, nothing is answered after these.
    for exchange in (settings.result_exchange, settings.dead_letter_exchange):
        found.append(await asked.may_write(exchange))
    return found


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
    return checks.of_seen(seen, _role(seen, settings), setting)


def _binding(management: Management, queue: Queue, setting: Setting) -> Finding:
    bound = management.bindings(queue.exchange)
    will_be = setting.declares and not setting.runs
    return policies.of_binding(queue.name, queue.exchange, bound, declares=will_be)


def _readers(management: Management, settings: Settings) -> list[Finding]:
    """Tell who takes the results, where the service has no queue for them."""
    if settings.result_queue:
        return []
    exchange, drops = settings.result_exchange, settings.unroutable_results == "drop"
    return [policies.of_readers(exchange, management.bindings(exchange), drops=drops)]


async def _apply(asked: Survey, settings: Settings, url: str) -> list[Finding]:
    wanted = topology(settings)
    setting = _setting(asked.node.version, settings, url, declares=True)
    findings: list[Finding] = []
    for declared in declarations(wanted):
        findings += await _make(asked, declared, settings, setting)
    for queue in wanted.queues:
        refusal = await asked.bind(queue.name, queue.exchange)
        area = f"queue {queue.name}"
        if refusal is None:
            findings.append(Finding(area, "ok", f"is bound to {queue.exchange} with #"))
        elif not refusal.missing:
            what = f"cannot be bound to {queue.exchange}: {refusal.text}"
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
    return Setting(version, settings.declare_topology, least.command(virtual_host(url), user(url)))


def _role(seen: Seen, settings: Settings) -> Role | None:
    if seen.kind == "exchange":
        return None
    if seen.name == settings.event_queue:
        return "events"
    return "results" if seen.name == settings.result_queue else "dead letters"
