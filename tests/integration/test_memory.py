"""What a full window of the largest events takes, beside the limit that Kubernetes is told."""

import json
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.alerts import read
from tests.deploy.manifests import FOLDER
from tests.integration.conftest import EVENTS, RESULTS, Mail, wait_for
from tests.programs import Service, StandIn

pytestmark = pytest.mark.slow

MIB, LIMIT = 2**20, 1536
KEYS, WINDOW, IN_FLIGHT = 64, 512, 32
# One character beyond the first plane, and Python keeps each in four bytes.
DEAR = "\N{GRINNING FACE}"


def seed(folder: Path) -> str:
    """Write profiles so large that an answer is just below MAX_RESPONSE_BYTES."""
    fields = {"email": DEAR + "x" * 780_000}
    profiles = [{"fields": {"customerid": str(key), **fields}} for key in range(KEYS)]
    names = ("customerid", "firstname", "email")
    database = {
        "id": 1234,
        "name": "Customers",
        "fields": [{"name": name, "type": "big"} for name in names],
        "profiles": profiles,
    }
    file = folder / "seed.json"
    file.write_text(json.dumps({"databases": [database]}))
    return str(file)


def largest(number: int) -> bytes:
    event = {
        "id": f"large-{number}",
        "database": 1234,
        "where": {"customerid": str(number % KEYS)},
        "fields": {"firstname": DEAR + "x" * 262_000},
    }
    return json.dumps(event, ensure_ascii=False).encode()


def test_a_full_window_of_the_largest_events_fits_the_memory_of_a_pod(
    service: Callable[..., tuple[Service, StandIn]], mail: Mail, tmp_path: Path
) -> None:
    running, _ = service("--latency", "2", "--seed-file", seed(tmp_path), LOG_LEVEL="info")
    assert 261_900 < len(largest(0)) <= 262_144
    mail.send(*map(largest, range(WINDOW + 2 * KEYS)))
    wait_for(lambda: mail.ready(EVENTS) < 2 * KEYS, "a full window")
    wait_for(lambda: mail.ready(RESULTS) >= 2 * IN_FLIGHT, "answers", 60)
    used = psutil.Process(running.process.pid).memory_info().rss
    result = mail.results(1)[0]
    assert (result["outcome"], result["matched"]) == ("updated", 1)
    assert len(json.dumps(result)) > 1_000_000
    manifest = read(FOLDER / "base" / "deployment.yaml")
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"] == {"memory": f"{LIMIT}Mi"}
    # With less the window was not full, or not of the largest.
    assert LIMIT * MIB / 3 < used < LIMIT * MIB * 0.8
