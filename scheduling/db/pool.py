"""The pool of connections to PostgreSQL, where the server hangs or takes no more connections."""

from __future__ import annotations

import logging
import time
from time import monotonic
from typing import TYPE_CHECKING, Any

import psycopg
import sqlalchemy as sa

from scheduling.db.breaker import Breaker
from scheduling.db.deadline import MARGIN_SECONDS, Connection
from scheduling.db.failures import says_too_many_connections

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.pool import PoolProxiedConnection

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 0.02
"""How often who waits looks whether a connection was given back."""

_ASK_AGAIN_SECONDS = 1.0
"""After how long who waits asks the server again for a connection of its own."""

_LONGEST_PAUSE_SECONDS = 0.25

_LOG_SECONDS = 60.0

_PROBE_CONNECT_SECONDS, _PROBE_SECONDS = 2, 1.0


class Guard:
    """What the pools of one engine share: how they connect, and what they know of the server."""

    def __init__(self, max_silence: float) -> None:
        self.breaker = Breaker(self._probe)
        self.refused = 0
        """How often the server refused a connection because it, or our role, has too many."""
        self._max_silence = max_silence
        self._arguments: tuple[Any, ...] = ()
        self._parameters: dict[str, Any] = {}
        self._last_logged = float("-inf")

    def connect(
        self, dialect: sa.Dialect, record: Any, arguments: Sequence[Any], parameters: dict[str, Any]
    ) -> Connection:
        """Listener of SQLAlchemy's ``do_connect``: return a new connection."""
        self.breaker.check()
        self._arguments, self._parameters = tuple(arguments), parameters
        try:
            return self._connect()
        except psycopg.errors.ConnectionTimeout:
            self.breaker.open()
            raise
        except psycopg.OperationalError as error:
            if says_too_many_connections(error):
                self._note_refusal(error)
            raise

    def _connect(self, **others: Any) -> Connection:
        connection = Connection.connect(*self._arguments, **self._parameters | others)
        connection.breaker, connection.max_silence = self.breaker, self._max_silence
        return connection

    def _probe(self) -> None:
        """Ask the server on a connection of its own, for a few seconds at most."""
        with self._connect(connect_timeout=_PROBE_CONNECT_SECONDS) as connection:
            connection.max_silence = _PROBE_SECONDS
            connection.execute("SELECT 1")

    def _note_refusal(self, error: psycopg.Error) -> None:
        self.refused += 1
        if monotonic() - self._last_logged >= _LOG_SECONDS:
            self._last_logged = monotonic()
            logger.error("The database refuses more connections: %s", str(error).strip())


class Pool(sa.QueuePool):
    """A pool that refuses at once while the server hangs.

    Where the server takes no more connections, it waits for one that it has.
    """

    guard: Guard

    def recreate(self) -> Pool:
        """Return a new, empty pool for the same server."""
        pool = super().recreate()
        assert isinstance(pool, Pool)  # noqa: S101 - SQLAlchemy makes one of the same class
        pool.guard = self.guard
        return pool

    def connect(self) -> PoolProxiedConnection:
        """Return a connection; raises psycopg's errors, and SQLAlchemy's ``TimeoutError``."""
        deadline = monotonic() + self.timeout()
        pause = _LOOK_SECONDS
        while True:
            self.guard.breaker.check()
            try:
                return super().connect()
            except psycopg.OperationalError as error:
                has_some = self.checkedout() + self.checkedin() > 0
                if not (says_too_many_connections(error) and has_some) or monotonic() > deadline:
                    raise
            self._wait_for_checkin(pause)
            # Longer each time: what was given back may be a broken connection, which is made anew in vain.
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _wait_for_checkin(self, pause: float) -> None:
        """Wait for so many seconds, and then until there is a connection that was given back, or a second."""
        until = monotonic() + _ASK_AGAIN_SECONDS
        time.sleep(pause)
        while not self.checkedin() and monotonic() < until:
            time.sleep(_LOOK_SECONDS)


def guard(engine: sa.Engine, timeout: float) -> None:
    """Have an engine of PostgreSQL give up a server that is silent for longer than ``timeout`` seconds."""
    pool = engine.pool
    assert isinstance(pool, Pool)  # noqa: S101 - the caller's choice
    pool.guard = Guard(timeout + MARGIN_SECONDS)
    sa.event.listen(engine, "do_connect", pool.guard.connect)


def guard_of(engine: sa.Engine) -> Guard | None:
    """Return what is known of the server of an engine; None for SQLite."""
    return engine.pool.guard if isinstance(engine.pool, Pool) else None
