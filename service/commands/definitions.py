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


@dataclass(frozen=True, slots=True)
class Permissions:
    """Regular expressions on names of exchanges and queues, as RabbitMQ has them."""

    configure: str
    write: str
    read: str

    def command(self, vhost: str, user: str) -> str:
        """Write the command that gives a user these permissions."""
        given = [f"--vhost={vhost}", "--", user, self.configure, self.write, self.read]
        return f"rabbitmqctl set_permissions {shlex.join(given)}"


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


def commands(topology: Topology, vhost: str, user: str) -> list[str]:
    """Write the commands that give a user the least permissions, each with what it is for."""
    declaring = least_permissions(topology, declares=True)
    using = least_permissions(topology, declares=False)
    return [
        "# for a service that declares its exchanges and queues",
        declaring.command(vhost, user),
        "# for one that finds them there: DECLARE_TOPOLOGY=false",
        using.command(vhost, user),
    ]


def _names(names: Iterable[str]) -> str:
    # A dash means nothing there, and would only be harder to read.
    escaped = [re.escape(name).replace(r"\-", "-") for name in sorted(set(names))]
    return f"^({'|'.join(escaped)})$"
