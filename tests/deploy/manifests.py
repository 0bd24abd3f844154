"""The manifests as Kubernetes gets them: rendered by kubectl, read as data."""

import os
import subprocess
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml  # type: ignore[import-untyped] # its stubs would be one more package to lock

from tests import kubectl

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "deploy" / "kubernetes"
OVERLAYS = sorted(path.parent.name for path in FOLDER.glob("overlays/*/kustomization.yaml"))
COMPONENTS = sorted(path.parent.name for path in FOLDER.glob("components/*/kustomization.yaml"))
ALL = "all components"
PARTITIONED = "all components, with partitions"
# What can be used together: there is one thing only that sets the number of replicas.
_TOGETHER = {
    ALL: [name for name in COMPONENTS if "partitions" not in name],
    PARTITIONED: [name for name in COMPONENTS if name != "scale-to-zero"],
}
# Each overlay, the base with each component, and the base with all that go together.
RENDERINGS = [*OVERLAYS, *COMPONENTS, *_TOGETHER]

Manifest = Mapping[str, Any]


def rendered(name: str) -> list[Manifest]:
    """Render what goes by a name of RENDERINGS."""
    if name in OVERLAYS:
        return overlay(name)
    return with_components(*_TOGETHER.get(name, [name]))


@cache
def overlay(name: str) -> list[Manifest]:
    """Render an overlay."""
    return _render(FOLDER / "overlays" / name)


@cache
def with_components(*names: str) -> list[Manifest]:
    """Render the base with some components, in their order."""
    with TemporaryDirectory() as folder:
        # kustomize wants relative paths, and follows links before it does.
        here = os.path.relpath(FOLDER, os.path.realpath(folder))
        kustomization = {
            "resources": [f"{here}/base"],
            "components": [f"{here}/components/{name}" for name in names],
        }
        (Path(folder) / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        return _render(Path(folder))


def of_kind(manifests: Iterable[Manifest], kind: str) -> dict[str, Manifest]:
    """Give the manifests of a kind by name."""
    return {one["metadata"]["name"]: one for one in manifests if one["kind"] == kind}


def settings(manifests: Iterable[Manifest]) -> dict[str, str]:
    """Give the settings that the service's container gets, by variable."""
    data: dict[str, str] = configuration(manifests)["data"]
    return data


def configuration(manifests: Iterable[Manifest]) -> Manifest:
    """Give the ConfigMap of the service's settings, whose name ends with a hash."""
    found = of_kind(manifests, "ConfigMap").items()
    (only,) = (one for name, one in found if name.startswith("profile-sync-"))
    return only


def deployment(manifests: Iterable[Manifest]) -> Manifest:
    """Give the specification of the service's Deployment."""
    spec: Manifest = of_kind(manifests, "Deployment")["profile-sync"]["spec"]
    return spec


def pod(manifests: Iterable[Manifest]) -> Manifest:
    """Give the specification of the service's pods."""
    spec: Manifest = deployment(manifests)["template"]["spec"]
    return spec


def _render(folder: Path) -> list[Manifest]:
    done = subprocess.run(
        [kubectl.find(), "kustomize", folder], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    # A warning tells of something that the next version refuses.
    assert not done.stderr, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]
