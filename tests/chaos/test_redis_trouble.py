"""Redis frozen, in a black hole, and full: only delivery waits, and it goes on by itself."""

import socket
import threading
from contextlib import suppress

import kombu
import pytest
import redis as redis_client

from scheduling.messaging.broker import queue_of
from scheduling.testing.processes import wait_for

EMAILS = queue_of("email").name


class BlackHole:
    """A TCP proxy to a Redis that can stop passing on what it is sent, as a broken network does.

    Connections from before and during that stay open and dead for ever.
    """

    def __init__(self, target):
        self.swallows = False
        self._target = target
        self._sockets = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self):
        for sock in (self._listener, *self._sockets):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join()

    def _accept(self):
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                self._sockets |= {near, far}
                for source, sink in ((near, far), (far, near)):
                    thread = threading.Thread(target=self._pass_on, args=(source, sink))
                    self._threads.append(thread)
                    thread.start()

    def _pass_on(self, source, sink):
        dead = self.swallows
        with suppress(OSError):
            while data := source.recv(65536):
                dead = dead or self.swallows
                if not dead:
                    sink.sendall(data)
            # An end is not passed on either by what is dead.
            if not dead:
                sink.shutdown(socket.SHUT_WR)


def port_of(redis):
    return int(redis.url.rpartition(":")[2].partition("/")[0])


@pytest.fixture
def black_hole(own_redis):
    proxy = BlackHole(port_of(own_redis))
    yield proxy
    proxy.close()


def relay_errors(worker):
    return worker.metric("scheduling_outbox_relay_errors_total")


def require_delivery_goes_on_after(site, provider, trouble, end_of_trouble):
    """Book before, during and after; all is delivered by the worker that was there from the start."""
    site.start()
    [worker] = site.workers
    token = site.register()
    wait_for(site.all_done)
    trouble()
    for number in range(20):
        assert site.book(token, f"During {number}").status == 201
    wait_for(lambda: relay_errors(worker) >= 1)
    assert site.call("GET", "/bookings", token=token).status == 200
    assert worker.running
    assert len(provider.accepted) < 21
    end_of_trouble()
    assert site.book(token, "After").status == 201
    wait_for(site.all_done)
    assert sum(provider.subjects().values()) == 22
    assert worker.running
    assert relay_errors(worker) >= 1, "it is still the same process"


def test_a_frozen_redis_holds_up_nothing_but_delivery(make_site, own_redis, provider):
    require_delivery_goes_on_after(make_site(), provider, own_redis.freeze, own_redis.thaw)


def test_connections_to_redis_that_died_silently_are_replaced(make_site, provider, black_hole):
    site = make_site(redis_url=f"redis://127.0.0.1:{black_hole.port}/0")

    def swallow(whether):
        black_hole.swallows = whether

    require_delivery_goes_on_after(site, provider, lambda: swallow(True), lambda: swallow(False))


def test_a_full_redis_holds_up_nothing_but_delivery(make_site, own_redis, provider):
    with redis_client.Redis.from_url(own_redis.url) as client:
        client.config_set("maxmemory-policy", "noeviction")
        require_delivery_goes_on_after(
            make_site(),
            provider,
            lambda: client.config_set("maxmemory", "1mb"),
            lambda: client.config_set("maxmemory", "0"),
        )


def test_what_is_not_ours_in_the_queue_is_dropped_and_holds_up_nothing(make_site, own_redis, provider):
    site = make_site()
    site.start()
    with (
        redis_client.Redis.from_url(own_redis.url) as client,
        kombu.Connection(own_redis.url) as connection,
        kombu.Producer(connection.default_channel) as producer,
    ):
        for body in ({"id": "not one"}, {"id": 1}, {"no": "id"}, ["id"]):
            producer.publish(body, routing_key=EMAILS)
        producer.publish(b"x", routing_key=EMAILS, content_type="text/x-strange", content_encoding="binary")
        client.lpush(EMAILS, "not even a message")
        site.register()
        wait_for(site.all_done)
        wait_for(lambda: client.llen(EMAILS) == client.hlen("unacked") == 0)
    assert site.workers[0].running
