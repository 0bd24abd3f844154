"""A Prometheus of the test's own: it scrapes what it is told, and answers queries."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import httpx

from tests.programs import eventually
from tests.rabbitmq import free_ports

PROGRAM = shutil.which("prometheus")

_JOB = """\
- job_name: {name}
  metrics_path: {path}
  params: {params}
  static_configs: [{{targets: {targets}}}]
"""


class Prometheus:
    """Prometheus on a free port, its storage in a folder of the test's, while the context lasts."""

    def __init__(self, folder: Path, *jobs: str) -> None:
        """Write the configuration; entering the context starts the program."""
        self._folder = folder
        self.url = f"http://127.0.0.1:{free_ports(1)[0]}"
        (folder / "prometheus.yml").write_text(
            "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n" + "".join(jobs)
        )

    def __enter__(self) -> Self:
        assert PROGRAM is not None
        with (self._folder / "prometheus.log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    PROGRAM,
                    f"--config.file={self._folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={self._folder / 'data'}",
                    f"--web.listen-address={self.url.removeprefix('http://')}",
                ],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        if not eventually(self._is_ready, 30):
            self.__exit__()
            raise AssertionError((self._folder / "prometheus.log").read_text()[-4000:])
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def query(self, expr: str) -> list[dict[str, Any]]:
        """Return the series that a query gives now, as the API tells them."""
        series: list[dict[str, Any]] = self._get("query", {"query": expr})["result"]
        return series

    def values(self, label: str, series: str) -> list[str]:
        """Return the values of a label in some series."""
        values: list[str] = self._get(f"label/{label}/values", {"match[]": series})
        return values

    def _get(self, what: str, parameters: Mapping[str, str]) -> Any:
        answer = httpx.get(f"{self.url}/api/v1/{what}", params=dict(parameters), trust_env=False)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def _is_ready(self) -> bool:
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/-/ready", trust_env=False).status_code == 200
        return False


def job(name: str, path: str, *urls: str, params: Mapping[str, Sequence[str]] | None = None) -> str:
    """Write a job that scrapes a path at some `http://host:port`."""
    targets = [url.removeprefix("http://") for url in urls]
    chosen = {key: list(values) for key, values in (params or {}).items()}
    return _JOB.format(name=name, path=path, targets=targets, params=chosen)
