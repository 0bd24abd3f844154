"""The alerts of deploy/prometheus, their tests and their runbooks, read as data."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped] # its stubs would be one more package to lock

DEPLOY = Path(__file__).parent.parent / "deploy"
RULES = DEPLOY / "prometheus" / "rules.yaml"
CONFIG = DEPLOY / "prometheus" / "prometheus.yaml"
TESTS = sorted((DEPLOY / "prometheus" / "tests").glob("*.yaml"))

Rule = Mapping[str, Any]

_SELECTED = re.compile(r"\b((?:profile_sync|rabbitmq)_\w+)(?:\{([^}]*)\})?")
_DURATION = re.compile(r"(?<=\[)\d+[smhd](?=\])|(?<=offset )\d+[smhd]\b")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_LABEL = re.compile(r"(\w+)(?:=|!=|=~|!~)\"")


def groups() -> list[list[Rule]]:
    """Give the rules, group by group."""
    return [group["rules"] for group in read(RULES)["groups"]]


def alerts() -> dict[str, Rule]:
    """Give the alerts by name."""
    return {rule["alert"]: rule for group in groups() for rule in group if "alert" in rule}


def recorded() -> set[str]:
    """Give the names of what the rules record."""
    return {rule["record"] for group in groups() for rule in group if "record" in rule}


def selected() -> dict[str, set[str]]:
    """Give the metrics that the rules take from pages, and the labels that they tell them by."""
    found: dict[str, set[str]] = defaultdict(set)
    for rule in (rule for group in groups() for rule in group):
        for name, labels in _SELECTED.findall(rule["expr"]):
            found[name] |= set(_LABEL.findall(labels))
    return dict(found)


def shortened(rules: Mapping[str, Any], divisor: int) -> dict[str, Any]:
    """Give rules in which time passes faster: windows, offsets and `for`, but not thresholds."""

    def divided(duration: str) -> str:
        seconds = int(duration[:-1]) * _SECONDS[duration[-1]]
        return f"{seconds * 1000 // divisor}ms"

    def quick(rule: Rule) -> Rule:
        expr = _DURATION.sub(lambda found: divided(found[0]), rule["expr"])
        return {**rule, "expr": expr} | ({"for": divided(rule["for"])} if "for" in rule else {})

    return {
        "groups": [
            {**group, "rules": [quick(rule) for rule in group["rules"]]}
            for group in rules["groups"]
        ]
    }


def tried() -> dict[str, set[bool]]:
    """Give what the tests expect of each alert: that it fires (True), that it is silent."""
    found: dict[str, set[bool]] = defaultdict(set)
    for path in TESTS:
        for test in read(path)["tests"]:
            for check in test["alert_rule_test"]:
                found[check["alertname"]].add(bool(check["exp_alerts"]))
    return dict(found)


def runbooks() -> dict[str, str]:
    """Give the sections of the runbooks by their heading, each as one line."""
    text = (DEPLOY / "runbooks.md").read_text()
    return {
        section.partition("\n")[0]: " ".join(section.split())
        for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    }


def scrape_of_rabbitmq() -> tuple[str, dict[str, list[str]]]:
    """Give the path and the parameters by which the example scrapes RabbitMQ."""
    jobs: Iterator[Mapping[str, Any]] = iter(read(CONFIG)["scrape_configs"])
    job = next(job for job in jobs if "rabbitmq" in job["job_name"])
    return job["metrics_path"], dict(job["params"])


def read(path: Path) -> Any:
    """Read a YAML file."""
    return yaml.safe_load(path.read_text())
