"""The address of the client, also behind proxies, and what rate limits count it as.

What ``X-Forwarded-For`` and ``Forwarded`` (RFC 7239) say is believed only of proxies that the setting
``trusted_proxies`` names, and read from the right: each proxy appends who called it, and whatever stands left
of the first address that is no trusted proxy may be invented by that client.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from ipaddress import IPv4Network, IPv6Network

    from scheduling.web.request import Request

    Address = IPv4Address | IPv6Address
    Network = IPv4Network | IPv6Network

CLIENT_ADDRESS = "scheduling.client_address"
"""Where in the WSGI environment our servers put the client's address, before anything changes the headers."""

_PREFIX = 64
"""How many bits of an IPv6 address count: a client has all addresses of such a network."""

_WITH_PORT = re.compile(r"(?P<v4>[0-9.]+)(:[0-9]{1,5})?|\[(?P<v6>[0-9A-Fa-f:.]+)\](:[0-9]{1,5})?", re.ASCII)


def client_address(request: Request) -> str:
    """Return the address of the client; the peer's own where no trusted proxy names another."""
    known: str | None = request.environ.get(CLIENT_ADDRESS)
    return known or address_of(request.environ, request.settings.trusted_proxies)


def counted_address(request: Request) -> str:
    """Return what the client's address counts as: itself, or its network for IPv6."""
    address = client_address(request)
    if ":" not in address:
        return address
    return str(ip_network(f"{address}/{_PREFIX}", strict=False))


def address_of(environ: Mapping[str, Any], trusted: Sequence[Network]) -> str:
    """Return the address of the client of a request, from its WSGI environment.

    An entry that is malformed ends the search: then the proxy counts that sent it. So it does where both
    headers are there and differ, since a proxy that writes one of them may hand on the other as it was sent.
    """
    peer = _read(environ.get("REMOTE_ADDR", "").partition("%")[0])
    if peer is None:
        # Such as of a Unix socket.
        return "unknown"
    if not _is_in(peer, trusted):
        return str(peer)
    found = {
        _client(peer, entries, trusted)
        for entries in (_x_forwarded_for(environ), _forwarded(environ))
        if entries is not None
    }
    return str(found.pop() if len(found) == 1 else peer)


def _client(peer: Address, entries: Sequence[str], trusted: Sequence[Network]) -> Address:
    """Return the first address from the right that is no trusted proxy, or the last that can be read."""
    client = peer
    for entry in reversed(entries):
        address = _read(entry)
        if address is None:
            return client
        client = address
        if not _is_in(address, trusted):
            return client
    return client


def _x_forwarded_for(environ: Mapping[str, Any]) -> Sequence[str] | None:
    header: str | None = environ.get("HTTP_X_FORWARDED_FOR")
    return None if header is None else [entry.strip(" \t") for entry in header.split(",")]


def _forwarded(environ: Mapping[str, Any]) -> Sequence[str] | None:
    """Return the ``for=`` of each element; an empty text, which is no address, where there is not one.

    None where none has one: a proxy may tell the protocol alone, and the client in X-Forwarded-For.
    """
    # Cut at each comma: from the right this is right also where a client sent half of a quoted text.
    entries = [_for(element) for element in environ.get("HTTP_FORWARDED", "").split(",")]
    return entries if any(entries) else None


def _for(element: str) -> str:
    values = list(_values_of_for(element))
    return values[0] if len(values) == 1 else ""


def _values_of_for(element: str) -> Iterator[str]:
    for pair in element.split(";"):
        name, _, value = pair.strip(" \t").partition("=")
        if name.lower() == "for":
            is_quoted = len(value) > 1 and value[0] == value[-1] == '"'
            yield value[1:-1] if is_quoted else value


def _read(text: str) -> Address | None:
    """Return an address, which may have a port; None for what is none, as one with a zone.

    An IPv4 address that is written as one of IPv6 is that IPv4 address.
    """
    with_port = _WITH_PORT.fullmatch(text)
    if with_port:
        text = with_port["v4"] or with_port["v6"]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        return None if address.scope_id else address.ipv4_mapped or address
    return address


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
