"""Clients that break the rules of HTTP, or mean harm, on either server."""

import json
import socket
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from scheduling.testing.processes import wait_for
from scheduling.web.codes import DEFAULTS
from scheduling.web.tweens import SECURITY_HEADERS
from tests.server.serverkit.messages import (
    CHUNKED,
    CHUNKS,
    JSON,
    LENGTH,
    LOG_IN,
    MEBIBYTE,
    REFUSED,
    SERVED,
    SLOW_BODIES,
    SLOW_HEADS,
    chunked,
    get,
    log_in,
    request,
)
from tests.server.serverkit.raw_connection import RawConnection, connected


@pytest.fixture(scope="module")
def start_web(server, start_on):
    """A function that starts a server with the given options in ``[server:main]``."""
    return partial(start_on, server)


@pytest.fixture(scope="module")
def site(start_web):
    return start_web()


@pytest.fixture
def client(site):
    with connected(site) as client:
        yield client


def is_problem(answer):
    body = json.loads(answer.body)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert len(answer.headers["X-Request-Id"]) == 32
    assert {(name.title(), value) for name, value in SECURITY_HEADERS} <= set(answer.headers.items())
    assert body["code"] == DEFAULTS[answer.status].word
    if answer.status >= 500:
        assert body["request_id"] == answer.headers["X-Request-Id"]
    return body["status"] == answer.status and body["error"] == body["detail"]


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_request_is_refused_and_the_connection_closed(name, server, client, site):
    data, with_waitress, with_granian = REFUSED[name]
    answer = client.ask(data)
    assert (answer and answer.status) == (with_waitress if server == "waitress" else with_granian)
    assert client.read() is None
    if server == "waitress":
        assert is_problem(answer)
        assert answer.headers["Connection"] == "close"
        assert answer.headers["X-Request-Id"] in site.web.output


@pytest.mark.parametrize("name", SERVED)
def test_what_is_unusual_is_answered(name, server, client):
    data, with_waitress, with_granian = SERVED[name]
    answer = client.ask(data)
    assert answer.status == (with_waitress if server == "waitress" else with_granian)
    if answer.status >= 400 and answer.body:
        assert is_problem(answer)


def test_a_refusal_quotes_nothing_that_was_sent(server, client, site):
    answer = client.ask(get(b"Authorization: Bearer some-secret\rX"))
    assert answer.status == 400
    assert b"some-secret" not in answer.body
    assert "some-secret" not in site.web.output


def test_pipelined_requests_are_answered_in_order(client):
    client.send(b"".join(request(b"GET /nowhere/%d" % number) for number in range(20)))
    answers = [json.loads(client.read().body)["path"] for _ in range(20)]
    assert answers == [f"/nowhere/{number}" for number in range(20)]


def test_what_comes_with_a_body_of_two_lengths_is_no_request_of_its_own(client):
    smuggled = request(b"GET /smuggled")
    answer = client.ask(log_in(b"Content-Length: 5", CHUNKED, body=b"0\r\n\r\n" + smuggled))
    assert answer.status == 400
    assert client.read() is None


def test_http_1_0_closes_the_connection_unless_it_is_to_be_kept(client):
    kept = get(b"Connection: keep-alive", version=b"HTTP/1.0")
    assert client.ask(kept).headers["Connection"].lower() == "keep-alive"
    assert client.ask(get(version=b"HTTP/1.0")).status == 200
    assert client.read() is None


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (request(b"GET /nowhere"), 404),
        (request(b"POST /nowhere", JSON, LENGTH, body=LOG_IN), 404),
        (log_in(LENGTH), 401),
        (log_in(LENGTH, body=b"{" * len(LOG_IN)), 400),
        (get(LENGTH, body=LOG_IN), 200),
        (
            request(b"OPTIONS /health", b"Origin: https://a.example", b"Access-Control-Request-Method: GET"),
            204,
        ),
        (chunked(CHUNKS), 401),
    ],
)
def test_a_connection_is_kept_after(data, status, client):
    assert client.ask(data).status == status
    assert client.is_kept()


def test_a_connection_is_kept_after_a_304(client, site):
    token = site.register("Alice")
    bearer = b"Authorization: Bearer " + token.encode()
    booking = {"title": "a", "start": "2099-01-01T10:00:00Z", "end": "2099-01-01T11:00:00Z"}
    made = site.call("POST", "/bookings", booking, token=token).body["booking"]
    path = b"GET /api/v1/bookings/%d" % made["id"]
    etag = client.ask(request(path, bearer)).headers["Etag"]
    assert client.ask(request(path, bearer, b"If-None-Match: " + etag.encode())).status == 304
    assert client.is_kept()


@pytest.mark.parametrize("path", [b"/health", b"/nowhere"])
def test_the_answer_to_head_has_no_body(client, path):
    answer = client.ask(request(b"HEAD " + path), "HEAD")
    assert int(answer.headers["Content-Length"]) > 0
    assert client.is_kept()


def test_a_body_is_sent_when_it_is_asked_for(client):
    assert client.ask(log_in(LENGTH, b"Expect: 100-continue", body=b"")).status == 100
    assert client.ask(LOG_IN).status == 401
    assert client.is_kept()


def test_no_body_is_asked_for_where_there_is_none(client):
    assert client.ask(get(b"Expect: 100-continue")).status == 200


def test_a_body_that_is_too_large_is_not_asked_for(client):
    assert client.ask(log_in(b"Content-Length: 20000000", b"Expect: 100-continue", body=b"")).status == 413


def test_what_a_peer_says_of_another_is_not_believed(client):
    answer = client.ask(
        get(
            b"X-Forwarded-For: 203.0.113.1",
            b"X-Forwarded-Host: elsewhere.example",
            b"X-Forwarded-Proto: https",
            b"X-Forwarded-Port: 444",
            b"X-Forwarded-By: 203.0.113.2",
            b"Forwarded: for=203.0.113.3;host=elsewhere.example;proto=https",
        )
    )
    environ = json.loads(answer.body)["environ"]
    assert environ["REMOTE_ADDR"] == "127.0.0.1"
    assert environ["HTTP_HOST"] == "localhost"
    assert environ["wsgi.url_scheme"] == "http"
    assert not [name for name in environ if "FORWARDED" in name]


def test_a_proxy_that_is_trusted_is_believed(start_web):
    site = start_web(trusted_proxy="127.0.0.1", trusted_proxy_headers="x-forwarded-for x-forwarded-proto")
    with connected(site) as client:
        answer = client.ask(get(b"X-Forwarded-For: 203.0.113.1", b"X-Forwarded-Proto: https"))
    environ = json.loads(answer.body)["environ"]
    assert environ["REMOTE_ADDR"] == "203.0.113.1"
    assert environ["wsgi.url_scheme"] == "https"


def test_a_request_carries_no_secret_of_the_process(client, site):
    assert site.environ["JWT_SECRET"] not in client.ask(get()).body.decode()


REGISTER = json.dumps({"name": "Mallory", "email": "m@example.com", "password": "secret123"}).encode()


@pytest.mark.parametrize("leave", ["half-close", "disconnect"])
@pytest.mark.parametrize("length", [b"Content-Length: %d" % (len(REGISTER) + 1), CHUNKED])
def test_of_a_body_that_does_not_end_nothing_is_written(leave, length, client, site):
    # Every byte of the JSON but the last: what is complete may be taken although its sender has gone.
    body = REGISTER if length != CHUNKED else b"%x\r\n%b" % (len(REGISTER), REGISTER[:-1])
    client.send(request(b"POST /api/v1/auth/register", JSON, length, body=body))
    if leave == "half-close":
        client.socket.shutdown(socket.SHUT_WR)
        answer = client.read()
        assert answer is None or answer.status == 400
    else:
        client.vanish()
    wait_for(lambda: site.in_flight() == 0)
    log_in = {"email": "m@example.com", "password": "secret123"}
    assert site.call("POST", "/auth/login", log_in).status == 401


def test_a_client_that_leaves_while_its_request_runs_keeps_no_thread(site):
    with site.locked_database():
        clients = [RawConnection(site) for _ in range(8)]
        for client in clients:
            client.send(request(b"POST /api/v1/auth/register", JSON, b"Content-Length: 2", body=b"{}"))
            client.vanish()
    wait_for(lambda: site.in_flight() == 0)
    assert site.register()


def test_clients_that_leave_large_answers_unread_keep_nothing(site):
    clients = [RawConnection(site) for _ in range(4)]
    for client in clients:
        client.send(request(b"GET /large"))
        assert client.socket.recv(1)
    # Others are answered meanwhile.
    assert site.call("GET", "/nowhere", timeout=10).status == 404
    for client in clients:
        client.vanish()
    wait_for(lambda: site.in_flight() == 0)
    wait_for(lambda: not open_connections(site))


def test_a_large_answer_that_is_read_late_is_complete(client, site):
    client.send(request(b"GET /large"))
    assert client.socket.recv(1, socket.MSG_PEEK)
    assert site.call("GET", "/nowhere", timeout=10).status == 404
    answer = client.read()
    assert answer.body == b"x" * int(answer.headers["Content-Length"])
    assert client.is_kept()


def test_heads_that_do_not_end_keep_nobody_waiting(site):
    with ExitStack() as clients:
        for _ in range(200):
            clients.enter_context(connected(site)).send(b"GET /seen HTTP/1.1\r\nHost: lo")
        assert site.call("GET", "/nowhere", timeout=10).status == 404
        assert site.register()
    wait_for(lambda: not open_connections(site))


def test_bodies_that_do_not_end_keep_nobody_waiting(site, server):
    # granian has a thread wait for each, of which it has eight a process: it wants a proxy before it.
    with ExitStack() as clients:
        for _ in range(200 if server == "waitress" else 4):
            clients.enter_context(connected(site)).send(log_in(LENGTH, body=LOG_IN[:-1]))
        assert site.call("GET", "/nowhere", timeout=10).status == 404
        assert site.register()
    wait_for(lambda: not open_connections(site))
    wait_for(lambda: site.in_flight() == 0)


@pytest.fixture(scope="module")
def impatient(start_web):
    """A site whose connections may be silent, and whose requests may take to come, for a second."""
    return start_web(channel_timeout="1", cleanup_interval="1")


def wait_until_disconnected(site, first, more):
    with connected(site) as client:
        client.send(first)

        def disconnected():
            client.send(more)
            return client.is_closed()

        wait_for(disconnected)


@pytest.mark.parametrize("name", SLOW_HEADS)
def test_who_is_slow_is_disconnected(name, impatient):
    wait_until_disconnected(impatient, *SLOW_HEADS[name])


# granian waits for a body as long as it takes: it wants a proxy before it.
@pytest.mark.parametrize("server", ["waitress"], indirect=True, scope="module")
@pytest.mark.parametrize("name", SLOW_BODIES)
def test_who_sends_a_body_slowly_is_disconnected(name, impatient):
    wait_until_disconnected(impatient, *SLOW_BODIES[name])


@pytest.mark.parametrize("server", ["granian"], indirect=True, scope="module")
def test_connections_are_shared_out_to_all_processes(site):
    pids = set()

    def served_by_both():
        with connected(site) as client:
            pids.add(json.loads(client.ask(get()).body)["pid"])
        return len(pids) == 2

    wait_for(served_by_both)
    assert pids == set(site.serving())


def open_connections(site):
    """How many clients the processes have a socket for."""
    port = f":{urlsplit(site.web.url).port:04X}"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    established = {f"socket:[{line[9]}]" for line in lines if line[1].endswith(port) and line[3] != "0A"}
    return [link for link in descriptors(site) if link in established]


def descriptors(site):
    """What the processes have open but for the database, whose connections come and go."""
    links = []
    for pid in site.serving():
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                links.append(str(entry.readlink()))
    return [link for link in links if "web.db" not in link]


def resident(site):
    """Bytes of memory of the processes."""
    pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in site.serving()]
    return sum(pages) * 4096


def test_after_all_this_nothing_is_left(site):
    barrage = [
        data
        for data, *_ in (*REFUSED.values(), *SERVED.values(), *SLOW_HEADS.values(), *SLOW_BODIES.values())
    ]

    def attack():
        for data in barrage:
            with connected(site) as client:
                client.send(data)
        wait_for(lambda: not open_connections(site))
        wait_for(lambda: site.in_flight() == 0)

    attack()
    before, memory = len(descriptors(site)), resident(site)
    for _ in range(5):
        attack()
    wait_for(lambda: len(descriptors(site)) <= before)
    assert resident(site) - memory < 64 * MEBIBYTE
    assert site.register()
    assert "Traceback" not in site.web.output
    assert '"level": "ERROR"' not in site.web.output
