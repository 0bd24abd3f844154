"""Coalescing: which events of a lane may share one call, and what that call writes. No I/O.

The profiles end as they would if each event had a call of its own. What they would be in between
the API never sees: a change that a later event of the call takes back is not made at all, so that
it does not move `modified`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain, islice, takewhile
from typing import TypeVar

from pydantic_core import to_json

from service.conditions import Condition
from service.events import ProfileUpdate

_Value = TypeVar("_Value", str, int)

# What a body has around its entries. Each of these is counted with a comma; the last of the fields
# and the last of the interests have none.
_FRAME = len(to_json({"fields": {}, "interests": {}})) - 2


@dataclass(frozen=True, slots=True)
class Coalesced:
    """One call for the first `events` events of a lane.

    `update` is what it writes. Its id is that of the first event, whose place in the lane the call
    has; it occurred when the latest of them did. The results are not its own: each event has one.
    """

    update: ProfileUpdate
    events: int


def coalesce(
    first: ProfileUpdate, following: Iterable[ProfileUpdate], *, most: int, max_bytes: int
) -> Coalesced:
    """Let as many events as may share the call of a lane's first.

    They are taken in order, up to the first that may not join: it says so, it is a barrier, its
    selection is another one, if only by the case of a letter, or `create` or `async` differ. Of
    each field and each interest the latest value stands, under the name it was given there.

    The fields that a create has from its selection count like those it was given: its own call
    would write them too, and no event in the call can have another value for them.

    Args:
        first: the event whose call it is; nothing joins it if it may not share.
        following: the events behind it, oldest first, up to one that must be looked at or waited
            for before its call; they are read no further than to the first that does not join.
        most: events in one call, 1 or more.
        max_bytes: the largest body of a call for more than one event. Where it has no fields, or no
            interests, an empty object is counted all the same: up to 14 bytes too many.
    """
    alike = takewhile(lambda update: _alike(first, update), islice(following, most - 1))
    second = next(alike, None)
    if second is None or not _shares(first):
        return Coalesced(first, 1)
    body = _Body(first)
    events, latest = 1, first.occurred_at
    for update in chain((second,), alike):
        if not body.take(update, max_bytes):
            break
        events += 1
        latest = max(filter(None, (latest, update.occurred_at)), default=None)
    fields = dict(body.fields.values())
    interests = {name: bool(on) for name, on in body.interests.values()}
    merged = replace(first, occurred_at=latest, fields=fields, interests=interests)
    return Coalesced(merged, events)


def _alike(first: ProfileUpdate, update: ProfileUpdate) -> bool:
    """Tell whether an event may join, but for what it writes."""
    return (
        update.coalesce
        and not update.barrier
        and update.create == first.create
        and update.asynchronous == first.asynchronous
        and update.database == first.database
        and update.conditions == first.conditions
        and update.opaque == first.opaque
    )


def _shares(update: ProfileUpdate) -> bool:
    """Tell whether an event may be joined by one that is like it."""
    return _alike(update, update) and _keeps(update.conditions, _by_name(update.fields))


def _keeps(conditions: Iterable[Condition], fields: Mapping[str, tuple[str, str]]) -> bool:
    """Tell whether fields leave a selection as it is, letter by letter.

    No barrier writes `Joe` over `joe`, or `1.0` over `1`. But what becomes of it in the database
    may no longer be what the next event selects.
    """
    return all(
        fields.get(condition.field.lower(), ("", condition.value))[1] == condition.value
        for condition in conditions
    )


class _Body:
    """What a call writes: names and values by the name in lower case, as the API compares names.

    `size` is the body's, in bytes.
    """

    def __init__(self, update: ProfileUpdate) -> None:
        self.fields, self.interests = _written(update)
        self.size = _FRAME + _growth({}, self.fields) + _growth({}, self.interests)

    def take(self, update: ProfileUpdate, max_bytes: int) -> bool:
        """Write an event over what is there; False if one call cannot do for both."""
        fields, interests = _written(update)
        size = self.size + _growth(self.fields, fields) + _growth(self.interests, interests)
        # Two spellings of an interest may be one to the API, or two.
        respelled = any(
            self.interests.get(lowered, entry)[0] != entry[0]
            for lowered, entry in interests.items()
        )
        if size > max_bytes or respelled or not _keeps(update.conditions, fields):
            return False
        self.fields |= fields
        self.interests |= interests
        self.size = size
        return True


def _written(
    update: ProfileUpdate,
) -> tuple[dict[str, tuple[str, str]], dict[str, tuple[str, int]]]:
    interests = {name: int(on) for name, on in update.interests.items()}
    return _by_name(update.fields), _by_name(interests)


def _by_name(entries: Mapping[str, _Value]) -> dict[str, tuple[str, _Value]]:
    return {name.lower(): (name, value) for name, value in entries.items()}


def _growth(
    known: Mapping[str, tuple[str, _Value]], entries: Mapping[str, tuple[str, _Value]]
) -> int:
    """Count the bytes that entries add to a body, over those that they replace."""
    replaced = [known[lowered] for lowered in entries if lowered in known]
    return _bytes(entries.values()) - _bytes(replaced)


def _bytes(entries: Iterable[tuple[str, _Value]]) -> int:
    written = to_json(dict(entries))
    return len(written) - 1 if len(written) > 2 else 0  # a comma behind each, and no braces
