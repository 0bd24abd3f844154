"""What was written at the API, and in which order: stale writes, rewinds, final values."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.campaign.evidence import MANY


@dataclass(frozen=True, slots=True)
class Write:
    """A PUT that the API carried out: the number it wrote for a key, and when."""

    key: str
    number: int
    came: float
    done: float


def writes(journal: Sequence[Mapping[str, Any]]) -> list[Write]:
    """Read the PUTs that changed profiles, in the order in which they took effect."""
    found = [_write(entry) for entry in journal if entry["method"] == "PUT" and entry["ids"]]
    return sorted((each for each in found if each), key=lambda write: write.done)


def _write(entry: Mapping[str, Any]) -> Write | None:
    body = entry["body"]
    fields = body.get("fields", {}) if isinstance(body, dict) else {}
    came = float(entry["time"])
    done = came + (entry["seconds"] or 0.0)
    if "lastname" in fields:
        return Write(MANY, int(fields["lastname"]), came, done)
    conditions = [str(value) for name, value in entry["query"] if name.startswith("fields")]
    if "firstname" not in fields or not conditions:
        return None
    return Write(conditions[0].partition("==")[2], int(fields["firstname"]), came, done)


@dataclass(frozen=True, slots=True)
class Steps:
    """Where the numbers of a key went back: for good, or in order up to where they had been."""

    stale: tuple[Write, ...] = ()
    rewinds: tuple[Write, ...] = ()


def steps(of_key: Sequence[Write], *, coalescing: bool = False) -> Steps:
    """Find the writes of one key that came after a higher number.

    A number that was written before may be written again if the higher ones follow, up to the
    highest: then events were handed back and done again, in order. All else is stale. When
    `coalescing`, a number counts as written with the next higher one: the same call carried it.
    """
    stale: list[Write] = []
    rewinds: list[Write] = []
    highest, seen, at = 0, set[int](), 0
    while at < len(of_key):
        write = of_key[at]
        if write.number >= highest:
            highest = write.number
        elif write.number in seen and (end := _caught_up(of_key, at, highest, seen)):
            rewinds.append(write)
            at = end
            continue
        else:
            stale.append(write)
        seen |= {*range(1, write.number + 1)} if coalescing else {write.number}
        at += 1
    return Steps(tuple(stale), tuple(rewinds))


def _caught_up(
    of_key: Sequence[Write], begin: int, highest: int, seen: Collection[int]
) -> int | None:
    """Return where the highest number is written again, if that comes in order; or None."""
    last = 0
    for at in range(begin, len(of_key)):
        number = of_key[at].number
        if number == highest:
            return at
        # Handed back once more, it begins from further back: that is a rewind too.
        if (
            number > highest
            or number not in seen
            or (number < last and number > of_key[begin].number)
        ):
            return None
        last = number
    return None


def by_key(found: Sequence[Write]) -> dict[str, list[Write]]:
    """Sort writes by their keys."""
    sorted_out: dict[str, list[Write]] = {}
    for write in found:
        sorted_out.setdefault(write.key, []).append(write)
    return sorted_out


def final_values(profiles: Sequence[Mapping[str, Any]]) -> dict[str, list[int]]:
    """Give the numbers that the profiles of each key hold in the end: one each, if all is well."""
    finals: dict[str, list[int]] = {}
    for key, number in _held(profiles):
        finals.setdefault(key, []).append(number)
    return finals


def _held(profiles: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, int]]:
    for profile in profiles:
        fields = profile["fields"]
        yield fields["customerid"], int(fields["firstname"] or 0)
