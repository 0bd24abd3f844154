"""The images as they are built, and run with nothing writable and nothing allowed."""

import os
import tomllib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.images import ROOT, Engine, MissingEngine, base_name
from tests.integration.conftest import EVENTS, RESULTS, Mail, wait_for
from tests.rabbitmq import Vhost, free_ports

pytestmark = pytest.mark.slow

_SECONDS = 600  # for all that is done with images: 120 to 270 s on two cores, the base included
_GRACE = 30  # seconds from SIGTERM to SIGKILL: more than DRAIN_TIMEOUT, as in Kubernetes

# What can install or build more, and what Python compiles anew at each start.
_TOOLS = """
import importlib.util, json, shutil
modules = ["pip", "ensurepip", "setuptools", "wheel", "hatchling"]
programs = ["pip", "pip3", "cc", "gcc", "make", "git", "curl"]
print(json.dumps([
    [name for name in modules if importlib.util.find_spec(name)],
    [name for name in programs if shutil.which(name)],
]))
"""
_UNCOMPILED = """
import importlib, json, os, sys
for name in {modules}:
    importlib.import_module(name)
expected = [getattr(module, "__cached__", None) for module in list(sys.modules.values())]
files = [cached for cached in expected if cached]
print(json.dumps([len(files), [cached for cached in files if not os.path.exists(cached)]]))
"""
# The kernel's own word for what a process may do, and folders that it may write to.
_ALLOWED = """
import json, os
status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
told = {name: status[name].strip() for name in ("CapEff", "CapPrm", "CapBnd", "NoNewPrivs")}
folders = ["/", "/tmp", "/var/tmp", "/run", "/opt", "/srv", "/usr/local/bin"]
print(json.dumps([os.getuid(), told, [one for one in folders if os.access(one, os.W_OK)]]))
"""


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """Give what builds and runs images, or skip; where that is required, fail."""
    try:
        with Engine(_SECONDS) as started:
            yield started
    except MissingEngine as missing:
        if os.environ.get("PROFILE_SYNC_TEST_IMAGES"):
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def service_image(engine: Engine) -> str:
    return engine.build("service", REVISION="abc1234")


@pytest.fixture(scope="module")
def standin_image(engine: Engine) -> str:
    return engine.build("standin", REVISION="abc1234")


@pytest.fixture
def images(service_image: str, standin_image: str) -> dict[str, str]:
    return {"service": service_image, "standin": standin_image}


def test_a_build_is_given_nothing_but_what_the_images_are_made_of(engine: Engine) -> None:
    named = {"README.md", "LICENSE", "pyproject.toml", "tests/__init__.py"}
    locks = {f"requirements{part}.lock" for part in ("", "-build", "-otel", "-standin")}
    code = {
        str(path.relative_to(ROOT))
        for folder in ("service", "tests/standin")
        for path in (ROOT / folder).rglob("*.py")
    }
    assert engine.context() == named | locks | code


def test_the_images_run_as_a_nobody_and_tell_what_they_are(
    engine: Engine, images: dict[str, str]
) -> None:
    told = {target: engine.configuration(image) for target, image in images.items()}
    for configuration in told.values():
        labels = configuration["Labels"]
        assert configuration["User"] == "65532:65532"
        assert labels["org.opencontainers.image.revision"] == "abc1234"
        assert labels["org.opencontainers.image.licenses"] == "MIT"
    assert told["service"]["Entrypoint"] == ["profile-sync"]
    assert told["service"]["Healthcheck"]["Test"] == ["CMD", "profile-sync", "probe"]
    assert list(told["service"]["ExposedPorts"]) == ["8000/tcp"]
    assert list(told["standin"]["ExposedPorts"]) == ["8080/tcp"]


def test_nothing_in_the_images_installs_or_builds(engine: Engine, images: dict[str, str]) -> None:
    assert [engine.ask(image, _TOOLS) for image in images.values()] == [[[], []]] * 2


def test_they_run_with_nothing_allowed_and_nothing_writable(
    engine: Engine, images: dict[str, str]
) -> None:
    none = "0" * 16
    locked = {"CapEff": none, "CapPrm": none, "CapBnd": none, "NoNewPrivs": "1"}
    for image in images.values():
        assert engine.ask(image, _ALLOWED) == [65532, locked, []]


@pytest.mark.parametrize(
    ("target", "modules"),
    [
        ("service", ["service.commands.cli", "service.process"]),
        ("standin", ["tests.standin.server"]),
    ],
)
def test_all_that_is_loaded_was_compiled_before(
    engine: Engine, images: dict[str, str], target: str, modules: list[str]
) -> None:
    loaded, uncompiled = engine.ask(images[target], _UNCOMPILED.format(modules=modules))
    assert loaded > 100
    assert uncompiled == []


def test_an_image_that_can_send_traces_is_one_build_argument_away(engine: Engine) -> None:
    image = engine.build("service", tag="service-otel", LOCK="requirements-otel.lock")
    script = "import json; from service.tracing import provider; provider(); print(json.dumps(1))"
    assert engine.ask(image, script) == 1


def test_the_base_has_the_python_that_its_name_says(engine: Engine, service_image: str) -> None:
    version = engine.ask(service_image, "import sys; print(list(sys.version_info[:2]))")
    assert base_name() == "python:{}.{}-slim".format(*version)


def test_the_image_says_the_version_of_the_project(engine: Engine, service_image: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    script = "import importlib.metadata, json; print(json.dumps(importlib.metadata.version({!r})))"
    assert engine.ask(service_image, script.format(project["name"])) == project["version"]


def test_events_flow_through_the_images_and_sigterm_loses_none(
    engine: Engine, images: dict[str, str], vhost: Vhost
) -> None:
    api, monitor = free_ports(2)
    settings = {
        "AMQP_URL": vhost.amqp_url,
        "API_URL": f"http://127.0.0.1:{api}/v2",
        "ACCESS_TOKEN": "demo-token",
        "HTTP_PORT": str(monitor),
        "MAX_IN_FLIGHT": "4",
    }
    standin = engine.start(images["standin"], "--port", str(api), "--latency", "0.05")
    wait_for(lambda: _listens(f"http://127.0.0.1:{api}/__standin/journal"), "the stand-in", 60)
    environment = {f"PROFILE_SYNC_{name}": value for name, value in settings.items()}
    service = engine.start(images["service"], environment=environment)
    wait_for(service.is_healthy, "the service healthy", 60)
    mail = Mail(vhost.amqp_url)

    mail.send(*(_event(n) for n in range(400)))
    wait_for(lambda: mail.ready(RESULTS) > 50, "some results", 60)
    exit_code = service.stop(_GRACE)

    assert exit_code == 0, service.output()
    left = mail.ready(EVENTS)
    assert 0 < left < 400
    results = mail.results(400 - left)
    mail.close()
    assert {result["outcome"] for result in results} == {"created"}
    assert len({result["event_id"] for result in results}) == 400 - left
    assert standin.stop(_GRACE) == 0


def test_what_is_missing_is_named_with_the_way_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MissingEngine, match=r"buildah, podman, runc, mmdebstrap; `\./dev image-"):
        Engine(1)


def _event(number: int) -> dict[str, Any]:
    return {
        "id": f"evt-{number}",
        "database": 1234,
        "where": {"customerid": f"{number}"},
        "create": True,
        "fields": {"firstname": f"{number}"},
    }


def _listens(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
