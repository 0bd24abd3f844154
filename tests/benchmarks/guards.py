"""CPU microseconds that the guards add to an event, with the catalogue at hand.

`guard` is the check alone, `admission` all that lies between an event's parsing and its lane.

python -m tests.benchmarks.guards --events 20000 --rounds 7
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NoReturn, TypeVar
from zoneinfo import ZoneInfo

from service.admission import Admission, Doors
from service.catalogue import catalogue
from service.catalogues import Catalogues
from service.events import ProfileUpdate, parse
from service.guards import guard
from service.lanes import Work
from service.messages import Delivery, Properties
from service.settings import Settings
from tests.unit.doubles import CatalogueCopernica, listing

LIMIT = 30.0  # microseconds an event

_T = TypeVar("_T")

_ZONE = ZoneInfo("Europe/Amsterdam")
_FIELDS = [
    {"ID": "1", "name": "customerid", "type": "text"},
    {"ID": "2", "name": "firstname", "type": "text"},
    {"ID": "3", "name": "email", "type": "email"},
    {"ID": "4", "name": "age", "type": "integer"},
    {"ID": "5", "name": "country", "type": "select", "value": "nl*\r\nbe\r\nde"},
    {"ID": "6", "name": "lastlogin", "type": "datetime"},
    *({"ID": f"{number}", "name": f"field{number}", "type": "text"} for number in range(7, 57)),
]
_INTERESTS = [{"ID": f"{n}", "name": name} for n, name in enumerate(("football", "baseball"))]
_CATALOGUE = catalogue("1234", _FIELDS, _INTERESTS)


def main() -> None:
    """Print the median of some rounds; exit with 1 if it is over the limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    take = asyncio.run(_admission())
    bodies = [_body(number) for number in range(options.events)]
    updates = [_parsed(body) for body in bodies]
    parsing = _cost(_parsed, bodies, options.rounds)
    guarding = _cost(_guarded, updates, options.rounds)
    adding = _cost(take, updates, options.rounds)
    print(
        f"us CPU an event: guard {guarding:.1f}, admission {adding:.1f} (limit {LIMIT:.0f}); "
        f"parse {parsing:.1f} (medians of {options.rounds} rounds of {options.events} events)"
    )
    raise SystemExit(adding > LIMIT)


def _cost(work: Callable[[_T], object], inputs: Sequence[_T], rounds: int) -> float:
    costs = []
    for _ in range(rounds):
        begun = time.process_time()
        for item in inputs:
            work(item)
        costs.append((time.process_time() - begun) / len(inputs) * 1e6)
    return statistics.median(costs)


async def _admission() -> Callable[[ProfileUpdate], None]:
    """Make an admission that knows the database, and whose lane is the void."""
    api = CatalogueCopernica([])
    api.seconds = 0
    api.reply("get-fields", listing(*_FIELDS))
    api.reply("get-interests", listing(*_INTERESTS))
    settings = Settings.load(access_token="none")
    admitted = asyncio.Event()
    doors = Doors(lambda _: admitted.set(), _unexpected, _unexpected, lambda: 0, _unexpected)
    admission = Admission(settings, api, Catalogues(api, 86400), doors)
    delivery, now = Delivery(b"", Properties(), "", "", False, lambda: None), datetime.now(UTC)

    def take(update: ProfileUpdate) -> None:
        admission.take(Work(delivery, update, 0.0, now))

    take(_parsed(_body(0)))
    await admitted.wait()
    return take


def _unexpected(*_: object) -> NoReturn:
    raise AssertionError("the event should have been admitted")


def _guarded(update: ProfileUpdate) -> ProfileUpdate:
    return guard(update, _CATALOGUE, _ZONE)


def _parsed(body: bytes) -> ProfileUpdate:
    return parse(body, Properties(), len(body))


def _body(number: int) -> bytes:
    event = {
        "id": f"evt-{number}",
        "database": 1234,
        "where": {"customerid": f"{number}"},
        "fields": {
            "firstname": "John",
            "email": f"john.doe.{number}@example.com",
            "age": number % 100,
            "country": "nl",
            "lastlogin": "2026-11-23T10:00:00Z",
        },
        "interests": {"football": True, "baseball": False},
    }
    return json.dumps(event).encode()


if __name__ == "__main__":
    main()
