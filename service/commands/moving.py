"""The number of partitions changed while events flow: none is lost, comes twice or out of order.

New events go to the new queues from one moment on; what waits in the old ones is done first, by
replicas with the old number. RabbitMQ puts a message once into each queue, whatever ways lead
there, and an exchange sends to its alternate exchange what it has no way for. So the events take a
way round by an exchange that knows the old way, and whose alternate is the new one: when it loses
the old way, in one step, the new one begins.

Each step can be repeated. AMQP does not tell of bindings: what has been done is told by two queues,
which keep both numbers, and by what there is.
Source: RabbitMQ documentation, "Alternate Exchanges", "Exchange to Exchange Bindings".
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from service.broker import Nodes, open_line
from service.commands.checks import ENABLE_PLUGIN, partitions_there
from service.commands.differences import declared_exchange, declared_queue
from service.commands.facts import Declared, Refusal, Seen
from service.commands.survey import Survey, declarations
from service.settings import Settings
from service.topology import (
    Binding,
    Kind,
    event_queues,
    markers,
    members_queue,
    partitions_exchange,
    topology,
)

_LOCKED = 405  # RESOURCE_LOCKED: an exclusive queue of another connection
_PAUSE = 1.0  # seconds between two looks at the old queues
_OFTEN = 10.0  # seconds between two lines that differ in numbers only
_LOOKS = 3  # at empty queues that nobody reads, in a row, before they are deleted

Tell = Callable[[str], None]


class Stuck(Exception):
    """The move cannot begin or go on; the text says why. Run again, it goes on from there."""


async def begin(settings: Settings, tell: Tell) -> None:
    """Move by the first node that can be used.

    Raises:
        Stuck: with the reason.
        LinkLost: no node can be used, or the connection ended.
    """
    line = await open_line(
        Nodes(settings.amqp_urls, settings.amqp_certificates), settings.heartbeat, "move"
    )
    try:
        await move(Survey(line, ""), settings, tell)
    finally:
        line.lose("given up")
        await line.close()


async def move(asked: Survey, settings: Settings, tell: Tell, *, pause: float = _PAUSE) -> None:
    """Bring about the number of partitions that the settings have, or the rest of that.

    Args:
        asked: a connection of a user who may do it.
        settings: with the new number.
        tell: is told each step before it is taken, and what to do next.
        pause: seconds between two looks at the old queues.

    Raises:
        Stuck: with the reason.
        LinkLost: the connection ended.
    """
    await _alone(asked, settings)
    before, switched = await _before(asked, settings)
    if before == settings.partitions:
        tell(f"nothing to do: there {_are(before)}")
        return
    old = settings.model_copy(update={"partitions": before})
    steps = _Steps(asked, tell)
    tell(f"from {_partitions(before)} to {settings.partitions}")
    if not switched:
        await _prepare(steps, old, settings)
        await _go_round(steps, old, settings)
    await _go_straight(steps, old, settings)
    await _drain(asked, old, settings, tell, pause)
    await _clear(steps, old, settings)
    tell(
        f"done: start the replicas with PROFILE_SYNC_PARTITIONS={settings.partitions}; "
        "they may have PROFILE_SYNC_DECLARE_TOPOLOGY=true again"
    )


async def _alone(asked: Survey, settings: Settings) -> None:
    """Keep others from moving as long as this connection lasts: two would undo each other's steps.

    A queue that only its connection may use is gone with it, whatever ends that.
    """
    flags = {"durable": False, "auto_delete": False, "exclusive": True}
    refusal = await asked.make(Declared("queue", f"{settings.event_queue}.mover", flags, {}))
    if refusal is not None and refusal.code == _LOCKED:
        raise Stuck("another `profile-sync topology --move` is at work")
    _refuse(refusal)


class _Steps:
    """Takes one step at a time, and tells of it before."""

    def __init__(self, asked: Survey, tell: Tell) -> None:
        self.asked = asked
        self._tell = tell

    async def make(self, declared: Declared) -> None:
        """Declare an exchange or a queue."""
        self._tell(f"making {declared.kind} {declared.name}")
        _refuse(await self.asked.make(declared))

    async def bind(self, binding: Binding) -> None:
        """Bind with `#`."""
        self._tell(f"binding {binding.kind} {binding.destination} to {binding.source}")
        _refuse(await self.asked.bind(binding))

    async def unbind(self, binding: Binding) -> None:
        """Take a binding away."""
        self._tell(f"unbinding {binding.kind} {binding.destination} from {binding.source}")
        _refuse(await self.asked.unbind(binding))

    async def remove(self, kind: Kind, name: str) -> None:
        """Delete an exchange or a queue, if it is there."""
        self._tell(f"deleting {kind} {name}")
        _refuse(await self.asked.remove(kind, name))


def _refuse(refusal: Refusal | None) -> None:
    if refusal is not None:
        todo = f"; {ENABLE_PLUGIN}" if refusal.unknown_type else ""
        raise Stuck(f"RabbitMQ refused it: {refusal.text}{todo}")


async def _before(asked: Survey, settings: Settings) -> tuple[int, bool]:
    """Tell how many partitions there are or were, and whether new events go to the new ones."""
    moving, moved = markers(settings)
    for marker in (moved, moving):
        wanted = _marker(marker, 1 if settings.partitions > 1 else 0, settings.partitions)
        seen = await asked.look(wanted)
        if seen.refusal is None or not seen.refusal.missing:
            return _kept(seen), marker == moved
    seen = await _events(asked, settings)
    if seen.refusal is not None and seen.refusal.missing:
        raise Stuck(f"there is no queue {seen.name}: `profile-sync topology --apply` makes it")
    before = partitions_there(seen, settings.partitions) or settings.partitions
    differing = {one.name for one in seen.differences} & {
        "x-single-active-consumer",
        "x-max-length",
    }
    if before == settings.partitions and differing:
        raise Stuck(f"the queue {seen.name} is none of ours: `profile-sync check` says why")
    if before != settings.partitions and 1 not in (before, settings.partitions):
        raise Stuck(
            f"there {_are(before)}: move to PROFILE_SYNC_PARTITIONS=1 first, "
            f"and from there to {settings.partitions}"
        )
    return before, False


def _marker(name: str, before: int, after: int) -> Declared:
    """Say how a queue is declared that keeps the old and the new number; no message goes there."""
    numbers = {"x-max-length-bytes": before, "x-max-length": after}
    return declared_queue(name, {"x-queue-type": "classic", **numbers})


def _kept(seen: Seen) -> int:
    """Read the old number from a queue that keeps both; the new one must be that of the settings.

    One of the two is 1 at all times.
    """
    _refuse(seen.refusal or seen.uncompared)
    told = {one.name: one.current or "" for one in seen.differences}
    if (after := told.get("x-max-length")) is not None:
        raise Stuck(
            f"a move to {_partitions(int(after))} is under way: "
            f"end it with PROFILE_SYNC_PARTITIONS={after} first"
        )
    return int(told.get("x-max-length-bytes", "1"))


async def _events(asked: Survey, settings: Settings) -> Seen:
    """Look at EVENT_QUEUE, which holds the events or keeps the number of partitions."""
    wanted = declarations(topology(settings))
    (events,) = (one for one in wanted if (one.kind, one.name) == ("queue", settings.event_queue))
    seen = await asked.look(events)
    if seen.refusal is None or not seen.refusal.missing:
        _refuse(seen.refusal or seen.uncompared)
    return seen


def _way(settings: Settings, source: str) -> Binding:
    """Bind what takes the events, with so many partitions, to an exchange."""
    if settings.partitions == 1:
        return Binding(source, settings.event_queue)
    return Binding(source, partitions_exchange(settings), "exchange")


def _round(settings: Settings) -> tuple[str, str]:
    """Name the exchange that events go round by, and its alternate."""
    own = f"{settings.event_exchange}.moved"
    alternate = own if settings.partitions == 1 else partitions_exchange(settings)
    return f"{settings.event_exchange}.moving", alternate


def _own(settings: Settings, *roles: str) -> list[Declared]:
    queues = topology(settings).queues
    return [declared_queue(one.name, one.arguments) for one in queues if one.role in roles]


async def _prepare(steps: _Steps, old: Settings, new: Settings) -> None:
    """Make the new queues, and what leads to them; no event goes there yet."""
    moving, _ = markers(new)
    await steps.make(_marker(moving, old.partitions, new.partitions))
    _, alternate = _round(new)
    if new.partitions == 1:
        seen = await _events(steps.asked, new)
        if partitions_there(seen, 1) is not None:
            # The queue that kept the old number has the name of the new one.
            if seen.messages:
                raise Stuck(
                    f"{seen.messages} messages are in {seen.name}, where no replica looks: "
                    "take them out, and publish them to EVENT_EXCHANGE"
                )
            await steps.remove("queue", seen.name)
        await steps.make(declared_exchange(alternate))
    else:
        await steps.make(declared_exchange(alternate, "x-modulus-hash"))
    for declared in _own(new, "events"):
        await steps.make(declared)
    for queue in event_queues(new):
        await steps.bind(Binding(alternate, queue))


async def _go_round(steps: _Steps, old: Settings, new: Settings) -> None:
    """Lead the events to the old queues by the way round alone."""
    way_round, alternate = _round(new)
    arguments = {"alternate-exchange": alternate}
    await steps.make(replace(declared_exchange(way_round), arguments=arguments))
    # In this order: without the old way it would lead to the new queues, beside the old ones.
    await steps.bind(_way(old, way_round))
    await steps.bind(Binding(new.event_exchange, way_round, "exchange"))
    await steps.unbind(_way(old, old.event_exchange))
    _, moved = markers(new)
    # From here on nothing may lead to the old queues any more.
    await steps.make(_marker(moved, old.partitions, new.partitions))


async def _go_straight(steps: _Steps, old: Settings, new: Settings) -> None:
    """Lead the events to the new queues: by the way round, and then without it."""
    way_round, alternate = _round(new)
    if await _is_there(steps.asked, way_round):
        await steps.unbind(_way(old, way_round))
        await steps.bind(_way(new, new.event_exchange))
        await steps.unbind(Binding(new.event_exchange, way_round, "exchange"))
        await steps.remove("exchange", way_round)
    if new.partitions == 1:
        await steps.remove("exchange", alternate)


async def _is_there(asked: Survey, exchange: str) -> bool:
    seen = await asked.look(declared_exchange(exchange))
    if seen.refusal is not None and seen.refusal.missing:
        return False
    _refuse(seen.refusal)
    return True


async def _drain(asked: Survey, old: Settings, new: Settings, tell: Tell, pause: float) -> None:
    """Wait until the old queues are empty, and until no replica reads them."""
    if not await _is_old(asked, old, new):
        return
    queues = event_queues(old)
    tell(
        f"new events go to {_named(event_queues(new))} now; the replicas with "
        f"PROFILE_SYNC_PARTITIONS={old.partitions} do what waits in {_named(queues)}"
    )
    loop = asyncio.get_running_loop()
    rest, said, told_at = _LOOKS, "", 0.0
    while rest:
        # A replica that still declares binds the old ones anew with each link.
        _refuse(await asked.unbind(_way(old, old.event_exchange)))
        seen = [await asked.count(queue) for queue in queues]
        waiting = sum(one.messages for one in seen)
        if old.partitions > 1:
            seen.append(await asked.count(members_queue(old)))
        ahead = [await asked.count(queue) for queue in event_queues(new)]
        for one in (*seen, *ahead):
            _refuse(None if one.refusal is None or one.refusal.missing else one.refusal)
        readers = sum(one.consumers for one in seen)
        early = any(one.consumers for one in ahead)
        rest = rest - 1 if not waiting and not readers else _LOOKS
        now = _state(old, waiting, readers, early=early)
        # Of numbers alone it is told less often.
        news = now.lstrip("0123456789") != said.lstrip("0123456789")
        if news or (now != said and loop.time() - told_at >= _OFTEN):
            tell(now)
            said, told_at = now, loop.time()
        if rest:
            await asyncio.sleep(pause)


def _state(old: Settings, waiting: int, readers: int, *, early: bool) -> str:
    queues = _named(event_queues(old))
    wait = f"{waiting} events wait in {queues}"
    if early and (waiting or readers):
        return (
            f"{wait}, and replicas with the new number work already: end them, "
            "or later events overtake earlier ones"
        )
    if waiting and readers:
        return wait
    if waiting:
        return (
            f"{wait}, and nobody takes them: start replicas again with "
            f"PROFILE_SYNC_PARTITIONS={old.partitions} and PROFILE_SYNC_DECLARE_TOPOLOGY=false"
        )
    if readers:
        return (
            f"nothing waits in {queues}: end all replicas once their metric "
            "profile_sync_oldest_event_seconds is 0, which tells that they hold none either"
        )
    return f"nothing waits in {queues}, and nobody reads there"


async def _is_old(asked: Survey, old: Settings, new: Settings) -> bool:
    """Tell whether the old queues may be there still.

    What keeps the new number has the name of what held the events.
    """
    if old.partitions > 1:
        return True
    seen = await _events(asked, new)
    return seen.refusal is None and partitions_there(seen, new.partitions) == 1


async def _clear(steps: _Steps, old: Settings, new: Settings) -> None:
    """Delete what was of the old number, and make the rest of the new one."""
    if await _is_old(steps.asked, old, new):
        for queue in event_queues(old):
            await steps.remove("queue", queue)
    if old.partitions > 1:
        await steps.remove("exchange", partitions_exchange(old))
        await steps.remove("queue", members_queue(old))
    for declared in _own(new, "number", "members"):
        await steps.make(declared)
    # The last one tells most, so it goes last.
    for marker in markers(new):
        await steps.remove("queue", marker)


def _named(queues: Sequence[str]) -> str:
    return queues[0] if len(queues) == 1 else f"{queues[0]} to {queues[-1]}"


def _partitions(count: int) -> str:
    return f"{count} partition{'s' * (count != 1)}"


def _are(count: int) -> str:
    return f"{'is' if count == 1 else 'are'} {_partitions(count)}"
