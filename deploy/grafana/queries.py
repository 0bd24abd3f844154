"""PromQL of the dashboard: what is asked of this service's replicas, and of RabbitMQ.

`$job`, `$instance`, `$vhost` and the names of queues are the dashboard's variables. A new process
begins its counters at nothing, and those with labels only when they first count.
"""

from typing import NamedTuple

_REPLICAS = 'job="$job",instance=~"$instance"'
# The event queue, and those of its partitions if there are any.
EVENT_QUEUES = "$event_queue([.][0-9]+)?"
# What a rate or an increase is taken over: Grafana makes it span two scrapes at the least.
_STEP = "$__rate_interval"


class Query(NamedTuple):
    """One query of a panel, and what its series are called: `{{label}}` stands for a value."""

    expr: str
    legend: str


def process(name: str) -> str:
    """Select a series of each replica's process, which Python programs have in common."""
    return f"{name}{{{_REPLICAS}}}"


def ours(name: str, matching: str = "") -> str:
    """Select the series of one of our metrics, of the chosen replicas."""
    return f"profile_sync_{name}{{{_REPLICAS}{',' if matching else ''}{matching}}}"


def rate(name: str, by: str = "") -> str:
    """Sum what a counter counts in a second, over all replicas."""
    return f"sum{_by(by)} (rate({ours(f'{name}_total')}[{_STEP}]))"


def hourly(name: str, by: str = "", matching: str = "") -> str:
    """Sum what a busy counter has counted in the hour before."""
    return f"sum{_by(by)} (increase({ours(f'{name}_total', matching)}[1h]))"


def gained(name: str, by: str = "", matching: str = "", within: str = _STEP) -> str:
    """Sum what a rare counter has counted of late.

    A series begins with its first count, in which `increase` sees no growth: one that was not there
    the day before counts as a whole.
    """
    series = ours(f"{name}_total", matching)
    begun = f"({series} unless last_over_time({series}[1d] offset {within}))"
    return f"sum{_by(by)} ({begun} or increase({series}[{within}]))"


def quantile(share: float, name: str, by: str = "", matching: str = "") -> str:
    """Estimate a quantile of a histogram, over all replicas."""
    labels = f"le, {by}" if by else "le"
    buckets = f"sum by ({labels}) (rate({ours(f'{name}_bucket', matching)}[{_STEP}]))"
    return f"histogram_quantile({share}, {buckets})"


def quantiles(name: str, matching: str = "") -> list[Query]:
    """Ask for the middle of a histogram, and for its slow end."""
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    return [Query(quantile(share, name, "", matching), legend) for legend, share in shares.items()]


def of_queue(metric: str, queue: str) -> str:
    """Ask RabbitMQ about queues, whether /metrics/detailed or /metrics/per-object is scraped.

    `queue` is a regular expression. More than one node may tell of a queue: that which leads it
    tells the most.
    """
    name = f'__name__=~"rabbitmq_(detailed_)?queue_{metric}"'
    return f'max by (queue) ({{{name},vhost="$vhost",queue=~"{queue}"}})'


def _by(labels: str) -> str:
    return f" by ({labels})" if labels else ""
