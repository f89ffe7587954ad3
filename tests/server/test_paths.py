"""Other spellings of a path, as they come over the wire, on either server."""

import json
from urllib.error import HTTPError

import pytest

from scheduling.testing.http_calls import read_text
from tests.kit.spellings import OTHER_SPELLINGS, OTHER_TARGETS
from tests.server.serverkit.messages import JSON, request
from tests.server.serverkit.raw_connection import connected

ACCOUNT = json.dumps({"name": "Mallory", "email": "mallory@example.com", "password": "secret123"}).encode()
LENGTH = b"Content-Length: %d" % len(ACCOUNT)

# granian hands on no path but the decoded one, without what stood before it or behind a #.
UNSEEN_BY_GRANIAN = {
    "/api/v1/auth%2Fregister",
    "/api/v1/auth%2fregister",
    "/api/v1/auth/%72egister",
    "/api/v1/auth/register#x",
    "/api/v1/auth/register#x?y",
    "ftp://localhost/api/v1/auth/register",
}


@pytest.fixture(scope="module")
def site(server, start_on):
    return start_on(server)


def register(client, target):
    return client.ask(request(b"POST " + target.encode(), JSON, LENGTH, body=ACCOUNT))


def test_no_other_spelling_of_a_path_is_served(server, site):
    """A rule of a proxy for /api/v1/auth/register cannot be walked around."""
    unseen = UNSEEN_BY_GRANIAN if server == "granian" else set()
    for target in {*OTHER_SPELLINGS, *OTHER_TARGETS} - unseen:
        with connected(site) as client:
            answer = register(client, target)
            assert answer.status in (400, 404), target
    with connected(site) as client:
        assert register(client, "http://localhost/api/v1/auth/register/").status == 201


def test_a_probe_has_one_spelling(site):
    with connected(site) as client:
        for target in (b"//health", b"/health/@@live", b"/health//live", b"/x/../health"):
            assert client.ask(request(b"GET " + target)).status == 404, target
        for target in (b"/health", b"/health/", b"/health/live", b"/health/ready/"):
            assert client.ask(request(b"GET " + target)).status == 200, target


def test_the_path_of_the_metrics_has_one_spelling(site):
    assert "scheduling_build_info" in read_text(f"{site.web.metrics_url}/metrics")
    for path in ("//metrics", "/%6Detrics", "/metrics/x/..", "/./metrics"):
        with pytest.raises(HTTPError) as refused:
            read_text(site.web.metrics_url + path)
        assert refused.value.code == 404
        refused.value.close()
