"""The alerts, as Prometheus's own tool and the real pages take them."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.alerts import CONFIG, RULES, TESTS, scrape_of_rabbitmq, selected
from tests.deploy.manifests import of_kind, with_components
from tests.integration.conftest import Mail, wait_for
from tests.programs import Service, StandIn
from tests.rabbitmq import Node, Vhost

EVENTS = "profile-sync.events"
_DOWN = 'count by (deployment) (ALERTS{alertname="ProfileSyncDown", alertstate="firing"})'

Start = Callable[..., tuple[Service, StandIn]]
Promtool = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def promtool() -> Promtool:
    """Run Prometheus's tool: `promtool("check", "rules", path)`."""
    tool = shutil.which("promtool")
    if tool is None:
        missing = "promtool is missing: it comes with Prometheus (apt-get install prometheus)"
        if os.environ.get("PROFILE_SYNC_TEST_PROMTOOL"):
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)

    def run(*arguments: str | Path, text: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [tool, *arguments], input=text, capture_output=True, text=True, check=False
        )

    return run


def test_the_rules_can_be_loaded(promtool: Promtool) -> None:
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", RULES)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr


def test_the_example_can_be_loaded_with_the_rules(promtool: Promtool) -> None:
    done = promtool("check", "config", "--lint=all", "--lint-fatal", CONFIG)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Checking {RULES}" in done.stdout


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_the_alerts_fire_and_are_silent_when_they_shall(promtool: Promtool, path: Path) -> None:
    done = promtool("test", "rules", path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_scaled_to_zero_it_is_down_only_for_events_of_its_own(
    promtool: Promtool, tmp_path: Path
) -> None:
    manifests = with_components("monitoring", "scale-to-zero")
    rules = of_kind(manifests, "PrometheusRule")["profile-sync"]["spec"]
    (tmp_path / "rules.yaml").write_text(json.dumps(rules))
    queue = 'rabbitmq_detailed_queue_messages{deployment="%s", vhost="/", queue="%s"}'
    replica = 'up{job="profile-sync", deployment="%s", instance="%s"}'
    case = {
        "interval": "1m",
        "input_series": [
            {"series": replica % ("shop", "a"), "values": "1x10 stale"},
            {"series": replica % ("club", "b"), "values": "1x200"},
            {"series": queue % ("shop", EVENTS), "values": "0x120 7x80"},
            {"series": queue % ("club", EVENTS), "values": "3x200"},
        ],
        "promql_expr_test": [
            {"expr": _DOWN, "eval_time": "20m", "exp_samples": []},
            {"expr": _DOWN, "eval_time": "115m", "exp_samples": []},
            {
                "expr": _DOWN,
                "eval_time": "130m",
                "exp_samples": [{"labels": '{deployment="shop"}', "value": 1}],
            },
        ],
    }
    tests = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [case]}
    (tmp_path / "tests.yaml").write_text(json.dumps(tests))
    done = promtool("test", "rules", tmp_path / "tests.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_alert_that_never_fires_would_be_noticed(promtool: Promtool, tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    path = tmp_path / "tests" / "pauses.yaml"
    path.write_text((RULES.parent / "tests" / "pauses.yaml").read_text())
    rules = RULES.read_text()
    (tmp_path / "rules.yaml").write_text(rules.replace('cause="token"', 'cause="tokens"'))
    done = promtool("test", "rules", path)
    assert done.returncode == 1
    assert "ProfileSyncTokenRefused" in done.stdout + done.stderr


def test_the_page_of_the_service_is_clean(promtool: Promtool, service: Start, mail: Mail) -> None:
    done = promtool("check", "metrics", text=_page_after_work(service, mail))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_rules_select_what_the_pages_have(service: Start, mail: Mail, vhost: Vhost) -> None:
    broker = vhost.broker
    if not isinstance(broker, Node):
        pytest.skip("needs a RabbitMQ whose address for Prometheus is known")
    told = _families(_page_after_work(service, mail))
    wait_for(
        lambda: _value(_families(_page_of_rabbitmq(broker, vhost)), "consumers") == 1,
        "numbers of the queues",
    )
    told |= _families(_page_of_rabbitmq(broker, vhost))
    for name, labels in selected().items():
        assert name in told
        assert labels - {"job"} <= set(told[name].samples[0].labels), name


def test_rabbitmq_tells_who_consumes_the_event_queue_and_what_waits(
    service: Start, mail: Mail, vhost: Vhost
) -> None:
    broker = vhost.broker
    if not isinstance(broker, Node):
        pytest.skip("needs a RabbitMQ whose address for Prometheus is known")
    running, api = service(HOLD_TIMEOUT="1")

    def told() -> tuple[float | None, float | None]:
        families = _families(_page_of_rabbitmq(broker, vhost))
        return _value(families, "messages"), _value(families, "consumers")

    wait_for(lambda: told() == (0, 1), "one consumer and no event")
    api.stop()
    mail.send({"database": 1234, "where": {"customerid": "1"}, "fields": {"firstname": "John"}})
    wait_for(lambda: told() == (1, 0), "the event in its queue, and nobody who takes it")
    page = _families(httpx.get(f"{running.http_url}/metrics", trust_env=False).text)
    assert page["profile_sync_oldest_event_seconds"].samples[0].value == 0


def _page_after_work(service: Start, mail: Mail) -> str:
    running, _ = service()
    good = {"database": 1234, "where": {"customerid": "1"}, "fields": {"firstname": "John"}}
    mail.send({**good, "create": True}, b"{")
    mail.results(2)
    return httpx.get(f"{running.http_url}/metrics", trust_env=False).text


def _page_of_rabbitmq(node: Node, vhost: Vhost) -> str:
    path, parameters = scrape_of_rabbitmq()
    url = httpx.URL(node.prometheus_url).copy_with(path=path)
    query = {**parameters, "vhost": [vhost.name]}
    return httpx.get(url, params=query, trust_env=False).raise_for_status().text


def _families(page: str) -> dict[str, Metric]:
    """Read a page: its families by the name that a rule knows them by."""
    return {
        family.name + "_total" * (family.type == "counter"): family
        for family in text_string_to_metric_families(page)
        if family.samples
    }


def _value(families: dict[str, Metric], what: str) -> float | None:
    family = families.get(f"rabbitmq_detailed_queue_{what}")
    samples = family.samples if family else []
    return next((each.value for each in samples if each.labels.get("queue") == EVENTS), None)
