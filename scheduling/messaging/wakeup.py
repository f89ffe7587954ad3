"""Tells workers in other processes, by PostgreSQL's NOTIFY, that a message was written.

A notification is a hint: a relay looks by itself once a second, and so finds what no notification told, such
as a retry that has become due. NOTIFY holds a lock of the whole server at its commit, so it is no part of the
transaction that writes the message, and one is sent for all messages of some milliseconds. See
https://www.postgresql.org/docs/current/sql-notify.html.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from functools import partial
from time import sleep
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from scheduling.db.postgres import is_pooled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyramid.config import Configurator

    from scheduling.messaging.registry import MessagingRegistry

    Wait = Callable[[float], object]

_CHANNEL = "scheduling_outbox"

_GATHER_SECONDS = 0.01
"""How long messages are gathered for one notification."""

_POLL_SECONDS = 0.05
"""How often a worker looks where nothing tells it of what another process has written."""


class Wakeup:
    """Tells the relay of this process, or those of the workers, that this process has written messages."""

    def __init__(self, registry: MessagingRegistry) -> None:
        self._registry = registry
        self._is_gathering = threading.Lock()

    def message_written(self) -> None:
        """Tell it; called after the commit, in the thread of the request, which waits for nothing."""
        self._registry.message_written.set()
        if self._registry.core_settings.embedded or not has_notify(self._registry):
            return
        if self._is_gathering.acquire(blocking=False):
            threading.Thread(target=self._notify, name="notify-workers", daemon=True).start()

    def _notify(self) -> None:
        sleep(_GATHER_SECONDS)
        # Before the notification: a message that is written after it begins another one.
        self._is_gathering.release()
        # Where the database is away, or a pooler refuses this, relays look by themselves.
        with suppress(sa.exc.SQLAlchemyError), self._registry.engine.connect() as connection:
            connection.exec_driver_sql(f"NOTIFY {_CHANNEL}")


def has_notify(registry: MessagingRegistry) -> bool:
    """Tell whether the database can notify."""
    return registry.engine.dialect.name == "postgresql"


@contextmanager
def listening(registry: MessagingRegistry) -> Iterator[Wait]:
    """Give a function that waits until a message is written, for so many seconds at most.

    What is written from here on ends a wait, also one that begins later. On SQLite, and behind a pooler,
    nobody tells another process, so that each wait is short. Raises what SQLAlchemy and psycopg raise when
    the connection is lost.
    """
    if registry.core_settings.embedded:
        yield partial(_wait_for_own, registry)
    elif not has_notify(registry):
        yield _look_often
    else:
        with registry.engine.connect() as connection:
            driver_connection: Any = connection.connection.driver_connection
            # In the pool notifications would go on coming to it, where nobody takes them.
            connection.detach()
            connection.exec_driver_sql(f"LISTEN {_CHANNEL}")
            # A pooler would give what comes to whoever has the session then.
            pooled = is_pooled(driver_connection)
            yield _look_often if pooled else partial(_wait_for_notification, driver_connection)


def _look_often(seconds: float) -> None:
    """Wait for a moment, since nobody tells."""
    sleep(min(seconds, _POLL_SECONDS))


def _wait_for_notification(driver_connection: Any, seconds: float) -> list[Any]:
    """Wait for a notification, and return what came."""
    return list(driver_connection.notifies(timeout=seconds, stop_after=1))


def _wait_for_own(registry: MessagingRegistry, seconds: float) -> bool:
    """Wait for a message of this process; tell whether one was written."""
    was_written = registry.message_written.wait(seconds)
    if was_written:
        registry.message_written.clear()
    return was_written


def includeme(config: Configurator) -> None:
    """Put on the registry what tells of messages, and what a relay in this process waits for."""
    config.registry.message_written = threading.Event()
    config.registry.wake_relays = Wakeup(config.registry).message_written
