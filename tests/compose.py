"""deploy/compose.yaml, read as data."""

from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped] # its stubs would be one more package to lock

FILE = Path(__file__).parents[1] / "deploy" / "compose.yaml"


def document() -> dict[str, Any]:
    """Give all of it."""
    read: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return read


def service(name: str) -> dict[str, Any]:
    """Give one service."""
    found: dict[str, Any] = document()["services"][name]
    return found


def inline(config: str) -> Any:
    """Give what a file that is written in it says."""
    return yaml.safe_load(document()["configs"][config]["content"])


def mounts(name: str) -> dict[str, Path]:
    """Give what a service sees of this repository, by the path that it sees it at."""
    volumes = [volume.split(":") for volume in service(name).get("volumes", [])]
    return {inside: (FILE.parent / outside).resolve() for outside, inside, _ in volumes}
