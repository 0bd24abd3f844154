"""Events a second through RabbitMQ, the service and the stand-in, all on this machine.

python -m tests.benchmarks --events 2000 --keys 50 --latency 0.02 --in-flight 32
"""

import argparse
import statistics
import tempfile
import time
from datetime import datetime
from pathlib import Path

import psutil

from tests.integration.conftest import DEAD_LETTERS, EVENTS, RESULTS, Mail
from tests.programs import Service, StandIn
from tests.rabbitmq import Node


def main() -> None:
    """Run a few rounds and print one line for each, then the median."""
    options = arguments()
    with Node() as node, tempfile.TemporaryDirectory() as folder:
        api = StandIn(["--latency", str(options.latency)], Path(folder, "standin.log"))
        service = Service(
            {
                "PROFILE_SYNC_AMQP_URL": node.amqp_url(),
                "PROFILE_SYNC_API_URL": f"{api.url}/v2",
                "PROFILE_SYNC_ACCESS_TOKEN": "demo-token",
                "PROFILE_SYNC_MAX_IN_FLIGHT": str(options.in_flight),
            },
            Path(folder, "service.log"),
        )
        try:
            service.wait_ready()
            mail = Mail(node.amqp_url())
            rates = [one_round(options, mail, service) for _ in range(options.rounds)]
            mail.close()
        finally:
            service.kill()
            api.kill()
    print(f"median {statistics.median(rates):.0f} events/s")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--events", type=int, default=2000)
    parser.add_argument("--keys", type=int, default=50)
    parser.add_argument("--latency", type=float, default=0.02, help="seconds the API takes")
    parser.add_argument("--in-flight", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def one_round(options: argparse.Namespace, mail: Mail, service: Service) -> float:
    """Publish events, take their results; the rate is from the first publish to the last result."""
    cpu = psutil.Process(service.process.pid)
    before, begun = sum(cpu.cpu_times()[:2]), time.monotonic()
    mail.send(
        *(
            {
                "id": f"evt-{number}",
                "database": 1234,
                "where": {"customerid": f"{number % options.keys}"},
                "create": True,
                "fields": {"firstname": f"{number}"},
            }
            for number in range(options.events)
        )
    )
    results = mail.results(options.events, within=300)
    seconds = time.monotonic() - begun
    used: float = sum(cpu.cpu_times()[:2]) - before
    ends = sorted(datetime.fromisoformat(result["finished_at"]) for result in results)
    working = (ends[-1] - ends[0]).total_seconds()
    rate: float = options.events / seconds
    print(
        f"{options.events} events in {seconds:.2f} s: {rate:.0f} events/s "
        f"({options.events / working:.0f}/s from first to last result), "
        f"service CPU {used / options.events * 1e6:.0f} us an event, "
        f"left in the queue {mail.ready(EVENTS)}, results left {mail.ready(RESULTS)}, "
        f"dead letters {mail.ready(DEAD_LETTERS)}"
    )
    return rate


if __name__ == "__main__":
    main()
