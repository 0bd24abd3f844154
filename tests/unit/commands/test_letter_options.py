from typing import Any, get_args

import pytest

from service.commands.letter_options import selection
from service.outcomes import Reason


def chosen(*reasons: str, **more: Any) -> Any:
    known = {"databases": None, "ids": None, "older_than": None, "newer_than": None}
    return selection(list(reasons) or None, **{**known, **more})


def refused(capsys: pytest.CaptureFixture[str], *reasons: str, **more: Any) -> str:
    with pytest.raises(SystemExit) as ended:
        chosen(*reasons, **more)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_every_reason_of_the_service_and_of_rabbitmq_can_be_chosen() -> None:
    ours = [reason for literal in get_args(Reason) for reason in get_args(literal)]
    assert {"stale", "invalid-json", "attempts-exhausted"} <= {*ours}
    for reason in (*ours, "delivery_limit", "expired", "maxlen", "rejected", "unknown"):
        assert chosen(reason).reasons == {reason}


@pytest.mark.parametrize(
    ("reason", "near"),
    [("stael", "stale"), ("unknown_field", "unknown-field"), ("delivery-limit", "delivery_limit")],
)
def test_a_reason_that_is_none_is_refused_with_the_one_that_is_meant(
    capsys: pytest.CaptureFixture[str], reason: str, near: str
) -> None:
    said = refused(capsys, "refused", reason)
    assert f"there is no {reason}; did you mean {near}? The reasons are attempts-exhausted," in said


def test_a_reason_that_is_like_no_other_is_refused_with_those_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = refused(capsys, "x\x1b")
    assert r"there is no x\x1b; the reasons are attempts-exhausted," in said


def test_an_age_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--newer-than: write an age as" in refused(capsys, newer_than="soon")


def test_databases_are_chosen_in_any_spelling() -> None:
    assert chosen(databases=["Customers"]).databases == {"customers"}
