"""What each row of the dashboard shows, and why somebody would look at it."""

from collections.abc import Sequence
from typing import NamedTuple

from deploy.grafana.overview import OVERVIEW
from deploy.grafana.panels import GOOD, Graph, Panel, Tile
from deploy.grafana.queries import (
    EVENT_QUEUES,
    Query,
    gained,
    hourly,
    of_queue,
    ours,
    process,
    quantile,
    quantiles,
    rate,
)

_EACH = "{{instance}}"
_STARTED = process("process_start_time_seconds")


class Row(NamedTuple):
    """A row: its title, and its panels from left to right."""

    title: str
    panels: Sequence[Panel]


def _of_all_queues(metric: str) -> list[Query]:
    queues = (EVENT_QUEUES, "$result_queue", "$dead_letter_queue")
    return [Query(of_queue(metric, queue), "{{queue}}") for queue in queues]


_API: list[Panel] = [
    Graph(
        title="Calls, by call and status",
        text="Calls of the API in a second, with the class of the answer's status, or the error "
        "in place of one.",
        queries=[Query(rate("api_requests", "call, status"), "{{call}} {{status}}")],
        unit="reqps",
        width=12,
        stacked=True,
        long_legend=True,
    ),
    Graph(
        title="How long an update takes",
        text="Seconds from the start of a PUT to the end of its answer: of half of them, of 95 % "
        "and of 99 % at the most. Estimated from buckets.",
        queries=quantiles("api_request_seconds", 'call="put-profiles"'),
        unit="s",
        width=6,
    ),
    Graph(
        title="How long 95 % of each call take",
        text="Seconds from the start of a call to the end of its answer, estimated from buckets.",
        queries=[Query(quantile(0.95, "api_request_seconds", "call"), "{{call}}")],
        unit="s",
        width=6,
    ),
    Graph(
        title="Calls in flight, keys at work, events asleep",
        text="Calls that run, up to MAX_IN_FLIGHT of a replica; keys with unfinished events; "
        "events that wait for their next attempt.",
        queries=[
            Query(f"sum({ours('in_flight')})", "calls in flight"),
            Query(f"sum({ours('lanes')})", "keys at work"),
            Query(f"sum({ours('sleeping_events')})", "events asleep"),
        ],
    ),
    Graph(
        title="Retries, by cause",
        text="Attempts that will be repeated. Many of outage mean that the API fails; any of "
        "token or configuration, that somebody must mend it.",
        queries=[Query(gained("retries", "cause"), "{{cause}}")],
        bars=True,
    ),
    Graph(
        title="Billed calls, in the hour before",
        text="What is paid for: all calls but post-token, look-ups and probes of an outage too.",
        queries=[Query(hourly("api_requests", "call", 'call!="post-token"'), "{{call}}")],
        stacked=True,
    ),
]

_TIMES: list[Panel] = [
    Graph(
        title="From delivery to acknowledgement",
        text="Seconds that events spend in a replica, waiting for their turn and retries included.",
        queries=quantiles("event_seconds"),
        unit="s",
    ),
    Graph(
        title="From delivery to acknowledgement: 95 % of each outcome",
        text="Seconds in which 95 % of the events with an outcome end, estimated from buckets.",
        queries=[Query(quantile(0.95, "event_seconds", "outcome"), "{{outcome}}")],
        unit="s",
    ),
    Graph(
        title="Age of events when they end",
        text="Seconds from an event's own instant to its acknowledgement: how late the API is "
        "told. Only of events that have an instant.",
        queries=quantiles("event_age_seconds"),
        unit="s",
    ),
]

_ENDINGS: list[Panel] = [
    Graph(
        title="Events received and finished",
        text="In a second. Received counts deliveries: what is handed back is received once more.",
        queries=[
            Query(rate("events_received"), "received"),
            Query(rate("events_finished"), "finished"),
        ],
        unit="ops",
    ),
    Graph(
        title="Events rejected and failed, by reason",
        text="Each is dead-lettered and has a result that names the field and the rule. "
        "invalid-...: mend the sender; refused: see the result's detail.",
        queries=[
            Query(
                gained("events_finished", "outcome, reason", 'outcome=~"rejected|failed"'),
                "{{outcome}}: {{reason}}",
            )
        ],
        bars=True,
    ),
    Graph(
        title="Dead letters, by reason",
        text="Confirmed by RabbitMQ. As many as are rejected and failed, but that a confirm may "
        "come late.",
        queries=[Query(gained("dead_letters", "reason"), "{{reason}}")],
        bars=True,
    ),
]

_PROFILES: list[Panel] = [
    Graph(
        title="Profiles created and matched, and calls saved",
        text="In a second. Matched counts each profile that an update touched, new ones included. "
        "A call is saved for each event that shares the call of another (COALESCE).",
        queries=[
            Query(rate("profiles_created"), "created"),
            Query(f"sum (rate({ours('profiles_matched_sum')}[$__rate_interval]))", "matched"),
            Query(rate("coalesced"), "calls saved"),
        ],
        unit="ops",
        width=6,
    ),
    Graph(
        title="Profiles an update touches",
        text="95 % of the updates touch no more than this, estimated from buckets.",
        queries=[Query(quantile(0.95, "profiles_matched"), "95 % touch up to")],
        width=6,
    ),
    Graph(
        title="Multiple matches, and stale replays",
        text="Events meant for one profile that found more: choose fields that are unique. Events "
        "played back and refused, because their profile is newer.",
        queries=[
            Query(gained("multiple_matches"), "multiple matches"),
            Query(gained("stale_replays"), "stale replays"),
        ],
        bars=True,
        width=6,
    ),
    Graph(
        title="Results published, by outcome",
        text="Results confirmed by RabbitMQ in a second.",
        queries=[Query(rate("results_published", "outcome"), "{{outcome}}")],
        unit="ops",
        width=6,
        stacked=True,
    ),
]

_RABBITMQ: list[Panel] = [
    Graph(
        title="Messages ready, by queue",
        text="Messages that no consumer holds. Results pile up until somebody consumes them, dead "
        "letters until they are played back or discarded.",
        queries=_of_all_queues("messages_ready"),
        width=6,
    ),
    Graph(
        title="Messages unacknowledged, by queue",
        text="Messages that a consumer holds. Of the event queue: up to PREFETCH; of a partition: "
        "up to PREFETCH divided by PARTITIONS.",
        queries=_of_all_queues("messages_unacked"),
        width=6,
    ),
    Graph(
        title="Consumers, by queue",
        text="Of the event queue, or of each partition, one or more: one works. None on the result "
        "queue: nobody reads the results.",
        queries=_of_all_queues("consumers"),
        width=6,
    ),
    Graph(
        title="Links taken to RabbitMQ, by replica",
        text="One at each start. More are taken after a loss, and after each pause in which "
        "events went back to the queue; each costs the events held one delivery.",
        queries=[Query(gained("broker_links", "instance"), _EACH)],
        bars=True,
        width=6,
    ),
]

_PARTITIONS: list[Panel] = [
    Graph(
        title="Partitions at work, by replica",
        text="Partitions that a replica takes events from. PARTITIONS divided by the replicas, "
        "rounded up, is the most that it keeps; fewer while some have had no event yet. With one "
        "queue: 1 for the replica that works.",
        queries=[Query(ours("partitions_active"), _EACH)],
        stacked=True,
    ),
    Graph(
        title="Partitions handed over, by replica",
        text="A few when a replica comes or goes. Again and again: replicas restart, or what "
        "scales them goes up and down.",
        queries=[Query(gained("partition_handovers", "instance"), _EACH)],
        bars=True,
    ),
    Graph(
        title="Misrouted events",
        text="Events that had not the routing key of their profile: others of the same profile may "
        "overtake them. Mend the sender; the log has the event_id of the first.",
        queries=[Query(gained("misrouted"), "misrouted")],
        bars=True,
    ),
]

_PROCESSES: list[Panel] = [
    Graph(
        title="Memory, by replica",
        text="Resident memory.",
        queries=[Query(process("process_resident_memory_bytes"), _EACH)],
        unit="bytes",
        width=6,
    ),
    Graph(
        title="CPU, by replica",
        text="Of one core. A replica uses no more than one, and is at its end there.",
        queries=[Query(f"rate({process('process_cpu_seconds_total')}[$__rate_interval])", _EACH)],
        unit="percentunit",
        width=6,
        limit=0.9,
    ),
    Graph(
        title="Open files, of those allowed",
        text="Files and connections of a replica, as a share of its limit.",
        queries=[Query(f"{process('process_open_fds')} / {process('process_max_fds')}", _EACH)],
        unit="percentunit",
        width=6,
        limit=0.8,
    ),
    Graph(
        title="Time since the start, by replica",
        text="A line that falls to 0 is a restart, one that ends is a replica that is gone.",
        queries=[Query(f"time() - {_STARTED}", _EACH)],
        unit="s",
        width=6,
    ),
    Graph(
        title="Restarts, by replica",
        text="Restarts under the same address. In Kubernetes a new pod has a new one: see the "
        "time since the start.",
        queries=[Query(f"changes({_STARTED}[$__rate_interval])", _EACH)],
        bars=True,
        width=12,
    ),
    Tile(
        title="Version",
        text="The versions that run: more than one only while a new one is rolled out.",
        query=Query(f"count by (version) ({ours('build_info')})", "{{version}}"),
        width=12,
        height=8,
        limits={0: GOOD},
        named=True,
    ),
]

ROWS = [
    Row("Is it flowing, how late, what is broken", OVERVIEW),
    Row("The API", _API),
    Row("Events", [*_TIMES, *_ENDINGS, *_PROFILES]),
    Row("RabbitMQ", _RABBITMQ),
    Row("Partitions", _PARTITIONS),
    Row("Processes", _PROCESSES),
]
