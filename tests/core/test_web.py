"""`scheduling web`: several processes behind one port, on either server."""

import os
import signal
from pathlib import Path

import pytest

from scheduling.testing.processes import Installation, wait_for

PRODUCTION = Path(__file__).parents[2] / "production.ini"
NO_BROKER = "redis://127.0.0.1:1/0"


@pytest.fixture(params=["waitress", "granian"])
def server(request):
    return request.param


@pytest.fixture
def make_web(tmp_path, server):
    """A function that starts ``scheduling web`` with two processes and returns it when it serves."""
    made = []
    (tmp_path / "tmp").mkdir()

    def make(*options, **environ):
        url = f"sqlite:///{tmp_path}/web.db"
        environ = {"TMPDIR": str(tmp_path / "tmp"), **environ}
        site = Installation(tmp_path, PRODUCTION, url, NO_BROKER, environ)
        made.append(site)
        site.upgrade()
        site.serve("--server", server, "--processes", "2", *options)
        site.web.start().wait_until_ready()
        return site

    yield make
    for site in made:
        site.__exit__()


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def serving(web):
    """The ids of the processes that serve: all without a child but the first, which exposes metrics."""
    _, *others = children(web.pid)
    return [leaf for pid in others for leaf in children(pid) or [pid]]


def test_two_processes_serve_and_end_with_status_0(make_web, tmp_path):
    web = make_web().web
    pids = serving(web)
    assert len(pids) == 2
    assert list((tmp_path / "tmp").iterdir())
    web.terminate()
    assert web.wait(20) == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert not list((tmp_path / "tmp").iterdir())


def test_a_process_that_dies_is_replaced(make_web):
    web = make_web().web
    killed, other = serving(web)
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: len(set(serving(web)) - {killed}) == 2)
    assert other in serving(web)
    assert web.is_ready()


def test_metrics_are_summed_over_processes_the_dead_too(make_web):
    site = make_web()
    token = site.register()
    counted = {"route": "/api/v1/users/me", "method": "GET", "status": "200"}

    def count():
        return site.web.metric("scheduling_http_requests_total", **counted)

    for _ in range(20):
        assert site.call("GET", "/users/me", token=token).status == 200
    wait_for(lambda: count() == 20)
    seconds = site.web.metric("scheduling_http_request_duration_seconds_count", route="/api/v1/users/me")
    assert seconds == 20
    for pid in serving(site.web):
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda pid=pid: len(set(serving(site.web)) - {pid}) == 2)
    wait_for(site.web.is_ready)
    assert site.call("GET", "/users/me", token=token).status == 200
    wait_for(lambda: count() == 21)
    wait_for(lambda: site.web.metric("scheduling_http_requests_in_flight") == 0)
    assert site.web.metric("scheduling_outbox_due") == 1
    assert site.web.metric("scheduling_plugin_info") == 4
    wait_for(lambda: site.web.metric("scheduling_database_pool_connections", state="idle") >= 1)


def test_the_process_that_exposes_metrics_is_replaced_too(make_web):
    web = make_web().web
    killed = children(web.pid)[0]
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: killed not in children(web.pid))
    assert web.metric("scheduling_build_info") == 1
