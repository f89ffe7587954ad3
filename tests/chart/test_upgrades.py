"""What Helm does to a cluster with the chart: upgrades that fail, roll-backs, and what is left."""

import re

import pytest

from tests.chart.chartkit import CHART, ROOT, cluster
from tests.chart.chartkit.helm import NAMESPACE, RELEASE, Helm, RefusedError

LEAST = CHART / "ci" / "existing-secrets-values.yaml"


@pytest.fixture
def kubernetes(tmp_path):
    with cluster.running(tmp_path) as kubernetes:
        yield kubernetes


@pytest.fixture
def run(helm, kubernetes, tmp_path):
    """A function that runs a command of Helm, 3 and 4, on the release in the cluster."""
    program = Helm(helm.major, tmp_path, kubernetes.kubeconfig)

    def run(command, *options):
        chart = [CHART, f"--values={LEAST}"]
        more = chart if command in ("install", "upgrade") else []
        return program.run(command, RELEASE, f"--namespace={NAMESPACE}", *more, *options)

    return run


@pytest.fixture
def fail(run):
    """A function that runs a command which waits for pods: the cluster has no controller that makes some."""

    def fail(*command):
        with pytest.raises(RefusedError):
            run(*command, "--wait", "--wait-for-jobs", "--timeout=1s")

    return fail


def jobs(kubernetes):
    return {name for name in kubernetes.names("jobs") if "-migrate-" in name}


def current_job(kubernetes):
    return kubernetes.named("configmaps", "demo-scheduling-migrate")["data"]["job"]


@pytest.fixture
def abandoned(run, fail, kubernetes):
    """The name of the Job of an upgrade that failed, after one that went well."""
    run("install")
    [first] = jobs(kubernetes)
    fail("upgrade", "--set=image.tag=cannot-be-pulled")
    [left] = jobs(kubernetes) - {first}
    assert current_job(kubernetes) == left
    run("upgrade", "--set=image.tag=good")
    return left


def test_every_command_of_helm_in_the_page_for_operators_works(helm, kubernetes, tmp_path):
    """In their order, without the waits, for which there are no pods, and without the values' own file."""
    program = Helm(helm.major, tmp_path, kubernetes.kubeconfig)
    page = (ROOT / "docs/operators/kubernetes.md").read_text()
    commands = re.findall(r"^ *\$ helm (.+)$", page, re.MULTILINE)
    assert {"install", "upgrade", "history", "rollback", "uninstall"} <= {c.split()[0] for c in commands}
    for command in commands:
        if "--force-conflicts" in command and helm.major == "3":
            continue
        for given, here in {
            "charts/scheduling": str(CHART),
            "--values values.yaml": f"--values={LEAST}",
            "--namespace scheduling": f"--namespace={NAMESPACE}",
            "--wait --wait-for-jobs --timeout 10m": "",
            "rollback scheduling 7": "rollback scheduling 1",
            "--logs": "",
        }.items():
            command = command.replace(given, here)  # noqa: PLW2901
        program.run(*command.split())
    assert kubernetes.names("deployments") == set()


COMPONENTS = {
    "web": ["--set=web.autoscaling.enabled=true"],
    "worker": ["--set=worker.autoscaling.type=hpa"],
}
components = pytest.mark.parametrize(("component", "autoscaled"), COMPONENTS.items(), ids=COMPONENTS)


@pytest.fixture
def deployment(kubernetes):
    """A function that returns a component's Deployment in the cluster."""
    return lambda component: kubernetes.named("deployments", f"demo-scheduling-{component}")


@components
def test_turning_autoscaling_on_keeps_the_pods_that_run(run, deployment, component, autoscaled):
    run("install", "--set=web.replicas=7", "--set=worker.replicas=7")

    run("upgrade", *autoscaled)
    assert deployment(component)["spec"]["replicas"] == 7

    # What the autoscaler chooses is kept by the upgrades that come.
    deployment(component)["spec"]["replicas"] = 9
    run("upgrade", *autoscaled, "--set=image.tag=new")
    assert deployment(component)["spec"]["replicas"] == 9


@components
def test_a_rollback_into_a_revision_with_autoscaling_keeps_more_than_one_pod(
    run, deployment, component, autoscaled
):
    run("install")
    run("upgrade", f"--set={component}.replicas=7")
    run("upgrade", *autoscaled)
    run("upgrade", f"--set={component}.replicas=8")
    assert deployment(component)["spec"]["replicas"] == 8

    run("rollback", "3")
    assert deployment(component)["spec"]["replicas"] == 7


@components
def test_pods_that_were_autoscaled_from_the_install_on_are_left_to_the_autoscaler(
    run, deployment, component, autoscaled
):
    run("install", *autoscaled)
    deployment(component)["spec"]["replicas"] = 9

    for revision in (2, 3):
        run("upgrade", *autoscaled, f"--set=image.tag=v{revision}")
        assert deployment(component)["spec"]["replicas"] == 9
    run("rollback", "1")
    assert deployment(component)["spec"]["replicas"] == 9


def test_only_the_job_of_the_newest_upgrade_may_migrate(abandoned, run, kubernetes):
    [newest] = jobs(kubernetes) - {abandoned}
    assert current_job(kubernetes) == newest

    run("upgrade", "--set=image.tag=good", "--set=web.replicas=5")
    assert current_job(kubernetes) == newest


def test_a_job_that_outlives_an_uninstall_has_no_leave_to_migrate_nor_in_the_next_install(
    abandoned, run, kubernetes
):
    run("uninstall")
    assert jobs(kubernetes) == {abandoned}
    assert kubernetes.names("configmaps") == set()

    run("install")
    [own] = jobs(kubernetes) - {abandoned}
    assert current_job(kubernetes) == own


def test_a_rollback_makes_the_older_job_the_current_one(run, kubernetes):
    run("install")
    [first] = jobs(kubernetes)
    run("upgrade", "--set=image.tag=good")
    run("rollback", "1")
    assert jobs(kubernetes) == {first}
    assert current_job(kubernetes) == first


def test_the_jobs_can_be_deleted_by_their_label_before_a_rollback(abandoned, run, kubernetes):
    labels = {"app.kubernetes.io/instance": "demo", "app.kubernetes.io/component": "migrations"}
    assert len(kubernetes.delete("jobs", labels)) == 2

    run("rollback", "2")

    assert jobs(kubernetes) == {abandoned}


def test_helm_removes_the_job_of_a_failed_upgrade_when_it_is_told_to(run, fail, kubernetes):
    run("install")
    fail("upgrade", "--set=image.tag=cannot-be-pulled", "--cleanup-on-fail")
    assert jobs(kubernetes) == set()


@pytest.mark.parametrize("name", ["nameOverride", "fullnameOverride"])
def test_another_name_is_refused_in_an_upgrade(run, kubernetes, name):
    run("install", "--set=nameOverride=before")
    before = dict(kubernetes.objects)

    with pytest.raises(RefusedError, match=r"objects are called demo-before-….*cannot be changed after the"):
        run("upgrade", f"--set={name}=after")

    assert kubernetes.objects == before
    run("upgrade", "--set=nameOverride=before")


def test_a_selector_that_would_change_is_refused_in_an_upgrade(run):
    run("install", "--set=nameOverride=before", "--set=fullnameOverride=kept")
    with pytest.raises(RefusedError, match=r"called kept-…, with the label app.kubernetes.io/name=before"):
        run("upgrade", "--set=nameOverride=after", "--set=fullnameOverride=kept")


def test_an_uninstall_leaves_what_helm_does_not_know_of_and_that_can_be_deleted_by_label(
    abandoned, run, kubernetes
):
    run("test")
    run("uninstall")
    left = {(plural, name) for _, plural, name in kubernetes.objects}
    assert left == {("jobs", abandoned), ("pods", "demo-scheduling-smoke-test")}
    for kind in ("jobs", "pods"):
        kubernetes.delete(kind, {"app.kubernetes.io/instance": "demo"})
    assert kubernetes.objects == {}


def test_after_kubectl_scale_helm_4_upgrades_when_it_is_told_to_take_the_number_back(
    helm, run, kubernetes, deployment
):
    run("install")
    kubernetes.scale("demo-scheduling-web", 6)

    if helm.major == "4":
        with pytest.raises(RefusedError, match=r"[Cc]onflict"):
            run("upgrade", "--set=image.tag=new")
        run("upgrade", "--set=image.tag=new", "--force-conflicts")
    else:
        run("upgrade", "--set=image.tag=new")

    assert deployment("web")["spec"]["replicas"] == 4
