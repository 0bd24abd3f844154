import pytest

from service.limits import limiter


@pytest.mark.parametrize("rate", [0.5, 4, 20, 25, 50, 1000, 20_000])
def test_so_many_a_second_in_slices_that_timers_can_keep(rate: float) -> None:
    limit = limiter(rate)
    assert limit.max_rate / limit.time_period == pytest.approx(rate)
    assert limit.max_rate >= 1
    assert limit.time_period <= max(1 / rate, 0.08)
    assert rate < 30 or limit.time_period >= 0.04
