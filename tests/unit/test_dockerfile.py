"""The Dockerfile, where it repeats what pyproject.toml says."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_both_images_are_labelled_with_the_version_of_the_project() -> None:
    labels = re.findall(r'image\.version="(.*?)"', DOCKERFILE)
    assert labels == [PROJECT["project"]["version"]] * 2


def test_the_lock_of_the_build_holds_what_the_build_requires() -> None:
    required = PROJECT["build-system"]["requires"]
    assert PROJECT["dependency-groups"]["build"] == sorted(required)
    lock = (ROOT / "requirements-build.lock").read_text()
    assert [one for one in required if f"{one} \\\n" not in lock] == []
