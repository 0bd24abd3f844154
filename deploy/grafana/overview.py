"""The first row, for somebody woken up: is it flowing, how late, what is broken."""

from deploy.grafana.panels import BAD, GOOD, WARNING, Bands, Graph, Panel, Tile
from deploy.grafana.queries import EVENT_QUEUES, Query, gained, hourly, of_queue, ours, rate

_PAUSES = f"max by (cause) ({ours('paused')})"
_NO_PAUSE = f'label_replace(sum({_PAUSES}) == 0, "cause", "none", "", "")'
# A counter that has never counted is not there yet; nor is one of a replica that does not answer.
_NONE = f"sum(0 * {ours('build_info')})"
_OLDEST = f"max({ours('oldest_event_seconds')})"
_QUEUE = f"sum({of_queue('messages', EVENT_QUEUES)})"

_TILES: list[Panel] = [
    Tile(
        title="Replicas",
        text="Replicas whose metrics can be read. One works, the others stand by; with PARTITIONS "
        "above 1 all work. With none, see whether they run, and what /livez says.",
        query=Query(f"count({ours('build_info')}) or vector(0)", "replicas"),
        width=3,
        limits={0: BAD, 1: GOOD},
        words={0: "none"},
    ),
    Tile(
        title="Without RabbitMQ",
        text="Replicas without a link to RabbitMQ. While the API is away and events are back in "
        "the queue, the link is given up on purpose: see what it is paused by.",
        query=Query(f"sum(1 - {ours('broker_connected')})", "without a link"),
        width=3,
        limits={0: GOOD, 1: BAD},
        words={0: "none"},
    ),
    Tile(
        title="Paused by",
        text="Why no calls start just now. outage: the API fails. token, configuration: somebody "
        "must mend them. refusals: the API refuses one update after another. unroutable: no queue "
        "takes a result. blocked: RabbitMQ is short of memory or disk. selection-guard: the API "
        "answered with profiles that nobody asked for; look at them before a restart.",
        query=Query(f"({_PAUSES} > 0) or {_NO_PAUSE}", "{{cause}}"),
        width=6,
        limits={0: GOOD, 1: BAD},
        named=True,
    ),
    Tile(
        title="In the event queue",
        text="Events that RabbitMQ has and nobody has acknowledged, those that a replica holds "
        "among them. It is right also while events are back in the queue. Of all partitions.",
        query=Query(_QUEUE, "in the queue"),
        width=3,
        limits={0: GOOD, 1000: WARNING, 10000: BAD},
    ),
    Tile(
        title="Oldest event held",
        text="How long ago the oldest unfinished event was delivered. 0 on a standby, and while "
        "events are back in the queue: see the queue then.",
        query=Query(_OLDEST, "oldest"),
        unit="s",
        width=3,
        limits={0: GOOD, 60: WARNING, 300: BAD},
    ),
    Tile(
        title="Dead letters, last hour",
        text="Events set aside because they were rejected or failed. Those that RabbitMQ itself "
        "has dead-lettered are not among them: see the dead-letter queue.",
        query=Query(f"{gained('dead_letters', within='1h')} or {_NONE}", "dead letters"),
        width=3,
        limits={0: GOOD, 1: WARNING, 20: BAD},
        words={0: "none"},
    ),
    Tile(
        title="Unroutable, last hour",
        text="Results and dead letters that no queue took, counted each time they were published. "
        "Bind a queue to the exchange: no event is acknowledged before.",
        query=Query(hourly("results_unroutable"), "unroutable"),
        width=3,
        limits={0: GOOD, 1: BAD},
        words={0: "none"},
    ),
]

_COURSE: list[Panel] = [
    Graph(
        title="Events finished, by outcome",
        text="Events acknowledged in a second. Nothing, while the queue grows: see what it is "
        "paused by.",
        queries=[Query(rate("events_finished", "outcome"), "{{outcome}}")],
        unit="ops",
        stacked=True,
        width=9,
        height=7,
    ),
    Graph(
        title="How late: events in the queue, oldest held",
        text="A queue that grows: more comes than is done. The age, on the right, is of what a "
        "replica holds.",
        queries=[Query(_QUEUE, "in the queue"), Query(_OLDEST, "oldest held")],
        right=("oldest held", "s"),
        width=7,
        height=7,
    ),
    Bands(
        title="Pauses, by cause",
        text="When no calls started, and for which cause. outage, refusals and blocked end by "
        "themselves; token, configuration, unroutable and selection-guard need somebody.",
        query=Query(_PAUSES, "{{cause}}"),
        states={0: ("no", GOOD), 1: ("paused", BAD)},
        width=8,
        height=7,
    ),
]

OVERVIEW = [*_TILES, *_COURSE]
