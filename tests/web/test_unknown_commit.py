"""A connection that breaks at the COMMIT: nobody knows whether it took effect, and the client asks again."""

import socket
import threading
import uuid
from contextlib import suppress

import pytest
from sqlalchemy import make_url

from scheduling.testing import Site
from tests.kit.factories import BOOKING

K = {"Idempotency-Key": "k"}


class Proxy:
    """A TCP proxy before PostgreSQL; once told to, it cuts the connection on which a COMMIT comes."""

    def __init__(self, host, port):
        self._server = host, port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.cut = ""
        """When to cut: "before" the server has the COMMIT, "after" it has answered it, or not at all."""
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client):
        with client, socket.create_connection(self._server) as server:
            is_cut, has_answered = threading.Event(), threading.Event()
            ends = server, client, is_cut, has_answered
            answers = threading.Thread(target=self._hand_back, args=ends, daemon=True)
            answers.start()
            while data := self._receive(client):
                if self.cut and b"COMMIT" in data:
                    cut, self.cut = self.cut, ""
                    self.cuts += 1
                    if cut == "after":
                        is_cut.set()
                        server.sendall(data)
                        has_answered.wait(10)
                    break
                server.sendall(data)
            for end in (client, server):
                self._end(end)
            answers.join(10)

    def _hand_back(self, server, client, is_cut, has_answered):
        while data := self._receive(server):
            if is_cut.is_set():
                has_answered.set()
                return
            client.sendall(data)
        self._end(client)

    @staticmethod
    def _receive(end):
        try:
            return end.recv(65536)
        except OSError:
            return b""

    @staticmethod
    def _end(end):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)

    def close(self):
        self._listener.close()


@pytest.fixture
def proxy(postgres):
    url = make_url(postgres.url)
    proxy = Proxy(url.host or "127.0.0.1", url.port or 5432)
    yield proxy
    proxy.close()


@pytest.fixture
def site(postgres, proxy):
    name = f"test_{uuid.uuid4().hex}"
    url = make_url(postgres.create_database(name)).set(host="127.0.0.1", port=proxy.port)
    site = Site(url.render_as_string(hide_password=False), ["bookings"])
    yield site
    site.close()
    postgres.drop_database(name)


@pytest.mark.parametrize("cut", ["before", "after"])
def test_a_call_whose_commit_is_unknown_is_done_once_when_it_is_sent_again(site, proxy, cut):
    alice = site.user()
    proxy.cut = cut
    unknown = alice.post("/bookings", BOOKING, headers=K, status=503)
    assert proxy.cuts == 1
    assert unknown.json["code"] == "unavailable"
    assert "Idempotent-Replayed" not in unknown.headers
    again = alice.post("/bookings", BOOKING, headers=K, status=201)
    # What was committed is replayed; what was not is done now, and not twice.
    assert again.headers.getall("Idempotent-Replayed") == (["true"] if cut == "after" else [])
    assert alice.get("/bookings").json == [again.json["booking"]]
    third = alice.post("/bookings", BOOKING, headers=K, status=201)
    assert (third.headers["Idempotent-Replayed"], third.body) == ("true", again.body)


@pytest.mark.parametrize("cut", ["before", "after"])
def test_a_change_whose_commit_is_unknown_is_not_made_twice(site, proxy, cut):
    alice = site.user()
    etag = alice.get("/users/me").headers["ETag"]
    sent = {"headers": K | {"If-Match": etag}}
    proxy.cut = cut
    alice.patch("/users/me", {"name": "Alicia"}, status=503, **sent)
    again = alice.patch("/users/me", {"name": "Alicia"}, status=200, **sent)
    assert ("Idempotent-Replayed" in again.headers) == (cut == "after")
    assert alice.get("/users/me").json["version"] == 2
