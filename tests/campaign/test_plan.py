"""Plans are drawn from their seed alone, and shuffle all kinds before any comes again."""

from collections import Counter
from itertools import islice, pairwise

import pytest

from tests.campaign.events import HOT, KEYS, events
from tests.campaign.evidence import MANY
from tests.campaign.faults import FAULTS
from tests.campaign.plan import (
    CLUSTER,
    DURATIONS,
    HARMLESS,
    PARTITIONS,
    PROCESS,
    SETTLING,
    kinds,
    plan,
)


def test_the_same_seed_gives_the_same_plan_and_the_same_events() -> None:
    assert plan(7, 120, kinds(1)) == plan(7, 120, kinds(1))
    assert plan(7, 120, kinds(1)) != plan(8, 120, kinds(1))
    assert list(islice(events(7), 500)) == list(islice(events(7), 500))


def test_there_are_more_than_25_kinds_and_all_can_be_made() -> None:
    assert len(kinds(1)) > 25
    assert {*kinds(3)} - {*kinds(1)} == {*CLUSTER}
    assert {*kinds(1, 8)} - {*kinds(1)} == {*PARTITIONS}
    assert {*DURATIONS} == {*FAULTS}


@pytest.mark.parametrize("seed", range(20))
def test_no_kind_comes_twice_before_each_has_come_once(seed: int) -> None:
    drawn = [each.kind for each in plan(seed, 600, kinds(1))]
    rounds = [drawn[begin : begin + len(kinds(1))] for begin in range(0, len(drawn), len(kinds(1)))]
    assert len(rounds) > 2
    assert all(len({*each}) == len(each) for each in rounds)


def test_faults_follow_each_other_and_a_fifth_overlaps() -> None:
    drawn = plan(1, 12_000, kinds(1))
    assert all(each.at >= SETTLING and each.at + each.seconds <= 12_000 for each in drawn)
    pairs = list(pairwise(drawn))
    overlapping = sum(after.at <= before.at + before.seconds for before, after in pairs)
    assert 0.18 < overlapping / len(pairs) < 0.22


def test_faults_come_as_seldom_as_is_wished() -> None:
    often, seldom = (len(plan(1, 3600, kinds(1), gap)) for gap in ((0.5, 1.5), (20, 30)))
    assert often > 5 * seldom
    assert seldom > 100


def test_where_replicas_share_partitions_their_number_changes_often() -> None:
    drawn = Counter(each.kind for each in plan(1, 1200, kinds(1, 8)))
    assert drawn["replicas-changed"] > 5 * drawn["service-killed"] > 0


def test_no_harmless_fault_ends_a_process() -> None:
    assert len(HARMLESS) > 25
    assert not {*HARMLESS} & {*PROCESS, *PARTITIONS, *CLUSTER, "memory-alarm-and-kill"}


def test_a_plan_without_kinds_is_empty() -> None:
    assert plan(1, 60, []) == []


def test_events_are_drawn_as_they_should_be() -> None:
    drawn = list(islice(events(3), 20_000))
    keys = Counter(each.key for each in drawn)
    assert 0.18 < keys[HOT] / len(drawn) < 0.22
    assert keys[KEYS[0]] > 5 * keys[KEYS[20]]
    assert 0.005 < keys[MANY] / len(drawn) < 0.015
    assert 0.015 < sum(each.reason is not None for each in drawn) / len(drawn) < 0.025
    assert 0.04 < sum(each.create and each.number == 1 for each in drawn) / len(drawn) < 0.06
    for key in keys:
        numbers = [each.number for each in drawn if each.key == key]
        assert numbers == list(range(1, len(numbers) + 1))
    assert len({each.uid for each in drawn}) == len(drawn)


def test_events_have_the_routing_key_that_readme_tells() -> None:
    told = {each.key: each.routing_key for each in islice(events(3), 200)}
    # printf '1234\ncustomerid==hot' | sha256sum, and likewise
    assert told[HOT] == "1adf578c8b028f4629f1e5a4d2105c761af3066ff3c641490d6692aa1714eea9"
    assert told[MANY] == "746a65a7620a0c98d9fc8f16b0e7547eb7b156350b76fcdd774c6e20d4092271"
