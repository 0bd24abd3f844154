"""What events write when they share calls is what they write one by one, says the stand-in.

It runs in the test itself: its answers come without a socket.
"""

import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from service.catalogue import Catalogue
from service.coalescing import coalesce
from service.events import InvalidEvent, ProfileUpdate, parse
from service.guards import guard
from service.messages import Properties
from service.profiles import put_profiles
from tests.contract.in_process import INTERESTS, InProcess

MAX_BYTES = 2**18
AMSTERDAM = ZoneInfo("Europe/Amsterdam")
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
