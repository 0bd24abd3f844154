"""What has been seen of RabbitMQ, as data: nodes, refusals, how exchanges and queues are.

Nothing is asked here, and nothing judged.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from service.topology import Kind


def deliveries(limit: int) -> float:
    """Say how often a message is delivered at the most; RabbitMQ 4 has -1 for no limit."""
    return math.inf if limit < 0 else limit


@dataclass(frozen=True, slots=True)
class Refusal:
    """RabbitMQ closed a channel for what was asked on it; `code` is 0 if it never answered."""

    code: int
    text: str

    @property
    def missing(self) -> bool:
        """True if there is no such exchange or queue."""
        return self.code == 404

    @property
    def forbidden(self) -> bool:
        """True if the user lacks a permission for it."""
        return self.code == 403 and "refused for user" in self.text

    @property
    def unknown_type(self) -> bool:
        """True if RabbitMQ 4 lacks the plugin of an exchange's type; 3 ends the connection."""
        return self.code == 406 and " exchange type 'x-" in self.text


@dataclass(frozen=True, slots=True)
class Node:
    """A node of AMQP_URL; `lost` says in words why it cannot be used."""

    address: str
    product: str = ""
    version: str = ""
    cluster: str = ""
    lost: str = ""


@dataclass(frozen=True, slots=True)
class Declared:
    """An exchange or a queue as a declaration has it."""

    kind: Kind
    name: str
    flags: Mapping[str, Any]
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """A flag or an argument that is not as it should be; None is one that is not there."""

    name: str
    wanted: str | None
    current: str | None


@dataclass(frozen=True, slots=True)
class Seen:
    """An exchange or a queue; with `refusal` it could not be looked at, or is not there.

    `uncompared` says why there may be more differences than those found.
    """

    kind: Kind
    name: str
    refusal: Refusal | None = None
    messages: int = 0
    consumers: int = 0
    differences: tuple[Difference, ...] = ()
    uncompared: Refusal | None = None


Action = Literal["read", "write", "configure", "bind"]


@dataclass(frozen=True, slots=True)
class Permission:
    """What RabbitMQ said when something was asked that only a permitted user is told is wrong."""

    action: Action
    name: str
    refusal: Refusal | None
    kind: Kind = "queue"

    @property
    def granted(self) -> bool | None:
        """Tell whether the user may do it; None if that cannot be told."""
        if self.refusal is None:
            return True if self.action == "bind" else None
        if self.refusal.forbidden:
            return False
        return True if self.refusal.code == 406 else None
