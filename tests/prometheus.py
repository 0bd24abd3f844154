"""A Prometheus of one's own: it scrapes what it is told, judges by rules, and answers queries."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import httpx

from tests.alerts import CONFIG, RULES, read
from tests.programs import Program
from tests.rabbitmq import free_ports

PROGRAM = shutil.which("prometheus")


class Source:
    """A Prometheus that runs at an address."""

    def __init__(self, url: str) -> None:
        self.url = url

    def query(self, expr: str) -> list[dict[str, Any]]:
        """Return the series that a query gives now, as the API tells them."""
        series: list[dict[str, Any]] = self._get("query", query=expr)["result"]
        return series

    def values(self, label: str, series: str) -> list[str]:
        """Return the values of a label in some series."""
        values: list[str] = self._get(f"label/{label}/values", **{"match[]": series})
        return values

    def targets(self) -> dict[str, str]:
        """Return the health of what it scrapes by job; `up` if the last scrape succeeded."""
        active = self._get("targets")["activeTargets"]
        return {target["labels"]["job"]: target["health"] for target in active}

    def alerts(self) -> dict[str, str]:
        """Return the state of each alert that it has rules for: inactive, pending or firing."""
        groups = self._get("rules", type="alert")["groups"]
        return {rule["name"]: rule["state"] for group in groups for rule in group["rules"]}

    def page(self, name: str) -> str:
        """Return the URL of a page for people: Debian's are elsewhere than others'."""
        first = httpx.get(self.url, trust_env=False, follow_redirects=True)
        return str(first.url.join(name))

    def has_fired(self, alert: str, within: float) -> bool:
        """Tell whether an alert has fired in the last seconds, and be it for a moment."""
        series = f'ALERTS{{alertname="{alert}", alertstate="firing"}}'
        return bool(self.query(f"last_over_time({series}[{int(within * 1000) + 1}ms])"))

    def is_ready(self) -> bool:
        """Tell whether it answers queries."""
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/-/ready", trust_env=False).status_code == 200
        return False

    def _get(self, what: str, **parameters: str) -> Any:
        answer = httpx.get(f"{self.url}/api/v1/{what}", params=parameters, trust_env=False)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]


class Prometheus(Source):
    """Prometheus on a free port, its storage in an empty folder; entering waits until it is up."""

    def __init__(self, folder: Path, config: Mapping[str, Any], *options: str) -> None:
        """Start the program, which reads the configuration from the folder."""
        assert PROGRAM is not None
        super().__init__(f"http://127.0.0.1:{free_ports(1)[0]}")
        (folder / "prometheus.yml").write_text(json.dumps(config))
        arguments = [
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
            *options,
        ]
        self.program = Program(arguments, folder / "prometheus.log", os.environ, PROGRAM)

    def __enter__(self) -> Self:
        try:
            self.program.wait_until(self.is_ready, "ready", 30)
        except BaseException:
            self.program.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.program.kill()


def config(*jobs: Mapping[str, Any]) -> dict[str, Any]:
    """Configure a Prometheus that runs some jobs each second."""
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": list(jobs),
    }


def job(
    name: str, path: str, *urls: str, params: Mapping[str, Sequence[str]] | None = None
) -> dict[str, Any]:
    """Describe a job that scrapes a path at some `http://host:port`."""
    return {
        "job_name": name,
        "metrics_path": path,
        "params": dict(params or {}),
        "static_configs": [{"targets": [_address(url) for url in urls]}],
    }


def example(
    rules: Path,
    service_urls: Sequence[str],
    rabbitmq_url: str,
    vhost: str,
    interval: str = "1s",
) -> dict[str, Any]:
    """Give the example of deploy/prometheus, with what is here in place of its addresses.

    There is no Alertmanager, and all is asked and judged once an interval.
    """
    given = read(CONFIG)
    own, broker = given["scrape_configs"]
    own["static_configs"] = [{"targets": [_address(url) for url in service_urls]}]
    broker["static_configs"] = [{"targets": [_address(rabbitmq_url)]}]
    broker["params"]["vhost"] = [vhost]
    given["global"] |= {
        "scrape_interval": interval,
        "scrape_timeout": interval,
        "evaluation_interval": interval,
    }
    del given["alerting"]
    return {**given, "rule_files": [str(rules)]}


def rules_for(vhost: str) -> str:
    """Give the rules of deploy/prometheus for a virtual host."""
    return RULES.read_text().replace('vhost="/"', f'vhost="{vhost}"')


def _address(url: str) -> str:
    return httpx.URL(url).netloc.decode()
