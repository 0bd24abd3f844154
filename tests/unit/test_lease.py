import pytest

from service.lease import Lease

HEARTBEAT = 10.0


@pytest.fixture
def lease() -> Lease:
    return Lease(HEARTBEAT, now=100.0)


def test_holds_from_the_start(lease: Lease) -> None:
    assert lease.holds(100.0)


@pytest.mark.parametrize(("silence", "holds"), [(0.0, True), (10.0, True), (10.1, False)])
def test_holds_while_rabbitmq_is_heard_once_a_heartbeat(
    lease: Lease, silence: float, holds: bool
) -> None:
    lease.heard(105.0)
    assert lease.holds(105.0 + silence) is holds


def test_holds_on_with_every_sign_of_life(lease: Lease) -> None:
    for now in range(105, 200, 5):
        lease.heard(float(now))
        assert lease.holds(now + HEARTBEAT)


def test_bytes_that_were_sent_before_a_silence_prove_nothing(lease: Lease) -> None:
    lease.heard(120.0)  # after 20 seconds: they may have waited in the socket all the time
    assert not lease.holds(120.0)
    lease.heard(120.9)
    assert not lease.holds(120.9)


def test_what_comes_a_while_after_a_silence_is_new(lease: Lease) -> None:
    lease.heard(120.0)
    assert not lease.holds(125.0)
    lease.heard(125.0)
    assert lease.holds(125.0)
    assert not lease.holds(135.1)


def test_a_second_silence_begins_anew(lease: Lease) -> None:
    lease.heard(120.0)
    lease.heard(140.0)
    assert not lease.holds(140.0)
    lease.heard(141.0)
    assert lease.holds(141.0)
