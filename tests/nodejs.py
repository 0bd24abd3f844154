"""What others wrote in JavaScript, installed into a cache folder, and asked by small scripts."""

import json
import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

_SCRIPTS = Path(__file__).parent / "javascript"
# ajv and its formats come with it.
_PARSER = "@asyncapi/parser@3.6.6"
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "profile-sync"


def missing() -> str | None:
    """Say what is not there, if something is not."""
    absent = [name for name in ("node", "npm") if shutil.which(name) is None]
    return f"needs {' and '.join(absent)}" if absent else None


def run(script: str, given: str) -> Any:
    """Run a script of tests/javascript with a text on standard input; return the JSON it writes."""
    done = subprocess.run(
        ["node", _SCRIPTS / script, _installed()],
        input=given.encode(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def _installed() -> Path:
    folder = _CACHE / _PARSER.strip("@").replace("/", "-").replace("@", "-")
    if folder.is_dir():
        return folder
    _CACHE.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=f"{folder.name}.new.", dir=_CACHE))
    try:
        options = ["--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(
            ["npm", "install", "--prefix", new, *options, _PARSER],
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        # Whole or not there at all; another run may have been quicker.
        with suppress(OSError):
            new.rename(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return folder
