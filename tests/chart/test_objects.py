"""What holds for the objects of every value set, whatever is in it."""

import re

import pytest
import yaml

from tests.chart.chartkit import VALUE_SETS
from tests.chart.chartkit.objects import containers, environment, matches, named, of_kind, pods, references
from tests.chart.chartkit.pod_security import violations

OURS = {"web", "worker", "migrations", "bootstrap-admin", "smoke-test", "wait-for-database"}


@pytest.fixture(params=VALUE_SETS, ids=lambda path: path.stem)
def values(request):
    return request.param


@pytest.fixture
def rendered(helm4, values):
    return helm4.render(values)


def ours(spec):
    """Return the containers of the application, without an operator's own."""
    return [container for container in containers(spec) if container["name"] in OURS]


def test_every_pod_meets_the_restricted_pod_security_standard(rendered):
    found = {name: violations(spec) for name, _, spec in pods(rendered)}
    assert {name: faults for name, faults in found.items() if faults} == {}
    assert found


def test_every_pod_is_given_no_more_than_it_needs(rendered):
    for name, _, spec in pods(rendered):
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["enableServiceLinks"] is False, name
        assert spec["securityContext"]["runAsUser"] == 10001, name
        for container in ours(spec):
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, name
            assert "tmp" in {mount["name"] for mount in container["volumeMounts"]}, name
            assert container["resources"]["limits"]["memory"], name
            assert environment(container)["APP_ENV"] == "production", name


def test_no_name_stands_twice_in_a_list(rendered):
    for name, _, spec in pods(rendered):
        lists = [containers(spec), spec["volumes"]]
        for container in containers(spec):
            lists += [container.get(field, []) for field in ("env", "ports")]
        for entries in lists:
            names = [entry["name"] for entry in entries]
            assert len(names) == len(set(names)), (name, names)


def test_selectors_match_the_pods_they_mean_and_no_others(rendered):
    labels = {name: metadata["labels"] for name, metadata, _ in pods(rendered)}

    def selected(selector):
        return {name for name, own in labels.items() if matches(selector, own)}

    for deployment in of_kind(rendered, "Deployment"):
        expected = {f"Deployment {deployment['metadata']['name']}"}
        assert selected(deployment["spec"]["selector"]) == expected
        for spread in deployment["spec"]["template"]["spec"].get("topologySpreadConstraints", []):
            assert selected(spread["labelSelector"]) >= expected
    for budget in of_kind(rendered, "PodDisruptionBudget"):
        assert selected(budget["spec"]["selector"]) == {f"Deployment {budget['metadata']['name']}"}
    for service in of_kind(rendered, "Service"):
        target = service["metadata"]["name"].removesuffix("-metrics")
        assert selected({"matchLabels": service["spec"]["selector"]}) == {f"Deployment {target}"}
        ports = named(rendered, "Deployment", target)["spec"]["template"]["spec"]["containers"][0]["ports"]
        assert {p["targetPort"] for p in service["spec"]["ports"]} <= {port["name"] for port in ports}
    for policy in of_kind(rendered, "NetworkPolicy"):
        component = policy["metadata"]["labels"]["app.kubernetes.io/component"]
        found = {name.split()[1].split("-")[2] for name in selected(policy["spec"]["podSelector"])}
        expected = {"jobs": [{"migrate"}, {"migrate", "admin"}], "smoke-test": [{"smoke"}]}
        assert found in expected.get(component, [{component}])


def test_monitors_find_web_and_worker_once_each(rendered):
    labels = {name: metadata["labels"] for name, metadata, _ in pods(rendered)}
    for monitor in of_kind(rendered, "PodMonitor"):
        found = [name for name, own in labels.items() if matches(monitor["spec"]["selector"], own)]
        assert [name.rpartition("-")[2] for name in found] == ["web", "worker"]
    for monitor in of_kind(rendered, "ServiceMonitor"):
        services = {s["metadata"]["name"]: s["metadata"]["labels"] for s in of_kind(rendered, "Service")}
        found = [name for name, own in services.items() if matches(monitor["spec"]["selector"], own)]
        assert [name.split("-")[-2:] for name in found] == [["web", "metrics"], ["worker", "metrics"]]


def test_everything_that_is_referred_to_exists(rendered, values):
    given = texts(yaml.safe_load(values.read_text()))
    for kind, name in references(rendered):
        made = {thing["metadata"]["name"] for thing in of_kind(rendered, kind)}
        assert name in made | given, f"{kind} {name}"


def texts(values):
    """Return every text in a value set: a name that stands there is of something that exists."""
    if isinstance(values, dict | list):
        nested = values.values() if isinstance(values, dict) else values
        return {name for value in nested for name in texts(value)}
    return {values} if isinstance(values, str) else set()


@pytest.mark.parametrize(("kind", "field"), [("Secret", "secretKeyRef"), ("ConfigMap", "configMapKeyRef")])
def test_the_keys_that_pods_read_from_objects_of_the_chart_are_in_them(rendered, kind, field):
    made = {thing["metadata"]["name"]: thing["data"] for thing in of_kind(rendered, kind)}
    for _, _, spec in pods(rendered):
        for source in (v for c in containers(spec) for v in environment(c).values() if isinstance(v, dict)):
            if reference := source.get(field):
                assert reference["name"] not in made or reference["key"] in made[reference["name"]]


def test_every_pod_of_the_application_waits_for_the_schema_before_it_starts(rendered):
    for name, _, spec in pods(rendered):
        waits = [c["args"][:2] for c in spec.get("initContainers", []) if c["name"] == "wait-for-database"]
        assert waits == ([] if "migrate" in name or "smoke" in name else [["db", "wait"]]), name


def test_every_object_says_what_it_belongs_to(rendered):
    for thing in rendered:
        if thing["metadata"]["name"] in ("settings", "demo-more"):
            continue  # extraObjects are as the operator wrote them.
        labels = thing["metadata"]["labels"]
        assert labels["app.kubernetes.io/instance"] == "demo"
        assert labels["app.kubernetes.io/managed-by"] == "Helm"
        assert re.fullmatch(r"[a-z-]+", labels["app.kubernetes.io/component"])
        assert all(len(value) <= 63 for value in labels.values())
        assert len(thing["metadata"]["name"]) <= 63
