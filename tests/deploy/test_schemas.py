"""Every manifest against the schemas of its kind, with unknown keys refused."""

import copy

import pytest
from kubernetes_validate import utils
from kubernetes_validate.utils import ValidationError, validate

from tests.deploy.manifests import ALL, RENDERINGS, of_kind, rendered
from tests.deploy.resources import CUSTOM, NotAsDocumented, round_trip

# All of a minor version's patches have the same schemas.
NEWEST = list(dict.fromkeys(map(utils.major_minor, utils.all_versions())))[-3:]


def test_the_versions_follow_each_other() -> None:
    minors = [int(version.partition(".")[2]) for version in NEWEST]
    assert minors == [minors[0], minors[0] + 1, minors[0] + 2]


@pytest.mark.parametrize("version", NEWEST)
@pytest.mark.parametrize("rendering", RENDERINGS)
def test_manifests_are_valid_in_the_three_newest_versions(rendering: str, version: str) -> None:
    own = [one for one in rendered(rendering) if one["kind"] not in CUSTOM]
    assert len(own) >= 5
    for manifest in own:
        assert validate(dict(manifest), version, strict=True) == version


@pytest.mark.parametrize("rendering", RENDERINGS)
def test_custom_resources_survive_their_schemas_unchanged(rendering: str) -> None:
    for manifest in rendered(rendering):
        if manifest["kind"] in CUSTOM:
            round_trip(manifest)


def test_every_custom_kind_is_used() -> None:
    assert {manifest["kind"] for manifest in rendered(ALL)} >= set(CUSTOM)


def test_an_unknown_key_is_refused() -> None:
    spoilt = copy.deepcopy(of_kind(rendered("production"), "Deployment")["profile-sync"])
    spoilt["spec"]["template"]["spec"]["terminationGracePeriod"] = 35
    for version in NEWEST:
        with pytest.raises(ValidationError, match="terminationGracePeriod"):
            validate(dict(spoilt), version, strict=True)


@pytest.mark.parametrize("kind", CUSTOM)
def test_an_unknown_key_of_a_custom_resource_is_refused(kind: str) -> None:
    one = next(one for one in rendered(ALL) if one["kind"] == kind)
    spoilt = copy.deepcopy(one)
    spoilt["spec"]["idleReplicas"] = 0
    with pytest.raises(NotAsDocumented):
        round_trip(spoilt)


@pytest.mark.parametrize("kind", CUSTOM)
def test_a_wrong_type_in_a_custom_resource_is_refused(kind: str) -> None:
    one = next(one for one in rendered(ALL) if one["kind"] == kind)
    spoilt = copy.deepcopy(one)
    spoilt["spec"][next(iter(spoilt["spec"]))] = 3.5
    with pytest.raises(NotAsDocumented):
        round_trip(spoilt)
