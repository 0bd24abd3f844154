"""The command profile-sync, and `python -m service`."""

import sys


def main() -> None:
    """Run a command; `probe` and `run` load only what they need."""
    # ruff: noqa: PLC0415 - for that each is imported where it is called
    if sys.argv[1:] == ["probe"]:
        from service.readiness import main as probe

        sys.exit(probe())
    if sys.argv[1:] == ["run"]:
        from service.commands.cli_run import run

        run()
        return
    from service.commands.cli import main as commands

    commands()


if __name__ == "__main__":
    main()
