import pytest

from service.limits import limiter


@pytest.mark.parametrize("rate", [0.5, 4, 20, 25, 50, 1000, 20_000])
def test_so_many_in_any_second_in_slices_that_timers_can_keep(rate: float) -> None:
    limit = limiter(rate)
    a_second = limit.max_rate / limit.time_period
    # What the bucket lets through at once, and what flows in the second that begins with it.
    assert limit.max_rate - 1 + a_second == pytest.approx(rate)
    assert a_second >= 0.95 * rate
    assert limit.max_rate >= 1
    assert limit.time_period <= max(1 / rate, 0.08)
    assert rate < 50 or limit.time_period >= 0.02
