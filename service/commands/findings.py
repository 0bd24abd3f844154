"""What a check finds: what is, how bad it is, and what to do; for people and for scripts."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

State = Literal["ok", "note", "warning", "fault"]
_STATES = get_args(State)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is right, worth knowing, doubtful or wrong."""

    area: str
    state: State
    what: str
    todo: str = ""


def faultless(findings: Iterable[Finding]) -> bool:
    """Tell whether none is a fault."""
    return all(finding.state != "fault" for finding in findings)


def unseen(area: str, what: str, because: str, todo: str = "") -> Finding:
    """Say of a part that it was not looked at: silence would look as if it were well."""
    return Finding(area, "note", f"{what}: not looked at, because {because}", todo)


def worst_last(findings: Sequence[Finding]) -> list[Finding]:
    """Put what is worst last, where it is seen, and keep together what is of one area."""
    worst = dict.fromkeys((finding.area for finding in findings), 0)
    for finding in findings:
        worst[finding.area] = max(worst[finding.area], _STATES.index(finding.state))
    place = {area: number for number, area in enumerate(worst)}
    return sorted(
        findings,
        key=lambda one: (worst[one.area], place[one.area], _STATES.index(one.state)),
    )


def written(findings: Sequence[Finding]) -> dict[str, Any]:
    """Write findings for scripts."""
    return {"ok": faultless(findings), "findings": [asdict(finding) for finding in findings]}


def summary(findings: Iterable[Finding]) -> str:
    """Count the faults and the warnings in words."""
    counts = Counter(finding.state for finding in findings)
    return f"{_counted(counts['fault'], 'fault')}, {_counted(counts['warning'], 'warning')}"


def _counted(count: int, what: str) -> str:
    return f"{count or 'no'} {what}{'s' * (count != 1)}"
