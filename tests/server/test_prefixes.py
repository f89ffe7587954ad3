"""The path below which a proxy has the API, on either server."""

import json

import pytest

from tests.server.serverkit.messages import JSON, get, request
from tests.server.serverkit.raw_connection import connected

BOOKING = json.dumps({"title": "a", "start": "2099-01-01T10:00:00Z", "end": "2099-01-01T11:00:00Z"}).encode()


@pytest.fixture(scope="module")
def site(server, start_on):
    return start_on(server, trusted_proxy="127.0.0.1", trusted_proxy_headers="x-forwarded-for")


def addresses(site, path, *headers):
    """Make two bookings and return where one of them is, and where the second page of them is."""
    token = site.register("Alice")
    headers = [b"Authorization: Bearer " + token.encode(), *headers]
    make = request(b"POST " + path, JSON, b"Content-Length: %d" % len(BOOKING), *headers, body=BOOKING)
    with connected(site) as client:
        client.ask(make)
        made = client.ask(make)
        listed = client.ask(request(b"GET " + path + b"?limit=1", *headers))
    assert made.status == 201
    return made.headers["Location"], listed.headers["Link"]


@pytest.mark.parametrize("sent", [b"/sched", b"/sched/"])
def test_what_a_trusted_proxy_says_stands_before_all_addresses(site, sent):
    prefix = b"X-Forwarded-Prefix: " + sent
    location, link = addresses(site, b"/api/v1/bookings", prefix, b"X-Forwarded-For: 203.0.113.1")
    assert location.startswith("/sched/api/v1/bookings/")
    assert link.startswith("</sched/api/v1/bookings?limit=1&cursor=")


@pytest.mark.parametrize(
    "sent",
    [b"//evil.example", b"https://evil.example", b"/a, /b", b"sched", b"/a b", b"/%2F", b"/\\evil.example"],
)
def test_what_is_no_path_is_refused(site, sent):
    with connected(site) as client:
        refused = client.ask(get(b"X-Forwarded-Prefix: " + sent))
        assert refused.status == json.loads(refused.body)["status"] == 400


def test_nobody_else_is_believed(server, start_on):
    site = start_on(server, trusted_proxy="203.0.113.9", trusted_proxy_headers="x-forwarded-for")
    location, link = addresses(site, b"/api/v1/bookings", b"X-Forwarded-Prefix: /sched")
    assert location.startswith("/api/v1/bookings/")
    assert link.startswith("</api/v1/bookings?")
    with connected(site) as client:
        seen = json.loads(client.ask(get(b"X-Forwarded-Prefix: /sched")).body)["environ"]
    assert not [name for name in seen if "FORWARDED" in name]


def test_the_prefix_of_the_server_is_taken_from_the_path(server, start_on):
    site = start_on(server, url_prefix="/sched")
    location, link = addresses(site, b"/sched/api/v1/bookings")
    assert location.startswith("/sched/api/v1/bookings/")
    assert link.startswith("</sched/api/v1/bookings?")
    with connected(site) as client:
        for path, status in ((b"/sched/health", 200), (b"/health", 200), (b"/12345/health", 404)):
            assert client.ask(request(b"GET " + path)).status == status
