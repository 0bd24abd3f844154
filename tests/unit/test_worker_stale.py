"""An event that is played back, from its delivery to its end."""

from service.stale import FORCE, HEADER, UNLESS_STALE
from tests.unit.doubles import profiles
from tests.unit.samples import event, profile
from tests.unit.world import World

NEWER = profile(modified="2026-11-23 12:00:01")
OLD = event(occurred_at="2026-11-23T11:00:00Z", fields={"firstname": "Jan"})


async def test_is_rejected_counted_and_dead_lettered_if_it_is_stale() -> None:
    world = World()
    world.api.answers.append(profiles(NEWER))
    result = await world.end(OLD, headers={HEADER: UNLESS_STALE})
    assert (result["outcome"], result["reason"], result["attempts"]) == ("rejected", "stale", 0)
    assert world.sample("stale_replays_total") == 1
    (letter,) = world.published_to("dead-letters")
    assert letter.properties.headers["profile-sync-reason"] == "stale"
    assert world.puts == []


async def test_is_written_all_the_same_by_force() -> None:
    world = World()
    world.api.answers.append(profiles(NEWER))
    assert (await world.end(OLD, headers={HEADER: FORCE}))["outcome"] == "updated"
    assert world.methods == ["PUT"]
    assert world.sample("stale_replays_total") == 0
