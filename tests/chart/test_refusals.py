"""Values that cannot work are refused with a message that says what to do."""

from pathlib import Path

import pytest
import yaml

from tests.chart.chartkit import CHART
from tests.chart.chartkit.helm import RefusedError

LEAST = CHART / "ci" / "existing-secrets-values.yaml"
HEAD = "This release cannot be installed:\n\n"


def refusal(helm, tmp_path, values, *files):
    """Return what Helm says to values, on top of value files."""
    path = tmp_path / "values.yaml"
    path.write_text(yaml.safe_dump(values))
    with pytest.raises(RefusedError) as error:
        helm.render(*files, path)
    return str(error.value)


def mistakes(helm, tmp_path, values, *files):
    """Return the chart's own message, from its first mistake to its last."""
    message = refusal(helm, tmp_path, values, *files)
    assert HEAD in message
    return message.partition(HEAD)[2].partition("\n\nUse --debug")[0].strip()


def test_without_values_everything_that_is_missing_is_told_at_once_with_the_commands_to_run(helm, tmp_path):
    assert (
        mistakes(helm, tmp_path, {})
        == """\
- image.repository is empty. Build the image with `make image`, push it to a registry of yours, and name it:
    --set image.repository=registry.example.com/scheduling
- The key that signs tokens is missing. Create a Secret with it:
    kubectl create secret generic demo-scheduling-auth --namespace apps \
--from-literal=jwt-secret="$(openssl rand -base64 48)"
  and name that:
    --set auth.existingSecret=demo-scheduling-auth
- The URL of the database is missing. Create a Secret with it:
    kubectl create secret generic demo-scheduling-database --namespace apps \
--from-literal=uri='postgresql://USER:PASSWORD@HOST:5432/NAME'
  and name that:
    --set database.existingSecret=demo-scheduling-database
- The URL of the Redis is missing. Create a Secret with it:
    kubectl create secret generic demo-scheduling-redis --namespace apps \
--from-literal=url='redis://HOST:6379/0'
  and name that:
    --set redis.existingSecret=demo-scheduling-redis"""
    )


REFUSED = yaml.safe_load(Path(__file__).with_name("refusals.yaml").read_text())


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_values_that_contradict_each_other_are_refused_with_a_sentence(helm, tmp_path, case):
    assert mistakes(helm, tmp_path, case["values"], LEAST) == case["message"].strip()


UNKNOWN = {
    "a misspelt name": ({"web": {"replica": 3}}, ["web", "replica", "not allowed"]),
    "a misspelt section": ({"workers": {}}, ["workers", "not allowed"]),
    "a text for a number": ({"web": {"replicas": "3"}}, ["web", "replicas", "integer"]),
    "a number too small": ({"worker": {"concurrency": 0}}, ["worker", "concurrency", "1"]),
    "an unknown choice": ({"metrics": {"monitor": {"kind": "Monitor"}}}, ["kind", "PodMonitor"]),
    "a name too long": ({"fullnameOverride": "x" * 45}, ["fullnameOverride", "44"]),
    "a tag as a digest": ({"image": {"digest": "latest"}}, ["image", "digest", "sha256"]),
    "a variable without a name": ({"extraEnv": [{"value": "1"}]}, ["extraEnv", "name"]),
    "a label that is a number": ({"podLabels": {"tier": 1}}, ["podLabels", "tier", "string"]),
}


@pytest.mark.parametrize(("values", "words"), UNKNOWN.values(), ids=UNKNOWN)
def test_values_of_a_wrong_name_or_type_are_refused_by_the_schema(helm, tmp_path, values, words):
    message = refusal(helm, tmp_path, values, LEAST)
    assert "schema" in message
    assert [word for word in words if word not in message] == []


def test_an_older_kubernetes_is_refused(helm):
    with pytest.raises(RefusedError, match=r"kubeVersion: >=1\.30\.0-0"):
        helm.render(LEAST, kubernetes="1.29")


def test_a_secret_is_in_no_message(helm, tmp_path):
    secret = {"jwtSecret": "hush-1"}
    values = {
        "auth": secret,
        "database": {"url": "mysql://hush-2"},
        "redis": {"url": "http://hush-3"},
        "email": {"provider": "sendgrid", "apiKey": "hush-4", "smtp": {"password": "hush-5"}},
    }
    assert "hush" not in refusal(helm, tmp_path, values)
