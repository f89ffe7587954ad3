"""The worker's own port: metrics for Prometheus, and the probes of Kubernetes."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, make_server

import sqlalchemy as sa
from prometheus_client import make_wsgi_app

from scheduling.errors import StartupError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from pyramid.registry import Registry

    from scheduling.worker import Worker

SILENT_SECONDS = 120.0
"""A loop that has not turned for longer hangs: a provider answers, or is given up, within a minute."""

_POLL_SECONDS = 0.1
"""How long the end of a worker may wait for the server of its probes."""


class _QuietHandler(WSGIRequestHandler):
    """Logs no line for every probe."""

    timeout = 10

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing."""


def application(registry: Registry, worker: Worker) -> WSGIApplication:
    """Return the WSGI application with ``/metrics``, ``/health/live`` and ``/health/ready``."""
    metrics: WSGIApplication = make_wsgi_app(registry.metrics.collectors)
    checks: dict[str, Callable[[], str | None]] = {
        "/health/live": lambda: _not_turning(worker),
        "/health/ready": lambda: _no_database(registry) or registry.email_gate.trouble,
    }

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            return metrics(environ, start_response)
        if path not in checks:
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"There are /metrics, /health/live and /health/ready.\n"]
        trouble = checks[path]()
        status = "503 Service Unavailable" if trouble else "200 OK"
        start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
        return [f"{trouble or 'OK'}\n".encode()]

    return answer


def _not_turning(worker: Worker) -> str | None:
    silent = worker.silent_seconds()
    return f"a loop has been silent for {silent:.0f} s" if silent > SILENT_SECONDS else None


def _no_database(registry: Registry) -> str | None:
    try:
        with registry.engine.connect() as connection:
            connection.execute(sa.select(1))
    except sa.exc.SQLAlchemyError:
        return "the database does not answer"
    return None


@contextmanager
def serve_probes(registry: Registry, worker: Worker) -> Iterator[None]:
    """Serve the probes in a thread, on ``scheduling.host`` and ``scheduling.metrics_port``.

    Raises ``StartupError`` if the port is taken.
    """
    host, port = registry.scheduling.host, registry.scheduling.metrics_port
    try:
        server = make_server(host, port, application(registry, worker), handler_class=_QuietHandler)
    except OSError as error:
        raise StartupError(
            f"Cannot listen on {host}:{port} for metrics ({error.strerror}); "
            "set another SCHEDULING_METRICS_PORT."
        ) from error
    serve = partial(server.serve_forever, poll_interval=_POLL_SECONDS)
    thread = threading.Thread(target=serve, name="probes", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
