"""granian (https://github.com/emmett-framework/granian), the fast server, which does its own supervision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scheduling.errors import StartupError

if TYPE_CHECKING:
    import socket

    from pyramid.router import Router


def serve(app: Router, listener: socket.socket, processes: int, threads: int, grace: float) -> None:
    """Serve with ``processes`` children of ``threads`` threads each, until SIGTERM or Ctrl-C."""
    try:
        from granian import Granian  # noqa: PLC0415 - an extra
        from granian.constants import HTTPModes, Interfaces, RuntimeModes  # noqa: PLC0415
    except ImportError as error:
        raise StartupError("granian is not installed: pip install 'scheduling[granian]'") from error
    address, port = listener.getsockname()[:2]
    # Each of its children binds the port for itself (SO_REUSEPORT); ours has shown that it is free.
    listener.close()
    Granian(
        "scheduling",
        address,
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
    ).serve(target_loader=lambda: app, wrap_loader=False)
