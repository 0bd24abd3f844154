"""What RabbitMQ's management API tells of bindings and policies, and what that means. No I/O here.

Source: RabbitMQ documentation, "Management HTTP API", "Parameters and Policies".
"""

from collections.abc import Mapping, Sequence
from typing import Any

from service.commands.differences import compare
from service.commands.facts import Declared, Difference, deliveries
from service.commands.findings import Finding, State
from service.topology import Binding

Told = Mapping[str, Any]
"""An exchange, a queue or a binding as the management API tells it."""


def of_policies(name: str, queue: Told, *, empty: bool = False) -> list[Finding]:
    """Tell which rules that an operator has set for a queue lose messages.

    One that is `empty` at all times can only be lost itself.
    """
    area, rules = f"queue {name}", _rules(queue)
    if empty:
        rules = {key: value for key, value in rules.items() if key == "expires"}
    by = " and ".join(
        f"{kind} {queue[key]}"
        for key, kind in (("policy", "policy"), ("operator_policy", "operator policy"))
        if queue.get(key)
    )
    todo = f"take it out of {by or 'the policy'}, or let that not match this queue"
    findings = []
    if (ttl := rules.get("message-ttl")) is not None:
        what = f"message-ttl is {ttl} by {by}: messages that wait longer (in ms) are lost"
        findings.append(Finding(area, "fault", what, todo))
    if (expires := rules.get("expires")) is not None:
        what = f"expires is {expires} by {by}: unused for so long (in ms), it is deleted with all"
        findings.append(Finding(area, "fault", what, todo))
    overflow = _arguments(queue).get("x-overflow") or rules.get("overflow") or "drop-head"
    for limit in ("max-length", "max-length-bytes"):
        if (most := rules.get(limit)) is None:
            continue
        if overflow == "drop-head":
            what = f"{limit} is {most} by {by}, with overflow drop-head: the oldest messages are "
            findings.append(Finding(area, "fault", f"{what}lost", todo))
        else:
            what = f"{limit} is {most} by {by}: a full queue refuses messages, which then wait"
            findings.append(Finding(area, "note", what))
    often = deliveries(rules.get("delivery-limit", -1))
    if often < deliveries(_arguments(queue).get("x-delivery-limit", -1)):
        what = f"delivery-limit is {often} by {by}: after so many deliveries a message is "
        dead = "x-dead-letter-exchange" in _arguments(queue)
        state: State = "warning" if dead else "fault"
        fate = "dead-lettered, lost links count too" if dead else "lost, to look at it counts too"
        findings.append(Finding(area, state, what + fate, todo))
    if not findings:
        text = f"{by} loses no messages" if by else "no policy applies to it"
        findings.append(Finding(area, "ok", text))
    return findings


def of_replicas(name: str, queue: Told) -> Finding:
    """Count the replicas on the event queue, those that stand by included."""
    return Finding(f"queue {name}", "note", f"replicas: {int(queue.get('consumers', 0))}")


def acknowledgement_timeout(queue: Told) -> float | None:
    """Read the seconds that a queue's consumers may hold a message, if it has its own."""
    own = _arguments(queue).get("x-consumer-timeout", _rules(queue).get("consumer-timeout"))
    return own / 1000 if isinstance(own, int) else None


def of_binding(wanted: Binding, bindings: Sequence[Told], *, declares: bool) -> Finding:
    """Tell whether all that an exchange gets goes on as wanted; `bindings` are the exchange's."""
    area, exchange = f"{wanted.kind} {wanted.destination}", wanted.source
    keys = [
        binding.get("routing_key")
        for binding in bindings
        if (binding.get("destination_type"), binding.get("destination"))
        == (wanted.kind, wanted.destination)
    ]
    if "#" in keys:
        return Finding(area, "ok", f"is bound to {exchange} with #")
    if declares:
        what = f"is not bound to {exchange} with # yet; `profile-sync run` does it"
        return Finding(area, "note", what)
    todo = "`profile-sync topology --apply` binds it"
    if keys:
        what = f"is bound to {exchange} with {', '.join(map(str, keys))} and should be with #"
        return Finding(area, "warning", f"{what}: other messages do not reach it", todo)
    return Finding(area, "fault", f"is not bound to {exchange}: nothing reaches it", todo)


def of_strays(hashing: str, wanted: Sequence[Binding], bindings: Sequence[Told]) -> list[Finding]:
    """Tell what else is bound to the exchange that spreads events over partitions."""
    ours = {(one.destination, "#") for one in wanted if one.source == hashing}
    there = {(str(one.get("destination")), str(one.get("routing_key"))) for one in bindings}
    todo = "unbind it: it counts as a partition, and no replica of ours takes its events"
    return [
        Finding(f"exchange {hashing}", "fault", f"{name} is bound to it with {key}", todo)
        for name, key in sorted(there - ours)
    ]


def of_readers(exchange: str, bindings: Sequence[Told], *, drops: bool) -> Finding:
    """Tell whether any queue takes the results, where the service has none for them.

    With `drops` the service goes on if none does.
    """
    area = f"exchange {exchange}"
    readers = sorted({str(binding.get("destination")) for binding in bindings})
    if readers:
        return Finding(area, "ok", f"is bound to {', '.join(readers)}")
    if drops:
        return Finding(area, "note", "no queue is bound to it: results are dropped")
    todo = "bind a queue to it, or name one in RESULT_QUEUE, or set UNROUTABLE_RESULTS=drop"
    return Finding(area, "fault", "no queue is bound to it: the service stands still", todo)


def differences(declared: Declared, told: Told) -> tuple[Difference, ...]:
    """Compare an exchange or a queue with its declaration."""
    return tuple(compare(declared, told, _arguments(told)))


def _rules(queue: Told) -> Mapping[str, Any]:
    # An empty object may be written as an empty list.
    return dict(queue.get("effective_policy_definition") or {})


def _arguments(told: Told) -> Mapping[str, Any]:
    return dict(told.get("arguments") or {})
