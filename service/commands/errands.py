"""What the commands for dead letters do at RabbitMQ: look, replay, discard.

Each is a loop of its own, and ends with one line on standard error and an exit code if it cannot.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import NoReturn

from service.broker import Link, Unpublished
from service.catalogues import Catalogues
from service.commands.dead_letters import Letter, Selection, read
from service.commands.links import link_of
from service.commands.look import Worn, look_at_dead_letters
from service.commands.render import NoCatalogue
from service.commands.replay import Judge, Plan, Replayer
from service.commands.tally import Ending, Tally
from service.commands.terminal import explained, fail, in_loop, progress, tell_blocked
from service.copernica import Copernica
from service.messages import Delivery, Message
from service.metrics import Metrics
from service.settings import Settings

Kind = tuple[str, str]  # reason and database


@contextmanager
def _worn_told(settings: Settings) -> Iterator[None]:
    """Say what to do about letters that RabbitMQ might drop."""
    try:
        yield
    except Worn as error:
        queue = settings.dead_letter_queue
        fail(f"a letter has gone back to {queue} {error.count} times: {_remedy(error, queue)}")


def _remedy(worn: Worn, queue: str) -> str:
    if worn.limit is not None:
        return (
            f"its x-delivery-limit of {worn.limit} lets RabbitMQ drop it soon, each look counts "
            "(this one too), and no policy raises that. `profile-sync dead-letters export "
            f"--look-anyway FILE` saves all; then delete {queue}, and `profile-sync topology "
            "--apply` makes it without"
        )
    drops = (
        "RabbitMQ 4 drops it the 21st time if the queue has no delivery limit (RabbitMQ 3 never "
        "does), each look counts (this one too), and "
    )
    if worn.hidden:
        return (
            f"{drops}this user may not ask whether it has one. If the service made the queue, it "
            "has: add --look-anyway. Or give the user the permission to configure the queue, too"
        )
    return (
        f"{drops}it was declared with none. Give it one: rabbitmqctl set_policy -p VHOST "
        f"dead-letters '^{queue}$' '{{\"delivery-limit\": 1000000}}' --apply-to queues; then add "
        "--look-anyway"
    )


def look(
    settings: Settings, selection: Selection, take: Callable[[Letter], None], *, careless: bool
) -> Counter[Kind]:
    """Show the letters that are meant to `take`, and put all back; count all there were."""
    seen: Counter[Kind] = Counter()

    async def reading() -> int | None:
        async with (
            link_of(settings) as link,
            look_at_dead_letters(link, settings, careless=careless) as looking,
        ):
            waiting = await looking.waiting()
            with progress("reading", waiting) as bar:

                def on_delivery(delivery: Delivery) -> bool:
                    letter = read(delivery, settings.max_event_bytes)
                    seen[letter.reason, letter.database] += 1
                    if selection.means(letter, now):
                        take(letter)
                    bar.advance(1)
                    return True

                await looking.read(on_delivery, waiting)
                return waiting

    now = datetime.now(UTC)
    with explained(), _worn_told(settings):
        waiting = in_loop(reading())
    shown = seen.total()
    if waiting is not None and shown < waiting:
        fail(f"{waiting - shown} of {waiting} could not be read: another reader holds them")
    return seen


def discard(settings: Settings, wanted: Counter[bytes], *, careless: bool) -> int:
    """Take letters out of the queue by their fingerprints; return how many there were."""
    with explained(), _worn_told(settings):
        return in_loop(_discard(settings, wanted, careless))


async def _discard(settings: Settings, wanted: Counter[bytes], careless: bool) -> int:
    gone: list[Callable[[], None]] = []
    count = wanted.total()
    with progress("discarding", count) as bar:

        def on_delivery(delivery: Delivery) -> bool:
            fingerprint = read(delivery, settings.max_event_bytes).fingerprint
            if wanted[fingerprint] > 0:
                wanted[fingerprint] -= 1
                gone.append(delivery.ack)
                bar.advance(1)
            return len(gone) < count

        async with (
            link_of(settings) as link,
            look_at_dead_letters(link, settings, careless=careless) as looking,
        ):
            await looking.read(on_delivery, await looking.waiting())
            for acknowledge in gone:
                acknowledge()
    return len(gone)


def replay(
    settings: Settings,
    plan: Plan,
    tally: Tally,
    letters: Iterable[Letter] | None,
    told: Callable[[Ending], None],
) -> None:
    """Replay letters, or those of the queue; `tally` is right also if that is interrupted.

    `told` learns what becomes of each.
    """
    try:
        with explained(), _worn_told(settings):
            in_loop(_replay(settings, plan, tally, letters, told))
    except (NoCatalogue, Unpublished) as error:
        fail(str(error))


async def _replay(
    settings: Settings,
    plan: Plan,
    tally: Tally,
    letters: Iterable[Letter] | None,
    told: Callable[[Ending], None],
) -> None:
    with progress("judging" if plan.dry else "replaying", None) as bar:

        def ended(ending: Ending) -> None:
            bar.expect(min(tally.selected, plan.limit or tally.selected))
            bar.advance(1)
            told(ending)

        async with _judge(settings, plan.offline) as judge:
            if letters is not None and plan.dry:
                # Whether what was mended will do can be seen without RabbitMQ.
                offline = Replayer(plan, judge, tally, _never, ended)
                await offline.from_letters(letters)
                return
            async with link_of(settings, tell_blocked) as link:
                publish = _publisher(link)
                replayer = Replayer(plan, judge, tally, publish, ended)
                if letters is not None:
                    await replayer.from_letters(letters)
                    return
                await replayer.from_queue(
                    lambda: look_at_dead_letters(
                        link, settings, careless=plan.careless, portions=True
                    )
                )


def _publisher(link: Link) -> Callable[[Message], asyncio.Future[None]]:
    def publish(event: Message) -> asyncio.Future[None]:
        if not link.leased:
            # What it is told meanwhile may be lost: letters would stay though they are events.
            link.reading.lose("it was not heard of for too long")
        return link.publish(event)

    return publish


@asynccontextmanager
async def _judge(settings: Settings, offline: bool) -> AsyncIterator[Judge]:
    if offline:
        yield Judge(settings, None)
        return
    async with Copernica(settings, Metrics()) as copernica:
        yield Judge(settings, Catalogues(copernica, settings.field_cache_seconds))


def _never(_event: Message) -> NoReturn:
    raise AssertionError("a dry run publishes nothing")
