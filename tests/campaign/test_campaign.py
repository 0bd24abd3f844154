"""Campaigns as tests: nothing breaks, and what is planted is found."""

import shutil
from collections.abc import Sequence

import pytest

from tests.campaign.pace import Pace
from tests.campaign.plan import kinds, plan
from tests.campaign.run import SERVICE, Account, campaign
from tests.campaign.stage import Nodes
from tests.rabbitmq import Broker
from tests.servers import MissingRabbitMQ, find_server

PLANTED = ("-m", "tests.campaign.planted")

# What brings the planted bugs to light; the whole bag would take longer than a test should.
TELLING = ["amqp-reset", "api-500", "memory-alarm-and-kill", "results-unbound", "service-killed"]
_CHANGE = 10  # seconds: time for the first
_SEARCH = 45  # seconds: an early acknowledgement shows itself in every second alarm


SHARING = Pace(partitions=8)
# Events of one key come as fast as it can be called for: some are held at each hand-over.
HELD = Pace(rate=30, partitions=8, api={"--latency": "0.2"})
CHANGING = ["api-slow", "replicas-changed", "replicas-changed"]


def run(seed: int, seconds: float, version: int | None = None, pace: Pace | None = None) -> Account:
    if Broker.from_environment():
        pytest.skip("needs a node of its own to kill")
    try:
        find_server(version)
    except MissingRabbitMQ as missing:
        pytest.skip(str(missing))
    pace = pace or Pace()
    injections = plan(seed, seconds, kinds(1, pace.partitions))
    return campaign(seed, seconds, injections, SERVICE, nodes=Nodes(1, version), pace=pace)


def assert_whole(account: Account) -> None:
    assert not account.broken, f"{account}"
    shutil.rmtree(account.folder)


def assert_reported(
    bug: str, invariant: str, of: Sequence[str], seconds: float, pace: Pace
) -> None:
    found: list[str] = []
    for seed in (1, 2):
        injections = plan(seed, seconds, of)
        account = campaign(seed, seconds, injections, (*PLANTED, bug), pace=pace)
        shutil.rmtree(account.folder)
        found += [each.invariant.split()[0] for each in account.broken]
        if invariant in found:
            return
    pytest.fail(f"{bug} was not reported, only {found}")


def test_thirty_seconds_of_faults_break_nothing() -> None:
    assert_whole(run(1, 30))


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "version"), [(2, None), (4, 4)])
def test_two_minutes_of_faults_break_nothing(seed: int, version: int | None) -> None:
    account = run(seed, 120, version)
    assert len(account.kinds) > 25
    assert_whole(account)


@pytest.mark.slow
def test_faults_break_nothing_where_replicas_share_partitions() -> None:
    account = run(21, 50, pace=SHARING)
    assert account.kinds["replicas-changed"] > 2
    assert account.figures["hand-overs"] > 0
    assert_whole(account)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bug", "invariant"),
    [("ack-before-confirm", "I1"), ("not-mandatory", "I1"), ("nack-with-requeue", "I3")],
)
def test_a_planted_bug_is_reported_within_two_seeds(bug: str, invariant: str) -> None:
    assert_reported(bug, invariant, TELLING, _SEARCH, Pace())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bug", "invariant", "pace"),
    [("hand-over-by-cancel", "I3", HELD), ("no-hand-over", "I16", SHARING)],
)
def test_a_bug_planted_in_hand_overs_is_reported_within_two_seeds(
    bug: str, invariant: str, pace: Pace
) -> None:
    assert_reported(bug, invariant, CHANGING, _CHANGE, pace)
