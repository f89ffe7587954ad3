"""Finds things in a list of Kubernetes objects."""

POD_CONTROLLERS = ("Deployment", "Job", "StatefulSet")


def of_kind(objects, kind):
    return [thing for thing in objects if thing["kind"] == kind]


def named(objects, kind, name):
    [found] = [thing for thing in of_kind(objects, kind) if thing["metadata"]["name"] == name]
    return found


def pods(objects):
    """Yield the name of each object that makes pods, with the pod's metadata and spec."""
    for thing in objects:
        name = f"{thing['kind']} {thing['metadata']['name']}"
        if thing["kind"] == "Pod":
            yield name, thing["metadata"], thing["spec"]
        elif thing["kind"] in POD_CONTROLLERS:
            template = thing["spec"]["template"]
            yield name, template["metadata"], template["spec"]


def containers(spec):
    """Return all containers of a pod, those that start first included."""
    return [*spec.get("initContainers", []), *spec["containers"]]


def matches(selector, labels):
    """Tell whether a label selector with matchLabels and matchExpressions (only In) matches."""
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()) and all(
        labels.get(term["key"]) in term["values"] for term in selector.get("matchExpressions", [])
    )


def environment(container):
    """Return a container's variables by name: a text, or what it is taken from."""
    return {v["name"]: v.get("value", v.get("valueFrom")) for v in container.get("env", [])}


def references(objects):
    """Yield the kind and name of all that objects refer to."""
    for _, _, spec in pods(objects):
        yield from _of_volumes(spec)
        for container in containers(spec):
            yield from _of_environment(container)
        if spec.get("serviceAccountName", "default") != "default":
            yield "ServiceAccount", spec["serviceAccountName"]
    for thing in objects:
        if target := thing.get("spec", {}).get("scaleTargetRef"):
            yield "Deployment", target["name"]
    for ingress in of_kind(objects, "Ingress"):
        paths = (path for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"])
        yield from (("Service", path["backend"]["service"]["name"]) for path in paths)
    for route in of_kind(objects, "HTTPRoute"):
        backends = (backend for rule in route["spec"]["rules"] for backend in rule["backendRefs"])
        yield from (("Service", backend["name"]) for backend in backends)


def _of_volumes(spec):
    for volume in spec.get("volumes", []):
        if "secret" in volume:
            yield "Secret", volume["secret"]["secretName"]
        if "configMap" in volume:
            yield "ConfigMap", volume["configMap"]["name"]


def _of_environment(container):
    for variable in container.get("env", []):
        for field, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
            if source := variable.get("valueFrom", {}).get(field):
                yield kind, source["name"]
    for source in container.get("envFrom", []):
        for field, kind in (("secretRef", "Secret"), ("configMapRef", "ConfigMap")):
            if field in source:
                yield kind, source[field]["name"]
