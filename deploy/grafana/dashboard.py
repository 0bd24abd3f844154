"""The dashboard as a whole: its variables, its rows, and the JSON that Grafana imports."""

import itertools
import json
from pathlib import Path

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from deploy.grafana.panels import SOURCE, build
from deploy.grafana.rows import ROWS
from service.settings import Settings

FILE = Path(__file__).parent / "profile-sync.json"

_SCHEMA = 41  # of Grafana 11.6; newer ones bring it up to date when they load it
_VERSION = 1  # each change of the dashboard is a new file, not a new version of it


def text() -> str:
    """Write the dashboard: one and the same text each time."""
    built = _dashboard().build()
    built.schema_version = _SCHEMA
    return json.dumps(built, cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def _dashboard() -> dashboard.Dashboard:
    board = (
        dashboard.Dashboard("profile-sync")
        .uid("profile-sync")
        .description("Profile updates from RabbitMQ to Copernica: flow, delay, and what is broken.")
        .tags(["profile-sync"])
        .version(_VERSION)
        .timezone("browser")
        .time("now-3h", "now")
        .refresh("30s")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .annotations([])
        .variables([_source(), *_replicas(), *_queues()])
    )
    numbers = itertools.count(1)
    for row in ROWS:
        board.with_row(dashboard.Row(row.title).id(next(numbers)))
        for panel in row.panels:
            board.with_panel(build(panel).id(next(numbers)))
    return board


def _source() -> dashboard.DatasourceVariable:
    return dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus")


def _replicas() -> list[dashboard.QueryVariable]:
    job = _values("job", "profile_sync_build_info", "job").label("Job")
    instance = _values("instance", 'profile_sync_build_info{job="$job"}', "instance")
    every = models.VariableOption(selected=True, text=["All"], value=["$__all"])
    return [
        job,
        # Replicas come and go: All is any of the job, and not a list of those that are there now.
        instance.label("Replica").multi(True).include_all(True).all_value(".+").current(every),
    ]


def _queues() -> list[dashboard.TextBoxVariable | dashboard.QueryVariable]:
    """Name the queues, by the service's defaults, and find where they are."""
    fields = Settings.model_fields
    boxes: list[dashboard.TextBoxVariable | dashboard.QueryVariable] = []
    for name in ("event_queue", "result_queue", "dead_letter_queue"):
        queue = str(fields[name].default)
        option = models.VariableOption(selected=True, text=queue, value=queue)
        label = name.replace("_", " ").capitalize().replace("Dead letter", "Dead-letter")
        boxes.append(
            dashboard.TextBoxVariable(name)
            .label(label)
            .default_value(queue)
            .current(option)
            .options([option])
        )
    where = '{__name__=~"rabbitmq_(detailed_)?queue_messages",queue="$event_queue"}'
    return [*boxes, _values("vhost", where, "vhost").label("Virtual host")]


def _values(name: str, series: str, label: str) -> dashboard.QueryVariable:
    """Let one of a label's values be chosen; Grafana asks for them anew for each range of time."""
    query: dict[str, object] = {
        "qryType": 1,
        "query": f"label_values({series}, {label})",
        "refId": "PrometheusVariableQueryEditor-VariableQuery",
    }
    return (
        dashboard.QueryVariable(name)
        .datasource(SOURCE)
        .query(query)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
    )
