import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import pytest

from service.broker import Unroutable
from service.commands.dead_letters import Letter, Selection
from service.commands.look import Look
from service.commands.render import NoCatalogue
from service.commands.replay import WINDOW, Judge, Plan, Replayer
from service.commands.tally import Ending, Refusal, Tally
from service.conditions import routing_key
from service.connection import LinkLost
from service.messages import Delivery, Message
from tests.unit.samples import body, delivery, event, settings, update

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


class Shelf(Look):
    """A queue of dead letters and the looks at it; it does not imitate windows or other readers.

    Deaf, it hears no acknowledgement, and its link is lost when it is asked whether it did.
    """

    def __init__(self, *contents: object, told: bool = True, deaf_after: int | None = None) -> None:
        self.letters = [body(content) for content in contents]
        self.unseen: list[bytes] = []
        self._removed = 0
        self.looks = 0
        self._told = told
        self._deaf_after = deaf_after

    async def __aenter__(self) -> Self:
        self.looks += 1
        assert self.looks < 100, "it looks for ever"
        self.unseen = list(self.letters)
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        pass

    async def waiting(self) -> int | None:
        return len(self.letters) if self._told else None

    async def read(self, take: Callable[[Delivery], bool], most: int | None) -> int:
        shown = 0
        while self.unseen and shown != most:
            shown += 1
            if not take(self._delivery(self.unseen.pop(0))):
                break
        return shown

    def _delivery(self, content: bytes) -> Delivery:
        made = delivery(content, {"profile-sync-reason": "refused"})
        return Delivery(
            made.body,
            made.properties,
            made.exchange,
            made.routing_key,
            False,
            lambda: None if self._deaf else self._remove(content),
        )

    @property
    def _deaf(self) -> bool:
        return self._removed == self._deaf_after

    def _remove(self, content: bytes) -> None:
        self.letters.remove(content)
        self._removed += 1

    async def settle(self) -> None:
        if self._deaf:
            raise LinkLost("gone")


class Publisher:
    """Confirms what is published, at once or when asked, or fails it from a certain one on."""

    def __init__(self, fails: BaseException | None = None, after: int = 0) -> None:
        self.asked = asyncio.Semaphore(0)
        self.published: list[Message] = []
        self.pending: list[asyncio.Future[None]] = []
        self.at_once = True
        self._fails = fails
        self._after = after

    def __call__(self, message: Message) -> asyncio.Future[None]:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._fails is not None and len(self.published) >= self._after:
            future.set_exception(self._fails)
            return future
        self.published.append(message)
        if self.at_once:
            future.set_result(None)
        else:
            self.pending.append(future)
            self.asked.release()
        return future


def plan(**changes: Any) -> Plan:
    known: dict[str, Any] = {
        "selection": Selection(),
        "now": NOW,
        "how": "unless-stale",
        "limit": None,
        "rate": None,
        "dry": False,
        "suffix": "",
        "offline": True,
        "careless": False,
    }
    return Plan(**{**known, **changes})


def replayer(
    publisher: Publisher,
    tally: Tally,
    ended: Callable[[Ending], None] = lambda _: None,
    **changes: Any,
) -> Replayer:
    judge = Judge(settings(), None)
    return Replayer(plan(**changes), judge, tally, publisher, ended)


def events(count: int) -> list[dict[str, Any]]:
    return [event(id=f"evt-{number}") for number in range(count)]


BAD = {"id": "bad", "database": 1, "where": {}}


async def test_a_letter_leaves_the_queue_once_its_event_is_confirmed() -> None:
    shelf, publisher, tally = Shelf(*events(3)), Publisher(), Tally()
    publisher.at_once = False
    running = asyncio.create_task(replayer(publisher, tally).from_queue(lambda: shelf))
    for _ in range(3):
        await publisher.asked.acquire()
    publisher.pending[1].set_result(None)
    await asyncio.sleep(0.01)
    assert shelf.letters == [body(event(id="evt-0")), body(event(id="evt-2"))]
    for pending in (publisher.pending[0], publisher.pending[2]):
        pending.set_result(None)
    await running
    assert (shelf.letters, tally.published, tally.selected) == ([], 3, 3)


async def test_events_are_published_in_their_order_and_few_are_unconfirmed() -> None:
    shelf, publisher, tally = Shelf(*events(WINDOW + 50)), Publisher(), Tally()
    publisher.at_once = False
    running = asyncio.create_task(replayer(publisher, tally).from_queue(lambda: shelf))
    for _ in range(WINDOW):
        await publisher.asked.acquire()
    await asyncio.sleep(1)
    assert len(publisher.pending) == WINDOW
    while not running.done():
        for pending in publisher.pending:
            if not pending.done():
                pending.set_result(None)
        await asyncio.sleep(0)
    await running
    expected = [body(each) for each in events(WINDOW + 50)]
    assert [message.body for message in publisher.published] == expected


async def test_what_would_be_refused_again_stays_with_its_reason() -> None:
    shelf, publisher, tally = Shelf(*events(1), BAD, BAD, b"{"), Publisher(), Tally()
    await replayer(publisher, tally).from_queue(lambda: shelf)
    assert shelf.letters == [body(BAD), body(BAD), b"{"]
    assert tally.refusals == 3
    counts = {reason: count for (reason, _), (count, _) in tally.refused.items()}
    assert counts == {"invalid-event": 2, "invalid-json": 1}


async def test_a_slow_replay_holds_few_letters_at_a_time_and_meets_each_once() -> None:
    contents = [BAD, *events(3), BAD, *events(5)[3:]]
    shelf, publisher, tally = Shelf(*contents), Publisher(), Tally()
    await replayer(publisher, tally, rate=0.0034).from_queue(lambda: shelf)  # two in a round
    assert [message.body for message in publisher.published] == [body(e) for e in events(5)]
    assert (shelf.letters, tally.refusals) == ([body(BAD), body(BAD)], 2)
    assert (tally.selected, shelf.looks) == (7, 4)


async def test_what_comes_back_meanwhile_is_not_replayed_again() -> None:
    shelf, publisher, tally = Shelf(*events(4)), Publisher(), Tally()

    def publish(message: Message) -> asyncio.Future[None]:
        shelf.letters.append(message.body)  # the service refuses it once more
        return publisher(message)

    slow = plan(rate=0.0034)
    judge = Judge(settings(), None)
    await Replayer(slow, judge, tally, publish, lambda _: None).from_queue(lambda: shelf)
    assert tally.published == 4
    assert shelf.letters == [body(each) for each in events(4)]


@pytest.mark.parametrize("partitions", [1, 4])
async def test_an_event_goes_to_the_partition_of_its_profile_as_it_is_now(partitions: int) -> None:
    mended = event(where={"customerid": "9"})
    shelf, publisher, tally = Shelf(event(), mended), Publisher(), Tally()
    judge = Judge(settings(partitions=partitions), None)
    again = Replayer(plan(), judge, tally, publisher, lambda _: None)
    await again.from_queue(lambda: shelf)
    keys = [message.routing_key for message in publisher.published]
    recipes = [
        routing_key(update().key),
        routing_key(update(where={"customerid": "9"}).key),
    ]
    assert keys == (recipes if partitions == 4 else ["profile.update"] * 2)


async def test_a_queue_that_is_not_counted_is_read_once() -> None:
    shelf, publisher, tally = Shelf(*events(4), told=False), Publisher(), Tally()
    await replayer(publisher, tally, rate=0.0034).from_queue(lambda: shelf)
    assert (tally.published, shelf.looks) == (4, 1)


@pytest.mark.parametrize("told", [True, False])
async def test_a_limit_is_one_of_letters(told: bool) -> None:
    shelf, publisher, tally = Shelf(*events(2), BAD, *events(9), told=told), Publisher(), Tally()
    await replayer(publisher, tally, limit=4).from_queue(lambda: shelf)
    assert (tally.selected, tally.published, tally.refusals, tally.left) == (12, 3, 1, 8)
    assert (len(shelf.letters), tally.seen.total()) == (12 - 3, 12)


async def test_a_dry_run_publishes_nothing() -> None:
    shelf, publisher, tally = Shelf(*events(3), BAD), Publisher(), Tally()
    await replayer(publisher, tally, dry=True, rate=0.0034).from_queue(lambda: shelf)
    assert (publisher.published, len(shelf.letters)) == ([], 4)
    assert (tally.selected, tally.sound, tally.refusals, tally.left) == (4, 3, 1, 0)


async def test_what_a_dry_run_does_not_judge_is_counted_apart() -> None:
    shelf, publisher, tally = Shelf(BAD, *events(6)), Publisher(), Tally()
    await replayer(publisher, tally, dry=True, limit=3).from_queue(lambda: shelf)
    assert (tally.selected, tally.sound, tally.refusals, tally.left) == (7, 2, 1, 4)


async def test_a_dry_run_that_the_api_stops_has_judged_what_it_has_judged() -> None:
    tally = Tally()

    class Failing(Judge):
        async def refusal(self, event: Message) -> Refusal | None:
            if b"evt-2" in event.body:
                raise NoCatalogue("the API does not tell")
            return await super().refusal(event)

    dry = Replayer(plan(dry=True), Failing(settings(), None), tally, Publisher(), lambda _: None)
    shelf = Shelf(BAD, *events(5))
    with pytest.raises(NoCatalogue):
        await dry.from_queue(lambda: shelf)
    assert (tally.selected, tally.sound, tally.refusals, tally.left) == (6, 2, 1, 3)


@pytest.mark.parametrize("dry", [True, False])
async def test_few_bytes_are_in_memory_at_once_and_each_letter_is_met_once(dry: bool) -> None:
    class Watched(Shelf):
        most = 0

        async def read(self, take: Callable[[Delivery], bool], most: int | None) -> int:
            shown = await super().read(take, most)
            self.most = max(self.most, shown)
            return shown

    large = [event(id=f"evt-{n}", fields={"a": "x" * 2**12}) for n in range(20)]
    shelf, publisher, tally = Watched(*large[:10], BAD, *large[10:]), Publisher(), Tally()
    await replayer(publisher, tally, portion=2**15, dry=dry).from_queue(lambda: shelf)
    assert 1 < shelf.most <= 9  # of 4 KiB
    assert shelf.looks == 1
    assert (tally.selected, tally.refusals, tally.sound, tally.published) == (
        (21, 1, 20, 0) if dry else (21, 1, 0, 20)
    )
    replayed = [] if dry else [body(each) for each in large]
    assert [message.body for message in publisher.published] == replayed
    assert len(shelf.letters) == 21 - len(replayed)


async def test_each_letter_is_told_of_as_it_ends() -> None:
    told: list[tuple[str, str, str]] = []

    def ended(ending: Ending) -> None:
        told.append((ending.letter.event_id, ending.event_id, ending.outcome))

    shelf = Shelf(event(id="a"), {**BAD, "id": "b"}, event(id="c"))
    publisher = Publisher(LinkLost("gone"), after=1)
    with pytest.raises(LinkLost):
        await replayer(publisher, Tally(), ended, suffix="+r").from_queue(lambda: shelf)
    assert told == [("b", "b", "refused"), ("a", "a+r", "published"), ("c", "c+r", "unsure")]


async def test_a_reader_of_what_is_told_who_is_gone_ends_the_replay_and_loses_nothing() -> None:
    def ended(_: Ending) -> None:
        raise BrokenPipeError

    shelf, publisher, tally = Shelf(*events(3)), Publisher(), Tally()
    with pytest.raises(BrokenPipeError):
        await replayer(publisher, tally, ended).from_queue(lambda: shelf)
    assert len(publisher.published) == tally.published == 3 - len(shelf.letters)


async def test_an_event_that_no_queue_takes_ends_the_replay_and_its_letter_stays() -> None:
    shelf, tally = Shelf(*events(5)), Tally()
    publisher = Publisher(Unroutable("no queue is bound for it"), after=2)
    with pytest.raises(Unroutable):
        await replayer(publisher, tally).from_queue(lambda: shelf)
    assert (tally.published, tally.unsure, len(shelf.letters)) == (2, 0, 3)


async def test_what_a_lost_link_leaves_open_is_counted() -> None:
    shelf, tally = Shelf(*events(5)), Tally()
    publisher = Publisher(LinkLost("gone"), after=2)
    with pytest.raises(LinkLost):
        await replayer(publisher, tally).from_queue(lambda: shelf)
    assert (tally.published, tally.may_repeat) == (2, 2)
    assert tally.published + len(shelf.letters) == 5
    assert 1 <= tally.unsure <= 3
    assert tally.unsure + tally.left == 3


@pytest.mark.parametrize("deaf_after", [0, 1, 99, 100, 101, 250])
@pytest.mark.parametrize("small", [False, True])
async def test_acknowledgements_that_a_lost_link_takes_with_it_are_few_and_counted(
    deaf_after: int, small: bool
) -> None:
    count = 10 * WINDOW
    shelf, tally = Shelf(*events(count), deaf_after=deaf_after), Tally()
    one = replayer(Publisher(), tally, portion=10_000 if small else 10**9)
    with pytest.raises(LinkLost):
        await one.from_queue(lambda: shelf)
    repeated = tally.published - (count - len(shelf.letters))
    assert tally.published - deaf_after == repeated
    assert repeated <= tally.may_repeat + tally.unsure <= 2 * WINDOW


async def test_what_an_earlier_round_took_out_cannot_come_twice() -> None:
    shelf, tally = Shelf(*events(4)), Tally()
    publisher = Publisher(LinkLost("gone"), after=3)
    with pytest.raises(LinkLost):
        await replayer(publisher, tally, rate=0.0034).from_queue(lambda: shelf)  # two in a round
    assert (tally.published, tally.may_repeat, tally.unsure) == (3, 1, 1)


async def test_an_interrupted_replay_takes_the_confirms_on_their_way() -> None:
    shelf, publisher, tally = Shelf(*events(2)), Publisher(), Tally()
    publisher.at_once = False
    running = asyncio.create_task(replayer(publisher, tally).from_queue(lambda: shelf))
    for _ in range(2):
        await publisher.asked.acquire()
    running.cancel()
    await asyncio.sleep(0)
    for pending in publisher.pending:
        pending.set_result(None)
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (tally.published, shelf.letters) == (2, [])


async def test_a_new_id_does_not_hide_what_is_wrong_with_an_event() -> None:
    twice = b'{"id": "e", "database": 1, "where": {"a": "1"}, "fields": {"b": 1, "b": 2}}'
    shelf, publisher, tally = Shelf(twice), Publisher(), Tally()
    await replayer(publisher, tally, suffix="+replay-1").from_queue(lambda: shelf)
    assert (publisher.published, shelf.letters, tally.refusals) == ([], [twice], 1)


async def test_letters_of_a_file_are_replayed_as_they_are_meant() -> None:
    publisher, tally = Publisher(), Tally()
    made = [
        Letter(f"evt-{n}", reason, "", "", None, "k", body(events(4)[n]), delivery().properties)
        for n, reason in enumerate(["refused", "stale", "refused", "stale"])
    ]
    wanted: dict[str, Any] = {
        "selection": Selection(reasons={"stale"}),
        "suffix": "+replay-1",
        "how": "force",
    }
    await replayer(publisher, tally, **wanted).from_letters(made)
    assert [message.body for message in publisher.published] == [
        body(event(id=f"evt-{n}+replay-1")) for n in (1, 3)
    ]
    headers = [message.properties.headers for message in publisher.published]
    assert headers == [{"profile-sync-replay": "force"}] * 2
