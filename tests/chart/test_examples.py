"""The manifests in examples/kubernetes are valid, restricted, and fit the chart."""

import re

import pytest
import yaml

from tests.chart.chartkit import EXAMPLES, KUBERNETES, schemas
from tests.chart.chartkit.helm import documents
from tests.chart.chartkit.objects import of_kind, pods, references
from tests.chart.chartkit.pod_security import violations

README = (EXAMPLES / "README.md").read_text()
VALUES = sorted(EXAMPLES.glob("*/values.yaml"))
MANIFESTS = sorted(set(EXAMPLES.rglob("*.yaml")) - set(VALUES))
# What CloudNativePG makes for a Cluster.
MADE_BY_OPERATOR = {"scheduling-db-app", "scheduling-db-ca"}


def in_namespace():
    return [thing for path in MANIFESTS for thing in documents(path.read_text())]


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_an_example_is_valid_on_every_kubernetes(path):
    for thing in documents(path.read_text()):
        for version in KUBERNETES:
            assert schemas.mistakes(thing, version) == []


def test_every_pod_of_the_examples_is_admitted_to_their_namespace():
    [namespace] = of_kind(in_namespace(), "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    found = {name: violations(spec) for name, _, spec in pods(in_namespace())}
    assert len(found) == 2
    assert {name: faults for name, faults in found.items() if faults} == {}


def test_every_secret_of_the_examples_is_made_by_a_command_of_their_readme(helm4):
    made = set(re.findall(r"create secret generic (\S+) --namespace scheduling", README))
    rendered = [thing for path in VALUES for thing in helm4.render(path)]
    needed = {name for kind, name in references([*in_namespace(), *rendered]) if kind == "Secret"}
    assert needed - MADE_BY_OPERATOR == made


def test_the_urls_of_the_readme_name_services_of_the_examples():
    hosts = set(re.findall(r"(?:redis|postgresql)://\S*@([a-z]+):(\d+)/", README))
    services = of_kind(in_namespace(), "Service")
    assert hosts == {(s["metadata"]["name"], str(s["spec"]["ports"][0]["port"])) for s in services}


def test_every_file_of_the_examples_is_used_by_a_command_of_their_readme():
    assert [
        path.name for path in EXAMPLES.rglob("*.yaml") if str(path.relative_to(EXAMPLES)) not in README
    ] == []


def test_argo_cd_and_flux_install_what_the_values_say(helm4, tmp_path):
    [application] = of_kind(in_namespace(), "Application")
    [release] = of_kind(in_namespace(), "HelmRelease")
    expected = helm4.render(EXAMPLES / "cloudnative-pg" / "values.yaml")
    for values in (application["spec"]["source"]["helm"]["valuesObject"], release["spec"]["values"]):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.yaml"
        path.write_text(yaml.safe_dump(values))
        assert helm4.render(path) == expected
