"""The bill of materials of a release."""

import json
import re
import subprocess
import tomllib

import pytest

from tests.deploy.manifests import ROOT

pytestmark = pytest.mark.slow


def locked() -> dict[str, str]:
    """What the image installs, by its name in small letters."""
    lock = (ROOT / "requirements.lock").read_text()
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lock, re.MULTILINE))


def test_the_bill_names_what_is_locked_with_licences_and_reasons() -> None:
    made = subprocess.run(["./dev", "sbom"], cwd=ROOT, capture_output=True, text=True, check=True)
    bill = json.loads(made.stdout)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    root = bill["metadata"]["component"]
    assert (root["name"], root["version"]) == (project["name"], project["version"])
    parts = {
        re.sub(r"[-_.]+", "-", part["name"]).lower(): part["version"] for part in bill["components"]
    }
    # Those for other systems are not installed here.
    assert parts.items() <= locked().items()
    assert locked().keys() - parts.keys() <= {"colorama"}
    assert all(part["licenses"] for part in bill["components"])
    needs = {one["ref"]: one.get("dependsOn", []) for one in bill["dependencies"]}
    assert f"pika=={parts['pika']}" in needs[root["bom-ref"]]
