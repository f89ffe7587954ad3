"""granian (https://github.com/emmett-framework/granian), the fast server, which looks after its processes."""

from __future__ import annotations

import signal
from multiprocessing.util import Finalize
from typing import TYPE_CHECKING

from scheduling.errors import StartupError
from scheduling.server.lifeline import Lifeline

if TYPE_CHECKING:
    from pyramid.router import Router


def require() -> None:
    """Raise ``StartupError`` where granian is not installed."""
    try:
        import granian  # noqa: F401, PLC0415 - an extra
    except ImportError as error:
        raise StartupError("granian is not installed: pip install 'scheduling[granian]'") from error


def serve(app: Router, host: str, port: int, processes: int, threads: int, grace: float) -> None:
    """Serve with ``processes`` children of ``threads`` threads each, until SIGTERM."""
    from granian import Granian  # noqa: PLC0415
    from granian.constants import HTTPModes, Interfaces, RuntimeModes  # noqa: PLC0415

    lifeline = Lifeline()

    def load() -> Router:
        # Runs in each of its processes, which it does not end when it is killed itself.
        lifeline.hold(signal.SIGKILL)
        app.registry.metrics.pool.watch()
        app.registry.tracer.start()
        # Its processes are those of multiprocessing, which end without atexit.
        Finalize(None, app.registry.tracer.stop, exitpriority=0)
        return app

    Granian(
        "scheduling",
        host,
        port,
        interface=Interfaces.WSGI,
        workers=processes,
        blocking_threads=threads,
        runtime_mode=RuntimeModes.st,
        http=HTTPModes.http1,
        websockets=False,
        respawn_failed_workers=True,
        respawn_interval=0,
        workers_kill_timeout=int(grace),
        log_enabled=False,
    ).serve(target_loader=load, wrap_loader=False)
