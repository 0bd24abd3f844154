"""Options of the stand-in, and its start."""

import argparse
import gc
import json
import signal
import socket
import sys
from pathlib import Path

from tests.standin import seed
from tests.standin.calls import Api
from tests.standin.faults import Faults
from tests.standin.server import Server
from tests.standin.store import Store

_DESCRIPTION = """\
A stand-in for Copernica's REST API, version 2: databases of profiles in memory, behind
PUT, GET and POST database/{id}/profiles, GET profile/{id}, GET database/{id}/fields,
GET database/{id}/interests and GET identity. Nothing is kept after it ends.

When it listens it prints one line of JSON: {"url": "http://127.0.0.1:8080", "put_result": "list"}
"""
_EPILOG = """\
example:
  python -m tests.standin --port 8080 --token demo-token

  curl -X PUT -H 'Content-Type: application/json' \\
    -d '{"fields": {"customerid": "4567", "firstname": "John"}, "interests": {"football": 1}}' \\
    'http://127.0.0.1:8080/v2/database/1/profiles?fields%5B%5D=customerid%3D%3D4567&create=1&access_token=demo-token'

for tests:
  GET    /__standin/journal   requests: n, time, seconds, method, path, query, body, status, ids
  DELETE /__standin/journal   forget them
  PUT    /__standin/faults    {"status": 503, "times": 3}, {"status": 503, "until_reset": true},
                              {"status": 400, "message": "Invalid access token", "times": 2},
                              {"status": 429, "headers": {"Retry-After": "5"}},
                              {"reset": "before", "times": 1} or "after" the change was made,
                              {"latency": 0.02}; each PUT replaces the one before
  DELETE /__standin/faults    back to normal

seed file:
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
    options = _parser().parse_args()
    store = _store(options.seed_file)
    api = Api(store, options.token, options.put_result, options.async_delay)
    try:
        listener = socket.create_server((options.host, options.port), backlog=2048)
    except OSError as error:
        sys.exit(f"can not listen on {options.host} port {options.port}: {error}")
    host, port = listener.getsockname()[:2]

    def tell() -> None:
        line = {"url": f"http://{host}:{port}", "put_result": options.put_result}
        print(json.dumps(line), flush=True)

    Server(api, Faults(options.latency), listener, tell).serve_until_signal()


def _store(seed_file: Path | None) -> Store:
    store = Store()
    try:
        for database, profiles in seed.read(seed_file):
            store.add(database, profiles)
    except seed.SeedError as error:
        sys.exit(f"seed file {seed_file}: {error}")
    # What is here by now stays: collections that look at it again would show as slow answers.
    gc.collect()
    gc.freeze()
    return store


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.standin",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("--port", type=int, default=0, help="port, 0 takes a free one (default: %(default)s)")
    add("--token", default="demo-token", help="the access token (default: %(default)s)")
    add(
        "--seed-file",
        type=Path,
        metavar="FILE",
        help="JSON with databases and profiles (default: database 1, Customers, without profiles)",
    )
    add(
        "--put-result",
        choices=["list", "empty"],
        default="list",
        help="what a PUT of profiles answers: list, the profiles, as the API's page promises; "
        "empty, nothing, and 303 with X-Created for a new profile, as the API does since 2020 "
        "(default: %(default)s)",
    )
    add(
        "--latency",
        type=_seconds,
        default=0.0,
        metavar="SECONDS",
        help="time before each call is carried out (default: %(default)s)",
    )
    add(
        "--async-delay",
        type=_seconds,
        default=0.2,
        metavar="SECONDS",
        help="time until a call with async=1 takes effect (default: %(default)s)",
    )
    return parser


def _seconds(written: str) -> float:
    seconds = float(written)
    if not 0 <= seconds < 3600:
        raise ValueError(written)
    return seconds


if __name__ == "__main__":
    main()
