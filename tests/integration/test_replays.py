"""A replay as a dead letter is played back: through the service, at the stand-in."""

from typing import Any

import pytest

from tests.integration.conftest import DEAD_LETTERS, Mail
from tests.integration.test_service import Start, event, puts

REPLAYED = {"profile-sync-replay": "unless-stale"}


@pytest.mark.parametrize("version", ["v2", "v4"])
def test_what_is_older_than_its_profile_is_refused_unless_forced(
    service: Start, mail: Mail, version: str
) -> None:
    _, api = service(version=version)
    old = event(1, occurred_at="2020-02-03T10:00:00Z", create=True)
    mail.send(event(2, create=True))
    mail.results(1)

    mail.send(old, headers=REPLAYED)
    (refused,) = mail.results(1)
    assert (refused["outcome"], refused["reason"], refused["attempts"]) == ("rejected", "stale", 0)
    ((_, properties, _),) = mail.take(DEAD_LETTERS, 1)
    assert properties.headers["profile-sync-reason"] == "stale"

    mail.send(old, headers={"profile-sync-replay": "force"})
    (forced,) = mail.results(1)
    assert (forced["outcome"], forced["profiles"][0]["fields"]["firstname"]) == ("updated", "1")
    assert [entry["body"]["fields"]["firstname"] for entry in puts(api)] == ["2", "1"]


@pytest.mark.parametrize("changes", [{}, {"fields": {"customerid": "moved"}}], ids=str)
def test_what_is_newer_than_its_profile_is_written(
    service: Start, mail: Mail, changes: dict[str, Any]
) -> None:
    service("--put-result", "empty")
    mail.send(event(1, create=True, occurred_at="2020-02-03T10:00:00Z"))
    mail.results(1)
    mail.send(event(2, occurred_at="2099-02-03T10:00:00Z", **changes), headers=REPLAYED)
    (result,) = mail.results(1)
    assert result["outcome"] == "updated"


def test_a_replay_whose_profile_is_not_there_creates_it(service: Start, mail: Mail) -> None:
    service("--put-result", "empty")
    mail.send(event(1, create=True, occurred_at="2020-02-03T10:00:00Z"), headers=REPLAYED)
    (result,) = mail.results(1)
    assert result["outcome"] == "created"
