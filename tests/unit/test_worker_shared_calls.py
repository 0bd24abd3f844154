"""Profiles end the same whether events share calls or not, whatever fails, says the stand-in."""

import asyncio
import json
from dataclasses import replace
from functools import cache
from itertools import count
from typing import Any

import pytest
from hypothesis import Phase, event, given
from hypothesis import settings as search
from hypothesis import strategies as st
from structlog.testing import capture_logs

from service.carried import Carried
from service.messages import Delivery, Properties
from service.profiles import Answer, Call, NoResponse, Response
from service.settings import Settings
from tests.contract.in_process import InProcess
from tests.standin.clock import Clock
from tests.unit.doubles import FakeCopernica, error
from tests.unit.samples import body, settings
from tests.unit.world import World

KEYS = ("joe", "ann", "eve")
NO_ANSWER = NoResponse("no-answer", "timeout")
DOWN = Response(503, {}, b"")
LATEST = 9.0  # seconds until an attempt without an answer is carried out: below REQUEST_TIMEOUT

_values = st.sampled_from(["", "a@x.nl", "b@x.nl"])
_writes = {
    "fields": st.fixed_dictionaries({}, optional={"Email": _values, "Notes": _values})
    | st.fixed_dictionaries({"NOTES": _values}),
    "interests": st.dictionaries(
        st.sampled_from(["football", "tennis"]), st.booleans(), min_size=1, max_size=2
    ),
}


def mostly(usual: Any, *others: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from([usual] * 8 + list(others))


def rarely_refused(content: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Let the API refuse some for a field that no other event has."""
    bad = {**content, "fields": {**content["fields"], "refused": "x"}}
    return st.sampled_from([content] * 9 + [bad])


updates = st.fixed_dictionaries(
    {
        "database": st.just(1),
        "where": st.sampled_from(["joe", "joe", *KEYS]).map(lambda key: {"CustomerID": key}),
        "create": mostly(True, False),
        "coalesce": mostly(True, False),
        **_writes,
    }
).flatmap(rarely_refused)
barriers = st.fixed_dictionaries(
    {
        "database": st.just(1),
        "where": st.just(["Notes==a@x.nl"]),
        "expect": st.just("many"),
        **_writes,
    }
)
waits = st.sampled_from([0.0, 0.0, 0.0, 0.3, 1.5])
backlogs = st.lists(st.tuples(waits, st.one_of(*[updates] * 9, barriers)), min_size=3, max_size=14)
ways = st.sampled_from(["before", "after", "lost", "late"])
troubles = st.dictionaries(st.integers(0, 11), ways, max_size=4)
losses = st.lists(
    st.tuples(st.sampled_from([0.4, 1.0, 1.6, 2.2, 3.7]), st.integers(0, 3)), max_size=2
)


class TroubledApi(FakeCopernica):
    """Hands calls to a stand-in in this process; the PUTs that `troubles` names by number fail.

    `before` it writes or `after` that with 503; `lost` the answer is, and `late` the writing too.
    It refuses each update of a field that begins with `refused`.
    """

    def __init__(self, standin: InProcess, troubles: dict[int, str]) -> None:
        super().__init__([])
        self._standin = standin
        self._troubles = troubles
        self._late: list[asyncio.Task[Response]] = []
        self.puts: list[dict[str, Any]] = []

    async def send(self, call: Call, *, has_turn: bool = False) -> Answer:  # noqa: ARG002
        if call.method != "PUT":
            await asyncio.sleep(0.5)
            return await self._standin.respond(call)
        number = len(self.puts)
        content = json.loads(call.body or b"{}")
        self.puts.append(content)
        await asyncio.sleep(0.5)
        if any(name.startswith("refused") for name in content.get("fields", {})):
            await asyncio.sleep(0.5)
            return error("Invalid field")
        match self._troubles.get(number):
            case "late":
                self._late.append(asyncio.create_task(self._write_late(call, number)))
                return NO_ANSWER
            case "before":
                return DOWN
            case trouble:
                answer = await self._standin.respond(call)
                await asyncio.sleep(0.5)
                spoilt: dict[str | None, Answer] = {"after": DOWN, "lost": NO_ANSWER}
                return spoilt.get(trouble, answer)

    async def _write_late(self, call: Call, number: int) -> Response:
        await asyncio.sleep(LATEST - number % 4)
        return await self._standin.respond(call)

    async def at_rest(self) -> None:
        await asyncio.gather(*self._late)


@cache
def known(coalesce: str) -> Settings:
    """Settings of which none fails for others; to read them takes longer than the events."""
    return settings(field_check="off", coalesce=coalesce, coalesce_max=5, retry_attempts=1000)


class Queue:
    """Delivers events to one worker after the other, and again what was not acknowledged."""

    def __init__(self, api: TroubledApi, coalesce: str) -> None:
        self._api = api
        self._settings = known(coalesce)
        self._held: dict[int, Delivery] = {}
        self._numbers = count()
        self._acknowledged: list[Delivery] = []
        self._worlds: list[World] = []
        self._take_on(Carried())

    def _take_on(self, carried: Carried) -> None:
        made = World(fake=lambda _: self._api, carried=carried, known=self._settings)
        self._worlds.append(made)

    def deliver(self, content: dict[str, Any]) -> None:
        number = next(self._numbers)
        properties = Properties(message_id=f"{number}")
        self._give(
            number, Delivery(body(content), properties, "events", "any", False, lambda: None)
        )

    def _give(self, number: int, delivery: Delivery) -> None:
        world, given = self._worlds[-1], replace(delivery, ack=lambda: self._ack(number))
        self._held[number] = given
        world.worker.receive(given)

    def _ack(self, number: int) -> None:
        self._acknowledged.append(self._held.pop(number))

    async def lose_link(self, acks: int) -> None:
        """Lose a link, and so many of the acknowledgements that were under way."""
        world = self._worlds[-1]
        world.link.lose()
        await world.worker.wind_up()
        for _ in range(min(acks, len(self._acknowledged))):
            lost = self._acknowledged.pop()
            self._held[int(lost.properties.message_id or "")] = lost
        self._acknowledged.clear()  # No later link can lose these.
        self._take_on(world.worker.carried())
        back, self._held = sorted(self._held.items()), {}
        for number, held in back:
            headers = {"x-delivery-count": held.count + 1}
            properties = replace(held.properties, headers=headers)
            self._give(number, replace(held, properties=properties, redelivered=True))

    async def empty(self) -> list[dict[str, Any]]:
        """Wait until all is acknowledged; the results."""
        world = self._worlds[-1]
        for _ in range(200):
            if not self._held:
                break
            await world.pass_time(30)
            if world.pauses.of_the_api:
                world.pauses.try_again(asyncio.get_running_loop().time())
        assert not self._held
        assert not world.pauses
        return [result for world in self._worlds for result in world.results]


async def profiles_after(
    backlog: list[tuple[float, dict[str, Any]]],
    troubles: dict[int, str],
    losses: list[tuple[float, int]],
    coalesce: str,
) -> tuple[list[str], list[dict[str, Any]], int]:
    """Let events be handled; the profiles in the end, the results and how many PUTs there were."""
    standin = InProcess([{"fields": {"CustomerID": "joe", "Notes": "a@x.nl"}}], Clock())
    api = TroubledApi(standin, troubles)
    queue = Queue(api, coalesce)
    for wait, content in backlog:
        await asyncio.sleep(wait)
        queue.deliver(content)
    for wait, acks in losses:
        await asyncio.sleep(wait)
        await queue.lose_link(acks)
    results = await queue.empty()
    await api.at_rest()
    return await state(standin), results, len(api.puts)


async def state(standin: InProcess) -> list[str]:
    profiles = await standin.profiles()
    return sorted(json.dumps([one["fields"], sorted(one["interests"])]) for one in profiles)


async def check(
    backlog: list[tuple[float, dict[str, Any]]],
    troubles: dict[int, str],
    losses: list[tuple[float, int]],
) -> None:
    with capture_logs():  # thousands of lines
        apart, results_apart, puts = await profiles_after(backlog, troubles, losses, "off")
        together, results, fewer = await profiles_after(backlog, troubles, losses, "in-flight")
    assert together == apart
    ids = [f"{number}" for number in range(len(backlog))]
    assert sorted(r["event_id"] for r in results) == sorted(ids)
    assert sorted(r["event_id"] for r in results_apart) == sorted(ids)
    rejected = {r["event_id"] for r in results if r["outcome"] == "rejected"}
    assert rejected == {
        f"{number}" for number, (_, one) in enumerate(backlog) if "refused" in one["fields"]
    }
    event(f"shared: {any(r['coalesced'] > 1 for r in results)}, fewer PUTs: {fewer < puts}")


@search(max_examples=100, phases=[Phase.generate])  # To shrink takes minutes.
@given(backlogs, troubles, losses)
async def test_profiles_end_the_same(
    backlog: list[Any], troubles: dict[int, str], losses: list[Any]
) -> None:
    await check(backlog, troubles, losses)


@pytest.mark.slow
@search(max_examples=3000, phases=[Phase.generate])
@given(backlogs, troubles, losses)
async def test_profiles_end_the_same_thousands_of_times(
    backlog: list[Any], troubles: dict[int, str], losses: list[Any]
) -> None:
    await check(backlog, troubles, losses)
