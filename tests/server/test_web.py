"""`scheduling web`: several processes behind one port, on either server."""

import os
import signal
from pathlib import Path

from scheduling.testing.processes import wait_for


def test_two_processes_serve_and_end_with_status_0(make_web, tmp_path):
    site = make_web()
    pids = site.serving()
    assert len(pids) == 2
    assert list((tmp_path / "tmp").iterdir())
    site.web.terminate()
    assert site.web.wait(20) == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert not list((tmp_path / "tmp").iterdir())


def test_a_process_that_dies_is_replaced(make_web):
    site = make_web()
    killed, other = site.serving()
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: len(set(site.serving()) - {killed}) == 2)
    assert other in site.serving()
    assert site.web.is_ready()


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
    for pid in site.serving():
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda pid=pid: len(set(site.serving()) - {pid}) == 2)
    wait_for(site.web.is_ready)
    assert site.call("GET", "/users/me", token=token).status == 200
    wait_for(lambda: count() == 21)
    wait_for(lambda: site.in_flight() == 0)
    assert site.web.metric("scheduling_outbox_due") == 1
    assert site.web.metric("scheduling_plugin_info") == 4
    wait_for(lambda: site.web.metric("scheduling_database_pool_connections", state="idle") >= 1)


def test_the_process_that_exposes_metrics_is_replaced_too(make_web):
    site = make_web()
    killed = site.children()[0]
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: killed not in site.children())
    assert site.web.metric("scheduling_build_info") == 1
