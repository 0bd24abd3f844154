"""Fuzzes one target within libFuzzer's limits: `python -m tests.fuzz.one TARGET -runs=1000`."""

import sys

import atheris

with atheris.instrument_imports(include=["service"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Hand all but the target's name to libFuzzer."""
    name, *options = sys.argv[1:]
    # libFuzzer starts itself anew by its name, in a shell.
    atheris.Setup([f"{sys.executable} -m tests.fuzz.one {name}", *options], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
