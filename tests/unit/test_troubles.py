import pytest

from service.troubles import Trouble, Troubles


def test_a_trouble_is_news_once() -> None:
    troubles = Troubles()
    assert troubles.begin("outage")
    assert not troubles.begin("outage")
    assert troubles.end("outage") == ["outage"]
    assert troubles.begin("outage")


def test_ends_only_what_had_begun() -> None:
    troubles = Troubles()
    troubles.begin("token")
    assert troubles.end("outage", "token") == ["token"]
    assert troubles.end("outage", "token") == []


@pytest.mark.parametrize("trouble", ["token", "configuration", "unroutable"])
def test_is_not_ready_while_somebody_must_mend_something(trouble: Trouble) -> None:
    troubles = Troubles()
    troubles.begin(trouble)
    assert troubles.why_not_ready() == trouble
    troubles.end(trouble)
    assert troubles.why_not_ready() is None


@pytest.mark.parametrize("trouble", ["outage", "blocked"])
def test_is_ready_while_it_waits_for_what_passes_by_itself(trouble: Trouble) -> None:
    troubles = Troubles()
    troubles.begin(trouble)
    assert troubles.why_not_ready() is None
