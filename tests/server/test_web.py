"""`scheduling web`: one process of waitress, or several of granian behind one port."""

import os
import signal
from pathlib import Path
from urllib.request import urlopen

import pytest

from scheduling.testing.processes import wait_for
from tests.server.serverkit.installation import ServedInstallation

WAITRESS = (
    "waitress serves with one process: run more pods, or on one machine "
    "scheduling web --server granian --processes 2."
)
NO_BROKER = (
    "Without a broker the one web process delivers the messages: set REDIS_URL and run workers, "
    "or leave --processes away."
)


@pytest.fixture
def only_granian(server):
    if server != "granian":
        pytest.skip("waitress has one process")


def test_it_serves_and_ends_with_status_0(make_web, server, tmp_path):
    site = make_web()
    pids = site.serving()
    assert len(pids) == (2 if server == "granian" else 1)
    # Where processes share what they count.
    assert len(list((tmp_path / "tmp").glob("scheduling-*"))) == (1 if server == "granian" else 0)
    site.web.terminate()
    assert site.web.wait(20) == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert not list((tmp_path / "tmp").iterdir())


def test_two_colons_are_every_address_of_ipv6_and_of_ipv4(make_web):
    # The kit itself calls 127.0.0.1.
    site = make_web(SCHEDULING_HOST="::")
    for url in (site.web.url, site.web.metrics_url):
        with urlopen(f"http://[::1]:{url.rpartition(':')[2]}/health/live", timeout=5) as answer:
            assert answer.status == 200


@pytest.mark.parametrize(
    ("options", "environ", "said"),
    [
        (
            ["--processes", "2"],
            {},
            WAITRESS,
        ),
        (
            ["--processes", "2", "--server", "granian"],
            {"REDIS_URL": ""},
            NO_BROKER,
        ),
    ],
)
def test_several_processes_are_refused_where_there_can_be_only_one(tmp_path, options, environ, said):
    site = ServedInstallation(tmp_path, tmp_path / "none.db", environ)
    site.serve(*options)
    assert site.web.start().wait() == 1
    assert site.web.output == f"{said}\n"


def test_without_a_broker_it_delivers_messages_too(make_web):
    site = make_web("--processes", "1", REDIS_URL="")
    site.register()
    wait_for(lambda: "Welcome" in site.web.output)


@pytest.mark.usefixtures("only_granian")
def test_a_process_that_dies_is_replaced(make_web):
    site = make_web()
    killed, other = site.serving()
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: len(set(site.serving()) - {killed}) == 2)
    assert other in site.serving()
    # A connection that the dead one had not accepted yet is reset.
    wait_for(site.web.is_ready)


def test_requests_are_counted(make_web):
    site = make_web()
    token = site.register()
    for _ in range(20):
        assert site.call("GET", "/users/me", token=token).status == 200
    wait_for(lambda: count(site) == 20)
    seconds = site.web.metric("scheduling_http_request_duration_seconds_count", route="/api/v1/users/me")
    assert seconds == 20
    wait_for(lambda: site.in_flight() == 0)
    assert site.web.metric("scheduling_outbox_due") == 1
    assert site.web.metric("scheduling_plugin_info") == 5
    wait_for(lambda: site.web.metric("scheduling_database_pool_connections", state="idle") >= 1)


def count(site):
    counted = {"route": "/api/v1/users/me", "method": "GET", "status": "200"}
    return site.web.metric("scheduling_http_requests_total", **counted)


@pytest.mark.usefixtures("only_granian")
def test_metrics_are_summed_over_processes_the_dead_too(make_web):
    site = make_web()
    token = site.register()
    for _ in range(20):
        assert site.call("GET", "/users/me", token=token).status == 200
    wait_for(lambda: count(site) == 20)
    # Its parent gives up when a process dies twice within seconds.
    pid = site.serving()[0]
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: len(set(site.serving()) - {pid}) == 2)
    wait_for(site.web.is_ready)
    assert site.call("GET", "/users/me", token=token).status == 200
    wait_for(lambda: count(site) == 21)
    wait_for(lambda: site.in_flight() == 0)
