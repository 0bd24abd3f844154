"""The service's metrics, read as Prometheus would: the handful that tell the demo's story."""

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

# Counters by the label that tells them apart, histograms by their mean.
PREFIX = "profile_sync_"
_SHOWN = {
    "events_received": "",
    "events_finished": "outcome",
    "event_seconds": "mean",
    "api_requests": "call",
    "profiles_created": "",
    "misrouted": "",
    "results_published": "",
    "dead_letters": "reason",
}


def moved(page: str) -> Iterator[tuple[str, str]]:
    """Yield the metrics worth a look: the name without prefix; the meaning and value in words.

    Args:
        page: what /metrics answers.
    """
    families = {family.name: family for family in text_string_to_metric_families(page)}
    for name, label in _SHOWN.items():
        family = families.get(PREFIX + name)
        if family is None:
            continue
        shown = name if label == "mean" else f"{name}_total"
        yield shown, f"{family.documentation.rstrip('.')}: {_value(family, label)}"


def _value(family: Metric, label: str) -> str:
    if label == "mean":
        total = sum(sample.value for sample in family.samples if sample.name.endswith("_sum"))
        count = sum(sample.value for sample in family.samples if sample.name.endswith("_count"))
        return f"{total / count:.3f} on average" if count else "none yet"
    by_label: dict[str, float] = {}
    for sample in family.samples:
        if sample.name.endswith("_total"):
            key = sample.labels.get(label, "")
            by_label[key] = by_label.get(key, 0) + sample.value
    told = (f"{key} {value:g}".strip() for key, value in by_label.items() if value)
    return ", ".join(told) or "0"
