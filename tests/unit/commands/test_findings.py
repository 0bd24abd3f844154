import pytest

from service.commands.findings import (
    Finding,
    State,
    faultless,
    summary,
    unseen,
    worst_last,
    written,
)


def finding(state: State) -> Finding:
    return Finding("queue q", state, "is this", "do that")


@pytest.mark.parametrize(
    ("states", "words", "fine"),
    [
        ([], "no faults, no warnings", True),
        (["ok", "note", "warning"], "no faults, 1 warning", True),
        (["fault", "warning", "fault", "warning"], "2 faults, 2 warnings", False),
        (["fault"], "1 fault, no warnings", False),
    ],
)
def test_only_a_fault_is_one(states: list[State], words: str, fine: bool) -> None:
    findings = [finding(state) for state in states]
    assert summary(findings) == words
    assert faultless(findings) is fine
    assert written(findings)["ok"] is fine


def test_scripts_get_every_part() -> None:
    assert written([finding("note")])["findings"] == [
        {"area": "queue q", "state": "note", "what": "is this", "todo": "do that"}
    ]


def test_the_worst_comes_last_and_areas_stay_whole() -> None:
    findings = [
        Finding("a", "fault", ""),
        Finding("b", "ok", ""),
        Finding("c", "warning", ""),
        Finding("a", "ok", ""),
        Finding("c", "note", ""),
        Finding("a", "fault", ""),
    ]
    told = [(one.area, one.state) for one in worst_last(findings)]
    assert told == [
        ("b", "ok"),
        ("c", "note"),
        ("c", "warning"),
        ("a", "ok"),
        ("a", "fault"),
        ("a", "fault"),
    ]


def test_what_was_not_looked_at_says_why() -> None:
    assert unseen("a", "b", "of c").what == "b: not looked at, because of c"
