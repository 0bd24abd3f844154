"""What a check finds: what is, how bad it is, and what to do; for people and for scripts."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

State = Literal["ok", "note", "warning", "fault"]


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


def written(findings: Sequence[Finding]) -> dict[str, Any]:
    """Write findings for scripts."""
    return {"ok": faultless(findings), "findings": [asdict(finding) for finding in findings]}


def summary(findings: Iterable[Finding]) -> str:
    """Count the faults and the warnings in words."""
    counts = Counter(finding.state for finding in findings)
    return f"{_counted(counts['fault'], 'fault')}, {_counted(counts['warning'], 'warning')}"


def _counted(count: int, what: str) -> str:
    return f"{count or 'no'} {what}{'s' * (count != 1)}"
