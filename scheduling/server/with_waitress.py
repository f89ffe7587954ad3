"""waitress (https://docs.pylonsproject.org/projects/waitress/), which ends without cutting anybody off."""

from __future__ import annotations

import logging
import signal
import socket
from queue import SimpleQueue
from threading import Event
from time import monotonic, sleep, time
from typing import TYPE_CHECKING, Any

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import WSGITask

from scheduling import waiting
from scheduling.exceptions import StartupError
from scheduling.server.crew import Crew
from scheduling.server.refusals import Parser, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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

    def service(self) -> None:
        """Answer a request and send what can be sent at once."""
        super().service()
        if self.server.crew.is_led_here:
            self.handle_write()

    def _flush_outbufs_below_high_watermark(self) -> None:
        if self.total_outbufs_len > self.adj.outbuf_high_watermark:
            # What writes more than that waits for the leader to send it.
            with waiting.aside():
                super()._flush_outbufs_below_high_watermark()

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


class Server(TcpWSGIServer):
    """Serves an application on a socket that listens, perhaps along with other processes."""

    channel_class = Channel

    def __init__(self, app: Router, listener: socket.socket, settings: Adjustments) -> None:
        self.crew = Crew(settings.threads, self._look)
        where = (listener.family, listener.type, listener.proto, listener.getsockname())
        super().__init__(
            app,
            map={},
            _sock=listener,
            dispatcher=self.crew,
            adj=settings,
            sockinfo=where,
            bind_socket=False,
        )
        self._readiness = app.registry.readiness
        self._ended = False
        # Its put, unlike the methods of an Event, may be called in a signal handler.
        self._end: SimpleQueue[Exception | None] = SimpleQueue()

    @property
    def is_ending(self) -> bool:
        """True once clients should go elsewhere."""
        return self._ended or self._readiness.draining

    def end(self, *_: object) -> None:
        """Have :meth:`run` finish what is in hand and return; a signal handler."""
        self._ended = True
        self._end.put(None)

    def run(self, grace: float = 30.0) -> None:
        """Serve until :meth:`end`, and then until no request is left, ``grace`` seconds at most."""
        self.crew.start()
        if error := self._end.get():
            raise error
        deadline = monotonic() + grace
        self._have_done(self._stop_listening, deadline)
        while self.active_channels and monotonic() < deadline:
            sleep(_LOOK_SECONDS)
            self._have_done(self._close_silent_connections, deadline)
        if self.active_channels:
            logger.error("%d connections are cut, after %.0f s of grace", len(self.active_channels), grace)
        self._have_done(self.crew.stop, monotonic() + 1)
        wasyncore.close_all(self._map)

    def maintenance(self, now: float) -> None:
        """Close connections that are silent, and those on which a request takes too long to come."""
        super().maintenance(now)
        for channel in self.active_channels.values():
            if channel.request and channel.request.begun < now - self.adj.channel_timeout:
                channel.will_close = True

    def add_task(self, channel: Channel) -> None:
        """Have the next request of a connection answered."""
        self.crew.add(channel.service)

    def pull_trigger(self) -> None:
        """Have the leader look at all connections again, which it does anyway if it is the one who calls."""
        if not self.crew.is_led_here:
            super().pull_trigger()

    def _look(self) -> None:
        """Read and write what can be read and written, and wait for that if need be."""
        try:
            wasyncore.loop(
                timeout=self.adj.asyncore_loop_timeout,
                map=self._map,
                use_poll=self.adj.asyncore_use_poll,
                count=1,
            )
        except Exception as error:  # noqa: BLE001 - without its loop the process is good for nothing
            self.crew.stop()
            self._end.put(error)

    def _have_done(self, work: Callable[[], None], deadline: float) -> None:
        """Have the leader do something, which no other may do to connections, and wait until it is done."""
        done = Event()

        def do() -> None:
            try:
                work()
            finally:
                done.set()

        self.crew.add(do)
        self.pull_trigger()
        done.wait(max(0, deadline - monotonic()))

    def handle_accept(self) -> None:
        """Take all who have connected, rather than one in each look: answers come between two looks."""
        taken = -1
        while taken < len(self.active_channels) and len(self._map) < self.adj.connection_limit:
            taken = len(self.active_channels)
            super().handle_accept()

    def _stop_listening(self) -> None:
        """Take whoever has connected already, who would see a reset otherwise, and close the port."""
        self.handle_accept()
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
