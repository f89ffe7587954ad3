"""A Kubernetes API in memory, as much of one as Helm needs: it keeps objects, and has no controllers.

Jobs and single pods are complete as soon as they are made. Patches are merged as JSON, so lists are replaced
as a whole. No object is checked against a schema.
"""

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import uuid4

import yaml

from tests.chart.chartkit import protobuf

_KINDS = {
    "v1": {
        "configmaps": "ConfigMap",
        "pods": "Pod",
        "secrets": "Secret",
        "serviceaccounts": "ServiceAccount",
        "services": "Service",
    },
    "apps/v1": {"deployments": "Deployment", "replicasets": "ReplicaSet"},
    "autoscaling/v2": {"horizontalpodautoscalers": "HorizontalPodAutoscaler"},
    "batch/v1": {"jobs": "Job"},
    "policy/v1": {"poddisruptionbudgets": "PodDisruptionBudget"},
}
_VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]


class Cluster:
    """The objects of a cluster with one namespace, by API version, kind in the plural, and name."""

    def __init__(self, kubeconfig):
        self.objects = {}
        self.kubeconfig = kubeconfig
        self.scaled = set()
        """The names of Deployments whose number of pods somebody else owns, as after ``kubectl scale``."""

    def named(self, kind, name):
        """Return an object by its kind in the plural and its name, or None."""
        return next((v for (_, k, n), v in self.objects.items() if (k, n) == (kind, name)), None)

    def names(self, kind):
        """Return the names of all objects of a kind in the plural."""
        return {name for _, plural, name in self.objects if plural == kind}

    def scale(self, name, replicas):
        """Do what ``kubectl scale`` does."""
        self.named("deployments", name)["spec"]["replicas"] = replicas
        self.scaled.add(name)

    def delete(self, kind, labels):
        """Delete the objects of a kind in the plural that have all labels; return their places."""
        found = [
            place
            for place, thing in self.objects.items()
            if place[1] == kind and labels.items() <= thing["metadata"]["labels"].items()
        ]
        for place in found:
            del self.objects[place]
        return found


@contextmanager
def running(folder):
    """Serve an empty cluster, and write a kubeconfig that leads to it into a folder."""
    cluster = Cluster(folder / "kubeconfig")
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"cluster": cluster}))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    cluster.kubeconfig.write_text(yaml.safe_dump(_kubeconfig(server.server_address[1])))
    try:
        yield cluster
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _kubeconfig(port):
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "clusters": [{"name": "it", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "it", "user": {}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
    }


def _discovery(path):
    """Return what the API says of itself at a path, or None where that is a path of objects."""
    if path == "/version":
        return {"major": "1", "minor": "36", "gitVersion": "v1.36.0", "platform": "linux/amd64"}
    if path == "/openapi/v2":
        return {}
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        versions = [v for v in _KINDS if "/" in v]
        groups = [{"groupVersion": v, "version": v.partition("/")[2]} for v in versions]
        named = [
            {"name": v.partition("/")[0], "versions": [group], "preferredVersion": group}
            for v, group in zip(versions, groups, strict=True)
        ]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": named}
    version = path.removeprefix("/apis/").removeprefix("/api/")
    if version not in _KINDS:
        return None
    resources = [
        {"name": plural, "singularName": "", "namespaced": True, "kind": kind, "verbs": _VERBS}
        for plural, kind in _KINDS[version].items()
    ]
    return {"kind": "APIResourceList", "groupVersion": version, "resources": resources}


def _merged(old, patch):
    """Return a JSON merge patch's result (RFC 7386), without the directives of strategic ones."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif not key.startswith("$"):
            merged[key] = _merged(merged.get(key), value)
    return merged


class _Handler(BaseHTTPRequestHandler):
    """Answers one request of Helm."""

    protocol_version = "HTTP/1.1"
    cluster: Cluster

    def log_message(self, *_):
        """Write nothing."""

    def do_GET(self):
        """Say what the API has, list objects, or give one."""
        path = urlsplit(self.path).path
        if (found := _discovery(path)) is not None:
            return self._answer(200, found)
        version, plural, name = self._place()
        if plural is None:
            return self._missing()
        if name:
            found = self.cluster.objects.get((version, plural, name))
            return self._answer(200, found) if found else self._missing()
        items = [v for (a, k, _), v in self.cluster.objects.items() if (a, k) == (version, plural)]
        items = [item for item in items if self._is_selected(item)]
        kind = _KINDS[version][plural]
        body = {"apiVersion": version, "kind": f"{kind}List", "metadata": {"resourceVersion": "1"}}
        return self._answer(200, {} if "watch=" in self.path else body | {"items": items})

    def do_POST(self):
        """Make an object."""
        version, plural, _ = self._place()
        made = self._body()
        place = (version, plural, made["metadata"]["name"])
        if place in self.cluster.objects:
            return self._answer(409, _status(409, "AlreadyExists"))
        return self._answer(201, self._keep(place, made))

    def do_PUT(self):
        """Replace an object."""
        self._answer(200, self._keep(self._place(), self._body()))

    def do_PATCH(self):
        """Change an object, or make it, as server-side apply does."""
        place, patch = self._place(), self._body()
        if self._is_conflict(place[2], patch):
            return self._answer(409, _status(409, "Conflict"))
        return self._answer(200, self._keep(place, _merged(self.cluster.objects.get(place), patch)))

    def do_DELETE(self):
        """Delete an object."""
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        found = self.cluster.objects.pop(self._place(), None)
        self._answer(200, _status(200, "")) if found else self._missing()

    def _place(self):
        """Return API version, kind in the plural and name of what the path names."""
        parts = unquote(urlsplit(self.path).path).strip("/").split("/")
        version = parts[1] if parts[0] == "api" else "/".join(parts[1:3])
        rest = parts[2 if parts[0] == "api" else 3 :]
        if rest[:1] == ["namespaces"] and len(rest) > 2:
            rest = rest[2:]
        known = rest and rest[0] in _KINDS.get(version, {})
        return (version, *[*rest, ""][:2]) if known else (version, None, None)

    def _is_selected(self, item):
        query = parse_qs(urlsplit(self.path).query)
        terms = [t.partition("=") for s in query.get("labelSelector", []) for t in s.split(",") if t]
        labels = item["metadata"].get("labels", {})
        names = [f.partition("=")[2] for f in query.get("fieldSelector", [])]
        return all(labels.get(key) == value.lstrip("=") for key, _, value in terms) and all(
            item["metadata"]["name"] == name for name in names
        )

    def _is_conflict(self, name, patch):
        """Tell whether server-side apply would change a number of pods that somebody else owns."""
        is_apply = self.headers["Content-Type"] == "application/apply-patch+yaml"
        if not (is_apply and name in self.cluster.scaled):
            return False
        if "force=true" in self.path:
            self.cluster.scaled.discard(name)
            return False
        replicas = self.cluster.named("deployments", name)["spec"]["replicas"]
        return patch["spec"].get("replicas", replicas) != replicas

    def _keep(self, place, thing):
        version, plural, _ = place
        metadata = thing["metadata"] | {"namespace": "apps", "resourceVersion": "1"}
        metadata.setdefault("uid", str(uuid4()))
        kept = {"apiVersion": version, "kind": _KINDS[version][plural]} | thing | {"metadata": metadata}
        if plural == "jobs":
            kept["status"] = {"conditions": [{"type": "Complete", "status": "True"}], "succeeded": 1}
        if plural == "pods":
            kept["status"] = {"phase": "Succeeded"}
        if plural == "deployments":
            kept["spec"].setdefault("replicas", 1)
        self.cluster.objects[place] = kept
        return kept

    def _body(self):
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        if body.startswith(protobuf.MAGIC):
            return protobuf.secret(body)
        return yaml.load(body, yaml.CSafeLoader)

    def _missing(self):
        self._answer(404, _status(404, "NotFound"))

    def _answer(self, status, body):
        text = json.dumps(body).encode() if body else b""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def _status(code, reason):
    status = "Success" if code == 200 else "Failure"
    return {"kind": "Status", "apiVersion": "v1", "status": status, "reason": reason, "code": code}
