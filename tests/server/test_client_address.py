"""Who the client is behind a trusted proxy, on either server."""

import json

import pytest

from tests.server.serverkit.messages import get
from tests.server.serverkit.raw_connection import connected

CLIENT = "203.0.113.7"


WAITRESS_TRUSTS_EVERYBODY = {"trusted_proxy": "*", "trusted_proxy_headers": "x-forwarded-for"}


@pytest.fixture(scope="module", params=[{}, WAITRESS_TRUSTS_EVERYBODY], ids=["alone", "waitress too"])
def site(request, server, start_on):
    """A server behind a proxy on this machine, also where waitress's own options trust everybody."""
    return start_on(server, environ={"TRUSTED_PROXIES": "127.0.0.1"}, **request.param)


def seen(site, *headers):
    with connected(site) as client:
        return json.loads(client.ask(get(*headers)).body)["environ"]["scheduling.client_address"]


@pytest.mark.parametrize(
    ("sent", "client"),
    [
        ([], "127.0.0.1"),
        ([b"X-Forwarded-For: 203.0.113.7"], CLIENT),
        ([b"X-Forwarded-For: 198.51.100.1, 203.0.113.7"], CLIENT),
        # A proxy may add a line of its own to that of the client.
        ([b"X-Forwarded-For: 198.51.100.1", b"X-Forwarded-For: 203.0.113.7"], CLIENT),
        ([b"Forwarded: for=198.51.100.1", b"Forwarded: for=203.0.113.7"], CLIENT),
        ([b"x-forwarded-for: 203.0.113.7"], CLIENT),
        ([b"X_Forwarded_For: 198.51.100.1", b"X-Forwarded-For: 203.0.113.7"], CLIENT),
        ([b"X-Forwarded-For: 198.51.100.1", b"Forwarded: for=203.0.113.7"], "127.0.0.1"),
        ([b"X-Forwarded-For: nonsense"], "127.0.0.1"),
        ([b"X-Forwarded-For:"], "127.0.0.1"),
    ],
)
def test_the_client_is_whom_the_trusted_proxy_names(site, sent, client):
    assert seen(site, *sent) == client
