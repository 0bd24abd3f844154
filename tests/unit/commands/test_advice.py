from typing import Any

import pytest

from service.commands.advice import longest_held, of_holding, of_settings
from tests.unit.samples import settings


def states(grace_period: float = 30, **values: Any) -> list[str]:
    return [finding.state for finding in of_settings(settings(**values), grace_period)]


def test_the_defaults_go_together() -> None:
    assert set(states()) == {"ok"}
    assert of_holding(settings(), None).state == "ok"


@pytest.mark.parametrize(
    ("grace_period", "values", "words"),
    [
        (25, {}, "DRAIN_TIMEOUT is 25 s, and Kubernetes kills a pod after 25 s"),
        (30, {"drain_timeout": 40}, "DRAIN_TIMEOUT is 40 s"),
        (30, {"connect_timeout": 11}, "CONNECT_TIMEOUT 11 has no effect: REQUEST_TIMEOUT is 10 s"),
        (30, {"retry_base": 61}, "RETRY_BASE 61 has no effect: RETRY_MAX is 60 s"),
    ],
)
def test_what_is_only_advice_is_a_warning_with_its_numbers(
    grace_period: float, values: dict[str, Any], words: str
) -> None:
    found = of_settings(settings(**values), grace_period)
    (warning,) = [finding for finding in found if finding.state != "ok"]
    assert warning.state == "warning"
    assert words in warning.what


def test_the_numbers_of_what_must_hold_are_told() -> None:
    told = " ".join(finding.what for finding in of_settings(settings(), 30))
    assert "20 < 25 s" in told
    assert "20 >= 20 s" in told


def test_an_event_is_held_through_an_outage_its_attempts_and_its_turn() -> None:
    assert longest_held(settings()) == 60 + 20 + 8 * (60 + 10)
    slow = settings(rate_limit=0.5, prefetch=100)
    assert longest_held(slow) == longest_held(settings()) + 2 * 100 / 0.5
    # Each of the partitions has its share of what is held, and of the calls.
    shared = settings(rate_limit=0.5, prefetch=100, partitions=4)
    assert longest_held(shared) == longest_held(slow)


def test_a_link_that_rabbitmq_would_end_is_warned_of() -> None:
    assert of_holding(settings(hold_timeout=1300), None).state == "warning"
    assert of_holding(settings(hold_timeout=1300), 3600).state == "ok"
    assert of_holding(settings(), 600).state == "warning"
