"""granian (https://github.com/emmett-framework/granian), the fast server, which looks after its processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing.util import Finalize
from typing import TYPE_CHECKING, Any

from waitress.proxy_headers import proxy_headers_middleware

from scheduling.exceptions import StartupError
from scheduling.server.lifeline import Lifeline

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

    from pyramid.router import Router
    from waitress.adjustments import Adjustments

_STAND_INS = 4
"""Threads beside those that were asked for: so many log-ins may wait without taking one of them."""

_MIN_BUFFER_BYTES = 8192
"""granian refuses a smaller buffer for a request's head."""

# Its own lines go where all others do.
_LOGGING: dict[str, Any] = {"formatters": {}, "handlers": {}, "loggers": {"_granian": {}}}


def require() -> None:
    """Raise ``StartupError`` where granian is not installed."""
    try:
        import granian  # noqa: F401, PLC0415 - an extra
    except ImportError as error:
        raise StartupError("granian is not installed: pip install 'scheduling[granian]'") from error


class Application:
    """A WSGI application as granian needs it."""

    def __init__(self, app: Router, settings: Adjustments) -> None:
        # What waitress does with X-Forwarded-For and its like, which granian hands on whoever sent it.
        self._app = proxy_headers_middleware(
            app,
            trusted_proxy=settings.trusted_proxy,
            trusted_proxy_count=settings.trusted_proxy_count,
            trusted_proxy_headers=settings.trusted_proxy_headers,
            clear_untrusted=settings.clear_untrusted_proxy_headers,
            log_untrusted=settings.log_untrusted_proxy_headers,
        )
        self._readiness = app.registry.readiness
        self._variables = dict(os.environ)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        # granian puts the process's variables, the secrets too, among those of the request.
        for name, value in self._variables.items():
            if environ.get(name) == value:
                del environ[name]
        if self._readiness.draining:
            start_response = _closing(start_response)
        answer: Iterable[bytes] = self._app(environ, start_response)
        return answer


def _closing(start_response: StartResponse) -> StartResponse:
    """Return a ``start_response`` that asks the client to go elsewhere with its next request."""

    def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Any:
        return start_response(status, [*headers, ("Connection", "close")], exc_info)

    return start


def serve(app: Router, host: str, port: int, processes: int, settings: Adjustments, grace: float) -> None:
    """Serve with ``processes`` children until SIGTERM.

    Of ``settings``, which are waitress's options, those hold for threads, connections, time-outs, heads and
    proxies.
    """
    from granian import Granian  # noqa: PLC0415
    from granian.constants import HTTPModes, Interfaces, RuntimeModes  # noqa: PLC0415
    from granian.http import HTTP1Settings  # noqa: PLC0415
    from granian.log import LogLevels  # noqa: PLC0415

    lifeline = Lifeline()
    # The children have this process's application, whatever Python's default has become.
    multiprocessing.set_start_method("fork", force=True)

    def load() -> Application:
        # Runs in each of its processes, which it does not end when it is killed itself.
        lifeline.hold(signal.SIGKILL)
        app.registry.metrics.pool.watch()
        app.registry.tracer.start()
        # Its processes are those of multiprocessing, which end without atexit.
        Finalize(None, app.registry.tracer.stop, exitpriority=0)
        return Application(app, settings)

    Granian(
        "scheduling",
        host,
        port,
        interface=Interfaces.WSGI,
        workers=processes,
        blocking_threads=settings.threads + _STAND_INS,
        runtime_mode=RuntimeModes.st,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(
            header_read_timeout=settings.channel_timeout * 1000,
            max_buffer_size=max(settings.max_request_header_size, _MIN_BUFFER_BYTES),
        ),
        backpressure=settings.connection_limit,
        websockets=False,
        respawn_failed_workers=True,
        respawn_interval=0,
        workers_kill_timeout=int(grace),
        log_level=LogLevels.error,
        log_dictconfig=_LOGGING,
    ).serve(target_loader=load, wrap_loader=False)
