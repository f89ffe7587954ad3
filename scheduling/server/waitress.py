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
from scheduling.server.lifecycle import delivering, listen, on_signal

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
}
# Not used, since the socket is made elsewhere, but waitress then refuses all that stands for them.
_PLACE = {"host": "127.0.0.1", "port": 0}

_SEND_BYTES = 64 * 1024
"""waitress sends smaller answers in one piece; head and body apart cost half of the requests a second."""

_GRACE_SECONDS = 30.0
"""What pserve gives to requests in flight."""

_LOOK_SECONDS = 0.1
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
    with delivering(app.registry):
        serve(app, listener, options, drain=0, grace=_GRACE_SECONDS)


def adjustments(options: Mapping[str, Any]) -> Adjustments:
    """Check waitress's options, those of ``[server:main]``; raise ``StartupError`` if one cannot be used."""
    try:
        return Adjustments(**_PLACE, **_DEFAULTS | dict(options))
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
    server.adj.send_bytes = _SEND_BYTES
    app.registry.passwords.use_threads(server.adj.threads)
    stop_at = inf

    def begin() -> None:
        nonlocal stop_at
        readiness.drain()
        stop_at = monotonic() + drain
        server.pull_trigger()

    on_signal(begin)
    while (left := stop_at - monotonic()) > 0:
        _look(server, connections, min(left, server.adj.asyncore_loop_timeout))
    _finish(server, connections, stop_at + grace)


def _look(server: TcpWSGIServer, connections: dict[int, Any], seconds: float) -> None:
    """Do one turn of the loop of waitress's ``run``, which waits ``seconds`` at most."""
    wasyncore.loop(timeout=seconds, use_poll=server.adj.asyncore_use_poll, map=connections, count=1)


def _finish(server: TcpWSGIServer, connections: dict[int, Any], deadline: float) -> None:
    """Stop listening, answer what has been asked until the deadline, and close all connections."""
    taken = -1
    while taken < len(server.active_channels):
        # Whoever has connected already would see a reset otherwise.
        taken = len(server.active_channels)
        server.handle_accept()
    # The server's own close would also close the pipe by which its threads wake the loop.
    wasyncore.dispatcher.close(server)
    while server.active_channels and monotonic() < deadline:
        _look(server, connections, _LOOK_SECONDS)
        for channel in list(server.active_channels.values()):
            if channel.is_idle():
                channel.handle_close()
    if server.active_channels:
        logger.error("%d connections are cut: the grace is over", len(server.active_channels))
    server.task_dispatcher.shutdown(timeout=max(0.0, deadline - monotonic()))
    wasyncore.close_all(connections)
