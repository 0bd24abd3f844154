import pytest

from service.commands.findings import Finding, State, faultless, summary, written


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
