"""Every query of the dashboard, asked of a Prometheus that has scraped what is really there."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from deploy.grafana.dashboard import FILE
from tests import prometheus
from tests.integration.conftest import Mail, wait_for
from tests.integration.test_service import event
from tests.programs import Service, StandIn, eventually
from tests.prometheus import Prometheus, config, job
from tests.rabbitmq import Broker, Node, Vhost

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(prometheus.PROGRAM is None, reason="needs the program prometheus"),
]

PANELS = [panel for panel in json.loads(FILE.read_text())["panels"] if panel["type"] != "row"]
VARIABLES = json.loads(FILE.read_text())["templating"]["list"]

# What Grafana fills in by itself: no shorter than a few scrapes.
BY_GRAFANA = {"$__rate_interval": "1m"}

OLD = "2020-02-03T10:00:00Z"
REJECTED = 4  # events of a wave


class Board:
    """The dashboard with its variables chosen, as Grafana would choose them."""

    def __init__(self, source: Prometheus) -> None:
        self.source = source
        self.chosen = dict(BY_GRAFANA)
        for variable in VARIABLES:
            name = f"${variable['name']}"
            if variable["type"] == "textbox":
                self.chosen[name] = variable["query"]
            elif variable["type"] == "query":
                found = self.values(variable["query"]["query"])
                self.chosen[name] = variable.get("allValue") or found[0]

    def values(self, asked: str) -> list[str]:
        """Answer `label_values(series, label)`, which is Grafana's own."""
        parts = re.fullmatch(r"label_values\((.+), (\w+)\)", asked)
        assert parts
        series = self.filled(parts[1])
        wait_for(lambda: bool(self.source.values(parts[2], series)), f"values of {asked}")
        return self.source.values(parts[2], series)

    def filled(self, expr: str) -> str:
        """Put the values of variables in their places."""
        for name in sorted(self.chosen, key=len, reverse=True):
            expr = expr.replace(name, self.chosen[name])
        return expr

    def series(self, expr: str) -> list[dict[str, Any]]:
        """Ask a query, and leave out what is no number."""
        found = self.source.query(self.filled(expr))
        return [one for one in found if one["value"][1] != "NaN"]

    def tile(self, title: str) -> tuple[dict[str, str], float]:
        """Return the labels and the value of a tile, which has one of each."""
        (panel,) = [panel for panel in PANELS if panel["title"] == title]
        (one,) = self.series(panel["targets"][0]["expr"])
        return one["metric"], float(one["value"][1])

    def shows(self, title: str, value: float, **labels: str) -> bool:
        """Tell whether a tile has come to a value."""
        return self.tile(title) == (labels, value)


Replicas = tuple[list[Service], StandIn]


@pytest.fixture
def replicas(
    service: Callable[..., tuple[Service, StandIn]],
    run_service: Callable[[Mapping[str, str]], Service],
    environment: Callable[..., dict[str, str]],
) -> Replicas:
    working, api = service()
    standby = run_service(environment(api))
    standby.wait_ready()
    return [working, standby], api


@pytest.fixture
def board(replicas: Replicas, broker: Broker, vhost: Vhost, tmp_path: Path) -> Iterator[Board]:
    if not isinstance(broker, Node):
        pytest.skip("needs a RabbitMQ of its own, whose metrics are known to be served")
    rabbitmq = broker.prometheus_url.removesuffix("/metrics")
    families = {"family": ["queue_coarse_metrics", "queue_consumer_count"], "vhost": [vhost.name]}
    jobs = [
        job("profile-sync", "/metrics", *[replica.http_url for replica in replicas[0]]),
        job("detailed", "/metrics/detailed", rabbitmq, params=families),
        job("per-object", "/metrics/per-object", rabbitmq),
    ]
    with Prometheus(tmp_path, config(*jobs)) as source:
        yield Board(source)


def wave(number: int, mail: Mail, api: StandIn) -> int:
    """Send events that end in all ways but `failed`, one after a retry; return how many ended."""
    first, second = f"a{number}", f"b{number}"
    same = {"customerid": first, "lastname": f"same{number}"}
    mail.send(event(1, first, create=True, fields=same))
    mail.send(event(2, second, create=True, fields={**same, "customerid": second}))
    mail.results(2)
    api.fail({"status": 503, "times": 1, "method": "PUT"})
    mail.send(event(3, first, occurred_at="2026-11-23T10:00:00Z"), event(4, "nobody"))
    mail.results(2)
    mail.send({**event(5), "where": {"lastname": f"same{number}"}})
    mail.send(event(6, first, **{"async": True}))
    mail.send(event(7, first, occurred_at=OLD), headers={"profile-sync-replay": "unless-stale"})
    mail.send(b"{", event(8, first, fields={"fristname": "x"}), event(9, database=404))
    mail.results(6)
    return 10


def lacking(board: Board) -> list[str]:
    """List the queries without data, and RabbitMQ's that lack it by one of its two pages."""
    asked = [target["expr"] for panel in PANELS for target in panel["targets"]]
    optional = "(detailed_)?"
    pinned = [expr.replace(optional, prefix) for expr in asked for prefix in ("detailed_", "")]
    return [expr for expr in dict.fromkeys(asked + pinned) if not board.series(expr)]


def test_every_query_has_data_and_tiles_tell_the_truth(
    board: Board, replicas: Replicas, mail: Mail
) -> None:
    running, api = replicas
    ended = 0
    for number in (1, 2):
        ended += wave(number, mail, api)
        # A rate is of what is counted after a scrape.
        counted = f"sum(profile_sync_events_finished_total) == {ended}"
        wait_for(lambda: bool(board.source.query(counted)), "a scrape")  # noqa: B023
    eventually(lambda: not lacking(board))
    assert lacking(board) == []

    for panel in PANELS:
        if panel["type"] == "stat":
            board.tile(panel["title"])
    wait_for(lambda: board.shows("In the event queue", 0), "no events")
    assert board.shows("Replicas", 2)
    assert board.shows("Without RabbitMQ", 0)
    assert board.shows("Paused by", 0, cause="none")
    assert board.shows("Dead letters, last hour", 2 * REJECTED)

    api.stop()
    mail.send(*[event(n, f"late-{n}") for n in range(10)])
    wait_for(lambda: board.shows("Paused by", 1, cause="outage"), "the pause")
    wait_for(lambda: board.shows("In the event queue", 10), "events")

    for replica in running:
        replica.kill()
    wait_for(lambda: board.shows("Replicas", 0), "that nobody answers")
    assert all(not board.series(panel["targets"][0]["expr"]) for panel in PANELS[1:3])
