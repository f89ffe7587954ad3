"""``pserve``: one process, which delivers messages too where no broker is shared."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from scheduling.exceptions import StartupError
from scheduling.messaging.worker import Worker
from scheduling.server import cpus, with_waitress
from scheduling.server.listening import announce, listen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from pyramid.registry import Registry
    from pyramid.router import Router

GRACE_SECONDS = 30.0


def serve(app: Router, global_config: dict[str, str], **options: Any) -> None:
    """Paste server runner: serve on ``scheduling.host`` and ``scheduling.port`` until SIGTERM or Ctrl-C.

    ``options`` are waitress's own.
    """
    try:
        settings = with_waitress.adjustments(options)
        [listener] = listen(app.registry)
    except StartupError as error:
        # pserve takes a SystemExit from here for a good end, and exits with 0.
        sys.stderr.write(f"{error}\n")
        os._exit(1)
    app.registry.passwords.use_threads(cpus.available())
    announce(app.registry)
    server = with_waitress.Server(app, listener, settings)

    def end(number: int, frame: FrameType | None) -> None:
        # A second signal ends the process at once.
        signal.signal(number, signal.SIG_DFL)
        app.registry.readiness.drain()
        server.end()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    with delivering(app.registry):
        server.run(GRACE_SECONDS)


@contextmanager
def delivering(registry: Registry) -> Iterator[None]:
    """Record traces meanwhile, and deliver messages if there is no broker to share; then close everything."""
    worker = Worker(registry) if registry.scheduling.embedded else None
    registry.tracer.start()
    try:
        if worker:
            worker.start()
        yield
    finally:
        if worker:
            worker.stop()
        registry.tracer.stop()
        registry.engine.dispose()
