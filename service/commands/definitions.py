"""The topology for RabbitMQ's own tools: definitions to import, and the least permissions."""

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from service.commands.differences import declared_exchange, declared_queue
from service.topology import Topology


def definitions(topology: Topology, vhost: str) -> dict[str, Any]:
    """Write what `rabbitmqctl import_definitions` takes.

    Source: RabbitMQ documentation, "Schema Definition Export and Import".
    """
    exchanges = [declared_exchange(name) for name in topology.exchanges]
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
                "source": queue.exchange,
                "vhost": vhost,
                "destination": queue.name,
                "destination_type": "queue",
                "routing_key": "#",
                "arguments": {},
            }
            for queue in topology.queues
        ],
    }


_CERTIFIED = '"${RABBITMQ_USER:?the one that RabbitMQ takes the certificate for}"'
_OF_WATCH = r"amq\.gen-.*"  # its queue, which RabbitMQ names


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
    _, results, dead_letters = topology.exchanges
    events = topology.queues[0].name
    if not declares:
        return Permissions("^$", _names([results, dead_letters]), _names([events]))
    queues = [queue.name for queue in topology.queues]
    bound = [queue.exchange for queue in topology.queues]
    return Permissions(
        _names([*topology.exchanges, *queues]),
        _names([results, dead_letters, *queues]),
        _names([events, *bound]),
    )


def permissions_of_people(topology: Topology) -> Permissions:
    """Name the least that all commands need but for `run`, whatever DECLARE_TOPOLOGY is."""
    exchanges, queues = topology.exchanges, [queue.name for queue in topology.queues]
    return Permissions(
        _names([*exchanges, *queues], _OF_WATCH),
        _names([*exchanges, *queues], _OF_WATCH),
        _names([*exchanges, *queues[:2]], _OF_WATCH),
    )


def commands(topology: Topology, vhost: str, user: str | None, *, declares: bool) -> list[str]:
    """Write the command that gives the service's user the least; others are comments.

    Each replaces what a user had before, so that only one may be active.
    """
    active, other = (
        least_permissions(topology, declares=each).command(vhost, user)
        for each in (declares, not declares)
    )
    operator = permissions_of_people(topology).command(vhost, "operator")
    return [
        f"# The service, with DECLARE_TOPOLOGY={_written(declares)} as it is set:",
        active,
        f"# Or in its place, with DECLARE_TOPOLOGY={_written(not declares)}:",
        f"# {other}",
        "# A user for people: check, topology --apply, send, watch, dead-letters:",
        f"# {operator}",
    ]


def _written(flag: bool) -> str:
    return str(flag).lower()


def _names(names: Iterable[str], *patterns: str) -> str:
    # A dash means nothing there, and would only be harder to read.
    escaped = [re.escape(name).replace(r"\-", "-") for name in sorted(set(names))]
    return f"^({'|'.join([*escaped, *patterns])})$"
