"""deploy/compose.yaml, and what it repeats of the other files."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import jsonschema
import pytest
from check_jsonschema.builtin_schemas import (  # type: ignore[import-untyped] # no py.typed
    get_builtin_schema,
)

from deploy.grafana.dashboard import FILE as DASHBOARD
from service.settings import Settings
from tests.alerts import CONFIG, read
from tests.compose import FILE, document, inline, mounts, service

DOCKERFILE = (FILE.parents[1] / "Dockerfile").read_text()
SERVICES = document()["services"]
OURS = ("profile-sync", "standin")


def port_of(target: str) -> int:
    """Give the port that an image of ours says it listens on."""
    stage = DOCKERFILE.partition(f" AS {target}\n")[2].partition("\nFROM ")[0]
    (port,) = re.findall(r"^EXPOSE (\d+)$", stage, re.MULTILINE)
    return int(port)


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in service("profile-sync")["environment"].items():
        monkeypatch.setenv(name, value)
    return Settings.load()


def test_it_is_what_the_schema_of_compose_files_allows() -> None:
    jsonschema.validate(document(), get_builtin_schema("vendor.compose-spec"))


def test_the_schema_refuses_a_misspelt_key() -> None:
    misspelt = document()
    misspelt["services"]["standin"]["port"] = ["8080"]
    with pytest.raises(jsonschema.ValidationError, match="'port' was unexpected"):
        jsonschema.validate(misspelt, get_builtin_schema("vendor.compose-spec"))


def test_images_of_others_have_their_whole_version() -> None:
    images = [one["image"] for one in SERVICES.values() if "image" in one]
    assert len(images) == 3
    assert [image for image in images if not re.search(r":v?\d+\.\d+\.\d+(-\w+)?$", image)] == []


def test_our_images_are_targets_of_the_dockerfile_and_run_restricted() -> None:
    assert [name for name, one in SERVICES.items() if "build" in one] == list(OURS)
    for name in OURS:
        one = service(name)
        context = (FILE.parent / one["build"]["context"]).resolve()
        assert (context / "Dockerfile").read_text() == DOCKERFILE
        assert f" AS {one['build']['target']}\n" in DOCKERFILE
        assert (one["read_only"], one["cap_drop"]) == (True, ["ALL"])
        assert one["security_opt"] == ["no-new-privileges:true"]


def test_every_port_is_for_this_machine_alone() -> None:
    ports = [port for one in SERVICES.values() for port in one["ports"]]
    assert [port for port in ports if not re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port)] == []


def test_the_service_finds_rabbitmq_and_the_stand_in(settings: Settings) -> None:
    api = urlsplit(settings.api_url)
    assert (api.hostname, api.port) == ("standin", port_of("standin"))
    assert urlsplit(settings.amqp_urls[0]).hostname == "rabbitmq"
    assert set(SERVICES) >= {"standin", "rabbitmq"}


def test_the_ports_are_those_that_the_images_listen_on(settings: Settings) -> None:
    monitor = settings.http_port
    assert (port_of("service"), port_of("standin")) == (monitor, 8080)
    assert service("profile-sync")["ports"] == [f"127.0.0.1:{monitor}:{monitor}"]
    assert service("standin")["ports"] == ["127.0.0.1:8080:8080"]


def test_the_service_is_given_longer_than_it_takes_to_drain(settings: Settings) -> None:
    grace = service("profile-sync")["stop_grace_period"]
    assert int(grace.removesuffix("s")) > settings.drain_timeout


def test_what_is_mounted_is_there_and_cannot_be_changed() -> None:
    volumes = [volume for one in SERVICES.values() for volume in one.get("volumes", [])]
    assert len(volumes) == 3
    assert [volume for volume in volumes if not volume.endswith(":ro")] == []
    assert [path for name in SERVICES for path in mounts(name).values() if not path.exists()] == []


def test_prometheus_reads_the_example_and_finds_what_it_scrapes() -> None:
    given = service("prometheus")["command"][0].removeprefix("--config.file=")
    folder, name = Path(given).parent, Path(given).name
    assert mounts("prometheus")[str(folder)] / name == CONFIG
    targets = [
        target
        for job in read(CONFIG)["scrape_configs"]
        for static in job["static_configs"]
        for target in static["targets"]
    ]
    assert targets == [f"profile-sync:{port_of('service')}", "rabbitmq:15692"]


def test_grafana_has_the_dashboard_and_prometheus() -> None:
    (source,) = inline("datasources")["datasources"]
    (provider,) = inline("dashboards")["providers"]
    seen = f"{provider['options']['path']}/{DASHBOARD.name}"
    assert mounts("grafana") == {seen: DASHBOARD}
    home = service("grafana")["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == seen
    assert (source["type"], source["isDefault"]) == ("prometheus", True)
    assert source["url"] == "http://prometheus:9090"
    assert service("prometheus")["ports"] == ["127.0.0.1:9090:9090"]


def test_every_inline_file_lies_where_grafana_looks() -> None:
    given = {one["source"]: one["target"] for one in service("grafana")["configs"]}
    assert set(given) == set(document()["configs"]) - {"plugins"}
    for kind, target in given.items():
        assert re.fullmatch(rf"/etc/grafana/provisioning/{kind}/[\w-]+\.yaml", target)


def test_rabbitmq_can_have_partitions() -> None:
    (given,) = service("rabbitmq")["configs"]
    assert given == {"source": "plugins", "target": "/etc/rabbitmq/enabled_plugins"}
    plugins = document()["configs"]["plugins"]["content"].strip()
    assert plugins == "[rabbitmq_management,rabbitmq_prometheus,rabbitmq_sharding]."
