"""Many connections on which nothing happens, on either server."""

import resource
from contextlib import ExitStack, contextmanager
from time import perf_counter

import pytest

from scheduling.testing.processes import wait_for
from tests.server.serverkit.messages import get, request
from tests.server.serverkit.raw_connection import RawConnection, connected

LIVE = request(b"GET /health/live", b"Connection: close")


@pytest.fixture(scope="module", autouse=True)
def many_files():
    """Let this process open as many files as it may."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.fixture(scope="module")
def site(server, start_on):
    return start_on(server)


@contextmanager
def open_connections(site, number, data=b""):
    with ExitStack() as stack:
        clients = [stack.enter_context(connected(site)) for _ in range(number)]
        for client in clients:
            client.send(data)
        yield clients


def seconds_of_a_probe(site):
    began = perf_counter()
    with connected(site) as client:
        assert client.ask(LIVE).status == 200
    return perf_counter() - began


@pytest.mark.parametrize(
    "data", [b"", b"GET /seen HTTP/1.1\r\nHost: lo", get()], ids=["silent", "head", "kept"]
)
def test_thousands_of_idle_connections_keep_nobody_waiting(site, data):
    """2,050 of one client once stopped the server for everybody for two minutes."""
    with open_connections(site, 2050, data):
        # The first waits until those before it have been accepted.
        seconds_of_a_probe(site)
        assert min(seconds_of_a_probe(site) for _ in range(5)) < 1
        assert site.call("GET", "/nowhere", timeout=10).status == 404


@pytest.mark.parametrize("server", ["waitress"], indirect=True, scope="module")
def test_the_connection_that_has_been_idle_for_the_longest_makes_room(start_on, server):
    site = start_on(server, connection_limit="120")
    with open_connections(site, 60) as idle, open_connections(site, 50, get()) as kept:
        for client in kept:
            assert client.read().status == 200
        with open_connections(site, 50):
            wait_for(lambda: sum(client.is_closed() for client in idle) >= 40)
            assert all(client.is_kept() for client in kept)
        assert "the longest idle is closed" in site.web.output


@pytest.mark.parametrize("server", ["waitress"], indirect=True, scope="module")
def test_a_connection_whose_request_is_being_answered_stays(start_on, server, tmp_path):
    released = tmp_path / "released"
    site = start_on(server, environ={"LAB_RELEASED": str(released)}, connection_limit="120")
    with connected(site) as client:
        client.send(request(b"GET /blocked"))
        wait_for(lambda: site.in_flight() == 1)
        with open_connections(site, 300, get()) as others:
            wait_for(lambda: any(other.is_closed() for other in others) or others[-1].read())
            released.touch()
            assert client.read().body == b"released"


def test_a_connection_on_which_nothing_happens_is_closed_in_time(start_on, server):
    site = start_on(server, channel_timeout="2", cleanup_interval="1")
    silent, kept = RawConnection(site), RawConnection(site)
    assert kept.ask(get()).status == 200
    began = perf_counter()
    wait_for(lambda: silent.is_closed() and kept.is_closed())
    assert perf_counter() - began > 1
    for client in (silent, kept):
        client.close()
