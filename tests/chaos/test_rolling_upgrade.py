"""An upgrade at noon: the old release is replaced under load, and nobody notices."""

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from http import HTTPStatus
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from scheduling.testing.processes import wait_for

CLIENTS = 6
BEFORE = {"SCHEDULING_PLUGINS": "bookings notifications"}  # afterwards there are two more, with tables
BOOKING = {"start": "2099-01-01T10:00:00Z", "end": "2099-01-01T11:00:00Z"}
LOOK_SECONDS = 0.1  # how often the balancer asks for readiness
DRAIN = ("--drain", "3")


class Balancer:
    """Gives each connection to a web process that was ready a moment ago, as a Kubernetes Service does."""

    def __init__(self):
        self.address = None
        self._ready, self._webs, self._turn = [], [], 0
        self._end = threading.Event()
        self._serving = asyncio.Event()
        self._threads = ThreadPoolExecutor(2)
        self._loop = asyncio.new_event_loop()
        self._threads.submit(self._loop.run_until_complete, self._serve())
        self._threads.submit(self._look)
        wait_for(lambda: self.address)

    def add(self, web):
        self._webs.append(web)
        wait_for(lambda: web in self._ready)

    def close(self):
        self._end.set()
        self._loop.call_soon_threadsafe(self._serving.set)
        self._threads.shutdown()
        self._loop.close()

    def _look(self):
        while not self._end.wait(LOOK_SECONDS):
            self._ready = [web for web in self._webs if web.running and web.is_ready()]

    async def _serve(self):
        async with await asyncio.start_server(self._connect, "127.0.0.1") as server:
            self.address = server.sockets[0].getsockname()
            await self._serving.wait()

    async def _connect(self, *client):
        ready, self._turn = self._ready, self._turn + 1
        address = urlsplit(ready[self._turn % len(ready)].url)
        server = await asyncio.open_connection(address.hostname, address.port)
        await asyncio.gather(self._pass_on(client[0], server[1]), self._pass_on(server[0], client[1]))

    async def _pass_on(self, source, target):
        with closing(target), suppress(ConnectionError):
            while data := await source.read(65536):
                target.write(data)
                await target.drain()


class BusyCaller:
    """Books and lists without pause on a connection that it keeps, until it is told to end."""

    def __init__(self, address, token, number, end):
        self.booked, self.lists = [], 0
        self._connection = HTTPConnection(*address, timeout=30)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._number, self._end = number, end

    def run(self):
        with closing(self._connection):
            while not self._end.wait(0.05):
                title = f"No. {self._number}-{len(self.booked)}"
                self._call("POST", HTTPStatus.CREATED, BOOKING | {"title": title})
                self.booked.append(title)
                self._call("GET", HTTPStatus.OK)
                self.lists += 1

    def _call(self, method, status, body=None):
        data = None if body is None else json.dumps(body)
        self._connection.request(method, "/api/v1/bookings", data, self._headers)
        answer = self._connection.getresponse()
        text = answer.read()
        assert answer.status == status, text


@pytest.fixture
def balancer():
    with closing(Balancer()) as balancer:
        yield balancer


@pytest.mark.parametrize("server", ["waitress", "granian"])
def test_a_new_release_takes_over_under_load_without_a_failed_request(make_site, balancer, server):
    options = ("--server", server, "--processes", "1" if server == "waitress" else "2", *DRAIN)
    old, new = make_site(**BEFORE), make_site()
    old.upgrade()
    for site in (old, new):
        site.serve(*options)
    old.web.start().wait_until_ready()
    balancer.add(old.web)
    end = threading.Event()
    clients = [BusyCaller(balancer.address, old.register(), number, end) for number in range(CLIENTS)]
    with running(clients, end):
        new.upgrade()
        await_progress(clients)
        balancer.add(new.web.start())
        await_progress(clients)
        old.web.terminate()
        assert old.web.wait(60) == 0
    booked = sorted(title for client in clients for title in client.booked)
    assert sorted(row.title for row in new.rows("SELECT title FROM bookings")) == booked


@contextmanager
def running(clients, end):
    """Have the clients at work before, meanwhile and afterwards; none may have failed."""
    with ThreadPoolExecutor(CLIENTS) as threads:
        runs = [threads.submit(client.run) for client in clients]
        try:
            await_progress(clients)
            yield
            await_progress(clients)
        finally:
            end.set()
            for run in runs:
                run.result()


def await_progress(clients):
    """Return when every client has got a bit further."""
    goals = [client.lists + 5 for client in clients]
    wait_for(lambda: all(client.lists >= goal for client, goal in zip(clients, goals, strict=True)))


def test_a_worker_replaced_under_load_loses_no_message_and_sends_none_twice(make_site, provider):
    site = make_site()
    site.start()
    [old] = site.workers
    end = threading.Event()
    address = urlsplit(site.web.url)
    address = (address.hostname, address.port)
    clients = [BusyCaller(address, site.register(), number, end) for number in range(CLIENTS)]
    with running(clients, end):
        site.add_worker().start().wait_until_ready()
        await_progress(clients)
        old.terminate()
        assert old.wait(60) == 0
    wait_for(site.all_done)
    assert provider.duplicates == 0
    assert set(provider.accepted) == {str(row.id) for row in site.rows("SELECT id FROM outbox")}
    assert len(provider.accepted) == CLIENTS + sum(len(client.booked) for client in clients)
