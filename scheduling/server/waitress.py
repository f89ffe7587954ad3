"""waitress, as it comes: one process with threads, which finishes what it has in hand before it ends."""

from __future__ import annotations

import logging
import os
import sys
from functools import partial
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any

from waitress import create_server, wasyncore
from waitress.adjustments import Adjustments

from scheduling.config.announcement import announce
from scheduling.db import migrations
from scheduling.exceptions import StartupError
from scheduling.server.channel import Channel
from scheduling.server.lifecycle import BACKLOG, background_services, listen, on_signal
from scheduling.server.proxies import below_prefix, tell_client

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

    from pyramid.router import Router
    from waitress.server import TcpWSGIServer

logger = logging.getLogger(__name__)

_DEFAULTS = {
    "clear_untrusted_proxy_headers": True,
    "ident": None,
    "asyncore_use_poll": True,
    "max_request_header_size": 65536,
    # Longer than proxies keep a connection that is idle, 60 seconds most of them: one that sends a request
    # at the moment at which we close would have to tell its client that we failed.
    "channel_timeout": 75,
    "cleanup_interval": 5,
}
# Not used, since the socket is made elsewhere; with them waitress refuses options for another address.
_PLACEHOLDER_ADDRESS = {"host": "127.0.0.1", "port": 0}

_SEND_BYTES = 64 * 1024
"""waitress sends smaller answers in one piece; head and body apart cost half of the requests a second."""

_ACCEPTED_AT_ONCE = 50
"""Connections that are taken between two looks at those that are open. Where it is nearly as much as
``connection_limit``, they close each other before anything is read of them."""

_GRACE_SECONDS = 30.0
"""What pserve gives to requests in flight."""

_SHUTDOWN_POLL_SECONDS = 0.1
"""How often a server that ends looks whether its connections are done."""


def run(app: Router, global_config: dict[str, str], **options: Any) -> None:
    """Paste server runner, ``use = egg:scheduling``: serve until SIGTERM or Ctrl-C.

    Host and port are the settings'; ``options`` are waitress's own.
    """
    try:
        adjustments(options)
        migrations.require_upgraded(app.registry.engine, app.registry.plugins)
        listener = listen(app.registry)
    except StartupError as error:
        # pserve takes a SystemExit from here for a good end, and exits with 0.
        sys.stderr.write(f"{error}\n")
        os._exit(1)
    announce(app.registry.core_settings)
    with background_services(app.registry):
        serve(app, listener, options, drain=0, grace=_GRACE_SECONDS)


def adjustments(options: Mapping[str, Any]) -> Adjustments:
    """Check waitress's options, those of ``[server:main]``; raise ``StartupError`` if one cannot be used."""
    try:
        return Adjustments(**_PLACEHOLDER_ADDRESS, **_DEFAULTS | dict(options))
    except (TypeError, ValueError) as error:
        raise StartupError(
            f"[server:main] of the ini file cannot be used: {error}. "
            "Host and port are SCHEDULING_HOST and PORT."
        ) from error


def serve(
    app: Router, listener: socket.socket, options: Mapping[str, Any], *, drain: float, grace: float
) -> None:
    """Serve on a socket until SIGTERM or Ctrl-C; times are in seconds.

    Then go on for ``drain`` without being ready, close the socket, and finish what is in hand in ``grace``.
    """
    readiness = app.registry.readiness
    connections: dict[int, Any] = {}
    server = create_server(app, map=connections, sockets=[listener], **_DEFAULTS | dict(options))
    server.channel_class = partial(Channel, readiness)
    behind_proxies = below_prefix(server.application, server.adj)
    server.application = tell_client(behind_proxies, app.registry.core_settings.trusted_proxies)
    server.adj.send_bytes = _SEND_BYTES
    app.registry.passwords.use_threads(server.adj.threads)
    stop_at = inf

    def begin_shutdown() -> None:
        nonlocal stop_at
        readiness.drain()
        stop_at = monotonic() + drain
        server.pull_trigger()

    on_signal(begin_shutdown)
    while (left := stop_at - monotonic()) > 0:
        _run_loop_once(server, connections, min(left, server.adj.asyncore_loop_timeout))
        # A turn takes one connection, and asks each of those that are open: a thousand that come at once
        # would have a probe wait for seconds.
        _accept(server, connections, _ACCEPTED_AT_ONCE)
    _finish(server, connections, stop_at + grace)


def _run_loop_once(server: TcpWSGIServer, connections: dict[int, Any], seconds: float) -> None:
    """Do one turn of the loop of waitress's ``run``, which waits ``seconds`` at most."""
    wasyncore.loop(timeout=seconds, use_poll=server.adj.asyncore_use_poll, map=connections, count=1)


def _accept(server: TcpWSGIServer, connections: dict[int, Any], most: int) -> None:
    """Take the connections that wait, so many at most, and no more than ``connection_limit`` allows."""
    for _ in range(most):
        before = next(reversed(connections), None)
        if len(connections) < server.adj.connection_limit:
            server.handle_accept()
        if next(reversed(connections), None) == before:
            return


def _finish(server: TcpWSGIServer, connections: dict[int, Any], deadline: float) -> None:
    """Stop listening, answer what has been asked until the deadline, and close all connections."""
    # Whoever has connected already would see a reset otherwise.
    _accept(server, connections, BACKLOG)
    # The server's own close would also close the pipe by which its threads wake the loop.
    wasyncore.dispatcher.close(server)
    while server.active_channels and monotonic() < deadline:
        _run_loop_once(server, connections, _SHUTDOWN_POLL_SECONDS)
        for channel in list(server.active_channels.values()):
            if channel.is_idle():
                channel.handle_close()
    if server.active_channels:
        logger.error("%d connections are cut: the grace is over", len(server.active_channels))
    server.task_dispatcher.shutdown(timeout=max(0.0, deadline - monotonic()))
    wasyncore.close_all(connections)
