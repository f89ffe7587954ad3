"""What both servers need: the database and a socket at the start, a worker beside them, an orderly end."""

from __future__ import annotations

import os
import resource
import signal
import socket
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from scheduling.db import migrations
from scheduling.exceptions import StartupError
from scheduling.messaging.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scheduling.plugin import Registry

BACKLOG = 1024
"""Connections that may wait to be accepted (listen(2)); the kernel caps it at net.core.somaxconn."""


def wait_for_database(registry: Registry) -> None:
    """Return when PostgreSQL answers; exit with status 0 if a signal comes before.

    Raises ``StartupError`` for a schema that is behind. A container that ended instead would be started again
    later and later, and be away for minutes after the database is back.
    """
    before = {
        number: signal.signal(number, lambda number, frame: sys.exit(0))
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        migrations.wait_until_upgraded(registry.engine, registry.plugins)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def listen(registry: Registry) -> socket.socket:
    """Return a socket that listens on ``scheduling.host`` and ``scheduling.port``.

    Raises ``StartupError`` for an address that cannot be had.
    """
    raise_file_limit()
    host, port = registry.core_settings.host, registry.core_settings.port
    try:
        # Of a name's addresses the first is taken; 0.0.0.0 stands for all of IPv4, :: for all.
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        both = family == socket.AF_INET6 and socket.has_dualstack_ipv6()
        return socket.create_server(address[:2], family=family, backlog=BACKLOG, dualstack_ipv6=both)
    except OSError as error:
        # create_server repeats the address in the text of the error.
        reason = (error.strerror or "").partition(" (")[0]
        raise StartupError(
            f"Cannot listen on {host}:{port} ({reason}); "
            f"set another port, as in PORT={port + 1}, or end the program that has this one."
        ) from error


def raise_file_limit() -> int:
    """Let this process and its children open as many files as they may, and return how many that is.

    Each connection is one, and what a shell or systemd allows at first is 1024.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


@contextmanager
def background_services(registry: Registry) -> Iterator[None]:
    """Run the tracer and, without a broker, a worker; stop them and close the connections at the end."""
    worker = Worker(registry) if registry.core_settings.embedded else None
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


def on_signal(begin_shutdown: Callable[[], None], abort: Callable[[], None] = lambda: None) -> None:
    """Call ``begin_shutdown`` on the first SIGTERM or SIGINT; on the second ``abort``, and exit.

    The status is 128 and the signal's number then.

    The default would not end a container: its first process ignores signals that it has no handler for.
    """
    has_begun = False

    def handle(number: int, frame: object) -> None:
        nonlocal has_begun
        if has_begun:
            abort()
            os._exit(128 + number)
        has_begun = True
        begin_shutdown()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)
