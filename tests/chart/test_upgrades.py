"""What Helm does to a cluster with the chart: upgrades that fail, roll-backs, and what is left."""

import pytest

from tests.chart.chartkit import CHART, cluster
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
        chart = [CHART, f"--values={LEAST}", "--disable-openapi-validation"]
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
