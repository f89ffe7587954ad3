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

    def make(*options, **environ):
        url = f"sqlite:///{tmp_path}/web.db"
        site = Installation(tmp_path, PRODUCTION, url, NO_BROKER, environ)
        made.append(site)
        site.upgrade()
        site.serve("--server", server, "--processes", "2", *options)
        site.web.start().wait_until_ready()
        return site

    yield make
    for site in made:
        site.__exit__()


def children(process):
    path = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return [int(pid) for pid in path.read_text().split()]


def test_two_processes_serve_and_end_with_status_0(make_web):
    web = make_web().web
    pids = children(web)
    assert len(pids) == 2
    web.terminate()
    assert web.wait(10) == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_a_process_that_dies_is_replaced(make_web):
    site = make_web()
    killed, other = children(site.web)
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: len(set(children(site.web)) - {killed}) == 2)
    assert other in children(site.web)
    assert site.web.is_ready()
