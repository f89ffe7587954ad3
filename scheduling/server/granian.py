"""granian, as it comes: processes with threads, which its own parent starts, replaces and ends."""

from __future__ import annotations

import atexit
import gc
import multiprocessing
import os
import signal
import socket
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from granian import Granian
from granian.constants import HTTPModes, Interfaces, RuntimeModes
from granian.http import HTTP1Settings
from granian.log import LogLevels
from waitress.proxy_headers import proxy_headers_middleware

from scheduling.app import make_app
from scheduling.config.announcement import log_what_is_used
from scheduling.config.ini import read_ini, set_up_logging
from scheduling.server.lifecycle import on_signal, raise_file_limit
from scheduling.server.proxies import below_prefix, strip_prefix, tell_client
from scheduling.startup import set_up

if TYPE_CHECKING:
    from collections.abc import Callable
    from wsgiref.types import WSGIApplication

    from waitress.adjustments import Adjustments

    from scheduling.plugin import Registry

_MIN_BUFFER_BYTES = 8192
"""granian refuses a smaller buffer for a request's head."""

_MAX_CONNECTIONS = 10_000
"""Connections of a process. At its limit granian answers nobody, not even probes, until one is closed, and it
cannot be told to close an idle one; each costs it little, and no thread."""

_OTHER_FILES = 256
"""Files that a process has open beside its connections: those to the database, its own pipes."""

_REPEAT_SECONDS = 1.0
"""How often processes that are to end are told so. On a busy machine one that has just begun to serve can
miss a single SIGTERM; it would serve on, and be killed at the end of the grace with what it has in hand."""

# Its own lines go where all others do.
_LOGGING: dict[str, Any] = {"formatters": {}, "handlers": {}, "loggers": {"_granian": {}}}


def serve(
    registry: Registry, ini: str, settings: Adjustments, *, processes: int, drain: int, grace: int
) -> None:
    """Serve the application of an ini file with several processes until SIGTERM or Ctrl-C.

    Then go on for ``drain`` seconds without being ready, and finish what is in hand in ``grace`` seconds.
    Of waitress's options those hold for threads, time-outs, heads and proxies. Raises
    ``SystemExit`` with status 1 when processes die as soon as they are started.
    """
    # This process has threads, for metrics; what they hold must not be copied into its children.
    multiprocessing.set_start_method("spawn", force=True)
    draining = multiprocessing.Value("b", lock=False)
    server = Granian(
        "scheduling",
        registry.core_settings.host,
        registry.core_settings.port,
        interface=Interfaces.WSGI,
        workers=processes,
        blocking_threads=settings.threads,
        runtime_mode=RuntimeModes.st,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(
            header_read_timeout=settings.channel_timeout * 1000,
            max_buffer_size=max(settings.max_request_header_size, _MIN_BUFFER_BYTES),
        ),
        backpressure=max(1, min(raise_file_limit() - _OTHER_FILES, _MAX_CONNECTIONS)),
        websockets=False,
        respawn_failed_workers=True,
        respawn_interval=0,
        workers_kill_timeout=grace,
        log_level=LogLevels.error,
        log_dictconfig=_LOGGING,
    )

    interrupt: Callable[[], None] = server.signal_handler_interrupt

    def end(number: int, frame: object) -> None:
        interrupt()
        for process in multiprocessing.active_children():
            process.terminate()

    def begin_shutdown() -> None:
        draining.value = 1
        # The probes' port is this process's.
        registry.readiness.drain()
        signal.signal(signal.SIGALRM, end)
        signal.setitimer(signal.ITIMER_REAL, drain or 0.001, _REPEAT_SECONDS)

    # granian calls this when it has installed its own handlers, which end its processes without a drain.
    server.on_startup(partial(on_signal, begin_shutdown, _kill_processes))
    threading.Thread(target=_note_that_it_serves, args=[registry], daemon=True).start()
    server.serve(target_loader=partial(load, ini, settings, draining), wrap_loader=False)
    # At its end Python takes the handler away, and the signal would kill this process.
    signal.setitimer(signal.ITIMER_REAL, 0)


def _note_that_it_serves(registry: Registry) -> None:
    """Be ready from when a process accepts connections on."""
    pause = threading.Event()
    address = registry.core_settings.host, registry.core_settings.port
    while registry.readiness.starting:
        with suppress(OSError), socket.create_connection(address, timeout=1):
            registry.readiness.starting = False
        pause.wait(0.1)


def _kill_processes() -> None:
    for process in multiprocessing.active_children():
        process.kill()


def load(ini: str, settings: Adjustments, draining: Any) -> WSGIApplication:
    """Return the application; runs in each of the processes, before it serves.

    ``draining`` has a ``value`` that the parent sets to 1 when all of them are to be not ready.
    """
    # Ctrl-C reaches every process of the terminal; the parent alone acts on it.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    threading.Thread(target=_end_with_parent, daemon=True).start()
    set_up_logging(ini)
    read = read_ini(ini)
    setup = set_up(read, os.environ)
    log_what_is_used(setup.settings)
    app = make_app(setup, read)
    registry = app.registry
    registry.passwords.use_threads(settings.threads)
    registry.metrics.pool.watch()
    registry.tracer.start()
    atexit.register(registry.tracer.stop)
    gc.freeze()
    # What waitress does with X-Forwarded-For and its like, which granian hands on whoever sent it.
    names = ("trusted_proxy", "trusted_proxy_count", "trusted_proxy_headers")
    proxies = {name: getattr(settings, name) for name in names}
    clear = settings.clear_untrusted_proxy_headers
    behind_proxies = proxy_headers_middleware(app, clear_untrusted=clear, **proxies)
    outermost = tell_client(below_prefix(behind_proxies, settings), registry.core_settings.trusted_proxies)
    return _wrapped(outermost, registry, settings.url_prefix, draining)


def _end_with_parent() -> None:
    """Kill this process when its parent was killed; it would keep the port from the next one."""
    if parent := multiprocessing.parent_process():
        parent.join()
        os.kill(os.getpid(), signal.SIGKILL)


def _wrapped(app: WSGIApplication, registry: Registry, prefix: str, draining: Any) -> WSGIApplication:
    """Return an application that closes connections while it drains, and is told no secrets.

    Nor is it told ``prefix`` as a part of the path.
    """
    variables = dict(os.environ)

    def answer(environ: dict[str, Any], start_response: Any) -> Any:
        # granian puts the process's variables, the secrets too, among those of the request.
        for name, value in variables.items():
            if environ.get(name) == value:
                del environ[name]
        # granian's own option takes as many characters away, whatever they are.
        strip_prefix(environ, prefix)
        if not draining.value:
            return app(environ, start_response)
        registry.readiness.drain()

        def closing(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            return start_response(status, [*headers, ("Connection", "close")], exc_info)

        return app(environ, closing)

    return answer
