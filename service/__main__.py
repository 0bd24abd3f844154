"""The command profile-sync, and `python -m service`."""

import sys


def main() -> None:
    """Run a command; `probe`, which runs every few seconds, loads nothing that the others need."""
    if sys.argv[1:] == ["probe"]:
        from service.readiness import main as probe  # noqa: PLC0415 - only what is needed

        sys.exit(probe())
    from service.cli import main as commands  # noqa: PLC0415 - only what is needed

    commands()


if __name__ == "__main__":
    main()
