import asyncio
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from service.outcomes import Retry
from service.pauses import Pause, Pauses
from service.probe import Probe
from tests.unit.doubles import FakeCopernica, error, response
from tests.unit.samples import settings

DOWN = response(503)
UP = response(200, b'{"id": "1"}')


class Asked:
    """A probe of an API of lists, in a pause that has begun."""

    def __init__(self, pause: Pause, *answers: Any) -> None:
        self.api = FakeCopernica([])
        self.api.seconds = 0
        self.api.reply("get-identity", *answers)
        self.pauses = Pauses(32)
        self.pauses.begin(pause)
        self.probe = Probe(settings(), self.api, self.pauses)
        self.probe.begin()

    async def gaps(self) -> list[float]:
        """Seconds before each question, once the API has answered."""
        await self.probe.answered()
        times = [0, *self.api.probes]
        return [later - earlier for earlier, later in pairwise(times)]


async def test_asks_until_the_api_answers() -> None:
    asked = Asked("outage", *[DOWN] * 10, UP)
    gaps = await asked.gaps()
    assert len(gaps) == 11
    assert asked.pauses.of_the_api == []


async def test_asks_often_in_an_outage() -> None:
    gaps = await Asked("outage", *[DOWN] * 30, UP).gaps()
    assert 0.25 <= gaps[0] <= 0.5
    assert all(2 <= gap <= 4 for gap in gaps[6:])


@pytest.mark.parametrize("pause", ["token", "configuration"])
async def test_asks_seldom_when_somebody_must_mend_something(pause: Pause) -> None:
    gaps = await Asked(pause, *[error("Invalid access token")] * 15, UP).gaps()
    assert all(30 <= gap <= 60 for gap in gaps[10:])


async def test_asks_nothing_about_refusals() -> None:
    asked = Asked("refusals", UP)
    await asked.gaps()
    assert asked.api.probes == []
    assert asked.pauses.of_the_api == []


async def test_takes_a_refusal_for_an_answer() -> None:
    asked = Asked("outage", error("Not allowed"))
    assert len(await asked.gaps()) == 1


async def test_notices_another_cause() -> None:
    asked = Asked("outage", error("Invalid access token"), UP)
    await asyncio.sleep(0.6)
    assert asked.pauses.of_the_api == ["outage", "token"]
    await asked.gaps()
    assert asked.pauses.of_the_api == []


async def test_asks_no_sooner_than_told() -> None:
    asked = Asked("outage", response(503, retry_after="100"), UP)
    assert (await asked.gaps())[1] >= 100


async def test_one_question_at_a_time() -> None:
    asked = Asked("outage", DOWN, UP)
    for _ in range(3):
        asked.probe.begin()
    assert len(await asked.gaps()) == 2


async def test_goes_on_as_seldom_as_before_until_an_update_succeeds() -> None:
    asked = Asked("outage", *[DOWN] * 8, UP)
    await asked.gaps()
    asked.pauses.failed(Retry("outage", "503"), 0)
    asked.probe.begin()
    assert (await asked.gaps())[-1] >= 2
    asked.pauses.succeeded(0)
    asked.pauses.begin("outage")
    asked.probe.begin()
    assert (await asked.gaps())[-1] <= 0.5


class TokenFile(FakeCopernica):
    """Has another token in its file from the `after`th look on."""

    after = 3

    def reread_token(self) -> bool:
        self.after -= 1
        return self.after == 0


async def test_asks_at_once_with_another_token() -> None:
    api, pauses = TokenFile([]), Pauses(32)
    api.seconds = 0
    api.reply("get-identity", UP)
    pauses.begin("token")
    probe = Probe(settings(retry_base=1000, retry_max=1000), api, pauses)
    probe.begin()
    await probe.answered()
    assert api.probes == [3]


async def test_ends_when_it_is_closed() -> None:
    asked = Asked("outage", DOWN)
    await asyncio.sleep(10)
    asked.probe.close()
    with pytest.raises(asyncio.CancelledError):
        await asked.probe.answered()


def test_needs_no_file_of_a_token(tmp_path: Path) -> None:
    assert settings(secrets_dir=str(tmp_path)).access_token_file is None
