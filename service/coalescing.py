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

from service.events import ProfileUpdate

_Value = TypeVar("_Value", str, bool)

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
        following: the events behind it that may be written now, oldest first; they are read no
            further than to the first that does not join.
        most: events in one call, 1 or more.
        max_bytes: the largest body of a call for more than one event. Where it has no fields, or no
            interests, an empty object is counted all the same: up to 14 bytes too many.
    """
    alike = takewhile(lambda update: _joins(first, update), islice(following, most - 1))
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
    fields, interests = dict(body.fields.values()), dict(body.interests.values())
    merged = replace(first, occurred_at=latest, fields=fields, interests=interests)
    return Coalesced(merged, events)


def _joins(first: ProfileUpdate, update: ProfileUpdate) -> bool:
    return (
        update.conditions == first.conditions
        and update.database == first.database
        and update.create == first.create
        and update.asynchronous == first.asynchronous
        and update.opaque == first.opaque
        and _shares(update)
    )


def _shares(update: ProfileUpdate) -> bool:
    """Tell whether an event may share a call at all.

    One that writes its own selection in another form may not, though it is no barrier: what the
    field keeps of `Joe` or `1.0` may no longer be what `joe` or `1` selects.
    """
    if not update.coalesce or update.barrier:
        return False
    written = {name.lower(): value for name, value in update.fields.items()}
    return all(
        written.get(condition.field.lower(), condition.value) == condition.value
        for condition in update.conditions
    )


class _Body:
    """What a call writes: names and values by the name in lower case, as the API compares names.

    `size` is the body's, in bytes.
    """

    def __init__(self, update: ProfileUpdate) -> None:
        self.fields = _by_name(update.fields)
        self.interests = _by_name(update.interests)
        self.size = _FRAME + _growth({}, self.fields) + _growth({}, self.interests)

    def take(self, update: ProfileUpdate, max_bytes: int) -> bool:
        """Write an update over what there is; False if that cannot be one body."""
        fields, interests = _by_name(update.fields), _by_name(update.interests)
        size = self.size + _growth(self.fields, fields) + _growth(self.interests, interests)
        # Two spellings of an interest may be one to the API, or two.
        if size > max_bytes or _respelled(self.interests, interests):
            return False
        self.fields |= fields
        self.interests |= interests
        self.size = size
        return True


def _by_name(entries: Mapping[str, _Value]) -> dict[str, tuple[str, _Value]]:
    return {name.lower(): (name, value) for name, value in entries.items()}


def _respelled(
    known: Mapping[str, tuple[str, bool]], interests: Mapping[str, tuple[str, bool]]
) -> bool:
    return any(known.get(lowered, entry)[0] != entry[0] for lowered, entry in interests.items())


def _growth(
    known: Mapping[str, tuple[str, _Value]], entries: Mapping[str, tuple[str, _Value]]
) -> int:
    """Count the bytes that entries add to a body, over those that they replace."""
    return sum(
        _bytes(*entry) - (_bytes(*known[lowered]) if lowered in known else 0)
        for lowered, entry in entries.items()
    )


def _bytes(name: str, value: str | bool) -> int:
    written = value if isinstance(value, str) else int(value)
    return len(to_json({name: written})) - 1  # without its braces, with a comma
