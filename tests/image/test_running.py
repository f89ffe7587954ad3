"""The image in use: read-only, without capabilities, as user 10001, on a real PostgreSQL and a real Redis."""

from urllib.request import urlopen

import pytest

import scheduling
from scheduling.testing.processes import wait_for

BOOKING = {"title": "Stand-up", "start": "2099-04-01T09:00:00Z", "end": "2099-04-01T09:30:00Z"}


@pytest.fixture(scope="session")
def running(site):
    """The installation with a web process and a worker."""
    site.web = site.start("web", "web")
    site.workers = [site.start("worker", "worker")]
    return site


def test_the_version_is_that_of_the_sources(containers, image):
    output = containers.run(*containers.command("--version"))
    assert output == f"scheduling, version {scheduling.__version__}\n"


@pytest.mark.parametrize("role", ["web", "worker"])
def test_a_container_runs_without_any_privilege_on_a_root_that_nobody_can_write_to(running, containers, role):
    status = containers.run("podman", "exec", role, "cat", "/proc/1/status")
    facts = dict(line.split(":", 1) for line in status.splitlines())
    assert facts["Uid"].split() == facts["Gid"].split() == ["10001"] * 4
    assert {int(facts[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert int(facts["NoNewPrivs"]) == 1
    for path in ("/app/file", "/etc/file", "/var/tmp/file"):
        output = containers.run("podman", "exec", role, "touch", path, status=1)
        assert "Read-only file system" in output
    containers.run("podman", "exec", role, "touch", "/tmp/file")


def test_a_booking_in_the_web_container_is_an_email_in_the_worker_container(running):
    token = running.register()
    answer = running.call("POST", "/bookings", BOOKING, token=token)
    assert answer.status == 201
    wait_for(lambda: "Booking confirmed: Stand-up" in running.workers[0].output, what="the e-mail")
    assert running.web.metric("scheduling_http_requests_total", status="201") >= 2


def test_smoke_finds_nothing_wrong(running, containers):
    _, *steps = containers.run("podman", "exec", "web", "scheduling", "smoke").splitlines()
    assert len(steps) > 5
    assert all(step.startswith("ok ") for step in steps)


@pytest.mark.parametrize("role", ["web", "worker"])
def test_the_health_check_knows_both_roles(running, containers, role):
    containers.run("podman", "healthcheck", "run", role)


def test_the_health_check_fails_where_nobody_answers(containers, image):
    options = ("--detach", "--name=silent", "--entrypoint=sleep", "--init=false")
    containers.run(*containers.command("600", options=options))
    output = containers.run("podman", "healthcheck", "run", "silent", status=1)
    containers.run("podman", "rm", "--force", "--time=0", "silent")
    assert "unhealthy" in output


@pytest.mark.parametrize("role", ["web", "worker"])
def test_any_user_will_do(site, containers, role):
    """OpenShift gives each namespace a range of users of its own, in the group 0."""
    process = site.start(role, f"{role}-of-a-stranger", podman=["--user=1000650000:0"])
    status = containers.run("podman", "exec", f"{role}-of-a-stranger", "cat", "/proc/1/status")
    assert dict(line.split(":", 1) for line in status.splitlines())["Uid"].split() == ["1000650000"] * 4
    containers.run("podman", "healthcheck", "run", f"{role}-of-a-stranger")
    process.terminate()
    assert process.wait() == 0


@pytest.mark.parametrize("server", ["waitress", "granian"])
def test_it_listens_on_ipv6(site, containers, server):
    web = site.start("web", f"web-6-{server}", "--server", server, SCHEDULING_HOST="::")
    for url in (web.url, web.metrics_url):
        port = url.rpartition(":")[2]
        with urlopen(f"http://[::1]:{port}/health/ready", timeout=5) as answer:
            assert answer.status == 200
    containers.run("podman", "healthcheck", "run", f"web-6-{server}")
    web.terminate()
    assert web.wait() == 0


@pytest.mark.parametrize("server", ["waitress", "granian"])
def test_the_web_container_ends_in_order(site, server):
    web = site.start("web", f"web-{server}", "--server", server)
    web.terminate()
    assert web.wait() == 0


def test_the_worker_container_ends_in_order(site):
    worker = site.start("worker", "worker-2")
    worker.terminate()
    assert worker.wait() == 0


def test_what_is_missing_is_said_at_the_start(containers, image):
    output = containers.run(*containers.command("web"), status=1)
    assert "scheduling.database_url (DATABASE_URL) is required" in output
    assert "Traceback" not in output
