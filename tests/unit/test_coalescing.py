import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from itertools import chain, islice, product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.coalescing import Coalesced, coalesce
from service.events import InvalidEvent, ProfileUpdate, parse
from service.messages import Properties
from service.profiles import put_profiles
from tests.unit.samples import MAX_BYTES, body, event, update

often = settings(max_examples=1000)


def joined(*updates: ProfileUpdate, most: int = 100, max_bytes: int = MAX_BYTES) -> Coalesced:
    """The first call for waiting events."""
    return coalesce(updates[0], updates[1:], most=most, max_bytes=max_bytes)


def calls(updates: list[ProfileUpdate], most: int, max_bytes: int) -> list[Coalesced]:
    """All calls for waiting events."""
    made: list[Coalesced] = []
    while updates:
        made.append(joined(*updates, most=most, max_bytes=max_bytes))
        assert made[-1].events > 0
        updates = updates[made[-1].events :]
    return made


def size(written: ProfileUpdate) -> int:
    """Bytes of the body that is sent."""
    return len(put_profiles(written).body or b"")


def test_an_event_alone_is_a_call_of_its_own() -> None:
    alone = update()
    assert joined(alone) == Coalesced(alone, 1)
    assert joined(alone).update is alone


def test_events_of_one_selection_share_a_call() -> None:
    call = joined(update(fields={"a": "1"}), update(fields={"b": "2"}), update(fields={"c": "3"}))
    assert call.events == 3
    assert call.update.fields == {"a": "1", "b": "2", "c": "3"}


def test_the_later_value_of_a_field_stands() -> None:
    call = joined(update(fields={"a": "1", "b": "1"}), update(fields={"a": "2"}))
    assert call.update.fields == {"a": "2", "b": "1"}


def test_an_empty_value_clears_what_an_earlier_event_wrote() -> None:
    assert joined(update(fields={"a": "1"}), update(fields={"a": ""})).update.fields == {"a": ""}


def test_two_spellings_are_one_field_under_the_later_name() -> None:
    call = joined(update(fields={"Name": "1", "b": "1"}), update(fields={"nAME": "2"}))
    assert call.update.fields == {"nAME": "2", "b": "1"}


def test_interests_are_joined_name_by_name_and_the_later_switch_stands() -> None:
    call = joined(
        update(interests={"football": True, "tennis": True}),
        update(interests={"football": False, "baseball": True}),
    )
    assert call.update.interests == {"football": False, "tennis": True, "baseball": True}


def test_two_spellings_of_an_interest_do_not_share_a_call() -> None:
    """Nobody knows whether they are one to the API."""
    assert joined(update(interests=["Football"]), update(interests={"football": False})).events == 1


def test_fields_and_interests_share_a_call() -> None:
    call = joined(update(fields={"a": "1"}), update(fields=None, interests=["football"]))
    assert (call.update.fields, call.update.interests) == ({"a": "1"}, {"football": True})


@pytest.mark.parametrize(
    "other",
    [
        {"coalesce": False},
        {"expect": "many"},
        {"create": True},
        {"async_": True},
        {"where": {"customerid": "4568"}},
        {"where": {"CustomerID": "4567"}},
        {"where": {"customerid": "4567", "a": "1"}},
        {"database": 1235},
        {"fields": {"customerid": "4568"}},
    ],
    ids=str,
)
def test_an_event_that_differs_neither_joins_nor_is_joined(other: dict[str, Any]) -> None:
    usual, different = update(), update(**other)
    assert joined(usual, different, usual) == Coalesced(usual, 1)
    assert joined(different, usual) == Coalesced(different, 1)


@pytest.mark.parametrize(
    "alone", [{"coalesce": False}, {"expect": "many"}, {"fields": {"customerid": "4568"}}], ids=str
)
def test_an_event_that_stays_alone_is_not_even_joined_by_its_like(alone: dict[str, Any]) -> None:
    assert joined(update(**alone), update(**alone)).events == 1


def test_selections_that_differ_in_case_do_not_share_a_call() -> None:
    upper, lower = update(where={"email": "JOE@X.NL"}), update(where={"email": "joe@x.nl"})
    assert upper.key == lower.key
    assert joined(upper, lower).events == 1


def test_databases_that_differ_in_case_do_not_share_a_call() -> None:
    upper, lower = update(database="Customers"), update(database="customers")
    assert upper.key == lower.key
    assert joined(upper, lower).events == 1


def test_selections_whose_values_may_be_kept_in_different_ways_do_not_share_a_call() -> None:
    assert joined(update(), replace(update(), opaque=frozenset({"customerid"}))).events == 1


@pytest.mark.parametrize("value", ["Joe@x.nl", "JOE@X.NL"])
def test_an_event_that_writes_its_selection_in_other_letters_stays_alone(value: str) -> None:
    """A field that compares exactly is no longer found by what selects it."""
    usual = update(where={"email": "joe@x.nl"})
    rewriting = update(where={"email": "joe@x.nl"}, fields={"EMail": value})
    assert not rewriting.barrier
    assert joined(usual, rewriting, usual).events == 1
    assert joined(rewriting, usual).events == 1


def test_an_event_that_repeats_its_selection_shares_a_call() -> None:
    repeating = update(fields={"CustomerID": "4567"})
    assert joined(repeating, update(), repeating).events == 3


def test_creates_share_a_call_that_creates() -> None:
    call = joined(
        update(create=True, fields={"a": "1"}),
        update(create=True, fields={"CustomerID": "4567", "b": "2"}),
        update(create=True, fields={"c": "3"}),
    )
    assert call.events == 3
    assert call.update.create
    assert call.update.fields == {"customerid": "4567", "a": "1", "b": "2", "c": "3"}


def test_the_copied_selection_of_a_create_overwrites_no_other_form_of_it() -> None:
    where = {"number": "1"}
    given = update(create=True, where=where, fields={"number": "1.0"})
    copied = update(create=True, where=where, fields={"a": "1"})
    assert copied.fields["number"] == "1"
    assert joined(given, copied).events == 1
    assert joined(copied, given).events == 1


def test_events_that_the_api_carries_out_later_share_such_a_call() -> None:
    call = joined(update(async_=True), update(async_=True))
    assert call.events == 2
    assert call.update.asynchronous


def test_the_call_has_the_id_of_its_first_event() -> None:
    call = joined(update(id="first"), update(id="second"))
    assert (call.update.event_id, call.update.named) == ("first", True)


@pytest.mark.parametrize(
    ("instants", "latest"),
    [
        ((9, 11, 10), 11),
        ((11, 10), 11),
        ((None, 10), 10),
        ((10, None), 10),
        ((None, None), None),
    ],
)
def test_the_call_occurred_when_the_latest_of_its_events_did(
    instants: tuple[int | None, ...], latest: int | None
) -> None:
    updates = [
        update(occurred_at=None if hour is None else f"2026-11-23T{hour:02}:00:00Z")
        for hour in instants
    ]
    expected = None if latest is None else datetime(2026, 11, 23, latest, tzinfo=UTC)
    assert joined(*updates).update.occurred_at == expected


def test_the_events_themselves_stay_as_they_are() -> None:
    first, second = update(fields={"a": "1"}), update(fields={"a": "2"}, interests=["tennis"])
    before = json.dumps([dict(one.fields) for one in (first, second)])
    joined(first, second)
    assert json.dumps([dict(one.fields) for one in (first, second)]) == before
    assert first.interests == {}


@pytest.mark.parametrize(("most", "events"), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 4)])
def test_no_more_events_share_a_call_than_may(most: int, events: int) -> None:
    assert joined(*[update()] * 4, most=most).events == events


@pytest.mark.parametrize("value", ["x", 'é"\n\u0001', "😀\\", ""])
def test_the_body_may_be_as_large_as_the_limit_and_no_larger(value: str) -> None:
    interests = {"football": True, "ténnis": False}
    first = update(fields={"a": value, "b": "1"}, interests=interests)
    second = update(fields={"B": value, "c": value * 9}, interests={"baseball": False, **interests})
    limit = size(joined(first, second).update)
    assert joined(first, second, max_bytes=limit).events == 2
    assert joined(first, second, max_bytes=limit - 1).events == 1


def test_all_events_of_a_call_have_one_body_within_the_limit() -> None:
    updates = [update(fields={f"a{number}": "x" * 100}) for number in range(9)]
    limit = size(joined(*updates[:4]).update) + 14
    assert joined(*updates, max_bytes=limit).events == 4


def test_values_that_are_overwritten_take_no_room() -> None:
    updates = [update(fields={"a": "x" * 1000}, interests=["tennis"]) for _ in range(50)]
    assert joined(*updates, max_bytes=size(updates[0])).events == 50


def test_an_event_larger_than_the_limit_is_a_call_of_its_own() -> None:
    large = update(fields={"a": "x" * 1000})
    assert joined(large, update(fields={"b": "1"}), max_bytes=100) == Coalesced(large, 1)


def read(updates: Iterable[ProfileUpdate], counted: list[ProfileUpdate]) -> Iterator[ProfileUpdate]:
    for one in updates:
        counted.append(one)
        yield one


def test_no_event_is_looked_at_behind_the_first_that_does_not_join() -> None:
    seen: list[ProfileUpdate] = []
    behind = [update(), update(coalesce=False), *[update()] * 2000]
    call = coalesce(update(), read(behind, seen), most=100, max_bytes=MAX_BYTES)
    assert (call.events, len(seen)) == (2, 2)


def test_no_event_is_looked_at_beyond_those_that_may_share_a_call() -> None:
    seen: list[ProfileUpdate] = []
    call = coalesce(update(), read([update()] * 2000, seen), most=100, max_bytes=MAX_BYTES)
    assert (call.events, len(seen)) == (100, 99)


# Whatever waits in a lane; what is usual stands there more often.

WHERES: list[Any] = [
    *[{"customerid": "joe"}] * 7,
    {"customerid": "Joe"},
    {"CustomerID": "joe"},
    ["customerid==joe", "Customerid==joe"],
]
WAYS: list[dict[str, Any]] = [
    *[{"create": True}, {}] * 4,
    {"coalesce": False},
    {"expect": "many"},
    {"async": True},
    {"create": True, "coalesce": False},
]
FIELDS: list[dict[str, str]] = [
    {},
    *[{name: value} for name in ("a", "A", "b") for value in ("", "1", "2")],
    {"a": "2", "b": "2"},
    {"cC": 'é"\n'},
    {"Cc": "x" * 30, "A": "3"},
    {"customerid": "joe"},
    {"CUSTOMERID": "joe", "a": "4"},
    {"Customerid": "Joe"},
    {"customerid": "ann"},
]
INTERESTS: list[dict[str, bool]] = [
    *[{}] * 4,
    {"football": True},
    {"football": False, "tennis": True},
    {"tennis": False},
    {"Football": True},
    {"ß": True, "0": True},
    {"1": False},
]
CASES = list(product(WHERES, WAYS, FIELDS, INTERESTS))


@cache
def waiting(number: int) -> ProfileUpdate | None:
    """An event that a sender may write; None if it is refused."""
    where, way, fields, interests = CASES[number]
    content = event(id=str(number), where=where, fields=fields, interests=interests, **way)
    try:
        return parse(body(content), Properties(), MAX_BYTES)
    except InvalidEvent:
        return None


lanes = st.lists(st.sampled_from(range(len(CASES))), min_size=1, max_size=12).map(
    lambda drawn: [one for one in map(waiting, drawn) if one is not None]
)
limits = st.fixed_dictionaries({"most": st.integers(1, 6), "max_bytes": st.integers(30, 110)})


class Database:
    """Profiles as the API keeps them, with fields in any case and interests as they are written.

    It does not imitate types of fields, refusals, nor the background. `exact` if the fields that
    select are compared letter by letter.
    """

    def __init__(self, present: int, *, exact: bool) -> None:
        joe = {"customerid": "joe", "a": "0", "c": "0"}
        self.profiles = [(dict(joe), {"tennis"}) for _ in range(present)]
        self._exact = exact

    def put(self, written: ProfileUpdate) -> None:
        found = [one for one in self.profiles if self._matches(one[0], written)]
        if not found and written.create:
            found = [({}, set())]
            self.profiles += found
        for fields, interests in found:
            fields |= {name.lower(): value for name, value in written.fields.items()}
            for name, on in written.interests.items():
                (interests.add if on else interests.discard)(name)

    def _matches(self, fields: dict[str, str], written: ProfileUpdate) -> bool:
        return all(
            self._kept(fields.get(condition.field.lower(), "")) == self._kept(condition.value)
            for condition in written.conditions
        )

    def _kept(self, value: str) -> str:
        return value if self._exact else value.casefold()


@often
@given(lanes, st.integers(0, 2), st.booleans(), limits)
def test_profiles_end_as_if_each_event_had_its_own_call(
    lane: list[ProfileUpdate], present: int, exact: bool, limit: dict[str, int]
) -> None:
    apart, together = Database(present, exact=exact), Database(present, exact=exact)
    for one in lane:
        apart.put(one)
    for call in calls(lane, **limit):
        together.put(call.update)
    assert together.profiles == apart.profiles


def said_last(share: list[ProfileUpdate]) -> ProfileUpdate:
    """The first of some events, with what all of them say, the last of each name."""
    fields = {name.lower(): (name, value) for one in share for name, value in one.fields.items()}
    interests = {name: on for one in share for name, on in one.interests.items()}
    return replace(share[0], fields=dict(fields.values()), interests=interests)


@often
@given(lanes, limits)
def test_every_event_is_in_one_call_which_says_what_its_events_said_last(
    lane: list[ProfileUpdate], limit: dict[str, int]
) -> None:
    rest = iter(lane)
    for call in calls(lane, **limit):
        share = list(islice(rest, call.events))
        assert len(share) == call.events
        assert call.update == said_last(share)
    assert not list(rest)


def alike(one: ProfileUpdate, other: ProfileUpdate) -> bool:
    """Whether two events want the same of the same profiles, but for what they write."""
    unwritten: dict[str, Any] = {"fields": {}, "interests": {}, "event_id": "", "occurred_at": None}
    return replace(one, **unwritten) == replace(other, **unwritten)


def conflicting(share: list[ProfileUpdate]) -> bool:
    """Whether events spell an interest in two ways."""
    names = {name for one in share for name in one.interests}
    return len({name.lower() for name in names}) < len(names)


def may_share(share: list[ProfileUpdate]) -> bool:
    """Whether events may be in one call, but for its limits."""
    first = share[0]
    selected = {condition.field.lower(): condition.value for condition in first.conditions}
    return not conflicting(share) and all(
        alike(one, first)
        and one.coalesce
        and one.expect == "one"
        and not one.moves
        and all(selected.get(name.lower(), value) == value for name, value in one.fields.items())
        for one in share
    )


@often
@given(lanes, limits)
def test_a_call_is_for_events_that_may_share_it_and_within_its_limits(
    lane: list[ProfileUpdate], limit: dict[str, int]
) -> None:
    rest = iter(lane)
    for call in calls(lane, **limit):
        share = list(islice(rest, call.events))
        assert alike(call.update, share[0])
        assert len(share) == 1 or may_share(share)
        assert len(share) <= limit["most"]
        assert len(share) == 1 or size(call.update) <= limit["max_bytes"]


@often
@given(lanes, limits)
def test_a_call_ends_only_where_it_must(lane: list[ProfileUpdate], limit: dict[str, int]) -> None:
    rest: Iterator[ProfileUpdate] = iter(lane)
    for call in calls(lane, **limit):
        share = list(islice(rest, call.events))
        following = next(rest, None)
        if following is not None:
            share.append(following)
            assert (
                not may_share(share)
                or call.events == limit["most"]
                or size(said_last(share)) > limit["max_bytes"] - 14
            )
            rest = chain((following,), rest)
