"""Many events through one process, with faults: what it takes up shall stay the same.

python -m tests.campaign.soak --events 100000 --minutes 12
"""

import argparse
import shutil
import signal
import sys
import time
from collections.abc import Iterator

from tests.campaign.evidence import Evidence, Vitals
from tests.campaign.pace import full
from tests.campaign.plan import HARMLESS, plan
from tests.campaign.run import Account, campaign

_STEP = 10_000  # events
_GROWTH = 20  # MB, from the first step on: by then every cache is full, and the heap has its size
_MEGABYTE = 2**20
# It empties the queue first, which takes longer than a fault should when so much is in it.
_WITHOUT = {"result-queue-deleted"}


def main() -> int:
    """Send events until there are enough or the time is up; exit code 1 if anything broke."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    parser = argparse.ArgumentParser(prog="./dev soak", description=__doc__)
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--minutes", type=float, default=12.0)
    options = parser.parse_args()
    pace, seconds = full(options.events), options.minutes * 60
    kinds = [kind for kind in HARMLESS if kind not in _WITHOUT]
    injections = plan(options.seed, seconds, kinds, pace.gap)
    begun = time.monotonic()
    account = campaign(options.seed, seconds, injections, pace=pace)
    broken = [f"{each.invariant}: {each.text}" for each in account.broken]
    broken += grown(account.evidence)
    _report(account, time.monotonic() - begun)
    for each in broken:
        print(f"BROKEN  {each}")
    if broken:
        print(f"All outputs are in {account.folder}")
        return 1
    shutil.rmtree(account.folder)
    print("no invariant broke, and nothing grew")
    return 0


def _report(account: Account, seconds: float) -> None:
    for kind, why in account.skipped.items():
        print(f"failed  {kind}: {why}")
    for name, number in account.figures.items():
        print(f"{number:>8g} {name}")
    print(f"{seconds:>8.0f} seconds in all")
    for events, seen in by_events(account.evidence):
        megabytes = seen.memory / _MEGABYTE
        print(f"{events:>8} events: {megabytes:.1f} MB, {seen.files} files, {seen.threads} threads")


def grown(evidence: Evidence) -> Iterator[str]:
    """Say what has grown since the first 10,000 events."""
    steps = list(by_events(evidence))
    if len(steps) < 3:
        yield f"only {steps[-1][0] if steps else 0} events were taken: too few to tell"
        return
    growth = (steps[-1][1].memory - steps[0][1].memory) / _MEGABYTE
    if growth > _GROWTH:
        yield f"memory grew by {growth:.1f} MB after the first {_STEP} events"


def by_events(evidence: Evidence) -> Iterator[tuple[int, Vitals]]:
    """Give what the one process took up after every so many events, and in the end."""
    known, step = set[str | None](), _STEP
    seen = iter(evidence.vitals)
    for each in evidence.handed:
        known.add(each.uid)
        if len(known) == step:
            after = next((vitals for vitals in seen if vitals.at >= each.at), None)
            if after is not None:
                yield step, after
            step += _STEP
    if evidence.vitals:
        yield len(known), evidence.vitals[-1]


if __name__ == "__main__":
    sys.exit(main())
