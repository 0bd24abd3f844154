"""`--observe`: Prometheus beside the demo, as deploy/prometheus has it, and what to see there."""

from pathlib import Path
from urllib.parse import urlencode

from deploy.demo.programs import DemoFailed
from deploy.demo.screen import Screen
from tests import prometheus
from tests.prometheus import Prometheus
from tests.rabbitmq import Broker, Vhost

_DRAWN = (
    "sum by (outcome) (rate(profile_sync_events_finished_total[1m]))",
    "profile_sync:events_waiting",
    "max(profile_sync_oldest_event_seconds)",
)

_RABBITMQ = "profile-sync-rabbitmq"  # the job

_MISSING = """\
Prometheus is not installed. `./dev demo --observe` installs it for root on a system with apt-get;
elsewhere take your package manager, for example: apt-get install prometheus"""


def need_prometheus() -> None:
    """Raise DemoFailed, with the ways out, if there is no Prometheus to run."""
    if prometheus.PROGRAM is None:
        raise DemoFailed(_MISSING)


def start(folder: Path, service_url: str, vhost: Vhost) -> Prometheus:
    """Start it with the rules, for this virtual host; it keeps its data in a folder."""
    own = folder / "prometheus"
    own.mkdir()
    rules = own / "rules.yaml"
    rules.write_text(prometheus.rules_for(vhost.name))
    broker = vhost.broker
    config = prometheus.example(rules, [service_url], broker.prometheus_url, vhost.name)
    return Prometheus(own, config)


def sees(source: Prometheus) -> bool:
    """Tell whether it has asked both, and judged what the service says, and RabbitMQ if it does."""
    if not source.is_ready() or not (health := source.targets()) or "unknown" in health.values():
        return False
    judged = ["profile_sync:replicas > 0"]
    if health[_RABBITMQ] == "up":
        judged.append("profile_sync:dead_letters_waiting")
    return all(source.query(each) for each in judged)


def tell(screen: Screen, source: Prometheus, standin_url: str, broker: Broker) -> None:
    """Print where Prometheus is, what to look at, and how to have an alert fire."""
    drawn = {f"g{n}.{key}": value for n, expr in enumerate(_DRAWN) for key, value in _panel(expr)}
    screen.title(f"Prometheus watches: {source.url}")
    screen.pair("alerts", source.page("alerts"))
    screen.pair("", "all rules of deploy/prometheus; the demo's dead letters make one fire")
    screen.pair("targets", f"{source.page('targets')}  (the service, and RabbitMQ's queues)")
    if source.targets()[_RABBITMQ] != "up":
        screen.pair("", f"RabbitMQ tells nothing at {broker.prometheus_url}; it needs its plugin:")
        screen.pair("", "rabbitmq-plugins enable rabbitmq_prometheus")
    screen.pair("graphs", f"{source.page('graph')}?{urlencode(drawn)}")
    faults = f"{standin_url}/__standin/faults"
    screen.pair("break it", f"""curl -X PUT -d '{{"status": 503, "until_reset": true}}' {faults}""")
    screen.pair(
        "", "then send an event: soon ProfileSyncOutage is pending; it fires 10 minutes later"
    )
    screen.pair("mend it", f"curl -X DELETE {faults}")
    print(flush=True)


def _panel(expr: str) -> list[tuple[str, str]]:
    return [("expr", expr), ("tab", "0"), ("range_input", "15m")]
