"""What every server does before it serves: check the schema, take the port, say where it is."""

from __future__ import annotations

import logging
import socket
import sys
from typing import TYPE_CHECKING

from scheduling import __version__
from scheduling.db import migrations
from scheduling.exceptions import StartupError

if TYPE_CHECKING:
    from pyramid.registry import Registry

logger = logging.getLogger(__name__)

BACKLOG = 1024
"""Connections that may wait to be accepted (listen(2)); the kernel caps it at net.core.somaxconn."""


def listen(registry: Registry, processes: int = 1) -> list[socket.socket]:
    """Return sockets that listen on ``scheduling.host`` and ``scheduling.port``, one for each process.

    The kernel shares connections out among them (``SO_REUSEPORT``, socket(7)). Of processes that accept from
    one socket, the first to wake often takes most: with 32 connections that cost a tenth of the
    requests a second and half as much again in p99.

    Raises ``StartupError`` for a database whose schema is behind, and for an address that cannot be had.
    No database connection is left open, so that the process may fork.
    """
    migrations.require_upgraded(registry.engine, registry.plugins)
    registry.engine.dispose()
    host, port = registry.scheduling.host, registry.scheduling.port
    try:
        # Of a name's addresses the first is taken; 0.0.0.0 and :: stand for all of their family.
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # Alone at first: two installations must not share a port unawares.
        listeners = [socket.create_server(address[:2], family=family, backlog=BACKLOG)]
        if processes > 1:
            listeners[0].close()
            listeners = [
                socket.create_server(address[:2], family=family, backlog=BACKLOG, reuse_port=True)
                for _ in range(processes)
            ]
    except OSError as error:
        # create_server repeats the address in the text of the error.
        reason = (error.strerror or "").partition(" (")[0]
        raise StartupError(
            f"Cannot listen on {host}:{port} ({reason}); "
            f"set another port, as in PORT={port + 1}, or end the program that has this one."
        ) from error
    for listener in listeners:
        listener.setblocking(False)
    return listeners


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
