"""Judges the service's processes: how they end, and what they take up."""

from collections.abc import Iterator, Sequence

from tests.campaign.evidence import Evidence, Vitals
from tests.campaign.telling import Samples, samples

_DRAIN = 5 + 3  # seconds: DRAIN_TIMEOUT of the campaign, and some for a busy machine
_WARM = 10.0  # seconds until a process has all that it needs to work
_MEGABYTE = 2**20
_GROWTH = 20 * _MEGABYTE
_FILES = 20  # besides the calls' connections: 16 at rest, and some for who asks for metrics
_THREADS = 8  # one, and some that look up names
_AT_REST = ("lanes", "in_flight", "sleeping_events", "oldest_event_seconds")


def processes_live(evidence: Evidence) -> Iterator[str]:
    """I9: the service ends when it is asked to, in time and with 0, and never by itself."""
    for each in evidence.endings:
        if not each.asked:
            yield f"{each.name} ended by itself, exit code {each.code}"
        elif each.asked == "SIGTERM" and each.code != 0:
            yield f"{each.name} ended after SIGTERM with exit code {each.code}"
        elif each.asked == "SIGTERM" and each.seconds > _DRAIN:
            yield f"{each.name} took {each.seconds:.1f} s to end after SIGTERM"


def nothing_grows(evidence: Evidence) -> Iterator[str]:
    """I10: in the end, with all work done, a process takes up what it did when it was warm."""
    for name in evidence.survivors:
        seen = [each for each in evidence.vitals if each.name == name]
        if not seen:
            yield f"nobody has looked at {name}"
            continue
        yield from (f"{name} {text}" for text in _grown(seen, evidence.slots))
        if page := seen[-1].page:
            yield from (f"{name} {text}" for text in _at_work(samples(page)))
        else:
            yield f"{name} told no metrics in the end"


def growths(evidence: Evidence) -> Iterator[float]:
    """Give the megabytes by which each process that was there in the end has grown when warm."""
    for name in evidence.survivors:
        growth = _growth([each for each in evidence.vitals if each.name == name])
        yield round(growth / _MEGABYTE, 1)


def _grown(seen: Sequence[Vitals], slots: int) -> Iterator[str]:
    last = seen[-1]
    if (growth := _growth(seen)) > _GROWTH:
        yield f"has grown by {growth / _MEGABYTE:.1f} MB"
    if last.files > _FILES + slots:
        yield f"has {last.files} files and connections open"
    if last.threads > _THREADS:
        yield f"has {last.threads} threads"


def _growth(seen: Sequence[Vitals]) -> int:
    warm = next((each for each in seen if each.at - seen[0].at >= _WARM), None)
    return seen[-1].memory - warm.memory if warm else 0


def _at_work(told: Samples) -> Iterator[str]:
    for name in _AT_REST:
        number = told.get((f"profile_sync_{name}", ()))
        if number != 0:
            yield f"tells {name} {number} with all work done"
