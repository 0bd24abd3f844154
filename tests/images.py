"""Images built and run without a daemon: by buildah and podman, in a storage of their own.

What the Dockerfile begins with comes from Debian's packages: no registry of images is asked.
Standard library only.
"""

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[1]
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "profile-sync"
_PROGRAMS = ("buildah", "podman", "runc", "mmdebstrap")

# Python where the public image has it, a pip that can be removed, and no bytecode.
_LIKE_THE_PUBLIC_IMAGE = """
ln -s /usr/bin/python3 /usr/local/bin/python
rm /usr/lib/python3*/EXTERNALLY-MANAGED
wheel=$(echo /usr/share/python-wheels/pip-*.whl)
python "$wheel/pip" install --quiet --no-index --root-user-action ignore "$wheel"
rm -r /usr/share/python-wheels
find /usr/lib/python3* -name __pycache__ -exec rm -r {} +
"""
_BASE = (
    "--quiet",
    "--mode=root",
    "--variant=minbase",
    "--include=ca-certificates,python3,python3-pip-whl,python3-venv",
    f'--customize-hook=chroot "$1" sh -ec {shlex.quote(_LIKE_THE_PUBLIC_IMAGE)}',
    "trixie",
)

# Nothing is shared with an engine of this machine, and no limit is above what root may set here.
_CONFIGURATION = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
lock_type = "file"
runtime = "runc"
tmp_dir = "{folder}/engine"
"""

# As a pod in Kubernetes under the restricted policy, and stricter: no folder for temporary files.
_RESTRICTED = (
    "--read-only",
    "--read-only-tmpfs=false",
    "--cap-drop=all",
    "--security-opt=no-new-privileges",
    "--network=host",
)

# It goes on when its parent has ended, however that was: then its end of the pipe is closed.
_CLEAN_UP = """
cat >/dev/null
podman "$@" rm --force --all --time 0
grep -o " $folder/[^ ]*" /proc/self/mounts | sort -r | xargs -r umount --lazy
rm -rf --one-file-system -- "$folder"
"""


class MissingEngine(Exception):
    """Images can be neither built nor run here; the message says why."""


class EngineError(Exception):
    """A program failed, or took too long; the message ends with the last it said."""


class Engine:
    """Builds and runs images in a temporary folder; after so many seconds it does no more."""

    def __init__(self, seconds: float) -> None:
        """Raise MissingEngine where this machine cannot do it."""
        _look_around()
        self._deadline = time.monotonic() + seconds
        self._folder = folder = Path(tempfile.mkdtemp(prefix="profile-sync-images-"))
        configuration = folder / "containers.conf"
        configuration.write_text(_CONFIGURATION.format(folder=folder))
        self._environment = {**os.environ, "CONTAINERS_CONF": str(configuration)}
        self._storage = [
            f"--root={folder / 'storage'}",
            f"--runroot={folder / 'run'}",
            "--storage-driver=overlay",
        ]
        self._watchdog = subprocess.Popen(
            ["/bin/sh", "-c", _CLEAN_UP, "images-watchdog", *self._storage],
            env={**self._environment, "folder": str(folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )

    def __enter__(self) -> Self:
        try:
            self._lay_base()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all containers, and remove the folder."""
        self._watchdog.communicate(timeout=120)

    def build(self, target: str, tag: str = "", **arguments: str) -> str:
        """Build a target of the Dockerfile with some build arguments; return the image's name."""
        given = [f"--build-arg={name}={value}" for name, value in arguments.items()]
        return self._build("Dockerfile", f"--target={target}", *given, name=tag or target)

    def context(self) -> set[str]:
        """Return the paths of the files that a build is given."""
        file = self._folder / "Dockerfile"
        file.write_text("FROM scratch\nCOPY . /\n")
        image = self._build(str(file), name="context")
        folder = Path(self._podman("image", "mount", image).strip())
        return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}

    def configuration(self, image: str) -> dict[str, Any]:
        """Return what an image says of itself, as the engine tells it."""
        told: dict[str, Any] = json.loads(self._podman("image", "inspect", image))[0]
        return {**told["Config"], "Healthcheck": told.get("Healthcheck")}

    def size(self, image: str) -> int:
        """Return the size of an image, unpacked, in bytes."""
        size: int = json.loads(self._podman("image", "inspect", image))[0]["Size"]
        return size

    def ask(self, image: str, script: str) -> Any:
        """Run a Python script in an image as its user; return the JSON that it prints."""
        options = [*_RESTRICTED, "--rm", "--no-healthcheck", "--entrypoint=python"]
        return json.loads(self._podman("run", *options, image, "-c", script))

    def start(
        self, image: str, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> "Container":
        """Start an image, with all restrictions, in the network of this machine."""
        variables = [f"--env={name}={value}" for name, value in (environment or {}).items()]
        limit = f"--timeout={self._left()}"
        # Nothing but a test asks for its health: the engine's own clock would be systemd.
        options = [*_RESTRICTED, *variables, limit, "--detach", "--health-interval=disable"]
        return Container(self, self._podman("run", *options, image, *arguments).strip())

    def control(self, *arguments: str) -> str:
        """Run podman; return what it prints. Raises EngineError."""
        return self._podman(*arguments)

    def _lay_base(self) -> None:
        """Import what the Dockerfile begins with, under its public name, and try it."""
        image = f"docker.io/library/{base_name()}"
        try:
            self._podman("import", "--quiet", str(self._base()), image)
            self._podman("run", *_RESTRICTED, "--rm", image, "true")
        except EngineError as error:
            raise MissingEngine(f"this machine runs no containers: {error}") from None

    def _base(self) -> Path:
        """Return the base as an archive in the cache, made if it is not there."""
        recipe = hashlib.sha256(repr(_BASE).encode()).hexdigest()[:12]
        base = _CACHE / f"python-base-{recipe}.tar"
        if not base.exists():
            _CACHE.mkdir(parents=True, exist_ok=True)
            # Whole or not there at all; another run may have been quicker.
            new = self._folder / "base.tar"
            self._run("mmdebstrap", *_BASE, str(new), *_debian_mirror())
            part = base.with_name(f"{base.name}.{os.getpid()}")
            shutil.move(new, part)
            part.replace(base)
        return base

    def _build(self, file: str, *options: str, name: str) -> str:
        image = f"localhost/profile-sync:{name}"
        # A build machine may reach the package index by way of a CA of its own.
        certificates = Path("/etc/ssl/certs")
        trusted = [f"--volume={certificates}:{certificates}:ro"] if certificates.is_dir() else []
        kind = ["--isolation=chroot", "--format=docker", "--pull-never"]
        chosen = [*kind, *trusted, *options, f"--file={file}", f"--tag={image}"]
        self._run("buildah", *self._storage, "bud", *chosen, str(ROOT))
        return image

    def _podman(self, *arguments: str) -> str:
        return self._run("podman", *self._storage, *arguments)

    def _run(self, *command: str) -> str:
        done = subprocess.run(
            ["timeout", "--kill-after=5", str(self._left()), *command],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            fate = "took too long" if done.returncode == 124 else f"failed ({done.returncode})"
            said = (done.stderr + done.stdout)[-4000:]
            raise EngineError(f"{command[0]} {fate}:\n{said}")
        return done.stdout

    def _left(self) -> int:
        """Return the seconds that are left, one at least."""
        return max(1, int(self._deadline - time.monotonic()))


@dataclass(frozen=True, slots=True)
class Container:
    """A container that was started, and may have ended."""

    engine: Engine
    name: str

    def output(self) -> str:
        """Return what it has written to standard output so far."""
        return self.engine.control("logs", self.name)

    def is_healthy(self) -> bool:
        """Tell whether the image's own health check, run once, is content."""
        with suppress(EngineError):
            self.engine.control("healthcheck", "run", self.name)
            return True
        return False

    def stop(self, seconds: int) -> int:
        """Send SIGTERM, and SIGKILL after so many seconds; return the exit code, 137 after that."""
        self.engine.control("stop", f"--time={seconds}", self.name)
        return int(self.engine.control("inspect", "--format={{.State.ExitCode}}", self.name))


def base_name() -> str:
    """Return the name of the image that the Dockerfile begins with."""
    named = re.search(r"^ARG PYTHON_IMAGE=(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert named is not None
    return named[1]


def _look_around() -> None:
    if absent := [program for program in _PROGRAMS if shutil.which(program) is None]:
        raise MissingEngine(
            f"missing to build and run images: {', '.join(absent)};"
            " `./dev image-test` installs them, as root on a system with apt"
        )
    if os.getuid() != 0:
        raise MissingEngine("images are built and run by root here: `sudo ./dev image-test`")


def _debian_mirror() -> list[str]:
    """Return where apt takes Debian from, if this system is one; mmdebstrap knows another."""
    told = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Origin: Debian", "Label: Debian"],
        capture_output=True,
        text=True,
        check=False,
    )
    return [line for line in told.stdout.splitlines() if line.startswith("http")][:1]
