"""Checks pods against the Pod Security Standard "restricted", which includes "baseline".

https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from tests.chart.chartkit.objects import containers

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
_SECCOMP = ("RuntimeDefault", "Localhost")
# Some values of these are allowed; the chart needs none.
_DELICATE = {"sysctls", "seLinuxOptions", "windowsOptions", "appArmorProfile", "procMount"}


def violations(spec):
    """Return in what a pod is not restricted."""
    own = (fault for container in containers(spec) for fault in _of_container(spec, container))
    return [*_of_pod(spec), *own]


def _of_pod(spec):
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(field):
            yield f"{field} is on"
    for volume in spec.get("volumes", []):
        if set(volume) - {"name"} - _VOLUMES:
            yield f"the volume {volume['name']} is of a kind that is not allowed"
    if set(spec.get("securityContext", {})) & _DELICATE:
        yield "the pod's securityContext has what only some values of are allowed"


def _of_container(spec, container):
    own = container.get("securityContext", {})
    both = spec.get("securityContext", {}) | own
    capabilities = own.get("capabilities", {})
    probes = (container.get(f"{name}Probe", {}) for name in ("startup", "liveness", "readiness"))
    faults = {
        "is privileged": own.get("privileged", False),
        "may gain privileges": own.get("allowPrivilegeEscalation") is not False,
        "keeps capabilities": "ALL" not in capabilities.get("drop", []),
        "adds capabilities": not set(capabilities.get("add", [])) <= {"NET_BIND_SERVICE"},
        "may be root": both.get("runAsNonRoot") is not True or both.get("runAsUser") == 0,
        "has no seccomp profile": both.get("seccompProfile", {}).get("type") not in _SECCOMP,
        "has what only some values of are allowed": set(own) & _DELICATE,
        "takes a port of the node": any("hostPort" in port for port in container.get("ports", [])),
        "is probed at another host": any(probe.get("httpGet", {}).get("host") for probe in probes),
    }
    return [f"{container['name']} {fault}" for fault, found in faults.items() if found]
