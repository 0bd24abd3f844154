"""The topology for RabbitMQ's own tools: definitions to import, and the least permissions."""

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from service.commands.differences import declared_exchange, declared_queue
from service.topology import Role, Topology


def definitions(topology: Topology, vhost: str) -> dict[str, Any]:
    """Write what `rabbitmqctl import_definitions` takes.

    Source: RabbitMQ documentation, "Schema Definition Export and Import".
    """
    exchanges = [declared_exchange(one.name, one.type) for one in topology.exchanges]
    queues = [declared_queue(queue.name, queue.arguments) for queue in topology.queues]
    return {
        "vhosts": [{"name": vhost}],
        "exchanges": [
            {"name": one.name, "vhost": vhost, **one.flags, "arguments": {}} for one in exchanges
        ],
        "queues": [
            {
                "name": one.name,
                "vhost": vhost,
                "durable": True,
                "auto_delete": False,
                "arguments": dict(one.arguments),
            }
            for one in queues
        ],
        "bindings": [
            {
                "source": one.source,
                "vhost": vhost,
                "destination": one.destination,
                "destination_type": one.kind,
                "routing_key": "#",
                "arguments": {},
            }
            for one in topology.bindings
        ],
    }


_CERTIFIED = '"${RABBITMQ_USER:?the one that RabbitMQ takes the certificate for}"'
_OF_WATCH = r"amq\.gen-.*"  # its queue, which RabbitMQ names
_READ_BY_PEOPLE: tuple[Role, ...] = ("events", "members", "dead letters")


@dataclass(frozen=True, slots=True)
class Permissions:
    """Regular expressions on names of exchanges and queues, as RabbitMQ has them."""

    configure: str
    write: str
    read: str

    def command(self, vhost: str, user: str | None) -> str:
        """Write the command that gives a user these permissions; None is left to the shell."""
        who = _CERTIFIED if user is None else shlex.quote(user)
        given = shlex.join([self.configure, self.write, self.read])
        return f"rabbitmqctl set_permissions {shlex.join([f'--vhost={vhost}'])} -- {who} {given}"


def least_permissions(topology: Topology, *, declares: bool) -> Permissions:
    """Name the least that the service needs.

    Source: RabbitMQ documentation, "Access Control": what binding and dead-lettering want too.
    """
    _, results, dead_letters, *_ = (exchange.name for exchange in topology.exchanges)
    members = _of(topology, "members")
    consumed = [*_of(topology, "events"), *members]
    if not declares:
        # From 4.3 on RabbitMQ counts consumers only for who may configure the queue.
        configured = _names(members) if members else "^$"
        return Permissions(configured, _names([results, dead_letters]), _names(consumed))
    return Permissions(
        _names(_all(topology)),
        _names([results, dead_letters, *(one.destination for one in topology.bindings)]),
        _names([*consumed, *(one.source for one in topology.bindings)]),
    )


def permissions_of_people(topology: Topology, *patterns: str) -> Permissions:
    """Name the least that all commands need but for `run`, whatever DECLARE_TOPOLOGY is.

    `patterns` match what else there may be.
    """
    read = [exchange.name for exchange in topology.exchanges]
    for role in _READ_BY_PEOPLE:
        read += _of(topology, role)
    return Permissions(
        _names(_all(topology), _OF_WATCH, *patterns),
        _names(_all(topology), _OF_WATCH, *patterns),
        _names(read, _OF_WATCH, *patterns),
    )


def _of(topology: Topology, role: Role) -> list[str]:
    return [queue.name for queue in topology.queues if queue.role == role]


def _all(topology: Topology) -> list[str]:
    exchanges = [exchange.name for exchange in topology.exchanges]
    return [*exchanges, *(queue.name for queue in topology.queues)]


def commands(topology: Topology, vhost: str, user: str | None, *, declares: bool) -> list[str]:
    """Write the command that gives the service's user the least; others are comments.

    Each replaces what a user had before, so that only one may be active.
    """
    active, other = (
        least_permissions(topology, declares=each).command(vhost, user)
        for each in (declares, not declares)
    )
    operator = permissions_of_people(topology).command(vhost, "operator")
    mover = permissions_of_people(topology, *_of_moves(topology)).command(vhost, "operator")
    return [
        f"# The service, with DECLARE_TOPOLOGY={_written(declares)} as it is set:",
        active,
        f"# Or in its place, with DECLARE_TOPOLOGY={_written(not declares)}:",
        f"# {other}",
        "# A user for people: check, topology --apply, send, watch, dead-letters:",
        f"# {operator}",
        "# Or in its place, for topology --move too:",
        f"# {mover}",
    ]


def _of_moves(topology: Topology) -> list[str]:
    """Match all names that there are with any number of partitions, and while it changes."""
    exchange = topology.exchanges[0].name
    (queue,) = _of(topology, "number") or _of(topology, "events")
    return [
        rf"{re.escape(exchange)}\.(partitions|moving|moved)",
        rf"{re.escape(queue)}(\.([0-9]+|members|mover|moving|moved))?",
    ]


def _written(flag: bool) -> str:
    return str(flag).lower()


def _names(names: Iterable[str], *patterns: str) -> str:
    # A dash means nothing there, and would only be harder to read.
    escaped = [re.escape(name).replace(r"\-", "-") for name in sorted(set(names))]
    return f"^({'|'.join([*escaped, *patterns])})$"
