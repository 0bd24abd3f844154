"""How many series there are, whatever comes: labels are enumerations, and nobody's input."""

from itertools import count
from typing import get_args

import httpx
import pytest
from structlog.testing import capture_logs

from service.metrics import Metrics
from service.outcomes import Cause, Outcome
from service.profiles import Call, CallName
from service.transport import EXPLAINED
from tests.readme import README
from tests.unit.doubles import ScriptedCopernica, http_response
from tests.unit.samples import event
from tests.unit.test_transport import OF_HTTPX
from tests.unit.world import World

LIMIT = 800
MANY = 10_000
ERRORS = sorted({*OF_HTTPX, *EXPLAINED}, key=lambda kind: kind.__name__)
EACH = 4 * len(ERRORS)  # calls of one name: they meet every error, and every class of a status
CALLS: tuple[CallName, ...] = get_args(CallName)


def series(metrics: Metrics) -> int:
    return sum(len(family.samples) for family in metrics.registry.collect())


@pytest.mark.slow
async def test_databases_reasons_and_errors_make_no_series() -> None:
    world = World()
    numbers = count()

    def answer(_request: httpx.Request) -> httpx.Response:
        number = next(numbers)
        if number % 2:
            raise ERRORS[number // 2 % len(ERRORS)](f"error {number}")
        status = 200 + number * 37 % 800
        return http_response(status, b'{"error":{"message":"error %d"}}' % number)

    client = ScriptedCopernica(world.settings, world.metrics, answer)

    async def go_on(*counted: int) -> None:
        for number in range(*counted):
            world.deliver(event(database=number + 1, **{f"unknown-{number}": number}))
            name = CALLS[number // EACH % len(CALLS)]
            await client.send(Call(name, "PUT", f"/database/{number}/profiles"))

    with capture_logs():
        await go_on(EACH * len(CALLS))
        before = series(world.metrics)
        await go_on(EACH * len(CALLS), MANY)
    assert len(world.published_to("dead-letters")) == MANY
    assert series(world.metrics) == before

    for outcome in get_args(Outcome):
        world.metrics.event_seconds(outcome)
    for cause in get_args(Cause):
        world.metrics.retries(cause)
    assert before < series(world.metrics) < LIMIT


@pytest.mark.parametrize("text", [README.read_text(), Metrics.__doc__])
def test_the_limit_is_stated(text: str) -> None:
    assert f"fewer than {LIMIT} series" in text
