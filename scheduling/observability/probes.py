"""A port of its own for metrics and, of a worker, the probes of Kubernetes."""

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

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from pyramid.registry import Registry

    from scheduling.messaging.worker import Worker

    Probe = Callable[[], dict[str, Any]]

SILENT_SECONDS = 120.0
"""A loop that has not turned for longer hangs: a provider answers, or is given up, within a minute."""

_POLL_SECONDS = 0.1
"""How long the end of a worker may wait for the server of its probes."""


class _Server(ThreadingMixIn, WSGIServer):
    """Answers each client in a thread, so that one that is slow keeps no probe waiting."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[WSGIRequestHandler]) -> None:
        self.address_family = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0][0]
        super().__init__(address, handler)


class _QuietHandler(WSGIRequestHandler):
    """Logs no line for every probe."""

    timeout = 10

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing."""


def application(registry: Registry, probes: Mapping[str, Probe] = MappingProxyType({})) -> WSGIApplication:
    """Return the WSGI application with ``/metrics`` and the probes by their paths, which answer in JSON."""
    metrics: WSGIApplication = make_wsgi_app(registry.metrics.exposed())
    paths = ", ".join(["/metrics", *probes])

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            return metrics(environ, start_response)
        probe = probes.get(path)
        body: dict[str, Any] = probe() if probe else {"status": 404, "error": f"There is only: {paths}"}
        status = HTTPStatus(body["status"] if "error" in body else HTTPStatus.OK)
        start_response(f"{status.value} {status.phrase}", [("Content-Type", "application/json")])
        return [orjson.dumps(body)]

    return answer


def worker_probes(registry: Registry, worker: Worker) -> dict[str, Probe]:
    """Return the probes of a worker. Its port opens when it has started, so it has when this answers."""
    return {
        "/health/live": lambda: _report(_not_turning(worker)),
        "/health/ready": lambda: _report(
            registry.readiness.trouble() or registry.email_gate.trouble, worker.trouble()
        ),
        "/health/startup": lambda: _report(None),
    }


def _report(trouble: str | None, degraded: str | None = None) -> dict[str, Any]:
    if trouble:
        return {"status": 503, "error": trouble}
    return {"status": "degraded", "detail": degraded} if degraded else {"status": "OK"}


def _not_turning(worker: Worker) -> str | None:
    silent = worker.silent_seconds()
    return f"A loop has been silent for {silent:.0f} s." if silent > SILENT_SECONDS else None


def open_port(registry: Registry, app: WSGIApplication) -> WSGIServer:
    """Return a server that listens on ``scheduling.host`` and ``scheduling.metrics_port``.

    Raises ``StartupError`` if the port is taken.
    """
    host, port = registry.scheduling.host, registry.scheduling.metrics_port
    try:
        return make_server(host, port, app, _Server, _QuietHandler)
    except OSError as error:
        raise StartupError(
            f"Cannot listen on {host}:{port} for metrics ({error.strerror}); "
            "set another SCHEDULING_METRICS_PORT."
        ) from error


@contextmanager
def serving(server: WSGIServer) -> Iterator[None]:
    """Serve in a thread meanwhile, and close the port in the end."""
    serve = partial(server.serve_forever, poll_interval=_POLL_SECONDS)
    thread = threading.Thread(target=serve, name="probes", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
