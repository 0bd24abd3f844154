"""What the commands for dead letters do at RabbitMQ: look, replay, discard.

Each is a loop of its own, and ends with one line on standard error and an exit code if it cannot.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import NoReturn

from service.broker import Link, Unpublished
from service.catalogues import Catalogues
from service.commands.dead_letters import Letter, Selection, read
from service.commands.links import link_of
from service.commands.look import Worn, look_at_dead_letters
from service.commands.render import NoCatalogue
from service.commands.replay import Judge, Plan, Replayer, Tally
from service.commands.terminal import complain, explained, fail, in_loop, progress
from service.copernica import Copernica
from service.messages import Delivery, Message
from service.metrics import Metrics
from service.settings import Settings


@contextmanager
def _worn_told(settings: Settings) -> Iterator[None]:
    """Say what to do about letters that RabbitMQ might drop."""
    try:
        yield
    except Worn as error:
        queue = settings.dead_letter_queue
        fail(
            f"{error}: RabbitMQ 4 drops it the 21st time if {queue} has no x-delivery-limit, and "
            "each look is one. Give it one: rabbitmqctl set_policy -p VHOST dead-letters "
            f"'^{queue}$' '{{\"delivery-limit\": 1000000}}' --apply-to queues; "
            "then --look-anyway looks"
        )


def look(
    settings: Settings, selection: Selection, take: Callable[[Letter], None], *, careless: bool
) -> int:
    """Show the letters that are meant to `take`, and put all back; return how many there were."""

    async def reading() -> tuple[int, int | None]:
        async with (
            link_of(settings) as link,
            look_at_dead_letters(link, settings, careless=careless) as looking,
        ):
            waiting = await looking.waiting()
            with progress("reading", waiting) as advance:

                def on_delivery(delivery: Delivery) -> bool:
                    letter = read(delivery, settings.max_event_bytes)
                    if selection.means(letter, now):
                        take(letter)
                    advance(1)
                    return True

                return await looking.read(on_delivery, waiting), waiting

    now = datetime.now(UTC)
    with explained(), _worn_told(settings):
        shown, waiting = in_loop(reading())
    if waiting is not None and shown < waiting:
        fail(f"{waiting - shown} of {waiting} could not be read: another reader holds them")
    return shown


def discard(settings: Settings, wanted: Counter[bytes], *, careless: bool) -> int:
    """Take letters out of the queue by their fingerprints; return how many there were."""
    with explained(), _worn_told(settings):
        return in_loop(_discard(settings, wanted, careless))


async def _discard(settings: Settings, wanted: Counter[bytes], careless: bool) -> int:
    gone: list[Callable[[], None]] = []
    count = wanted.total()

    def on_delivery(delivery: Delivery) -> bool:
        fingerprint = read(delivery, settings.max_event_bytes).fingerprint
        if wanted[fingerprint] > 0:
            wanted[fingerprint] -= 1
            gone.append(delivery.ack)
        return len(gone) < count

    async with (
        link_of(settings) as link,
        look_at_dead_letters(link, settings, careless=careless) as looking,
    ):
        await looking.read(on_delivery, await looking.waiting())
        for acknowledge in gone:
            acknowledge()
    return len(gone)


def replay(settings: Settings, plan: Plan, tally: Tally, letters: list[Letter] | None) -> None:
    """Replay letters, or those of the queue; `tally` is right also if that is interrupted."""
    try:
        with explained(), _worn_told(settings):
            in_loop(_replay(settings, plan, tally, letters))
    except (NoCatalogue, Unpublished) as error:
        fail(str(error))


async def _replay(
    settings: Settings, plan: Plan, tally: Tally, letters: list[Letter] | None
) -> None:
    async with _judge(settings, plan.offline) as judge:
        if letters is not None and plan.dry:
            # Whether what was mended will do can be seen without RabbitMQ.
            await Replayer(plan, judge, tally, _never, _unseen).from_letters(letters)
            return
        async with link_of(settings, _blocked) as link:
            await _replay_by(link, plan, judge, tally, letters)


async def _replay_by(
    link: Link, plan: Plan, judge: Judge, tally: Tally, letters: list[Letter] | None
) -> None:
    settings = judge.settings
    queue = settings.dead_letter_queue
    waiting = len(letters) if letters is not None else await link.reading.waiting(queue)
    total = None if waiting is None else min(waiting, plan.limit or waiting)
    with progress("replaying", total if plan.selection.everything else None) as advance:

        def publish(event: Message) -> asyncio.Future[None]:
            if not link.leased:
                # What it is told meanwhile may be lost: letters would stay though they are events.
                link.reading.lose("it was not heard of for too long")
            return link.publish(event)

        replayer = Replayer(plan, judge, tally, publish, advance)
        if letters is not None:
            await replayer.from_letters(letters)
        else:
            await replayer.from_queue(
                lambda: look_at_dead_letters(link, settings, careless=plan.careless)
            )


@asynccontextmanager
async def _judge(settings: Settings, offline: bool) -> AsyncIterator[Judge]:
    if offline:
        yield Judge(settings, None)
        return
    async with Copernica(settings, Metrics()) as copernica:
        yield Judge(settings, Catalogues(copernica, settings.field_cache_seconds))


def _never(_event: Message) -> NoReturn:
    raise AssertionError("a dry run publishes nothing")


def _unseen(_more: int) -> None:
    pass


def _blocked(blocked: bool) -> None:
    if blocked:
        complain("RabbitMQ takes no messages for now, for want of memory or disk; waiting")
