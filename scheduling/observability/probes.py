"""The port for ``/metrics`` and for the probes of Kubernetes, which have threads of their own.

The port of the API has no metrics, so clients of the API do not see them.
"""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from socketserver import ThreadingMixIn
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import orjson
from prometheus_client import make_wsgi_app

from scheduling.exceptions import StartupError
from scheduling.web.paths import has_one_spelling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from scheduling.messaging.worker import Worker
    from scheduling.observability.registry import Registry

    Probe = Callable[[], dict[str, Any]]

MAX_SILENT_SECONDS = 120.0
"""After how long a thread of a worker that has not reported to be alive counts as hanging.

A round of a receiver ends within a minute: a provider answers by then, or is given up."""

_STOP_SECONDS = 0.1
"""How long the end of a process may wait for this server to stop."""


class _Server(ThreadingMixIn, WSGIServer):
    """Answers each client in a thread of its own, so that a slow one delays no probe."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[WSGIRequestHandler]) -> None:
        self.address_family = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0][0]
        super().__init__(address, handler)


class _QuietHandler(WSGIRequestHandler):
    """Reads a request for at most 10 seconds, and does not log it."""

    timeout = 10

    def get_environ(self) -> dict[str, Any]:
        """Return the variables of a request, its target as it was sent among them."""
        return super().get_environ() | {"REQUEST_URI": self.requestline.split()[1]}

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing."""


def application(registry: Registry, probes: Mapping[str, Probe] = MappingProxyType({})) -> WSGIApplication:
    """Return the WSGI application of the port: ``/metrics``, and the probes by their paths, in JSON."""
    metrics: WSGIApplication = make_wsgi_app(registry.metrics.exposed())
    paths = ", ".join(["/metrics", *probes])

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"] if has_one_spelling(environ) else ""
        if path == "/metrics":
            return metrics(environ, start_response)
        probe = probes.get(path)
        body: dict[str, Any] = probe() if probe else {"status": 404, "error": f"There is only: {paths}"}
        status = HTTPStatus(body["status"] if "error" in body else HTTPStatus.OK)
        start_response(f"{status.value} {status.phrase}", [("Content-Type", "application/json")])
        return [orjson.dumps(body)]

    return answer


def web_probes(registry: Registry) -> dict[str, Probe]:
    """Return the probes of a web process, by their paths.

    They need none of its threads that serve requests, all of which may wait for the database. ``live`` and
    ``startup`` succeed as soon as the port is open.
    """
    return {
        "/health/live": lambda: _answer(None),
        "/health/ready": lambda: _answer(registry.readiness.failure()),
        "/health/startup": lambda: _answer(None),
    }


def worker_probes(registry: Registry, worker: Worker) -> dict[str, Probe]:
    """Return the probes of a worker, by their paths.

    ``live`` fails where a thread hangs, which a restart ends. ``ready`` fails where the database is away or
    the e-mail provider refuses the installation. Without its broker a worker is ready but degraded: no other
    worker would have it either. ``startup`` succeeds as soon as the port is open.
    """

    def ready() -> dict[str, Any]:
        error = registry.readiness.failure() or registry.sending_pause.refusal
        return _answer(error, degraded=worker.failure())

    return {
        "/health/live": lambda: _answer(None if registry.readiness.starting else _hanging(worker)),
        "/health/ready": ready,
        "/health/startup": lambda: _answer(None),
    }


def _answer(error: str | None, degraded: str | None = None) -> dict[str, Any]:
    """Return the body of a probe's answer: the error, else what is degraded, else OK."""
    if error:
        return {"status": 503, "error": error}
    return {"status": "degraded", "detail": degraded} if degraded else {"status": "OK"}


def _hanging(worker: Worker) -> str | None:
    """Return the sentence that a thread of the worker hangs, or None."""
    silent = worker.seconds_since_alive()
    return f"A thread has been silent for {silent:.0f} s." if silent > MAX_SILENT_SECONDS else None


def open_port(registry: Registry, app: WSGIApplication) -> WSGIServer:
    """Return a server that listens on ``scheduling.host`` and ``scheduling.metrics_port``.

    Raises ``StartupError`` if the port is taken.
    """
    host, port = registry.core_settings.host, registry.core_settings.metrics_port
    try:
        return make_server(host, port, app, _Server, _QuietHandler)
    except OSError as error:
        raise StartupError(
            f"Cannot listen on {host}:{port} for metrics ({error.strerror}); "
            "set another SCHEDULING_METRICS_PORT."
        ) from error


@contextmanager
def serving(server: WSGIServer) -> Iterator[None]:
    """Serve in a thread during the ``with`` block, and close the port at its end."""
    serve = partial(server.serve_forever, poll_interval=_STOP_SECONDS)
    thread = threading.Thread(target=serve, name="probes", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
