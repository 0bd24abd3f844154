"""The restricted profile: that our pods keep it, and that its check sees it if one does not."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.deploy.manifests import OVERLAYS, RENDERINGS, of_kind, rendered
from tests.pod_security import faults

Template = dict[str, Any]

GOOD: Template = {
    "metadata": {},
    "spec": {
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "one",
                "ports": [{"containerPort": 8000}],
                "livenessProbe": {"httpGet": {"path": "/livez", "port": 8000}},
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                },
            }
        ],
        "volumes": [{"name": "secrets", "secret": {"secretName": "one"}}],
    },
}


def of_pod(**changes: Any) -> Callable[[Template], None]:
    return lambda template: template["spec"].update(changes)


def of_its_context(**changes: Any) -> Callable[[Template], None]:
    return lambda template: template["spec"]["securityContext"].update(changes)


def of_container(**changes: Any) -> Callable[[Template], None]:
    return lambda template: template["spec"]["containers"][0].update(changes)


def of_own_context(**changes: Any) -> Callable[[Template], None]:
    return lambda template: template["spec"]["containers"][0]["securityContext"].update(changes)


@pytest.mark.parametrize("rendering", RENDERINGS)
def test_every_pod_is_restricted(rendering: str) -> None:
    deployments = of_kind(rendered(rendering), "Deployment")
    assert deployments
    for name, one in deployments.items():
        assert faults(one["spec"]["template"]) == [], name


@pytest.mark.parametrize("name", OVERLAYS)
def test_a_namespace_lets_in_nothing_less(name: str) -> None:
    (namespace,) = of_kind(rendered(name), "Namespace").values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_a_good_pod_has_no_fault() -> None:
    assert faults(GOOD) == []


def test_a_port_below_1024_may_be_opened() -> None:
    pod = copy.deepcopy(GOOD)
    of_own_context(capabilities={"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]})(pod)
    assert faults(pod) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (of_pod(hostNetwork=True), "hostNetwork"),
        (of_pod(hostPID=True), "hostPID"),
        (of_pod(hostIPC=True), "hostIPC"),
        (of_pod(volumes=[{"name": "v", "hostPath": {"path": "/"}}]), "volume v: hostPath"),
        (of_pod(volumes=[{"name": "v", "nfs": {}}]), "volume v: nfs"),
        (of_pod(os={"name": "windows"}), "not Linux"),
        (of_its_context(sysctls=[{"name": "kernel.msgmax"}]), "sysctl kernel.msgmax"),
        (of_its_context(runAsUser=0), "runs as root"),
        (of_its_context(runAsNonRoot=False), "runs as root"),
        (of_its_context(seccompProfile={"type": "Unconfined"}), "seccompProfile Unconfined"),
        (of_its_context(appArmorProfile={"type": "Unconfined"}), "appArmorProfile Unconfined"),
        (of_its_context(seLinuxOptions={"type": "spc_t"}), "seLinuxOptions"),
        (of_its_context(seLinuxOptions={"user": "system_u"}), "seLinuxOptions"),
        (of_its_context(windowsOptions={"hostProcess": True}), "hostProcess"),
        (of_pod(securityContext={"runAsNonRoot": True}), "one: seccompProfile is not set"),
        (
            of_pod(securityContext={"seccompProfile": {"type": "RuntimeDefault"}}),
            "one: runAsNonRoot is not set",
        ),
        (of_own_context(privileged=True), "one: privileged"),
        (of_own_context(allowPrivilegeEscalation=True), "one: allowPrivilegeEscalation"),
        (of_container(securityContext={}), "one: allowPrivilegeEscalation"),
        (of_own_context(runAsUser=0), "one: runs as root"),
        (of_own_context(runAsNonRoot=False), "one: runAsNonRoot is not set"),
        (of_own_context(procMount="Unmasked"), "one: procMount"),
        (of_own_context(capabilities={}), "one: keeps capabilities"),
        (
            of_own_context(capabilities={"drop": ["ALL"], "add": ["SYS_TIME"]}),
            "one: adds capabilities",
        ),
        (of_container(ports=[{"containerPort": 80, "hostPort": 80}]), "one: hostPort"),
        (of_container(livenessProbe={"httpGet": {"host": "10.0.0.1"}}), "one: host of a probe"),
        (
            of_container(lifecycle={"preStop": {"tcpSocket": {"host": "10.0.0.1"}}}),
            "one: host of a probe",
        ),
        (of_pod(initContainers=[{"name": "two"}]), "two: allowPrivilegeEscalation"),
    ],
)
def test_what_restricted_forbids_is_found(change: Callable[[Template], None], fault: str) -> None:
    pod = copy.deepcopy(GOOD)
    change(pod)
    assert fault in faults(pod)


def test_app_armor_by_annotation_is_found() -> None:
    pod = copy.deepcopy(GOOD)
    pod["metadata"]["annotations"] = {"container.apparmor.security.beta.kubernetes.io/one": "x"}
    assert faults(pod) == ["AppArmor is set by securityContext, not by annotation"]
