"""A local server that stands for the API of an e-mail provider."""

from __future__ import annotations

import json
import socket
import threading
from abc import abstractmethod
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from scheduling.testing.providers import Mood, OtherSide

if TYPE_CHECKING:
    from collections.abc import Mapping
    from email.message import Message


@dataclass(frozen=True)
class ApiRequest:
    """A request as it came."""

    method: str
    path: str
    headers: Message
    """By name, in any case; None where there is none of that name."""

    body: Any
    """What the JSON says; None where there is none."""


@dataclass(frozen=True)
class ApiAnswer:
    """An answer to give."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class ApiServer(OtherSide):
    """A server that stands for an API over HTTP; a subclass knows the API."""

    fixed: ApiAnswer | None = None
    """What to answer whatever comes, if it is set."""

    def __init__(self) -> None:
        self.requests: list[ApiRequest] = []
        self.connections = 0
        """How many connections there have been."""

        self._open: set[socket.socket] = set()
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._server = self.make_server()
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def make_server(self) -> ThreadingHTTPServer:
        """Return the server, bound to a free port; a subclass may wrap its socket."""
        return _Server(self)

    @abstractmethod
    def answer(self, request: ApiRequest) -> ApiAnswer:
        """Answer as the API would, in the present mood; the moods without an answer are cared for."""

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def drop_connections(self) -> None:
        """Close the connections that are open."""
        with self._lock:
            dropped, self._open = self._open, set()
        for connection in dropped:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        """Close everything."""
        self._ended.set()
        self._server.shutdown()
        self.drop_connections()
        self._server.server_close()
        self._thread.join()

    def opened(self, connection: socket.socket) -> None:
        """Count a connection, and keep it for dropping it."""
        with self._lock:
            self.connections += 1
            self._open.add(connection)
        if self._ended.is_set():
            self.drop_connections()

    def closed(self, connection: socket.socket) -> None:
        """Forget a connection."""
        with self._lock:
            self._open.discard(connection)

    def react(self, request: ApiRequest) -> ApiAnswer | None:
        """Record a request and answer it; None if the connection is to be closed."""
        with self._lock:
            self.requests.append(request)
        if request.method == "POST" and self.mood is Mood.IS_SILENT:
            self._ended.wait()
        if request.method == "POST" and self.mood in (Mood.IS_SILENT, Mood.HANGS_UP):
            return None
        with self._lock:
            return self.fixed or self.answer(request)


class _Server(ThreadingHTTPServer):
    """Its threads are waited for when it is closed."""

    daemon_threads = False

    def __init__(self, api: ApiServer) -> None:
        self.api = api
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body go out in two writes, the second of which would wait for the first's acknowledgement.
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.api.opened(self.connection)

    def finish(self) -> None:
        self.server.api.closed(self.connection)
        super().finish()

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        text = self.rfile.read(length)
        if len(text) < length:
            # Whoever was sending it has been killed: a request that never came whole is none.
            self.close_connection = True
            return
        body = None
        with suppress(ValueError):
            body = json.loads(text)
        answer = self.server.api.react(ApiRequest(self.command, self.path, self.headers, body))
        if answer is None:
            self.close_connection = True
            return
        content = b"" if answer.body is None else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST  # noqa: N815 - the base class looks for this name

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Print nothing."""
