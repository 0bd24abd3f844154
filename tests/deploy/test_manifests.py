"""What the manifests, the service, the image and each other must agree on."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from deploy.kubernetes.rules import FILE, text
from service.environment import DEFAULT_SECRETS_DIR, PREFIX
from service.settings import Settings
from tests import compose
from tests.alerts import alerts, read
from tests.deploy.manifests import (
    ALL,
    FOLDER,
    PARTITIONED,
    RENDERINGS,
    ROOT,
    Manifest,
    configuration,
    deployment,
    of_kind,
    overlay,
    pod,
    rendered,
    settings,
    with_components,
)

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
MIB = 2**20
FILES = sorted(
    path for path in FOLDER.rglob("*.yaml") if path.name not in ("kustomization.yaml", FILE.name)
)

every_rendering = pytest.mark.parametrize("rendering", RENDERINGS)


def container(rendering: str) -> Manifest:
    (only,) = pod(rendered(rendering))["containers"]
    one: Manifest = only
    return one


def number(manifests: list[Manifest], setting: str) -> float:
    """What a setting is in the pods: as the manifests say, or else the service's default."""
    default = Settings.model_fields[setting.lower()].default
    return float(settings(manifests).get(f"{PREFIX}{setting}", default))


def selectors(value: Any) -> list[Any]:
    """Every selector within a manifest, however deep."""
    if isinstance(value, list):
        return [found for one in value for found in selectors(one)]
    if not isinstance(value, dict):
        return []
    own = [value["matchLabels"]] if "matchLabels" in value else []
    return own + [found for one in value.values() for found in selectors(one)]


@every_rendering
def test_every_setting_exists(rendering: str) -> None:
    names = settings(rendered(rendering))
    assert names
    for name in names:
        assert name.removeprefix(PREFIX).lower() in Settings.model_fields


@pytest.mark.parametrize("rendering", ["production", "development", ALL, PARTITIONED])
def test_the_service_takes_the_settings(
    rendering: str, monkeypatch: pytest.MonkeyPatch, files_of_tls: dict[str, str]
) -> None:
    for name, value in settings(rendered(rendering)).items():
        monkeypatch.setenv(name, files_of_tls.get(value, value))
    monkeypatch.setenv(f"{PREFIX}ACCESS_TOKEN", "demo-token")
    scheme = "amqp" if rendering == "development" else "amqps"
    monkeypatch.setenv(f"{PREFIX}AMQP_URL", f"{scheme}://guest:guest@rabbitmq/%2F")
    taken = Settings.load()
    assert taken.drain_timeout == 25


@every_rendering
def test_a_stop_breaks_off_no_call(rendering: str) -> None:
    manifests = rendered(rendering)
    request, drain = (number(manifests, name) for name in ("REQUEST_TIMEOUT", "DRAIN_TIMEOUT"))
    assert 2 * request < drain < pod(manifests)["terminationGracePeriodSeconds"]
    assert "lifecycle" not in container(rendering)


@every_rendering
def test_a_full_window_of_the_largest_events_fits_the_memory(rendering: str) -> None:
    manifests = rendered(rendering)
    in_flight = number(manifests, "MAX_IN_FLIGHT")
    window = min(16 * in_flight, 2000) * number(manifests, "MAX_EVENT_BYTES")
    answers = in_flight * number(manifests, "MAX_RESPONSE_BYTES")
    assert container(rendering)["resources"]["limits"]["memory"] == "1536Mi"
    # The bytes, and four for each character; of an answer the result besides, on its way.
    assert 1.5 * (70 * MIB + 5 * window + 8 * answers) < 1536 * MIB


@every_rendering
def test_memory_is_limited_and_the_processor_is_not(rendering: str) -> None:
    resources = container(rendering)["resources"]
    assert resources["requests"] == {"cpu": "100m", "memory": "128Mi"}
    assert resources["limits"].keys() == {"memory"}


@every_rendering
def test_probes_ask_the_paths_that_the_service_has(rendering: str) -> None:
    one = container(rendering)
    assert one["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "http"}
    assert one["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    (port,) = one["ports"]
    assert port["containerPort"] == number(rendered(rendering), "HTTP_PORT")


@every_rendering
def test_secrets_are_mounted_whole_where_the_service_looks(rendering: str) -> None:
    manifests = rendered(rendering)
    mounts = {mount["name"]: mount for mount in container(rendering)["volumeMounts"]}
    assert mounts["secrets"]["mountPath"] == DEFAULT_SECRETS_DIR
    assert not [mount for mount in mounts.values() if "subPath" in mount]
    volumes = {volume["name"]: volume["secret"] for volume in pod(manifests)["volumes"]}
    assert mounts.keys() == volumes.keys()
    assert {secret["defaultMode"] for secret in volumes.values()} == {0o440}
    assert not any("items" in secret for secret in volumes.values())
    assert "env" not in container(rendering)


def test_no_secret_is_in_production() -> None:
    assert of_kind(overlay("production"), "Secret") == {}


def test_the_secret_of_development_has_the_files_that_the_service_reads() -> None:
    (secret,) = of_kind(overlay("development"), "Secret").values()
    assert set(secret["data"]) == {"access_token", "amqp_url"} <= set(Settings.model_fields)
    assert secret["metadata"]["name"] in str(pod(overlay("development"))["volumes"])


def test_every_setting_of_certificates_has_a_file_of_the_secret() -> None:
    manifests = with_components("rabbitmq-tls")
    names = [name for name in Settings.model_fields if name.endswith("_file")]
    folder = container("rabbitmq-tls")["volumeMounts"][0]["mountPath"]
    given = {settings(manifests)[f"{PREFIX}{name.upper()}"] for name in names}
    assert given == {f"{folder}/{name}" for name in ("ca.crt", "tls.crt", "tls.key")}
    # A file there would be taken for a setting.
    assert not folder.startswith(f"{DEFAULT_SECRETS_DIR}/")


@every_rendering
def test_new_replicas_come_before_old_ones_go(rendering: str) -> None:
    update = deployment(rendered(rendering))["strategy"]["rollingUpdate"]
    assert update == {"maxSurge": "100%", "maxUnavailable": 0}


@every_rendering
def test_changed_settings_roll_the_replicas(rendering: str) -> None:
    name = configuration(rendered(rendering))["metadata"]["name"]
    assert re.fullmatch(r"profile-sync-[a-z0-9]{10}", name)
    assert container(rendering)["envFrom"] == [{"configMapRef": {"name": name}}]


@every_rendering
def test_every_selector_finds_pods_and_is_written_out(rendering: str) -> None:
    manifests = rendered(rendering)
    templates = [one["spec"]["template"] for one in of_kind(manifests, "Deployment").values()]
    here = [template["metadata"]["labels"] for template in templates]
    elsewhere = [
        {"app.kubernetes.io/component": "rabbitmq"},
        {"k8s-app": "kube-dns"},
    ]
    for manifest in manifests:
        for selector in selectors(manifest):
            if "kubernetes.io/metadata.name" in selector or selector in elsewhere:
                continue
            assert any(selector.items() <= labels.items() for labels in here), selector
            assert selector.keys() == {"app.kubernetes.io/name"}


@every_rendering
def test_the_budget_and_the_policy_are_for_the_replicas_alone(rendering: str) -> None:
    manifests = rendered(rendering)
    name = {"app.kubernetes.io/name": "profile-sync"}
    budget = of_kind(manifests, "PodDisruptionBudget")["profile-sync"]["spec"]
    assert budget["selector"]["matchLabels"] == name
    policy = of_kind(manifests, "NetworkPolicy")["profile-sync"]["spec"]
    assert policy["podSelector"]["matchLabels"] == name
    assert sorted(policy["policyTypes"]) == ["Egress", "Ingress"]
    assert not policy.get("ingress")


@every_rendering
def test_names_come_from_the_clusters_dns_or_from_that_of_the_node(rendering: str) -> None:
    policy = of_kind(rendered(rendering), "NetworkPolicy")["profile-sync"]["spec"]
    (rule,) = (
        rule for rule in policy["egress"] if {"protocol": "UDP", "port": 53} in rule["ports"]
    )
    assert {"ipBlock": {"cidr": "169.254.20.10/32"}} in rule["to"]
    assert {"k8s-app": "kube-dns"} in selectors(rule)
    assert {one["port"] for one in rule["ports"]} == {53}


@every_rendering
def test_replicas_know_nothing_of_kubernetes(rendering: str) -> None:
    manifests = rendered(rendering)
    account = of_kind(manifests, "ServiceAccount")["profile-sync"]
    assert pod(manifests)["serviceAccountName"] == account["metadata"]["name"]
    assert account["automountServiceAccountToken"] is False
    assert pod(manifests)["automountServiceAccountToken"] is False
    assert pod(manifests)["enableServiceLinks"] is False


@every_rendering
def test_the_image_runs_as_the_user_that_the_pod_names(rendering: str) -> None:
    manifests = rendered(rendering)
    context = pod(manifests)["securityContext"]
    user, group = context["runAsUser"], context["runAsGroup"]
    assert f"USER {user}:{group}" in DOCKERFILE
    assert context["fsGroup"] == group
    assert container(rendering)["securityContext"]["readOnlyRootFilesystem"] is True


@every_rendering
def test_the_image_is_of_this_version(rendering: str) -> None:
    assert container(rendering)["image"].rpartition("/")[2] == f"profile-sync:{VERSION}"


def test_images_have_versions() -> None:
    for one in of_kind(overlay("development"), "Deployment").values():
        (image,) = (each["image"] for each in one["spec"]["template"]["spec"]["containers"])
        assert re.search(r":\d+\.\d+\.\d+", image)


def test_rabbitmq_is_the_same_in_development_and_in_compose() -> None:
    broker = of_kind(overlay("development"), "Deployment")["rabbitmq"]
    (image,) = (one["image"] for one in broker["spec"]["template"]["spec"]["containers"])
    assert image == compose.service("rabbitmq")["image"]


def test_rabbitmq_has_the_same_plugins_in_development_and_in_compose() -> None:
    maps = of_kind(overlay("development"), "ConfigMap")
    (name,) = (name for name in maps if name.startswith("rabbitmq-"))
    given = compose.document()["configs"]["plugins"]["content"]
    assert maps[name]["data"] == {"enabled_plugins": given.strip()}
    broker = of_kind(overlay("development"), "Deployment")["rabbitmq"]["spec"]["template"]["spec"]
    assert {"name": "plugins", "configMap": {"name": name}} in broker["volumes"]
    (mount,) = (one for one in broker["containers"][0]["volumeMounts"] if one["name"] == "plugins")
    assert (mount["subPath"], mount["readOnly"]) == ("enabled_plugins", True)
    assert mount["mountPath"] == compose.service("rabbitmq")["configs"][0]["target"]


def test_two_replicas_run_in_production_and_one_in_development() -> None:
    assert deployment(overlay("production"))["replicas"] == 2
    assert deployment(overlay("development"))["replicas"] == 1


def test_replicas_spread_over_nodes_and_zones() -> None:
    spread = {
        one["topologyKey"]: one for one in pod(overlay("production"))["topologySpreadConstraints"]
    }
    assert spread.keys() == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
    assert {one["whenUnsatisfiable"] for one in spread.values()} == {"ScheduleAnyway"}


def test_the_rule_file_is_what_the_script_writes() -> None:
    assert FILE.read_text() == text(), "run python -m deploy.kubernetes"


def test_the_rules_are_those_of_prometheus() -> None:
    rule = of_kind(with_components("monitoring"), "PrometheusRule")["profile-sync"]
    assert rule["spec"]["groups"] == read(ROOT / "deploy" / "prometheus" / "rules.yaml")["groups"]


def test_prometheus_knows_the_job_by_the_name_that_the_rules_use() -> None:
    manifests = with_components("monitoring")
    monitor = of_kind(manifests, "PodMonitor")["profile-sync"]["spec"]
    labels = deployment(manifests)["template"]["metadata"]["labels"]
    assert f'job="{labels[monitor["jobLabel"]]}"' in text()
    assert monitor["podMetricsEndpoints"][0]["port"] == container("monitoring")["ports"][0]["name"]


def test_the_rules_can_tell_deployments_apart() -> None:
    monitors = of_kind(with_components("monitoring"), "PodMonitor").values()
    assert len(monitors) == 2
    for monitor in monitors:
        (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
        assert endpoint["relabelings"] == [
            {"targetLabel": "deployment", "replacement": "profile-sync"}
        ]
    assert "by (deployment)" in text()


def test_rabbitmq_is_asked_as_in_the_example_of_prometheus() -> None:
    monitor = of_kind(with_components("monitoring"), "PodMonitor")["profile-sync-rabbitmq"]["spec"]
    example = read(ROOT / "deploy" / "prometheus" / "prometheus.yaml")["scrape_configs"][1]
    (endpoint,) = monitor["podMetricsEndpoints"]
    assert endpoint["path"] == example["metrics_path"]
    assert endpoint["params"] == example["params"]


def test_prometheus_is_let_in() -> None:
    policy = of_kind(with_components("monitoring"), "NetworkPolicy")["profile-sync-metrics"]["spec"]
    (rule,) = policy["ingress"]
    (port,) = container("monitoring")["ports"]
    assert [one["port"] for one in rule["ports"]] == [port["containerPort"]]


def test_with_nothing_to_do_nothing_runs_and_else_two_do() -> None:
    scaled = of_kind(with_components("scale-to-zero"), "ScaledObject")["profile-sync"]["spec"]
    assert scaled["idleReplicaCount"] == 0
    assert scaled["minReplicaCount"] == scaled["maxReplicaCount"] == scaled["fallback"]["replicas"]
    (trigger,) = scaled["triggers"]
    assert trigger["metadata"]["queueName"] == Settings.model_fields["event_queue"].default
    assert trigger["metadata"]["protocol"] == "http"
    assert trigger["metadata"]["excludeUnacknowledged"] == "false"
    assert scaled["scaleTargetRef"]["name"] in of_kind(rendered(ALL), "Deployment")


@pytest.mark.parametrize("rendering", [ALL, PARTITIONED])
def test_a_scaled_deployment_has_no_number_of_its_own(rendering: str) -> None:
    assert "replicas" not in deployment(rendered(rendering))


def test_every_replica_has_partitions_and_another_takes_over_where_there_are_partitions() -> None:
    manifests = with_components("partitions")
    replicas = deployment(manifests)["replicas"]
    assert 2 <= replicas <= number(manifests, "PARTITIONS")
    assert number(manifests, "PARTITIONS") % replicas == 0
    budget = of_kind(manifests, "PodDisruptionBudget")["profile-sync"]["spec"]
    assert budget["maxUnavailable"] < replicas
    spread = pod(manifests)["topologySpreadConstraints"]
    assert spread == pod(with_components("rabbitmq-tls"))["topologySpreadConstraints"]


def test_as_many_replicas_as_the_events_of_all_partitions_need() -> None:
    scaled = of_kind(rendered(PARTITIONED), "ScaledObject")["profile-sync"]["spec"]
    assert 2 == scaled["minReplicaCount"] < scaled["maxReplicaCount"]
    assert scaled["maxReplicaCount"] == number(rendered(PARTITIONED), "PARTITIONS")
    assert scaled["fallback"]["replicas"] == deployment(with_components("partitions"))["replicas"]
    assert "idleReplicaCount" not in scaled
    (trigger,) = scaled["triggers"]
    asked = trigger["metadata"]
    assert (asked["useRegex"], asked["operation"], asked["mode"]) == ("true", "sum", "QueueLength")
    assert asked["protocol"] == "http"
    assert asked["excludeUnacknowledged"] == "false"


def test_the_number_of_replicas_changes_in_one_step_and_not_for_a_moment() -> None:
    scaled = of_kind(rendered(PARTITIONED), "ScaledObject")["profile-sync"]["spec"]
    behavior = scaled["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    for way, seconds in (("scaleUp", 60), ("scaleDown", 900)):
        assert behavior[way]["stabilizationWindowSeconds"] >= seconds
        (policy,) = behavior[way]["policies"]
        assert (policy["type"], policy["value"]) == ("Pods", scaled["maxReplicaCount"])


def test_one_queue_and_partitions_are_scaled_by_the_same_secret() -> None:
    one, several = (
        of_kind(rendered(rendering), "TriggerAuthentication") for rendering in (ALL, PARTITIONED)
    )
    assert one == several


def test_nothing_running_is_no_alarm_while_it_is_scaled_to_zero() -> None:
    groups = of_kind(with_components("monitoring", "scale-to-zero"), "PrometheusRule")
    rules = groups["profile-sync"]["spec"]["groups"][1]["rules"]
    (down,) = (rule for rule in rules if rule["alert"] == "ProfileSyncDown")
    usual = alerts()["ProfileSyncDown"]["expr"]
    assert down["expr"] == f"{usual} and on (deployment) profile_sync:events_waiting > 0"
    # The rest is as it was.
    assert [{**rule, "expr": None} for rule in rules] == [
        {**rule, "expr": None} for rule in alerts().values()
    ]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(FOLDER)))
def test_a_manifest_says_why(file: Path) -> None:
    assert re.search(r"^ *# [A-Z`]", file.read_text(), re.MULTILINE)
