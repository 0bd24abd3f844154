"""Secrets as Kubernetes mounts them: links into a folder that is replaced as a whole."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx

from tests.integration.conftest import Mail, wait_for
from tests.integration.test_service import event
from tests.programs import Service, StandIn


def lay(volume: Path, version: str, secrets: Mapping[str, str]) -> None:
    """Write a version of the secrets beside the last one, then let all links lead to it at once."""
    (volume / version).mkdir()
    for name, value in secrets.items():
        (volume / version / name).write_text(value)
        if not (volume / name).is_symlink():
            (volume / name).symlink_to(f"..data/{name}")
    (volume / "..data_tmp").symlink_to(version)
    os.rename(volume / "..data_tmp", volume / "..data")


def test_the_token_is_renewed_from_a_mounted_secret(
    standin: Callable[..., StandIn],
    environment: Callable[..., dict[str, str]],
    run_service: Callable[[Mapping[str, str]], Service],
    mail: Mail,
    tmp_path: Path,
) -> None:
    variables = environment(standin("--token", "t0ken-of-tomorrow"), SECRETS_DIR=str(tmp_path))
    del variables["PROFILE_SYNC_ACCESS_TOKEN"]
    url = {"amqp_url": variables.pop("PROFILE_SYNC_AMQP_URL")}
    lay(tmp_path, "..2026_11_29_1", {"access_token": "t0ken-of-yesterday", **url})
    running = run_service(variables)
    running.wait_ready()
    mail.send(event(1, create=True))
    ready = f"{running.http_url}/readyz"
    wait_for(lambda: httpx.get(ready, trust_env=False).text == "token\n", "a refused token")

    lay(tmp_path, "..2026_11_29_2", {"access_token": "t0ken-of-tomorrow", **url})

    assert mail.results(1)[0]["outcome"] == "created"
    wait_for(lambda: httpx.get(ready, trust_env=False).text == "ok\n", "ready again")
    assert running.terminate() == 0
