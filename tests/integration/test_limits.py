"""RATE_LIMIT by the clock: a loop that hurries has none that a limiter could keep."""

import asyncio

from service.limits import SharedRate


async def turns(rate: SharedRate, seconds: float) -> tuple[int, float]:
    """Take all turns that there are in so many seconds; give their number and how long it took."""
    loop, taken = asyncio.get_running_loop(), 0
    begun = loop.time()
    while loop.time() < begun + seconds:
        await rate.turn()
        taken += 1
    return taken, loop.time() - begun


async def test_a_share_has_its_part_of_the_rate() -> None:
    rate = SharedRate(400)
    rate.change(1 / 4)
    taken, seconds = await turns(rate, 1)
    assert taken <= 100 * seconds + 3
    assert taken > 30  # a quarter, not a sixteenth


async def test_to_change_the_share_again_and_again_allows_no_more() -> None:
    rate, most, all_taken = SharedRate(400), 0.0, 0
    for number in range(20):
        share = (1 + number % 2) / 4
        rate.change(share)
        taken, seconds = await turns(rate, 0.05)
        all_taken += taken
        most += share * 400 * seconds
    assert all_taken <= most + 10  # with what a fresh one allows at once it would be 60 or more


async def test_who_waits_for_a_former_share_has_no_turns_beside_the_others() -> None:
    rate, loop, taken = SharedRate(400), asyncio.get_running_loop(), list[float]()

    async def one() -> None:
        await rate.turn()
        taken.append(loop.time())

    begun = loop.time()
    waiting = [asyncio.ensure_future(one()) for _ in range(200)]
    await asyncio.sleep(0)
    rate.change(1 / 10)
    waiting += [asyncio.ensure_future(one()) for _ in range(20)]
    await asyncio.sleep(0.5)
    for task in waiting:
        task.cancel()
    at_once = 12  # in the slice in which the share was changed
    assert len(taken) <= at_once + 1 + 40 * (loop.time() - begun)
