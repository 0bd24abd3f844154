"""`python -m deploy.demo`: the whole way of an event, from its publisher to its result."""

import argparse
import hashlib
import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pika.exceptions import AMQPError

from deploy.demo import checks, observe
from deploy.demo.cases import DATABASE, Case, UnusableFolder, read
from deploy.demo.keep import show_results, tell_addresses
from deploy.demo.meters import PREFIX, moved
from deploy.demo.programs import PARTITIONS, Api, DemoFailed, Interrupted, Signals
from deploy.demo.screen import Screen
from deploy.demo.sender import DEAD_LETTERS, Arrival, DeadLetter
from deploy.demo.stage import Stage, set_up
from tests.programs import eventually
from tests.rabbitmq import ApiError, MissingRabbitMQ, StartFailed

ROOT = Path(__file__).parents[2]
EVENTS = Path(__file__).parent / "events"
COLUMNS = ("customerid", "firstname", "city", "age", "country", "news")

Profile = dict[str, Any]
Differences = dict[str, list[str]]

_DESCRIPTION = """\
Starts RabbitMQ, a stand-in for the API and the service, publishes the events of deploy/demo/events,
and shows what becomes of each. Exit code 0 if all ended as events/expected.toml says."""


def main() -> int:
    """Run the demo; 0 if every event ended as its folder says."""
    started = time.monotonic()
    options = _options()
    folder: Path = options.events.resolve()
    os.chdir(ROOT)
    kept = options.keep or options.observe
    signals, screen, stack = Signals(), Screen(), ExitStack()
    try:
        groups = read(folder)
        try:
            stage = _introduce(screen, signals, stack, options)
            differences = _story(screen, stage, groups, kept)
            if kept:
                _conclude(screen, groups, differences)
                tell_addresses(screen, stage, folder / f"{groups[0][0].name}.json")
                if stage.prometheus:
                    observe.tell(screen, stage.prometheus, stage.standin.url, stage.vhost.broker)
                show_results(stage, lambda arrival: _show(screen, arrival, "published elsewhere"))
        finally:
            with signals.held():
                stack.close()
    except Interrupted as interrupted:
        print("\nInterrupted. Everything that the demo started has ended.")
        return interrupted.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except AMQPError as error:
        print(f"\nThe demo failed. The connection to RabbitMQ is lost: {error!r}", file=sys.stderr)
        return 1
    except (UnusableFolder, DemoFailed, MissingRabbitMQ, StartFailed, ApiError, OSError) as error:
        print(f"\nThe demo failed. {error}", file=sys.stderr)
        return 1
    _conclude(screen, groups, differences, time.monotonic() - started)
    return 1 if differences else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./dev demo",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--keep", action="store_true", help="leave everything running until Ctrl-C")
    parser.add_argument(
        "--observe",
        action="store_true",
        help="like --keep, with a Prometheus that has the rules of deploy/prometheus",
    )
    parser.add_argument(
        "--put-result",
        choices=["list", "empty"],
        default="list",
        help="what the API answers to a PUT: list, the profiles, as its page says; empty, "
        "nothing, so that the service reads them back (default: %(default)s)",
    )
    parser.add_argument(
        "--api-version",
        choices=["2", "3", "4"],
        default="2",
        help="of the API: 4 takes a JWT instead of the token in the URL, and like 3 answers a PUT "
        "with 204 or 201 and without profiles (default: %(default)s)",
    )
    parser.add_argument(
        "--events",
        type=Path,
        default=EVENTS,
        metavar="FOLDER",
        help="other events, with an expected.toml (default: deploy/demo/events)",
    )
    return parser.parse_args()


def _introduce(
    screen: Screen, signals: Signals, stack: ExitStack, options: argparse.Namespace
) -> Stage:
    if options.observe:
        observe.need_prometheus()
    screen.title("profile-sync: events in, API calls out, the returned profiles back")
    screen.text("event → RabbitMQ → profile-sync → PUT .../profiles → RabbitMQ → result", "dim", 2)
    screen.text()
    api = Api(options.put_result, options.api_version)
    return set_up(screen, signals, stack, api, observed=options.observe)


def _story(screen: Screen, stage: Stage, groups: list[list[Case]], kept: bool) -> Differences:
    """Publish the events and show what becomes of them; return what differs, by event."""
    cases = [case for group in groups for case in group]
    before = stage.standin.profiles()
    differences: Differences = {}
    arrivals: list[Arrival] = []
    screen.title(f"{len(cases)} events, each beside its result")
    for group in groups:
        arrivals += _publish(screen, stage, group, differences)
    _wait_for_accepted(stage, cases, differences)
    _show_profiles(screen, before, stage.standin.profiles())
    _show_metrics(screen, stage.service.metrics())
    letters = stage.sender.dead_letters()
    _show_dead_letter(screen, cases, letters)
    _show_next(screen, kept)
    for name, difference in (
        *checks.dead_letter_differences(cases, letters).items(),
        *checks.repeated(arrivals).items(),
        *checks.queue_differences(stage.vhost, len(cases), int(PARTITIONS)).items(),
    ):
        differences.setdefault(name, []).append(difference)
    return differences


def _publish(
    screen: Screen, stage: Stage, group: list[Case], differences: Differences
) -> list[Arrival]:
    """Publish the events of one group without a pause, then show their results as they come."""
    by_name = {case.name: case for case in group}
    for case in group:
        stage.sender.publish(case)
    arrivals = []
    for arrival in stage.sender.results_of(set(by_name), stage.check, 30):
        arrivals.append(arrival)
        case_of = by_name.get(arrival.name)
        _show(screen, arrival, case_of.asks if case_of else "", case_of)
        found = checks.result_differences(case_of, arrival.result) if case_of else ["not expected"]
        if found:
            differences[arrival.name] = found
            why = f" ({case_of.why})" if case_of else ""
            screen.below(f"not as expected: {'; '.join(found)}{why}", "red bold")
    if len(group) > 1:
        if checks.in_order(group, stage.standin.journal()):
            screen.below("published together; the API got them in this order", "dim")
        else:
            differences[group[0].name] = ["the API did not get its group in order"]
    return arrivals


def _show(screen: Screen, arrival: Arrival, asks: str, case: Case | None = None) -> None:
    """Print an event beside its result: the profiles, or why there are none."""
    result = arrival.result
    profiles: list[Profile] = result["profiles"]
    numbers = ", ".join(profile["ID"] for profile in profiles)
    came = {0: result["reason"] or "", 1: f"profile {numbers}"}.get(
        len(profiles), f"profiles {numbers}"
    )
    if case and len(profiles) == 1:
        values = profiles[0]["fields"]
        came += "".join(f" {name}={values.get(name)}" for name in list(case.shows)[:1])
    name = arrival.name or result["event_id"]
    screen.row(name, asks, result["outcome"], came, arrival.seconds)
    if result["detail"]:
        screen.below(result["detail"])


def _wait_for_accepted(stage: Stage, cases: list[Case], differences: Differences) -> None:
    """Give the API time to carry out what it has accepted, and see that it did."""
    accepted = [case for case in cases if case.outcome == "accepted"]

    def missing() -> Differences:
        profiles = stage.standin.profiles()
        found = {case.name: checks.not_shown(case, profiles) for case in accepted}
        return {name: values for name, values in found.items() if values}

    if not eventually(lambda: not missing(), 5):
        differences |= missing()


def _show_profiles(screen: Screen, before: list[Profile], after: list[Profile]) -> None:
    """Print the database as the API has it now, with what has changed."""
    old = {profile["ID"]: _cells(profile) for profile in before}
    rows = []
    for profile in after:
        was = old.get(profile["ID"])
        cells = _cells(profile)
        rows.append([(cell, was is None or cell != was[n]) for n, cell in enumerate(cells)])
    how = "in green" if screen.colours else "with a star"
    screen.title(f"The profiles in database {DATABASE[0]} now; what changed is {how}")
    screen.table(("ID", *COLUMNS, "interests"), rows)


def _cells(profile: Profile) -> list[str]:
    fields = [str(profile["fields"][name]) for name in COLUMNS]
    return [profile["ID"], *fields, " ".join(profile["interests"])]


def _show_metrics(screen: Screen, page: str) -> None:
    screen.title(f"What /metrics says; each name begins with {PREFIX}")
    for name, text in moved(page):
        screen.wrapped(name, text)


def _show_dead_letter(screen: Screen, cases: list[Case], letters: list[DeadLetter]) -> None:
    """Print one dead letter, best one whose body no program could have written anew."""
    if not letters:
        return
    broken = [one for one in letters if one.headers.get("profile-sync-reason") == "invalid-json"]
    letter = [*broken, *letters][0]
    sent = next((case.body for case in cases if case.name == letter.name), b"")
    screen.title(f"One of {len(letters)} dead letters in the queue {DEAD_LETTERS}: {letter.name}")
    for name in ("profile-sync-reason", "profile-sync-detail"):
        screen.wrapped(name, str(letter.headers.get(name)), 21)
    for name, body in (("body as published", sent), ("body of dead letter", letter.body)):
        digest = hashlib.sha256(body).hexdigest()[:12]
        start = repr(body)[2 : screen.width - 60]
        screen.pair(name, f"{len(body)} bytes, SHA-256 {digest}:  {start}...", 21)
    screen.pair("", "identical, byte for byte" if sent == letter.body else "not identical", 21)


def _show_next(screen: Screen, kept: bool) -> None:
    screen.title("Where to look next")
    screen.pair("deploy/demo/events/", "the events; expected.toml says why each ends so", 30)
    if not kept:
        screen.pair("./dev demo --keep", "the same, left running: send your own events", 30)
        screen.pair("./dev demo --observe", "... and with Prometheus: graphs and alerts", 30)
    screen.pair("./dev demo --put-result empty", "an API that answers a PUT without profiles", 30)
    screen.pair("./dev demo --api-version 4", "the API's newest version, with its JWT", 30)
    screen.pair("README.md", "events, results, dead letters, settings, limits", 30)


def _conclude(
    screen: Screen, groups: list[list[Case]], differences: Differences, seconds: float | None = None
) -> None:
    """Print the last words; `seconds` is how long all of it took, once it has ended."""
    print()
    for name, found in sorted(differences.items()):
        print(screen.style(f"{name}: {'; '.join(found)}", "red"))
    if differences:
        words = screen.style(f"Not as expected: {', '.join(sorted(differences))}.", "red bold")
    else:
        count = sum(len(group) for group in groups)
        words = screen.style(f"All {count} events ended as expected.", "green bold")
    print(words if seconds is None else f"{words} {seconds:.1f} s, and nothing is left running.")


if __name__ == "__main__":
    sys.exit(main())
