import pytest
from prometheus_client.metrics import MetricWrapperBase

from service.metrics import Metrics

CONTRACT = {
    "events_received": ("counter", ()),
    "events_finished": ("counter", ("outcome", "reason")),
    "event_seconds": ("histogram", ("outcome",)),
    "event_age_seconds": ("histogram", ()),
    "api_requests": ("counter", ("call", "status")),
    "api_request_seconds": ("histogram", ("call",)),
    "retries": ("counter", ("cause",)),
    "in_flight": ("gauge", ()),
    "lanes": ("gauge", ()),
    "oldest_event_seconds": ("gauge", ()),
    "profiles_matched": ("histogram", ()),
    "multiple_matches": ("counter", ()),
    "profiles_created": ("counter", ()),
    "results_published": ("counter", ("outcome",)),
    "results_unroutable": ("counter", ()),
    "dead_letters": ("counter", ("reason",)),
    "broker_connected": ("gauge", ()),
    "broker_links": ("counter", ()),
    "sleeping_events": ("gauge", ()),
    "stale_replays": ("counter", ()),
    "coalesced": ("counter", ()),
    "partitions_active": ("gauge", ()),
    "partition_handovers": ("counter", ()),
    "misrouted": ("counter", ()),
    "paused": ("gauge", ("cause",)),
    "build_info": ("gauge", ("version",)),
}


@pytest.mark.parametrize("name", CONTRACT)
def test_has_the_instruments_of_the_contract(name: str) -> None:
    metrics = Metrics()
    instrument = metrics.registry._names_to_collectors[f"profile_sync_{name}"]
    assert isinstance(instrument, MetricWrapperBase)
    assert (instrument._type, instrument._labelnames) == CONTRACT[name]


def test_has_no_other_instruments() -> None:
    ours = {
        family.name.removeprefix("profile_sync_")
        for family in Metrics().registry.collect()
        if family.name.startswith("profile_sync_")
    }
    assert ours == set(CONTRACT)


def test_two_do_not_share_anything() -> None:
    one, other = Metrics(), Metrics()
    one.events_received.inc()
    assert other.registry.get_sample_value("profile_sync_events_received_total") == 0


def test_asks_for_what_waits_at_each_scrape() -> None:
    metrics = Metrics()
    lanes, ages = iter([1, 2]), iter([3.0, 4.0])
    metrics.watch_work(lambda: next(lanes), lambda: 5, lambda: next(ages), lambda: 1)
    for lane, age in ((1, 3), (2, 4)):
        page = metrics.page("")[0].decode()
        assert f"profile_sync_lanes {lane}.0\n" in page
        assert "profile_sync_sleeping_events 5.0\n" in page
        assert f"profile_sync_oldest_event_seconds {age}.0\n" in page


@pytest.mark.parametrize(
    ("accept", "content_type", "end"),
    [
        ("", "text/plain", b""),
        ("*/*", "text/plain", b""),
        ("application/openmetrics-text;version=1.0.0", "application/openmetrics-text", b"# EOF\n"),
    ],
)
def test_writes_what_the_scraper_accepts(accept: str, content_type: str, end: bytes) -> None:
    page, written = Metrics().page(accept)
    assert written.startswith(content_type)
    assert page.endswith(end)
    assert b"profile_sync_events_received_total 0.0\n" in page


def test_has_no_series_that_only_say_when_they_began() -> None:
    assert b"_created" not in Metrics().page("")[0].replace(b"profiles_created", b"")


def test_counts_from_zero_what_may_become_of_an_event() -> None:
    page = Metrics().page("")[0].decode()
    for series in (
        'events_finished_total{outcome="updated",reason=""}',
        'events_finished_total{outcome="rejected",reason="unknown-database"}',
        'events_finished_total{outcome="rejected",reason="invalid-json"}',
        'events_finished_total{outcome="failed",reason="attempts-exhausted"}',
        'dead_letters_total{reason="refused"}',
        'results_published_total{outcome="failed"}',
    ):
        assert f"profile_sync_{series} 0.0\n" in page
    assert 'outcome="rejected",reason=""' not in page
    assert 'outcome="rejected",reason="attempts-exhausted"' not in page
