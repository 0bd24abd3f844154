"""Options of the stand-in, and its start."""

import argparse
import gc
import json
import random
import signal
import socket
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.standin import choices, faults, seed
from tests.standin.calls import Api
from tests.standin.clock import Clock
from tests.standin.server import Server
from tests.standin.store import Store
from tests.standin.tokens import DAY, Tokens

_INSTANT = "2026-11-23T10:00:00Z"

_DESCRIPTION = """\
Plays Copernica's REST API on this machine: versions 1 to 4 on one port, databases of profiles
in memory, and faults on demand. Nothing is kept after it ends.

When it listens it prints one line of JSON: {"url": "http://127.0.0.1:8080", "put_result": "list"}
"""
_EPILOG = """\
try it:
  ./dev standin --port 8080 --deterministic        in a checkout, where all is set up by itself
  python -m tests.standin --port 8080              in the image, or with .venv active

  curl -X PUT -H 'Content-Type: application/json' \\
    -d '{"fields": {"customerid": "4567", "firstname": "John"}, "interests": {"football": 1}}' \\
    'http://127.0.0.1:8080/v2/database/1/profiles?fields%5B%5D=customerid%3D%3D4567&create=1&access_token=demo-token'

  curl 'http://127.0.0.1:8080/v2/database/1/profiles?access_token=demo-token'

calls:
  PUT GET POST DELETE   database/{id or name}/profiles
  GET                   database/{id or name}/fields, database/{id or name}/interests
  GET PUT POST DELETE   profile/{id}          GET PUT POST  profile/{id}/fields
  GET                   identity, consumption?begin=2026-11-01&end=2026-11-30
  POST                  /authenticate with the form access_token=..., for the JWT of version 4

for tests, without a token:
  GET                   /__standin            what there is
  GET DELETE            /__standin/journal    the requests so far; ?after=5 gives those from 6 on
  GET PUT POST DELETE   /__standin/faults     what is to go wrong; PUT replaces, POST adds
  GET                   /__standin/choices    what is chosen here and not known of the API
  PUT DELETE            /__standin/seed       other data; DELETE goes back to the start
  GET                   /openapi.json         all calls, as OpenAPI 3.1

for a service that calls version 4: API_URL=http://.../v4, AUTH_URL=http://.../authenticate

some faults:
  {"status": 503, "times": 3}                  the load balancer's page, three times
  {"status": 503, "until_reset": true}         ... until DELETE /__standin/faults
  {"status": 429, "headers": {"Retry-After": "5"}}
  {"status": 400, "message": "Invalid access token", "times": 2}
  {"reset": "after", "rate": 0.01, "call": "database/profiles", "method": "PUT"}
                                               1 PUT of 100 is done, but the connection reset
  {"refuse": 5, "nth": 10}                     the 10th call is reset, then nothing listens for 5 s
  {"latency": {"lognormal": {"median": 0.02, "p99": 0.5}}}

Without "times" a fault happens once; with rate, nth, every, key or for, and a latency alone, until
it is taken back. A status without "message" or "body" is an HTML page, as of a load balancer.

seed file (types of fields: text, email, phone, phone_fax, phone_gsm, big, select, integer, float,
date, empty_date, datetime, empty_datetime, foreign_key):
  {"databases": [{"id": 1234, "name": "Customers",
    "fields": [{"name": "customerid", "type": "text", "index": true},
               {"name": "country", "type": "select", "choices": ["nl", "be"], "default": "nl"}],
    "interests": ["football", "baseball"],
    "profiles": [{"fields": {"customerid": "4567"}, "interests": ["football"]}]}]}
"""


def main() -> None:
    """Serve until SIGTERM or SIGINT, then exit with 0."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    options = parser().parse_args()
    clock, chosen = Clock(options.deterministic), choices.chosen(options)
    dice = _dice(options)
    databases, rules = _databases(options.seed_file, clock), _rules(options.faults)
    tokens = Tokens(options.token, clock, dice(), options.jwt_seconds)
    api = Api(Store(clock, dice), tokens, chosen, clock)
    api.load(databases)
    try:
        listener = socket.create_server((options.host, options.port), backlog=2048)
    except OSError as error:
        reason = error.strerror or str(error)
        sys.exit(
            f"cannot listen on {options.host} port {options.port}: {reason.partition(' (')[0]}; "
            "try another --port, or 0 for a free one"
        )
    host, port = listener.getsockname()[:2]

    def tell() -> None:
        line = {"url": f"http://{host}:{port}", "put_result": chosen.put_result}
        print(json.dumps(line), flush=True)

    wrong = faults.Faults(rules, options.seed, options.latency)
    server = Server(api, clock, chosen, wrong, listener=listener, ready=tell, start_seed=databases)
    # What is here by now stays: collections that look at it again would show as slow answers.
    gc.collect()
    gc.freeze()
    server.serve_until_signal()


def _dice(options: argparse.Namespace) -> Callable[[], random.Random]:
    if options.deterministic is None:
        return random.SystemRandom
    return lambda: random.Random(options.seed)  # noqa: S311 - secrets that are to repeat


def _databases(path: Path | None, clock: Clock) -> seed.Seed:
    try:
        return seed.read(path, clock)
    except seed.SeedError as error:
        sys.exit(f"seed file {path}: {error}")


def _rules(path: Path | None) -> list[Any]:
    if path is None:
        return []
    try:
        return faults.parse(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, faults.FaultError) as error:
        sys.exit(f"faults file {path}: {error}")


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    made = argparse.ArgumentParser(
        prog="python -m tests.standin",
        usage="%(prog)s [options]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_start(made.add_argument_group("to start with").add_argument)
    _add_trouble(made.add_argument_group("trouble and chance").add_argument)
    choices.add_options(made.add_argument_group("what is not known of the API, or has changed"))
    return made


def _add_start(add: Callable[..., Any]) -> None:
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("--port", type=_port, default=0, help="port, 0 takes a free one (default: %(default)s)")
    add("--token", default="demo-token", help="the access token (default: %(default)s)")
    add(
        "--jwt-seconds",
        type=choices.positive,
        default=DAY,
        metavar="SECONDS",
        help="how long a token of version 4 is valid (default: %(default)s)",
    )
    add(
        "--seed-file",
        type=Path,
        metavar="FILE",
        help="JSON with databases and profiles (default: database 1, Customers, without profiles)",
    )


def _add_trouble(add: Callable[..., Any]) -> None:
    add(
        "--latency",
        type=_latency,
        default=0.0,
        metavar="SECONDS",
        help="time before each call is carried out; or a distribution, as in the last fault below "
        "(default: %(default)s)",
    )
    add(
        "--faults",
        type=Path,
        metavar="FILE",
        help="JSON with a fault or a list of them, in force from the start",
    )
    add(
        "--deterministic",
        type=_instant,
        nargs="?",
        const=_instant(_INSTANT),
        metavar="INSTANT",
        help=f"let the clock stand still, at {_INSTANT} unless another instant is given, and make "
        "the same secrets each time",
    )
    add(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="of the dice: faults with a rate, latencies, deterministic secrets "
        "(default: %(default)s)",
    )


def _port(written: str) -> int:
    if not written.isdecimal() or int(written) > 65535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return int(written)


def _latency(written: str) -> Any:
    try:
        return faults.parse_latency(json.loads(written))
    except faults.FaultError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    except ValueError as error:
        text = 'write seconds, like 0.02, or a distribution, like {"uniform": [0.02, 0.2]}'
        raise argparse.ArgumentTypeError(text) from error


def _instant(written: str) -> datetime:
    try:
        instant = datetime.fromisoformat(written)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"write an instant like {_INSTANT}") from error
    return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)


if __name__ == "__main__":
    main()
