"""The documents of deploy/contract: `python -m tests.documents` writes them anew."""

import json
import os
from importlib.metadata import version
from pathlib import Path
from typing import get_args

from service.commands.asyncapi import asyncapi
from service.commands.contract import document
from service.environment import PREFIX
from service.messages import Kind
from service.settings import Settings

FOLDER = Path(__file__).parent.parent / "deploy" / "contract"


def documents() -> dict[str, str]:
    """Make what each file holds, with the settings as they are by default."""
    made = {f"{kind}.schema.json": document(kind) for kind in get_args(Kind)}
    settings = Settings.load(access_token="unused")
    made["asyncapi.json"] = asyncapi(settings, version("profile-sync"))
    return {name: json.dumps(content, indent=2) + "\n" for name, content in made.items()}


if __name__ == "__main__":
    for variable in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[variable]
    FOLDER.mkdir(exist_ok=True)
    for name, text in documents().items():
        (FOLDER / name).write_text(text)
