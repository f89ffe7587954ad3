"""waitress (https://docs.pylonsproject.org/projects/waitress/), which ends without cutting anybody off."""

from __future__ import annotations

import logging
import signal
import socket
import threading
from contextlib import contextmanager
from time import monotonic, time
from typing import TYPE_CHECKING, Any

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher, WSGITask

from scheduling.errors import StartupError
from scheduling.server.refusals import Parser, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pyramid.router import Router

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
"""Smaller answers are sent in one piece: head and body apart cost 25 to 45 % of the requests a second."""

_LOOK_SECONDS = 0.1
"""How often a server that ends looks whether its connections are done."""

_SILENT_SECONDS = 1.0
"""A server that ends closes a connection on which nothing was under way for that long."""


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


class Task(WSGITask):
    """Answers one request."""

    def build_response_header(self) -> bytes:
        """Return the answer's head, which asks the client to go elsewhere once the server is ending."""
        if self.channel.server.is_ending:
            # As if the client had said so: this closes connections of HTTP/1.0 and 1.1 in order.
            self.request.headers["CONNECTION"] = "close"
        head: bytes = super().build_response_header()
        return head

    def set_close_on_finish(self) -> None:
        """Close the connection afterwards, but not for want of a length where there is no body: 204, 304."""
        asked = self.request.headers.get("CONNECTION", "").lower() == "close"
        if self.has_body or asked or self.version == "1.0":
            super().set_close_on_finish()


class Channel(HTTPChannel):
    """A connection."""

    parser_class = Parser
    task_class = Task
    error_task_class = Refusal

    def send_continue(self) -> None:
        """Ask for the body (RFC 9110, 10.1.1), unless there is none or it is refused."""
        if not self.request.completed:
            super().send_continue()

    def is_silent(self) -> bool:
        """Tell whether nothing is under way here and has not been for a moment, nor waits to be read."""
        busy = self.requests or self.request or self.total_outbufs_len
        if busy or time() - self.last_activity < _SILENT_SECONDS:
            return False
        try:
            self.socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            pass
        # What came must be read, or the client would see a reset.
        return False


class Dispatcher(ThreadedTaskDispatcher):
    """Gives requests to threads: so many, and one more for each request that only waits."""

    def __init__(self, threads: int) -> None:
        super().__init__()
        self._count, self._counting = 0, threading.Lock()
        self._add(threads)

    @contextmanager
    def stand_in(self) -> Iterator[None]:
        """Have another thread serve while the present one waits."""
        self._add(1)
        try:
            yield
        finally:
            self._add(-1)

    def _add(self, threads: int) -> None:
        with self._counting:
            self._count += threads
            self.set_thread_count(self._count)


class Server(TcpWSGIServer):
    """Serves an application on a socket that listens, perhaps along with other processes."""

    channel_class = Channel

    def __init__(self, app: Router, listener: socket.socket, settings: Adjustments) -> None:
        dispatcher = Dispatcher(settings.threads)
        app.registry.passwords.stand_in = dispatcher.stand_in
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
        self._readiness = app.registry.readiness
        self._ended = False

    @property
    def is_ending(self) -> bool:
        """True once clients should go elsewhere."""
        return self._ended or self._readiness.draining

    def end(self, *_: object) -> None:
        """Have :meth:`run` finish what is in hand and return; a signal handler."""
        self._ended = True
        self.pull_trigger()

    def run(self, grace: float = 30.0) -> None:
        """Serve until :meth:`end`, and then until no request is left, ``grace`` seconds at most."""
        while not self._ended:
            self._turn(self.adj.asyncore_loop_timeout)
        deadline = monotonic() + grace
        self._stop_listening()
        while self.active_channels and monotonic() < deadline:
            self._turn(_LOOK_SECONDS)
            self._close_silent_connections()
        if self.active_channels:
            logger.error("%d connections are cut, after %.0f s of grace", len(self.active_channels), grace)
        self.task_dispatcher.shutdown(timeout=1)
        wasyncore.close_all(self._map)

    def maintenance(self, now: float) -> None:
        """Close connections that are silent, and those on which a request takes too long to come."""
        super().maintenance(now)
        for channel in self.active_channels.values():
            if channel.request and channel.request.begun < now - self.adj.channel_timeout:
                channel.will_close = True

    def _turn(self, timeout: float) -> None:
        wasyncore.loop(timeout=timeout, map=self._map, use_poll=self.adj.asyncore_use_poll, count=1)

    def _stop_listening(self) -> None:
        """Take whoever has connected already, who would see a reset otherwise, and close the port."""
        waiting = True
        while waiting:
            before = len(self.active_channels)
            self.handle_accept()
            waiting = len(self.active_channels) > before
        wasyncore.dispatcher.close(self)

    def _close_silent_connections(self) -> None:
        for channel in list(self.active_channels.values()):
            if channel.is_silent():
                channel.handle_close()


def serve(app: Router, listener: socket.socket, settings: Adjustments, grace: float) -> None:
    """Serve until SIGTERM, then finish what is in hand in ``grace`` seconds."""
    server = Server(app, listener, settings)
    signal.signal(signal.SIGTERM, server.end)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    server.run(grace)
