"""What holds the alerts, their tests, their runbooks and the service together."""

import re
from pathlib import Path
from typing import get_args

import pytest

import service
from service.metrics import Metrics
from service.outcomes import Outcome
from service.pauses import PAUSES
from tests.alerts import CONFIG as PROMETHEUS
from tests.alerts import RULES, alerts, groups, read, recorded, runbooks, selected, shortened, tried

SOURCES = "".join(path.read_text() for path in Path(service.__path__[0]).glob("*.py"))
PARTS = ("**Profiles:**", "**Look:**", "**Do:**", "**Over:**")


def own() -> set[str]:
    """The series that the service shows."""
    return {
        family.name + "_total" * (family.type == "counter")
        for family in Metrics().registry.collect()
    }


def quoted(text: str) -> set[str]:
    """The log messages that a runbook quotes."""
    return set(re.findall(r'`"([^"`]+)"`', text))


@pytest.mark.parametrize("alert", alerts())
def test_an_alert_says_what_is_wrong_and_what_to_do_first(alert: str) -> None:
    rule = alerts()[alert]
    assert rule["labels"]["severity"] in ("page", "ticket")
    notes = rule["annotations"]
    assert notes.keys() == {"summary", "description", "runbook_url"}
    assert notes["summary"][-1] not in ".!"
    assert re.search(r"\. First: [a-z][^.?]+\.$", notes["description"])
    assert notes["runbook_url"] == "{{ $externalLabels.runbooks }}#" + alert.lower()


def test_the_base_of_the_runbooks_is_set_in_one_place() -> None:
    config = read(PROMETHEUS)
    assert config["global"]["external_labels"]["runbooks"].endswith("/runbooks.md")
    assert config["alerting"]["alert_relabel_configs"] == [
        {"action": "labeldrop", "regex": "runbooks"}
    ]


@pytest.mark.parametrize("alert", alerts())
def test_an_alert_is_tried_firing_and_silent(alert: str) -> None:
    assert tried()[alert] == {True, False}


def test_no_test_is_of_an_alert_that_there_is_not() -> None:
    assert tried().keys() == alerts().keys()


def test_only_the_first_group_names_jobs_and_queues() -> None:
    sources, judging = groups()
    assert not [rule for rule in sources if "alert" in rule]
    for rule in judging:
        assert not re.search(r"\b(job|queue|vhost)\b", rule["expr"])
        assert not re.search(r"\b(profile_sync|rabbitmq)_", rule["expr"])


def test_all_that_is_recorded_is_used_and_all_that_is_used_is_recorded() -> None:
    rules = [rule for group in groups() for rule in group]
    used = {name for rule in rules for name in re.findall(r"\bprofile_sync:[\w:]+", rule["expr"])}
    assert used == recorded()


def test_the_service_has_the_metrics_that_rules_and_runbooks_name() -> None:
    named = {name for name in selected() if name.startswith("profile_sync_")}
    assert len(named) > 5
    assert named <= own()
    for section in runbooks().values():
        for name in re.findall(r"\bprofile_sync_\w+", section):
            assert name in own() or name.removesuffix("_sum").removesuffix("_count") in own()


@pytest.mark.parametrize("pause", PAUSES)
def test_each_pause_has_an_alert(pause: str) -> None:
    assert [rule for rule in alerts().values() if f'{{cause="{pause}"}}' in rule["expr"]]


def test_each_alert_has_a_runbook_and_each_runbook_an_alert() -> None:
    assert list(runbooks()) == list(alerts())


@pytest.mark.parametrize(("name", "section"), runbooks().items())
def test_a_runbook_says_what_it_means_and_what_to_do(name: str, section: str) -> None:
    places = [section.find(part) for part in PARTS]
    assert -1 < places[0] < places[1] < places[2] < places[3]
    for other in re.findall(r"\]\(#(\w+)\)", section):
        assert other in {alert.lower() for alert in alerts()} - {name.lower()}


@pytest.mark.parametrize(("name", "section"), runbooks().items())
def test_the_service_writes_the_log_messages_that_a_runbook_quotes(name: str, section: str) -> None:
    written = {f"event {outcome}" for outcome in get_args(Outcome)}
    for message in quoted(section):
        assert message in written or f'"{message}"' in SOURCES, name


def test_runbooks_quote_log_messages() -> None:
    assert len({message for section in runbooks().values() for message in quoted(section)}) > 10


def test_time_in_the_rules_can_pass_faster() -> None:
    expr = "300 * (x:increase15m offset 5m > min_over_time(x[1h])) and y{z='1d'}[30s] offset 6h > 9"
    given = {"alert": "A", "for": "2m", "labels": {"a": "1h"}, "expr": expr}
    (rule,) = shortened({"groups": [{"name": "g", "rules": [given]}]}, 60)["groups"][0]["rules"]
    assert rule == {
        "alert": "A",
        "for": "2000ms",
        "labels": {"a": "1h"},
        "expr": "300 * (x:increase15m offset 5000ms > min_over_time(x[60000ms]))"
        " and y{z='1d'}[500ms] offset 360000ms > 9",
    }


def test_no_time_in_the_rules_is_left_as_it_was() -> None:
    text = str(shortened(read(RULES), 60))
    assert not re.search(r"\[\d+[a-z]\]|offset \d+[a-z]\b|'for': '\d+[a-z]'", text)
    assert text.count("ms'") == sum("for" in rule for group in groups() for rule in group)
