"""Alerts fire when they should, and alerts, dashboard and autoscalers ask for figures that exist."""

import json
import re
import subprocess
from pathlib import Path

import promql_parser
import pytest
import yaml

from tests.chart.chartkit import CHART, ROOT
from tests.chart.chartkit.objects import named, of_kind
from tests.chart.chartkit.programs import ProgramMissingError, promtool

# Prometheus has the first, kube-state-metrics the others, https://github.com/kubernetes/kube-state-metrics
OF_THE_CLUSTER = {
    "up": set(),
    "kube_pod_container_status_waiting_reason": {"container", "reason"},
    "kube_pod_init_container_status_waiting_reason": {"container", "reason"},
    "kube_job_failed": {"job_name", "condition"},
}
# What Prometheus adds to the series of a pod.
OF_THE_TARGET = {"namespace", "job", "pod"}

MONITORED = [CHART / "ci" / f"{name}-monitor-values.yaml" for name in ("pod", "service")]
DASHBOARD = json.loads((CHART / "dashboards" / "scheduling.json").read_text())
DASHBOARD_QUERIES = [t["expr"] for panel in DASHBOARD["panels"] for t in panel.get("targets", [])]


@pytest.fixture(scope="session")
def prometheus():
    """Run promtool; skip where it is not and cannot be fetched."""
    try:
        path = promtool()
    except ProgramMissingError as error:
        pytest.skip(str(error))

    def run(*command):
        done = subprocess.run([path, *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def site_kind():
    """Choose one kind of database, since metrics are the same on both."""
    return "sqlite"


@pytest.fixture
def exported(site):
    """Return the metrics that the application exports, each with its labels, after it has done a little."""
    site.user("Alice").get("/users/me", status=200)
    found = {}
    for family in site.registry.metrics.exposed().collect():
        endings = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
        found |= {f"{family.name}{ending}": set() for ending in endings}
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


@pytest.fixture
def rules(helm4, tmp_path):
    """Return the alerts of the defaults, and a file with their groups as Prometheus reads them."""
    values = tmp_path / "values.yaml"
    values.write_text("metrics: {rules: {enabled: true}}")
    return groups(helm4.render(CHART / "ci" / "existing-secrets-values.yaml", values), tmp_path)


def groups(rendered, folder):
    [rule] = of_kind(rendered, "PrometheusRule")
    path = folder / "rules.yaml"
    path.write_text(yaml.safe_dump(rule["spec"]))
    return rule["spec"]["groups"][0]["rules"], path


@pytest.mark.parametrize(
    ("values", "rules"), list(zip(MONITORED, (9, 10), strict=True)), ids=["pods", "services"]
)
def test_prometheus_takes_the_rules(helm, prometheus, tmp_path, values, rules):
    _, path = groups(helm.render(values), tmp_path)
    assert f"{rules} rules found" in prometheus("check", "rules", path)


def test_alerts_fire_when_they_should_and_not_otherwise(rules, prometheus, tmp_path):
    tests = tmp_path / "tests.yaml"
    tests.write_text(Path(__file__).with_name("alerts.yaml").read_text())
    prometheus("test", "rules", tests)


def test_every_alert_is_tried_both_firing_and_silent(rules):
    tried = yaml.safe_load(Path(__file__).with_name("alerts.yaml").read_text())["tests"]
    found = {(t["alertname"], bool(t["exp_alerts"])) for test in tried for t in test["alert_rule_test"]}
    assert found == {(alert["alert"], fires) for alert in rules[0] for fires in (True, False)}


def test_every_alert_says_what_it_means_and_where_the_cure_is(rules):
    sections = re.findall(r"^## (\w+)$", (ROOT / "docs/operators/alerts.md").read_text(), re.MULTILINE)
    assert sections == [alert["alert"] for alert in rules[0]]
    for alert in rules[0]:
        assert alert["labels"]["severity"] in ("critical", "warning")
        assert alert["annotations"]["summary"].endswith(".")
        assert alert["annotations"]["description"].endswith(".")
        assert alert["annotations"]["runbook_url"] == f"docs/operators/alerts.md#{alert['alert'].lower()}"


def test_what_the_operator_sets_is_in_the_alerts(helm4, tmp_path):
    [*alerts, own], _ = groups(helm4.render(MONITORED[1]), tmp_path)
    assert own["annotations"] == {"summary": "{{ $value }} requests at a time."}
    for alert in alerts:
        assert alert["labels"]["team"] == "scheduling"
        assert alert["annotations"]["runbook_url"].startswith("https://docs.example.com/alerts#")
    by_name = {alert["alert"]: re.findall(r"> ([\d.]+)", alert["expr"]) for alert in alerts}
    assert by_name["SchedulingMessagesLate"] == ["120", "120"]
    assert by_name["SchedulingErrors"] == ["0.01"]
    assert by_name["SchedulingSlow"] == ["0.5"]
    elsewhere, _ = groups(helm4.render(MONITORED[0]), tmp_path)
    matchers = '{cluster="example",app="scheduling"'
    assert all(matchers in alert["expr"] for alert in elsewhere if "kube_" not in alert["expr"])


def selectors(query):
    """Return what a query selects: the name of each metric with the labels that it matches on."""
    filled = query.replace("$__rate_interval", "5m")
    found = []

    def visit(node):
        if isinstance(node, promql_parser.VectorSelector):
            found.append((node.name, {matcher.name for matcher in node.matchers.matchers}))
        return True

    promql_parser.walk(promql_parser.parse(filled), visit)
    return found


def assert_exported(query, exported):
    found = selectors(query)
    assert found, query
    for name, labels in found:
        assert name in exported, f"{name} is exported by nobody"
        assert labels <= exported[name] | OF_THE_TARGET, name


def test_alerts_ask_for_what_is_exported(rules, exported):
    for alert in rules[0]:
        assert_exported(alert["expr"], exported | OF_THE_CLUSTER)


def test_the_dashboard_asks_for_what_is_exported(exported):
    variables = [v["definition"] for v in DASHBOARD["templating"]["list"] if v["type"] == "query"]
    for query in [*DASHBOARD_QUERIES, *(re.search(r"label_values\((.+), \w+\)", v)[1] for v in variables)]:
        assert_exported(query, exported)


def test_the_dashboard_shows_one_release():
    for query in DASHBOARD_QUERIES:
        for _, labels in selectors(query):
            assert labels >= {"namespace", "job"}
    variables = [variable["name"] for variable in DASHBOARD["templating"]["list"]]
    assert variables == ["datasource", "namespace", "job"]


def test_panels_of_the_dashboard_do_not_lie_on_each_other():
    taken = {}
    for panel in DASHBOARD["panels"]:
        box = panel["gridPos"]
        for x in range(box["x"], box["x"] + box["w"]):
            for y in range(box["y"], box["y"] + box["h"]):
                assert 0 <= x < 24
                assert (x, y) not in taken, f"{panel['title']} lies on {taken[x, y]}"
                taken[x, y] = panel["title"]
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(numbers) == len(set(numbers))


def test_the_dashboard_reaches_the_config_map_as_it_is(helm4):
    dashboard = named(helm4.render(MONITORED[1]), "ConfigMap", "demo-scheduling-dashboard")
    assert json.loads(dashboard["data"]["scheduling.json"]) == DASHBOARD
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert dashboard["metadata"]["annotations"] == {"grafana_folder": "Applications"}


def test_autoscalers_ask_for_what_is_exported(helm4, exported):
    [scaled] = of_kind(helm4.render(CHART / "ci" / "worker-keda-values.yaml"), "ScaledObject")
    assert_exported(scaled["spec"]["triggers"][0]["metadata"]["query"], exported)
    [scaled] = of_kind(helm4.render(CHART / "ci" / "worker-hpa-values.yaml"), "HorizontalPodAutoscaler")
    assert scaled["spec"]["metrics"][0]["external"]["metric"]["name"] in exported
