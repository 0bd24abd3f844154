"""Calls that events of a lane share: who goes with whom, and what each has of it. No I/O.

A group is made right before its first PUT and stays as it is until it has ended or is parted: while
an attempt may still be carried out, nothing else may be written in its place.
"""

from itertools import islice, takewhile

from service.coalescing import coalesce
from service.lanes import Lanes, Work

# What an attempt leaves holds for all that it was made for.
_OF_THE_CALL = (
    "attempts",
    "failures",
    "status",
    "failing_since",
    "first_call_at",
    "not_before",
    "unsettled_until",
    "look_first",
    "may_create",
    "settled_at",
    "sent",
)


def gather(lanes: Lanes, work: Work, *, most: int, max_bytes: int) -> None:
    """Let what waits behind an event go with its first call, as far as it may.

    Args:
        lanes: where they wait.
        work: the first of its lane, whose PUT comes next.
        most: events in one call.
        max_bytes: the largest body of a call for more than one event.
    """
    if next(lanes.behind(work), None) is None:
        return
    if not _may_share(work) or work.update.key in lanes.exhausted:
        return
    behind = (one.update for one in takewhile(_may_share, lanes.behind(work)))
    call = coalesce(work.update, behind, most=most, max_bytes=max_bytes)
    if call.events > 1:
        work.merged = call.update
        work.mates = tuple(islice(lanes.behind(work), call.events - 1))
        for mate in work.mates:
            mate.joined = True


def tell(work: Work) -> None:
    """Note for all that share an event's call what it has left."""
    for mate in work.mates:
        for name in _OF_THE_CALL:
            setattr(mate, name, getattr(work, name))


def part(work: Work) -> None:
    """Give up a call that was shared: from now on each is tried alone, in order.

    One of them may be bad; nobody is to blame for what they have failed at together.
    """
    for mate in work.mates:
        mate.joined = False
    work.merged, work.mates = None, ()
    work.counted, work.tally = 0, None


def found_together(lanes: Lanes, work: Work) -> None:
    """Note that an event has found its profile, or made it: those it was parted from will find it.

    They alone can have been tried before their turn. None of them has made the profile.
    """
    for one in takewhile(lambda one: one.attempts > 0, lanes.behind(work)):
        one.look_first, one.first_call_at = False, None


def _may_share(work: Work) -> bool:
    """Tell whether nothing must be known, waited for or looked at before an event's call."""
    return (
        work.attempts == work.failures == 0
        and work.ended is None
        and not (work.guarded or work.look_first)
        and work.may_create
        and work.ids is None
        and work.not_before == work.unsettled_until == work.settled_at == 0
    )
