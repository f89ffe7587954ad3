"""waitress (https://docs.pylonsproject.org/projects/waitress/), which ends without cutting anybody off."""

from __future__ import annotations

import signal
from time import monotonic
from typing import TYPE_CHECKING, Any

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher

from scheduling.errors import StartupError

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

    from pyramid.router import Router

_DEFAULTS = {"clear_untrusted_proxy_headers": True, "ident": None, "asyncore_use_poll": True}
# Not used, since the socket is made elsewhere, but waitress then refuses all that stands for them.
_PLACE = {"host": "127.0.0.1", "port": 0}

_SEND_BYTES = 64 * 1024
"""Smaller answers are sent in one piece: head and body apart cost 25 to 45 % of the requests a second."""

_LOOK_SECONDS = 0.1
"""How often a server that ends looks whether its connections are done."""


def adjustments(options: Mapping[str, Any]) -> Adjustments:
    """Check waitress's options, those of ``[server:main]``; raise ``StartupError`` if one cannot be used."""
    try:
        settings = Adjustments(**_PLACE, **_DEFAULTS | dict(options))
    except (TypeError, ValueError) as error:
        raise StartupError(
            f"[server:main] of the ini file cannot be used: {error}. "
            "Host and port are SCHEDULING_HOST and PORT."
        ) from error
    settings.send_bytes = _SEND_BYTES
    return settings


class Server(TcpWSGIServer):
    """Serves an application on a socket that listens, perhaps along with other processes."""

    def __init__(self, app: Router, listener: socket.socket, settings: Adjustments) -> None:
        dispatcher = ThreadedTaskDispatcher()
        dispatcher.set_thread_count(settings.threads)
        where = (listener.family, listener.type, listener.proto, listener.getsockname())
        super().__init__(
            app,
            map={},
            _sock=listener,
            dispatcher=dispatcher,
            adj=settings,
            sockinfo=where,
            bind_socket=False,
        )
        self._ending = False

    def end(self, *_: object) -> None:
        """Have :meth:`run` finish what is in hand and return; a signal handler."""
        self._ending = True
        self.pull_trigger()

    def run(self, grace: float = 30.0) -> None:
        """Serve until :meth:`end`, and then until no request is left, ``grace`` seconds at most."""
        while not self._ending:
            self._turn(self.adj.asyncore_loop_timeout)
        self.accepting = False
        deadline = monotonic() + grace
        while self.active_channels and monotonic() < deadline:
            self._close_idle_connections()
            self._turn(_LOOK_SECONDS)
        self.task_dispatcher.shutdown(timeout=1)
        wasyncore.close_all(self._map)

    def _turn(self, timeout: float) -> None:
        wasyncore.loop(timeout=timeout, map=self._map, use_poll=self.adj.asyncore_use_poll, count=1)

    def _close_idle_connections(self) -> None:
        for channel in list(self.active_channels.values()):
            if not (channel.requests or channel.request or channel.total_outbufs_len):
                channel.will_close = True


def serve(app: Router, listener: socket.socket, settings: Adjustments, grace: float) -> None:
    """Serve until SIGTERM, then finish what is in hand in ``grace`` seconds."""
    server = Server(app, listener, settings)
    signal.signal(signal.SIGTERM, server.end)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    server.run(grace)
