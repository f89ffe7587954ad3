"""What the chart has containers do, done by programs of this machine: commands, settings and probes."""

import os
import re
from base64 import b64decode
from http.client import HTTPConnection

import pytest
import yaml

from scheduling.testing.processes import Process, free_port, program, wait_for
from tests.chart.chartkit import ROOT
from tests.chart.chartkit.objects import named, of_kind, pods

ADMIN = {"email": "admin@example.com", "password": "a secret of the operators"}
# This machine's, and what lets several of them run on it side by side.
LOCAL = {
    **{name: os.environ[name] for name in ("PATH", "PYTHONPATH", "TMPDIR") if name in os.environ},
    "SCHEDULING_CONFIG": str(ROOT / "production.ini"),
    "SCHEDULING_HOST": "127.0.0.1",
    "SCHEDULING_BCRYPT_COST": "4",
}


@pytest.fixture(scope="module")
def database_kind():
    return "postgresql"


@pytest.fixture
def release(helm4, tmp_path, empty_database_url, redis):
    """Render a release on a real database and a real Redis, and run its containers."""
    values = {
        "auth": {"jwtSecret": "x" * 40, "jwtSecretFallbacks": ["y" * 40]},
        "database": {"url": empty_database_url},
        "redis": {"url": redis.url},
        "bootstrapAdmin": {"enabled": True, "existingSecret": "admin"},
        "image": {"repository": "scheduling"},
    }
    path = tmp_path / "values.yaml"
    path.write_text(yaml.safe_dump(values))
    with Release(helm4.render(path), tmp_path) as release:
        yield release


class Release:
    """The containers of a render, each of which can be run as a process."""

    def __init__(self, rendered, folder):
        self._folder = folder
        self._pods = {
            metadata["labels"]["app.kubernetes.io/component"]: s for _, metadata, s in pods(rendered)
        }
        self._secrets = {s["metadata"]["name"]: s["data"] for s in of_kind(rendered, "Secret")}
        self.config_maps = {c["metadata"]["name"]: c["data"] for c in of_kind(rendered, "ConfigMap")}
        self._service = named(rendered, "Service", "demo-scheduling-web")
        self._running = []
        self.ports = {component: {3000: free_port(), 9100: free_port()} for component in self._pods}

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for process in self._running:
            process.kill()

    def pod(self, component):
        return self._pods[component]

    def run(self, component, kind="containers"):
        """Start a component's container, or the one that starts before it."""
        container = self._pods[component][kind][0]
        environ = {v["name"]: value for v in container["env"] if (value := self._value(v)) is not None}
        arguments = [re.sub(r"\$\((\w+)\)", lambda m: environ[m[1]], text) for text in container["args"]]
        ports = {"PORT": 3000, "SCHEDULING_METRICS_PORT": 9100}
        environ |= {name: str(self.ports[component][port]) for name, port in ports.items()}
        # The name of a Service means nothing here.
        url = f"http://demo-scheduling-web:{self._service['spec']['ports'][0]['port']}"
        here = f"http://127.0.0.1:{self.ports['web'][3000]}"
        command = [program("scheduling"), *(here if text == url else text for text in arguments)]
        process = Process(f"{component}-{len(self._running)}", command, LOCAL | environ, self._folder)
        self._running.append(process)
        return process.start()

    def _value(self, variable):
        if "value" in variable:
            return variable["value"]
        if source := variable["valueFrom"].get("configMapKeyRef"):
            return self.config_maps.get(source["name"], {}).get(source["key"])
        source = variable["valueFrom"]["secretKeyRef"]
        if source["name"] == "admin":
            return ADMIN[source["key"]]
        return b64decode(self._secrets[source["name"]][source["key"]]).decode()

    def probe(self, component, name):
        """Tell whether a probe of a component's container succeeds."""
        container = self._pods[component]["containers"][0]
        get = container[f"{name}Probe"]["httpGet"]
        [port] = [port["containerPort"] for port in container["ports"] if port["name"] == get["port"]]
        connection = HTTPConnection("127.0.0.1", self.ports[component][port], timeout=5)
        try:
            connection.request("GET", get["path"])
            return 200 <= connection.getresponse().status < 400
        except OSError:
            return False
        finally:
            connection.close()


def test_a_release_migrates_waits_starts_serves_and_ends(release):
    waiting = release.run("web", "initContainers")
    wait_for(lambda: "Waiting." in waiting.output, what="the init container says that it waits")
    assert waiting.running

    migration = release.run("migrations")
    assert migration.wait() == 0, migration.output
    assert waiting.wait() == 0, waiting.output
    assert release.run("worker", "initContainers").wait() == 0

    components = {component: release.run(component) for component in ("web", "worker")}
    for component, process in components.items():
        for probe in ("startup", "readiness", "liveness"):
            wait_for(
                lambda c=component, p=probe: components[c].is_ready() and release.probe(c, p),
                what=f"the {probe} probe of {component}:\n{process.output}",
            )

    for said in ("Created admin admin@example.com", "nothing was changed"):
        admin = release.run("bootstrap-admin")
        assert admin.wait() == 0, admin.output
        assert said in admin.output

    smoke = release.run("smoke-test")
    assert smoke.wait() == 0, smoke.output

    for component, process in components.items():
        process.terminate()
        assert process.wait(release.pod(component)["terminationGracePeriodSeconds"]) == 0, process.output


@pytest.mark.parametrize(
    ("config_maps", "wanted"),
    [({"demo-scheduling-migrate": {"job": "another"}}, "another"), ({}, "no such Job")],
    ids=["another upgrade came after it", "the release was uninstalled"],
)
def test_a_migration_that_a_failed_upgrade_left_does_nothing(release, config_maps, wanted):
    release.config_maps = config_maps

    late = release.run("migrations")

    assert late.wait() == 0, late.output
    assert re.search(
        f"Nothing is done: demo-scheduling-migrate-[0-9a-f]{{10}} was replaced, .* {wanted}", late.output
    )
    waiting = release.run("web", "initContainers")
    wait_for(lambda: "lacks migrations of: core" in waiting.output, what="the database is as empty as before")
