"""Kubernetes' Pod Security Standard `restricted`, which contains `baseline`, as code.

Source: Kubernetes, "Pod Security Standards", as of 1.37. Windows is refused.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Spec = Mapping[str, Any]

_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
_SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
}
_SELINUX = {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
_PROFILES = ("RuntimeDefault", "Localhost")


def faults(template: Mapping[str, Any]) -> list[str]:
    """List what `restricted` forbids in a pod, or in the template of one."""
    spec = template["spec"]
    found = list(_of_pod(spec))
    if any("apparmor" in key for key in template.get("metadata", {}).get("annotations", {})):
        found.append("AppArmor is set by securityContext, not by annotation")
    for container in containers(spec):
        found += [f"{container['name']}: {fault}" for fault in _of_container(spec, container)]
    return found


def containers(spec: Spec) -> list[Mapping[str, Any]]:
    """Give a pod's containers of each kind."""
    kinds = ("containers", "initContainers", "ephemeralContainers")
    return [container for kind in kinds for container in spec.get(kind, [])]


def _of_pod(spec: Spec) -> Iterator[str]:
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(name):
            yield name
    for volume in spec.get("volumes", []):
        for kind in volume.keys() - {"name"} - _VOLUMES:
            yield f"volume {volume['name']}: {kind}"
    for sysctl in spec.get("securityContext", {}).get("sysctls", []):
        if sysctl["name"] not in _SYSCTLS:
            yield f"sysctl {sysctl['name']}"
    if spec.get("os", {}).get("name", "linux") != "linux":
        yield "not Linux"
    yield from _of_context(spec.get("securityContext", {}))


def _of_context(context: Spec) -> Iterator[str]:
    """What a securityContext must not say, a pod's or a container's."""
    if context.get("runAsNonRoot") is False or context.get("runAsUser") == 0:
        yield "runs as root"
    for name in ("seccompProfile", "appArmorProfile"):
        if context.get(name, {}).get("type", "RuntimeDefault") not in _PROFILES:
            yield f"{name} {context[name]['type']}"
    selinux = context.get("seLinuxOptions", {})
    if selinux.get("type", "") not in _SELINUX or selinux.get("user") or selinux.get("role"):
        yield "seLinuxOptions"
    if context.get("windowsOptions", {}).get("hostProcess"):
        yield "hostProcess"


def _of_container(spec: Spec, container: Mapping[str, Any]) -> Iterator[str]:
    own = container.get("securityContext", {})
    both = {**spec.get("securityContext", {}), **own}
    yield from _of_context(own)
    if own.get("privileged"):
        yield "privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation"
    if own.get("procMount", "Default") != "Default":
        yield "procMount"
    if both.get("runAsNonRoot") is not True:
        yield "runAsNonRoot is not set"
    if "seccompProfile" not in both:
        yield "seccompProfile is not set"
    capabilities = own.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", []):
        yield "keeps capabilities"
    if set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
        yield "adds capabilities"
    if any(port.get("hostPort") for port in container.get("ports", [])):
        yield "hostPort"
    if any("host" in handler for handler in _handlers(container)):
        yield "host of a probe"


def _handlers(container: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """What the node may be told to call: of probes and of hooks."""
    names = ("livenessProbe", "readinessProbe", "startupProbe")
    asked = [*(container.get(name, {}) for name in names), *container.get("lifecycle", {}).values()]
    return [one[kind] for one in asked for kind in ("httpGet", "tcpSocket") if kind in one]
