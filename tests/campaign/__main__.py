"""The command: python -m tests.campaign --seed 7 --minutes 2, or ./dev campaign likewise."""

import argparse
import shlex
import shutil
import signal
import sys
import time

from tests.campaign.pace import Pace
from tests.campaign.plan import kinds, plan
from tests.campaign.run import SERVICE, Account, campaign
from tests.campaign.stage import Nodes

PEERS = {"faststream": ("-m", "tests.campaign.peer_faststream")}
BUGS = (
    "ack-before-confirm",
    "hand-over-by-cancel",
    "nack-with-requeue",
    "no-hand-over",
    "not-mandatory",
)


def main() -> int:
    """Run one campaign; exit code 1 if an invariant broke."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    options = _options()
    seconds = options.minutes * 60
    possible = kinds(options.nodes, options.partitions)
    of = [kind for kind in possible if not options.only or kind in options.only]
    of = [kind for kind in of if kind not in options.without]
    pace = Pace(partitions=options.partitions, coalescing=options.coalesce)
    injections = plan(options.seed, seconds, of)
    begun = time.monotonic()

    def say(line: str) -> None:
        if not options.quiet:
            print(line, flush=True)

    drawn = {each.kind for each in injections}
    print(f"seed {options.seed}: {len(injections)} faults of {len(drawn)} kinds in {seconds:.0f} s")
    program = PEERS.get(options.peer, SERVICE)
    if options.planted:
        program = ("-m", "tests.campaign.planted", options.planted)
    nodes = Nodes(options.nodes, 4 if options.rabbitmq == 4 else None)
    account = campaign(options.seed, seconds, injections, program, nodes=nodes, pace=pace, say=say)
    _report(account, time.monotonic() - begun)
    if account.broken:
        return 1
    shutil.rmtree(account.folder)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev campaign", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--nodes", type=int, choices=(1, 3), default=1)
    parser.add_argument("--rabbitmq", type=int, choices=(3, 4), default=3)
    parser.add_argument("--partitions", type=int, default=1, help="shared by up to four replicas")
    parser.add_argument("--coalesce", action="store_true", help="one call may carry several events")
    parser.add_argument("--peer", choices=sorted(PEERS), help="in place of the service")
    parser.add_argument("--planted", choices=BUGS, help="the service with a bug in it")
    parser.add_argument("--only", nargs="+", default=[], metavar="KIND", help="only these faults")
    parser.add_argument("--without", nargs="+", default=[], metavar="KIND", help="not these")
    parser.add_argument("--quiet", action="store_true", help="only the account")
    return parser.parse_args()


def _report(account: Account, seconds: float) -> None:
    print("faults  " + ", ".join(f"{kind} {n}" for kind, n in sorted(account.kinds.items())))
    for kind, why in account.skipped.items():
        print(f"failed  {kind}: {why}")
    for name, number in account.figures.items():
        print(f"{number:>8g} {name}")
    print(f"{seconds:>8.0f} seconds in all")
    for each in account.broken:
        print(f"BROKEN  {each.invariant}: {each.text}")
    if account.broken:
        print(f"All outputs are in {account.folder}. Again:")
        given = sys.argv[1:] if "--seed" in sys.argv else ["--seed", "1", *sys.argv[1:]]
        print(f"  ./dev campaign {shlex.join(given)}")
    else:
        print("no invariant broke")


if __name__ == "__main__":
    sys.exit(main())
