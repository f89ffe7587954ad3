"""Connections to PostgreSQL that give up a server which is silent for too long.

The server ends its statements itself (``statement_timeout``), and the kernel gives up a machine that left the
network (``tcp_user_timeout``). Neither helps where the server's process is stopped: it looks at no clock, and
its kernel goes on acknowledging what we send.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

if TYPE_CHECKING:
    from collections.abc import Generator

    import sqlalchemy as sa
    from psycopg.abc import PQGen

    from scheduling.db.breaker import Breaker

T = TypeVar("T")

MARGIN_SECONDS = 0.5
"""How much longer than the server's own time-out we wait, so that a server that works ends a statement."""

_CANCEL_SECONDS = 0.5
"""How long the server may take to receive the request to cancel a statement."""

_END_SECONDS = 0.5
"""How long a statement may take to end after that."""


class GivenUp(psycopg.OperationalError):
    """The server was silent for too long; the connection is closed.

    Whether the statement takes effect later, nobody knows.
    """


class Connection(psycopg.Connection[Any]):
    """A connection on which no statement waits for longer than the server may be silent."""

    breaker: Breaker
    """What learns that the server hangs."""

    max_silence: float
    """Seconds without a byte from the server after which a statement is given up."""

    _may_be_long = False

    def allow_long_statements(self) -> None:
        """Let the server be silent for as long as it takes, until the transaction ends."""
        self._may_be_long = True

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Run a statement to its end; every statement comes through here.

        Raises :class:`GivenUp`. Who gives a ``timeout`` of their own waits for just that long.
        """
        if self._may_be_long:
            self._may_be_long = self.pgconn.transaction_status != TransactionStatus.IDLE
        if self._may_be_long or timeout is not None:
            return super().wait(gen, interval, timeout)
        return super().wait(self._watched(gen), interval)

    def _watched(self, gen: PQGen[T]) -> Generator[Any, Any, T]:
        """Run a generator of psycopg's, which is resumed without readiness after each interval."""
        is_cancelled = False
        deadline = monotonic() + self.max_silence
        try:
            state = next(gen)
            while True:
                ready = yield state
                if ready:
                    deadline = monotonic() + self.max_silence
                elif monotonic() > deadline:
                    if is_cancelled:
                        raise self._given_up()
                    self._cancel()
                    is_cancelled = True
                    deadline = monotonic() + _END_SECONDS
                state = gen.send(ready)
        except StopIteration as stop:
            value: T = stop.value
            return value

    def _cancel(self) -> None:
        """Ask the server to end the statement; raise ``GivenUp`` if it does not even take that."""
        try:
            # Without this, psycopg asks by a function of libpq's that may wait for ever.
            psycopg.capabilities.has_cancel_safe(check=True)
            self.cancel_safe(timeout=_CANCEL_SECONDS)
        except psycopg.Error as error:
            self.breaker.open()
            raise self._given_up() from error

    def _given_up(self) -> GivenUp:
        self.close()
        return GivenUp(f"the server has not answered for {self.max_silence:g} s")


def allow_long_statements(connection: sa.Connection) -> None:
    """Lift the server's time-out and ours until the transaction ends, which must have begun."""
    driver = connection.connection.driver_connection
    if isinstance(driver, Connection):
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        driver.allow_long_statements()
