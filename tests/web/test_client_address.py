"""Who the client is: whatever headers say, the right address or a proxy's, never one that was invented."""

from ipaddress import ip_network

import pytest

from scheduling.web.client_address import address_of, counted_address

TRUSTED = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]
PROXY, OTHER_PROXY, CLIENT = "10.0.0.1", "10.0.0.2", "203.0.113.7"
FORGED = "198.51.100.1"


def address(peer=PROXY, forwarded_for=None, forwarded=None, trusted=TRUSTED):
    environ = {"REMOTE_ADDR": peer}
    if forwarded_for is not None:
        environ["HTTP_X_FORWARDED_FOR"] = forwarded_for
    if forwarded is not None:
        environ["HTTP_FORWARDED"] = forwarded
    return address_of(environ, trusted)


def test_without_trusted_proxies_the_peer_is_the_client_whatever_it_says():
    assert address(PROXY, FORGED, f"for={FORGED}", trusted=[]) == PROXY
    assert address(CLIENT, FORGED, f"for={FORGED}") == CLIENT


@pytest.mark.parametrize(
    ("sent", "client"),
    [
        (CLIENT, CLIENT),
        (f" {CLIENT}\t", CLIENT),
        (f"{FORGED}, {CLIENT}", CLIENT),
        (f"{FORGED},{CLIENT},{OTHER_PROXY}", CLIENT),
        # A client that calls itself a proxy.
        (f"{FORGED}, 10.9.9.9, {CLIENT}", CLIENT),
        # All of them are proxies: the farthest one.
        (f"{OTHER_PROXY}, 10.0.0.3", OTHER_PROXY),
        (f"{CLIENT}:4711", CLIENT),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("2001:0DB8:0:0:0:0:0:1", "2001:db8::1"),
        (f"::ffff:{CLIENT}", CLIENT),
        (f"[::ffff:{CLIENT}]:4711", CLIENT),
        (f"{FORGED}, ::ffff:10.0.0.9", FORGED),
    ],
)
def test_x_forwarded_for_is_read_from_the_right(sent, client):
    assert address(forwarded_for=sent) == client


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "unknown",
        "_hidden",
        "203.0.113",
        "203.0.113.300",
        "0203.0.113.7",
        "203.0.113.7:",
        "203.0.113.7:123456",
        "203.0.113.7/32",
        "203.0.113.7 198.51.100.1",
        "fe80::1%eth0",
        "[fe80::1%25eth0]",
        "[2001:db8::1",
        "2001:db8::1]:80",
        "::ffff:203.0.113.300",
        '"203.0.113.7"',
        "٢٠٣.0.113.7",
        "1" * 5000,
        "example.com",
    ],
)
def test_what_is_malformed_counts_as_the_proxy_that_sent_it(bad):
    assert address(forwarded_for=bad) == PROXY
    assert address(forwarded_for=f"{FORGED}, {bad}") == PROXY
    assert address(forwarded_for=f"{FORGED}, {bad}, {OTHER_PROXY}") == OTHER_PROXY
    # What stands to the left of the client does not matter.
    assert address(forwarded_for=f"{bad}, {CLIENT}") == CLIENT


@pytest.mark.parametrize(
    ("sent", "client"),
    [
        (f"for={CLIENT}", CLIENT),
        (f"For={CLIENT};proto=https;by={PROXY}", CLIENT),
        (f"by={PROXY}; for={CLIENT}", CLIENT),
        (f'for="{CLIENT}:4711"', CLIENT),
        ('for="[2001:db8::1]:4711"', "2001:db8::1"),
        ('for="[2001:db8::1]"', "2001:db8::1"),
        (f"for={FORGED}, for={CLIENT}, for={OTHER_PROXY}", CLIENT),
        # Half of a quoted text, which would swallow what the proxy appends.
        (f'for={FORGED};x=", for={CLIENT}', CLIENT),
        (f'for="{FORGED}, for={CLIENT}', CLIENT),
        ("for=unknown", PROXY),
        ("for=_secret", PROXY),
        ("proto=https", PROXY),
        (f"for={FORGED};for={FORGED}", PROXY),
        ('for="fe80::1%eth0"', PROXY),
        ("", PROXY),
    ],
)
def test_forwarded_is_read_likewise(sent, client):
    assert address(forwarded=sent) == client


def test_a_header_that_the_proxy_only_hands_on_is_not_believed():
    assert address(forwarded_for=CLIENT, forwarded=f"for={CLIENT}") == CLIENT
    assert address(forwarded_for=CLIENT, forwarded=f"for={FORGED}") == PROXY
    assert address(forwarded_for=FORGED, forwarded=f"for={CLIENT}") == PROXY


@pytest.mark.parametrize("forwarded", ["", "proto=https", "proto=https;host=example.com"])
def test_a_forwarded_that_names_nobody_says_nothing(forwarded):
    assert address(forwarded_for=CLIENT, forwarded=forwarded) == CLIENT


@pytest.mark.parametrize(
    ("peer", "client"),
    [
        (f"::ffff:{CLIENT}", CLIENT),
        ("fe80::1%eth0", "fe80::1"),
        ("", "unknown"),
        ("localhost", "unknown"),
    ],
)
def test_the_peer_may_be_anything(peer, client):
    assert address(peer) == client


def test_a_proxy_is_known_by_its_ipv4_address_also_on_a_socket_for_ipv6():
    assert address("::ffff:10.0.0.1", CLIENT) == CLIENT
    assert address("fd12::1", CLIENT) == CLIENT


@pytest.mark.parametrize(
    ("client", "counted"),
    [
        (CLIENT, CLIENT),
        ("2001:db8:0:1:aaaa::1", "2001:db8:0:1::/64"),
        ("2001:db8:0:1:bbbb::2", "2001:db8:0:1::/64"),
        ("2001:db8:0:2::1", "2001:db8:0:2::/64"),
        (f"::ffff:{CLIENT}", CLIENT),
    ],
)
def test_of_ipv6_the_network_counts(client, counted):
    class Request:
        environ = {"REMOTE_ADDR": PROXY, "HTTP_X_FORWARDED_FOR": client}  # noqa: RUF012

        class settings:  # noqa: N801
            trusted_proxies = TRUSTED

    assert counted_address(Request) == counted
