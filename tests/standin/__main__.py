"""Options of the stand-in, and its start."""

import argparse
import errno
import gc
import json
import random
import signal
import socket
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.standin import choices, documents, faults, options, seed
from tests.standin.calls import Api
from tests.standin.clock import Clock
from tests.standin.rule import HOW_OFTEN
from tests.standin.server import Server
from tests.standin.store import Store
from tests.standin.tokens import DAY, Tokens
from tests.standin.values import TYPES

_INSTANT = "2026-11-23T10:00:00Z"

_DESCRIPTION = """\
Plays Copernica's REST API on this machine: versions 1 to 4 on one port, databases of profiles
in memory, and faults on demand. Nothing is kept after it ends. Without ./dev, as in an image, it is
python -m tests.standin.

When it listens it prints one line of JSON:
{"url": "http://127.0.0.1:8080", "auth_url": "http://127.0.0.1:8080/authenticate",
 "put_result": "list"}

API_URL of profile-sync is the url with a version behind it, such as http://127.0.0.1:8080/v2; with
/v4 its AUTH_URL is the auth_url. A token that is missing or wrong is told before all else, also
where the path is wrong.
"""
_EXAMPLES = """\
try it:
  ./dev standin --port 8080 --deterministic

  curl -X PUT -H 'Content-Type: application/json' \\
    -d '{"fields": {"customerid": "4567", "firstname": "John"}, "interests": {"football": 1}}' \\
    'http://127.0.0.1:8080/v2/database/1234/profiles?fields%5B%5D=customerid%3D%3D4567&create=1&access_token=demo-token'

  curl 'http://127.0.0.1:8080/v2/database/1234/profiles?access_token=demo-token'

calls:
  PUT GET POST DELETE   database/{id or name}/profiles
  GET                   database/{id or name}/fields, database/{id or name}/interests
  GET PUT POST DELETE   profile/{id}          GET PUT POST  profile/{id}/fields
  GET                   identity, consumption?begin=2026-11-01&end=2026-11-30
  POST                  /authenticate with the form access_token=..., for the JWT of version 4:
                        the auth_url above

for tests, without a token:
  GET                   /__standin            what there is
  GET DELETE            /__standin/journal    the requests so far; ?after=5 gives those from 6 on
  GET PUT POST DELETE   /__standin/faults     what is to go wrong; PUT replaces, POST adds
  GET                   /__standin/choices    what is chosen here and not known of the API;
                                              ?name=put_result gives one
  PUT DELETE            /__standin/seed       other data; DELETE goes back to the start
  PUT                   /__standin/token      {"token": "another"}: the one before is refused
  GET                   /openapi.json         all calls, as OpenAPI 3.1

some faults; a status without message or body answers with the load balancer's page in HTML:
  {"status": 503, "times": 3}                  three times
  {"status": 503, "until_reset": true}         ... until DELETE /__standin/faults
  {"status": 429, "headers": {"Retry-After": "5"}}
  {"status": 400, "message": "Invalid access token", "times": 2}
  {"reset": "after", "rate": 0.01, "call": "database/profiles", "method": "PUT"}
                                               1 PUT of 100 is done, but the connection reset
  {"refuse": 5}                                the call that meets it is reset, then nothing
                                               listens for 5 seconds
  {"latency": {"lognormal": {"median": 0.02, "p99": 0.5}}}
"""
_SEED_FILE = """\
seed file:
  {"databases": [{"id": 1234, "name": "Customers",
    "fields": [{"name": "customerid", "type": "text", "index": true},
               {"name": "country", "type": "select", "choices": ["nl", "be"], "default": "nl"}],
    "interests": ["football", "baseball"],
    "profiles": [{"fields": {"customerid": "4567"}, "interests": ["football"]}]}]}
"""
_FIELD_TYPES = f"types of fields: {', '.join(sorted(TYPES))}; select needs choices"
_EPILOG = "\n".join(
    (_EXAMPLES, textwrap.fill(HOW_OFTEN, 100), "", _SEED_FILE, textwrap.fill(_FIELD_TYPES, 100))
)


def main() -> None:
    """Serve until SIGTERM or SIGINT, then exit with 0."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    given = _parser().parse_args()
    clock, chosen = Clock(given.deterministic), choices.chosen(given)
    dice = _dice(given)
    databases, rules = _databases(given.seed_file, clock), _rules(given.faults)
    tokens = Tokens(given.token, clock, dice(), given.jwt_seconds)
    api = Api(Store(clock, dice), tokens, chosen, clock)
    api.load(databases)
    listener = _listener(given.host, given.port)
    host, port = listener.getsockname()[:2]

    def tell() -> None:
        url = f"http://{host}:{port}"
        line = {"url": url, "auth_url": f"{url}/authenticate", "put_result": chosen.put_result}
        print(json.dumps(line), flush=True)

    wrong = faults.Faults(rules, given.seed, given.latency)
    server = Server(api, clock, chosen, wrong, listener=listener, ready=tell, start_seed=databases)
    # What is here by now stays: collections that look at it again would show as slow answers.
    gc.collect()
    gc.freeze()
    server.serve_until_signal()


def _listener(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), backlog=2048)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        hint = ": another --port, or 0 for a free one" if taken else ""
        reason = (error.strerror or str(error)).partition(" (while")[0]  # the address once more
        sys.exit(f"cannot listen on {host} port {port}: {reason}{hint}")


def _dice(given: argparse.Namespace) -> Callable[[], random.Random]:
    if given.deterministic is None:
        return random.SystemRandom
    return lambda: random.Random(given.seed)  # noqa: S311 - secrets that are to repeat


def _databases(path: Path | None, clock: Clock) -> seed.Seed:
    try:
        return seed.read(path, clock)
    except seed.SeedError as error:
        sys.exit(f"seed file {path}: {error}")


def _rules(path: Path | None) -> list[Any]:
    if path is None:
        return []
    try:
        return faults.parse(documents.read(path.read_text("utf-8")))
    except OSError as error:
        sys.exit(f"faults file {path}: {error.strerror}")
    except (ValueError, faults.FaultError) as error:
        sys.exit(f"faults file {path}: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="./dev standin",
        usage="%(prog)s [options]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_start(parser.add_argument_group("to start with").add_argument)
    _add_trouble(parser.add_argument_group("trouble and chance").add_argument)
    choices.add_options(parser.add_argument_group("what is not known of the API, or has changed"))
    return parser


def _add_start(add: Callable[..., Any]) -> None:
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add(
        "--port",
        type=options.port,
        default=0,
        help="port, 0 takes a free one (default: %(default)s)",
    )
    add(
        "--token",
        type=options.token,
        default="demo-token",
        help="the access token (default: %(default)s)",
    )
    add(
        "--jwt-seconds",
        type=options.lifetime,
        default=DAY,
        metavar="SECONDS",
        help="how long a token of version 4 is valid (default: %(default)s)",
    )
    add(
        "--seed-file",
        type=Path,
        metavar="FILE",
        help="JSON with databases and profiles, in the form below (default: database 1234, "
        "Customers, without profiles)",
    )


def _add_trouble(add: Callable[..., Any]) -> None:
    add(
        "--latency",
        type=options.latency,
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
        type=options.instant,
        nargs="?",
        const=options.instant(_INSTANT),
        metavar="INSTANT",
        help=f"let the clock stand still, at {_INSTANT} unless another instant is given, and make "
        "the same secrets each time",
    )
    add(
        "--seed",
        type=options.whole,
        default=0,
        metavar="N",
        help="of the dice: faults with a rate, latencies, deterministic secrets "
        "(default: %(default)s)",
    )


if __name__ == "__main__":
    main()
