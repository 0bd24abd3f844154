"""What is wrong with the environment and with SECRETS_DIR, in words that name the variable."""

import difflib
import os
import re
from collections.abc import Collection, Mapping
from typing import Any

PREFIX = "PROFILE_SYNC_"
DEFAULT_SECRETS_DIR = "/run/secrets/profile-sync"

_TESTS = f"{PREFIX}TEST_"
# What Kubernetes sets for each Service in the namespace, such as one of our name.
_SERVICE_LINK = re.compile(r"(.+?_)(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT(_\d+_[A-Z]+(_.+)?)?)")
_WORDS = {
    "bool_parsing": "must be true or false",
    "float_parsing": "must be a number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
}


def unknown_variables(environment: Mapping[str, str], settings: Collection[str]) -> list[str]:
    """List variables that look like ours but set nothing, each with the nearest name."""
    known = [PREFIX + name.upper() for name in settings]
    faults = []
    for name in sorted(environment):
        if not name.startswith(PREFIX) or name in known or name.startswith(_TESTS):
            continue
        link = _SERVICE_LINK.fullmatch(name)
        if link and f"{link[1]}SERVICE_HOST" in environment:
            continue
        own = name.removeprefix(PREFIX)
        near = difflib.get_close_matches(own, [one.removeprefix(PREFIX) for one in known], 1)
        hint = f"; did you mean {PREFIX}{near[0]}?" if near else ""
        faults.append(f"{name}: there is no such setting{hint}")
    return faults


def useless_secrets(environment: Mapping[str, str], settings: Collection[str]) -> list[str]:
    """List what is wrong with SECRETS_DIR: no such folder, or files that nearly set something."""
    given = environment.get(f"{PREFIX}SECRETS_DIR")
    folder = given or DEFAULT_SECRETS_DIR
    if not os.path.isdir(folder):
        return [f"{PREFIX}SECRETS_DIR: there is no such folder"] if given else []
    faults = []
    for name in sorted(set(os.listdir(folder)) - set(settings)):
        near = difflib.get_close_matches(name, settings, 1, cutoff=0.8)
        if near:
            faults.append(f"{PREFIX}SECRETS_DIR: no file {name} is read; did you mean {near[0]}?")
    return faults


def fault_in_words(fault: Mapping[str, Any]) -> str:
    """Name the variable that pydantic finds a fault with, and say what it must be."""
    name = PREFIX + str(fault["loc"][0]).upper()
    if fault["type"] in _WORDS:
        return f"{name}: {_WORDS[fault['type']]}"
    if fault["type"] == "missing":
        return f"{name}: is required; set it, or put it in the file {fault['loc'][0]!s} of " + (
            f"{PREFIX}SECRETS_DIR"
        )
    if fault["type"] == "literal_error":
        return f"{name}: must be {fault['ctx']['expected']}"
    message = str(fault["msg"]).removeprefix("Value error, ")
    return f"{name}: {message[0].lower()}{message[1:]}"
