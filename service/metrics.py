"""The Prometheus instruments, and nothing that decides when they move. Seconds, bounded labels."""

from collections import Counter as Counts
from collections.abc import Callable, Iterable
from functools import cache, partial
from importlib.metadata import version
from typing import get_args

import prometheus_client
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.exposition import choose_encoder

from service.outcomes import Outcome, Reason

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_SAID_AS = {
    "events_received": "received",
    "api_requests": "calls",
    "retries": "retries",
    "coalesced": "coalesced",
}
_AGES = (0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14400, 86400)


class Metrics:
    """Every instrument of one process, in a registry of its own: fewer than 800 series.

    Labels are enumerations, whatever events and answers hold: call, class of a status or name of
    an exception's class, outcome, reason, cause.
    """

    def __init__(self) -> None:
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)

        def counter(name: str, text: str, labels: tuple[str, ...] = ()) -> Counter:
            return Counter(f"profile_sync_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, labels: tuple[str, ...] = ()) -> Gauge:
            return Gauge(f"profile_sync_{name}", text, labels, registry=registry)

        def histogram(
            name: str, text: str, buckets: tuple[float, ...], labels: tuple[str, ...] = ()
        ) -> Histogram:
            return Histogram(
                f"profile_sync_{name}", text, labels, buckets=buckets, registry=registry
            )

        self.events_received = counter("events_received", "Deliveries taken from RabbitMQ.")
        # Those with labels are called with them; to look a child up costs more than to move it.
        self.events_finished = cache(
            counter("events_finished", "Events acknowledged.", ("outcome", "reason")).labels
        )
        self.event_seconds = cache(
            histogram(
                "event_seconds", "Seconds from delivery to acknowledgement.", _SECONDS, ("outcome",)
            ).labels
        )
        self.event_age_seconds = histogram(
            "event_age_seconds", "Seconds from the event's instant to acknowledgement.", _AGES
        )
        self.api_requests = cache(
            counter(
                "api_requests",
                "Calls of the API; each is billed, but for post-token.",
                ("call", "status"),
            ).labels
        )
        self.api_request_seconds = cache(
            histogram(
                "api_request_seconds", "Seconds a call of the API took.", _SECONDS, ("call",)
            ).labels
        )
        self.retries = cache(
            counter("retries", "Attempts that will be repeated.", ("cause",)).labels
        )
        self.in_flight = gauge("in_flight", "Calls of the API running now.")
        self._lanes = gauge("lanes", "Keys with unfinished events.")
        self._sleeping_events = gauge("sleeping_events", "Events waiting for their next attempt.")
        self._oldest_event_seconds = gauge(
            "oldest_event_seconds", "Seconds since the oldest unfinished event was delivered."
        )
        self.profiles_matched = histogram(
            "profiles_matched", "Profiles an update touched.", (0, 1, 2, 5, 10, 100, 1000)
        )
        self.multiple_matches = counter(
            "multiple_matches", "Updates meant for one profile that found more."
        )
        self.profiles_created = counter("profiles_created", "Profiles the API created.")
        self.coalesced = counter(
            "coalesced", "Events that shared the call of another: calls that were saved."
        )
        self.stale_replays = counter(
            "stale_replays", "Events played back and refused, as their profile is newer."
        )
        self.results_published = cache(
            counter("results_published", "Results confirmed by RabbitMQ.", ("outcome",)).labels
        )
        self.results_unroutable = counter(
            "results_unroutable", "Results and dead letters that no queue took; published again."
        )
        self.dead_letters = cache(
            counter("dead_letters", "Dead letters confirmed by RabbitMQ.", ("reason",)).labels
        )
        self._partitions_active = gauge(
            "partitions_active", "Queues of events that this replica has taken events from."
        )
        self.partition_handovers = counter(
            "partition_handovers", "Partitions given up for the other replicas."
        )
        self.misrouted = counter(
            "misrouted", "Events whose routing key is not that of their profile."
        )
        self.broker_connected = gauge("broker_connected", "1 while there is a link to RabbitMQ.")
        self.broker_links = counter("broker_links", "Links taken to RabbitMQ.")
        self._paused = gauge("paused", "1 while no calls start for a cause.", ("cause",))
        gauge("build_info", "The running version.", ("version",)).labels(
            version("profile-sync")
        ).set(1)
        self._begin_at_zero()

    def _begin_at_zero(self) -> None:
        """Show what may happen before it does: a rate does not see the first of a new series."""
        for outcome in get_args(Outcome):
            self.results_published(outcome)
            if outcome not in ("rejected", "failed"):
                self.events_finished(outcome, "")
        for literal in get_args(Reason):
            for reason in get_args(literal):
                self.dead_letters(reason)
                outcome = "failed" if reason == "attempts-exhausted" else "rejected"
                self.events_finished(outcome, reason)

    def watch_work(
        self,
        lanes: Callable[[], float],
        sleeping_events: Callable[[], float],
        oldest_event_seconds: Callable[[], float],
        partitions_active: Callable[[], float],
    ) -> None:
        """Compute these at each scrape."""
        self._lanes.set_function(lanes)
        self._sleeping_events.set_function(sleeping_events)
        self._oldest_event_seconds.set_function(oldest_event_seconds)
        self._partitions_active.set_function(partitions_active)

    def watch_pauses(self, causes: Iterable[str], active: Callable[[str], bool]) -> None:
        """Ask which pauses there are at each scrape."""
        for cause in causes:
            self._paused.labels(cause).set_function(partial(active, cause))

    def totals(self) -> Counts[str]:
        """Give what has been counted: events received, finished by outcome, calls, those saved."""
        totals: Counts[str] = Counts()
        for family in self.registry.collect():
            name = family.name.removeprefix("profile_sync_")
            if name in ("events_finished", *_SAID_AS):
                for sample in family.samples:
                    label = sample.labels.get("outcome") or _SAID_AS[name]
                    totals[label] += int(sample.value)
        return +totals

    def levels(self) -> dict[str, float]:
        """Give what waits just now: keys at work, events that sleep, the age of the oldest."""
        names = ("lanes", "sleeping_events", "oldest_event_seconds")
        values = {name: self.registry.get_sample_value(f"profile_sync_{name}") for name in names}
        return {name: round(value or 0, 1) for name, value in values.items()}

    def page(self, accept: str) -> tuple[bytes, str]:
        """Write all metrics in the format a scraper accepts: the bytes and their content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type
