"""How `scheduling web` ends: nobody is cut off, and nothing is left."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPResponse
from pathlib import Path

import pytest

from scheduling.testing.processes import UNREACHABLE, wait_for

CLIENTS = 12


@pytest.fixture
def background():
    with ThreadPoolExecutor(CLIENTS) as threads:
        yield threads.submit


def refuses(site):
    try:
        site.call("GET", "/", timeout=5)
    except UNREACHABLE:
        return True
    return False


def ask(connection, path="/health"):
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    return answer


def test_while_it_drains_it_is_not_ready_but_serves_and_has_connections_closed(make_web):
    site = make_web("--drain", "600")
    with site.connect() as connection:
        assert ask(connection).getheader("Connection") is None
        site.web.terminate()
        wait_for(lambda: ask(connection, "/health/ready").status == 503)
        for path in ("/health", "/health/live", "/nowhere"):
            assert ask(connection, path).getheader("Connection") == "close"
    assert site.call("POST", "/auth/login", {"email": "a@example.com", "password": "x"}).status == 401


def test_a_second_signal_ends_it_at_once(make_web):
    site = make_web("--drain", "600", "--grace", "600")
    pids = [*site.children(), *site.serving()]
    site.web.terminate()
    with site.connect() as connection:
        wait_for(lambda: ask(connection, "/health/ready").status == 503)
    site.web.terminate()
    assert site.web.wait(10) == 128 + signal.SIGTERM
    wait_for(lambda: not any(is_alive(pid) for pid in pids))


def test_a_request_in_flight_is_finished_when_the_port_is_closed_already(make_web, background):
    site = make_web("--drain", "0", SCHEDULING_DATABASE_TIMEOUT="120")
    with site.locked_database():
        registering = background(site.register)
        wait_for(lambda: site.in_flight() == 1)
        site.web.terminate()
        wait_for(lambda: refuses(site))
        assert not registering.done()
    assert registering.result(20)
    assert site.web.wait(20) == 0


def test_a_request_that_outlasts_the_grace_does_not_keep_it(make_web, background):
    site = make_web("--drain", "0", "--grace", "1", SCHEDULING_DATABASE_TIMEOUT="120")
    with site.locked_database():
        registering = background(site.register)
        wait_for(lambda: site.in_flight() == 1)
        site.web.terminate()
        assert site.web.wait(30) == 0
    with pytest.raises(UNREACHABLE):
        registering.result(20)


def test_an_idle_connection_is_closed_in_order_and_keeps_nobody_waiting(make_web):
    site = make_web("--drain", "0", "--grace", "600")
    with site.connect() as idle:
        assert ask(idle).status == 200
        site.web.terminate()
        assert idle.sock.recv(1) == b""
        assert site.web.wait(20) == 0


# granian does not notice one that connects as it ends, and waits for it until the grace is over.
@pytest.mark.parametrize("server", ["waitress"], indirect=True)
def test_a_connection_that_was_never_used_is_closed_in_order_too(make_web):
    site = make_web("--drain", "0", "--grace", "600")
    with site.connect() as unused:
        unused.connect()
        site.web.terminate()
        assert unused.sock.recv(1) == b""
        assert site.web.wait(20) == 0


class PatientCaller:
    """Asks again and again on one connection until it is told to go elsewhere."""

    def __init__(self, site):
        self.answers = 0
        self._site = site

    def run(self):
        """Return when it was told; an exception of http.client if a request is not answered."""
        with self._site.connect() as connection:
            while ask(connection).getheader("Connection") != "close":
                self.answers += 1


def test_no_request_of_a_client_that_keeps_its_connection_is_lost(make_web, server, background):
    # granian closes idle connections when the drain is over, waitress those that have been so for a while.
    site = make_web("--drain", "0" if server == "waitress" else "2")
    clients = [PatientCaller(site) for _ in range(CLIENTS)]
    runs = [background(client.run) for client in clients]
    wait_for(lambda: all(client.answers > 2 for client in clients))
    site.web.terminate()
    assert site.web.wait(60) == 0
    for run in runs:
        run.result(30)


@pytest.mark.parametrize("server", ["pserve"], indirect=True)
@pytest.mark.parametrize("patient", [True, False])
def test_pserve_waits_for_a_request_that_has_begun_unless_it_is_told_twice(make_web, patient):
    site = make_web()
    with site.connect() as connection:
        connection.connect()
        connection.sock.sendall(b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\n")
        site.web.terminate()
        wait_for(lambda: refuses(site))
        if patient:
            connection.sock.sendall(b"\r\n")
            answer = HTTPResponse(connection.sock)
            answer.begin()
            assert (answer.status, answer.getheader("Connection")) == (503, "close")
            assert site.web.wait(20) == 0
        else:
            site.web.terminate()
            assert site.web.wait(20) == 128 + signal.SIGTERM


def is_alive(pid):
    """Tell whether a process runs; a zombie, of which nobody has taken notice yet, does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_when_it_is_killed_its_processes_end(make_web):
    site = make_web()
    pids = [*site.children(), *site.serving()]
    site.web.kill()
    wait_for(lambda: not any(is_alive(pid) for pid in pids))
    site.web.start().wait_until_ready()


@pytest.mark.parametrize("server", ["granian"], indirect=True)
def test_ctrl_c_which_reaches_every_process_ends_it_in_order(make_web):
    site = make_web("--drain", "600", "--grace", "600")
    with site.connect() as connection:
        for pid in (*site.serving(), site.web.pid):
            os.kill(pid, signal.SIGINT)
        wait_for(lambda: ask(connection, "/health/ready").status == 503)
    assert len(site.serving()) == 2


@pytest.mark.parametrize("server", ["granian"], indirect=True)
def test_processes_that_die_as_soon_as_they_start_end_it_with_a_message(make_web, tmp_path):
    web = make_web(PYTHONPATH=str(tmp_path)).web
    web.kill()
    dying = "import os, sys\nif '--multiprocessing-fork' in sys.orig_argv: os._exit(3)\n"
    (tmp_path / "sitecustomize.py").write_text(dying)
    assert web.start().wait(60) == 1
    assert "Worker crash loop detected" in web.output
