"""What events write when they share calls is what they write one by one, says the stand-in.

It runs in the test itself: its answers come without a socket.
"""

import json
from datetime import UTC, datetime
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from service.catalogue import Catalogue, catalogue
from service.coalescing import coalesce
from service.events import InvalidEvent, ProfileUpdate, parse
from service.guards import guard
from service.messages import Properties
from service.profiles import Call, get_fields, get_interests, get_profiles, put_profiles
from tests.contract.standins import TOKEN
from tests.standin import call as standin
from tests.standin import seed
from tests.standin.calls import Api
from tests.standin.choices import Choices
from tests.standin.clock import Clock
from tests.standin.store import Store
from tests.standin.tokens import Tokens

MAX_BYTES = 2**18
AMSTERDAM = ZoneInfo("Europe/Amsterdam")
FIELDS: list[dict[str, Any]] = [
    {"name": "CustomerID", "type": "text", "index": True},
    {"name": "Email", "type": "email"},
    {"name": "Age", "type": "integer", "default": "-1"},
    {"name": "Country", "type": "select", "choices": ["nl", "be", "de"], "default": "nl"},
    {"name": "Joined", "type": "empty_date"},
    {"name": "Notes", "type": "big"},
]
# A profile's key, as senders write it.
KEYS: dict[str, list[Any]] = {
    "CustomerID": ["joe", "joe", "joe", "Joe"],
    "Email": ["joe@x.nl", "joe@x.nl", "JOE@x.nl"],
    "Age": ["7", "7", 7, 7.0],
    "Country": ["be"],
    "Joined": ["2026-11-23"],
}
VALUES: dict[str, list[Any]] = {
    "CustomerID": ["joe", "Joe", "ann", ""],
    "Email": ["joe@x.nl", "Joe@x.nl", "ann@x.nl", ""],
    "Age": ["7", 7.0, 8, "12abc", ""],
    "Country": ["nl", "be", "BE", "fr", ""],
    "Joined": ["2026-11-23", "2026-11-24", "02/01/2026", ""],
    "Notes": ["", "é\n", "x" * 99],
}
INTERESTS = ["football", "baseball", "tennis"]


def dice() -> Random:
    return Random(1)  # noqa: S311 - the secrets of one stand-in are to be those of the other


class InProcess:
    """A stand-in with one database, in this process; its clock stands still."""

    def __init__(self, profiles: list[dict[str, Any]]) -> None:
        clock = Clock(datetime(2026, 11, 23, 10, tzinfo=UTC))
        self._api = Api(Store(clock, dice), Tokens(TOKEN, clock, dice()), Choices(), clock)
        database = {"id": 1, "name": "Customers", "fields": FIELDS, "interests": INTERESTS}
        self._api.load(seed.parse({"databases": [{**database, "profiles": profiles}]}, clock))

    async def send(self, call: Call) -> Any:
        """Carry out a call of the service; what the answer's body says."""
        answer = await self._api.answer(
            standin.Call(
                method=call.method,
                path=f"/v2{call.path}".encode(),
                query=f"{call.query}&access_token={TOKEN}",
                content_type=call.content_type,
                host="127.0.0.1",
                authorization="",
                body=call.body or b"",
            )
        )
        assert answer.status < 300, answer.body
        return json.loads(answer.body)

    async def known(self) -> Catalogue:
        fields = await self.send(get_fields("1", 0))
        interests = await self.send(get_interests("1", 0))
        return catalogue("1", fields["data"], interests["data"])

    async def profiles(self) -> list[Any]:
        found: list[Any] = (await self.send(get_profiles("1", ())))["data"]
        return found


SAID = [
    (spelling, value)
    for name, values in VALUES.items()
    for spelling in (name, name.lower(), name.upper())
    for value in values
]
written = st.lists(st.sampled_from(SAID), max_size=3).map(
    lambda said: dict({name.lower(): (name, value) for name, value in said}.values())
)
switched = st.dictionaries(st.sampled_from(INTERESTS), st.booleans(), max_size=2)


def events(key: str, *, create: bool) -> st.SearchStrategy[dict[str, Any]]:
    """Events for the profile with a key, most of them alike but for what they write."""
    return st.fixed_dictionaries(
        {
            "database": st.just(1),
            "where": st.sampled_from([{key: value} for value in KEYS[key]]),
            "create": st.sampled_from([create] * 5 + [not create]),
            "coalesce": st.sampled_from([True] * 9 + [False]),
            "fields": written,
            "interests": switched,
        }
    )


def read(content: dict[str, Any], known: Catalogue | None) -> ProfileUpdate | None:
    """Read an event, and check it if there is something to check it by; None if it is refused."""
    try:
        update = parse(json.dumps(content).encode(), Properties(), MAX_BYTES)
        return update if known is None else guard(update, known, AMSTERDAM)
    except InvalidEvent:
        return None


@pytest.mark.parametrize("checked", [True, False], ids=["checked", "unchecked"])
@settings(derandomize=True, deadline=None, database=None, max_examples=400)
@given(st.data())
async def test_profiles_end_as_if_each_event_had_its_own_call(
    checked: bool, data: st.DataObject
) -> None:
    key = data.draw(st.sampled_from(sorted(KEYS)))
    selected = {"fields": {key: KEYS[key][0], "Notes": "as before"}, "interests": ["tennis"]}
    other = {"fields": {"Notes": "of another"}, "interests": ["football"]}
    profiles = [selected] * data.draw(st.integers(0, 2)) + [other]
    apart, together = InProcess(profiles), InProcess(profiles)
    known = await apart.known() if checked else None
    like = events(key, create=data.draw(st.booleans()))
    lane = [read(one, known) for one in data.draw(st.lists(like, min_size=2, max_size=10))]
    waiting = [update for update in lane if update is not None]
    for update in waiting:
        await apart.send(put_profiles(update))
    while waiting:
        call = coalesce(waiting[0], waiting[1:], most=4, max_bytes=300)
        await together.send(put_profiles(call.update))
        waiting = waiting[call.events :]
        event(f"{call.events} in a call, create: {call.update.create}")
    assert await together.profiles() == await apart.profiles()
