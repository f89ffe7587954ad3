"""``pserve`` with waitress: serve, say where, and deliver messages too where no broker is shared."""

from __future__ import annotations

import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import waitress

from scheduling import __version__, migrations
from scheduling.errors import StartupError
from scheduling.worker import Worker

if TYPE_CHECKING:
    from pyramid.registry import Registry
    from pyramid.router import Router

logger = logging.getLogger(__name__)


def serve(app: Router, global_config: dict[str, str], **options: Any) -> None:
    """Paste server runner: serve on ``scheduling.host`` and ``scheduling.port`` until interrupted.

    ``options`` are waitress's own.
    """
    registry = app.registry
    try:
        server = listen(app, options)
    except StartupError as error:
        # pserve takes a SystemExit from here for a good end, and exits with 0.
        sys.stderr.write(f"{error}\n")
        os._exit(1)
    worker = Worker(registry) if registry.scheduling.embedded else None
    announce(registry)
    # A container's runtime ends a process with SIGTERM; waitress ends cleanly on SystemExit.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        if worker:
            worker.start()
        server.run()
    finally:
        server.close()
        if worker:
            worker.stop()
        registry.engine.dispose()


def listen(app: Router, options: dict[str, Any]) -> Any:
    """Return a waitress server that listens; its ``run`` serves.

    Raises ``StartupError`` for a database whose schema is behind, and for an address that is taken.
    """
    registry = app.registry
    migrations.require_upgraded(registry.engine, registry.plugins)
    host, port = registry.scheduling.host, registry.scheduling.port
    try:
        return waitress.create_server(
            app, host=host, port=port, **{"clear_untrusted_proxy_headers": True, "ident": None} | options
        )
    except (TypeError, ValueError) as error:
        raise StartupError(
            f"[server:main] of the ini file cannot be used: {error}. "
            "Host and port are SCHEDULING_HOST and PORT."
        ) from error
    except OSError as error:
        raise StartupError(
            f"Cannot listen on {host}:{port} ({error.strerror}); "
            "set another PORT, or end the program that has this one."
        ) from error


def announce(registry: Registry) -> None:
    """Say where it serves: a person in development, the log, which a program may read, in production."""
    settings = registry.scheduling
    if settings.app_env == "production":
        logger.info("Scheduling %s serves on %s:%d", __version__, settings.host, settings.port)
        if settings.email_provider == "mock":
            logger.warning("No e-mail is sent: EMAIL_PROVIDER is mock, which prints them to this log")
    else:
        sys.stdout.write(f"{greeting(registry)}\n")
        sys.stdout.flush()


def greeting(registry: Registry) -> str:
    """Return what a person who started the server wants to know."""
    settings = registry.scheduling
    address = f"http://{settings.host}:{settings.port}"
    database = settings.database_url
    data = database.database if database.drivername == "sqlite" else database.render_as_string()
    sender = "this process" if settings.embedded else "worker processes"
    return "\n".join(
        [
            f"Scheduling serves on {address}  (Ctrl-C ends it)",
            f"  try:   curl {address}/health   and then the tour in README.md",
            f"  data:  {data}",
            f"  mail:  {settings.email_provider}, delivered by {sender}",
        ]
    )
