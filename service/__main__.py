"""The command profile-sync, and `python -m service`."""

import os
import sys


def main() -> None:
    """Run a command; `probe` and `run` load only what they need."""
    # ruff: noqa: PLC0415 - for that each is imported where it is called
    _open_closed_streams()
    if sys.argv[1:] == ["probe"]:
        from service.readiness import main as probe

        sys.exit(probe())
    if sys.argv[1:] == ["run"]:
        from service.commands.cli_run import run

        run()
        return
    from service.commands.cli import main as commands

    commands()


def _open_closed_streams() -> None:
    """Let a standard stream that was closed be an empty one, which no connection can take over.

    What is written to a closed standard output fails as it should, and not in silence.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            only = os.O_WRONLY if name == "stderr" else os.O_RDONLY
            if (opened := os.open(os.devnull, only)) != number:
                os.dup2(opened, number)
                os.close(opened)
            setattr(sys, name, open(number, mode))  # noqa: SIM115 - until the end


if __name__ == "__main__":
    main()
