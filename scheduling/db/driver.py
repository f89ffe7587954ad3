"""Transactions and raw SQL on the driver's own connection, bypassing SQLAlchemy.

Connections are in autocommit until somebody begins a transaction (see :mod:`scheduling.db.engine`).
"""

from __future__ import annotations

import re
import sqlite3
from typing import TYPE_CHECKING, Any

import psycopg
import sqlalchemy as sa
from psycopg.pq import TransactionStatus

from scheduling.db.failures import is_server_read_only, is_session_useless

if TYPE_CHECKING:
    from collections.abc import Sequence

# https://www.postgresql.org/docs/current/sql-select.html#SQL-FOR-UPDATE-SHARE
_LOCKING = re.compile(r"\bFOR (?:(?:NO KEY )?UPDATE|(?:KEY )?SHARE)\b", re.IGNORECASE)


def execute(connection: sa.Connection, text: str, values: Sequence[Any] = ()) -> psycopg.Cursor[Any]:
    """Run SQL on PostgreSQL; raise the errors that SQLAlchemy raises."""
    driver_connection: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]
    try:
        return driver_connection.execute(text, values)
    except psycopg.Error as error:
        raise _translated(connection, driver_connection, text, error) from error


def execute_together(connection: sa.Connection, text: str) -> psycopg.Cursor[Any]:
    """Run several statements without values in one round trip on PostgreSQL.

    Each sees what was committed when it began, as if it was sent by itself. The cursor is at the result of
    the first; ``nextset`` goes on to the next.
    """
    driver_connection: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]
    try:
        # Several at once cannot be prepared.
        return driver_connection.execute(text, prepare=False)
    except psycopg.Error as error:
        raise _translated(connection, driver_connection, text, error) from error


def _translated(
    connection: sa.Connection, driver_connection: psycopg.Connection[Any], text: str, error: psycopg.Error
) -> BaseException:
    is_over = driver_connection.closed or is_session_useless(error)
    if is_over:
        connection.invalidate(error)
    # The other connections of the pool are most likely of no use either, so that all are made anew.
    if driver_connection.closed or is_server_read_only(error):
        connection.engine.dispose(close=is_server_read_only(error))
    return sa.exc.DBAPIError.instance(
        text,
        None,
        error,
        psycopg.Error,
        hide_parameters=True,
        connection_invalidated=is_over,
        dialect=connection.dialect,
    )


def close_useless(context: sa.engine.ExceptionContext) -> None:
    """Listener of SQLAlchemy's ``handle_error``: close a session that lives and can do no work any more.

    A server that only reads, since another took over from it, has only such sessions: all of them are closed.
    """
    error = context.original_exception
    is_known_to_be_closed = context.is_disconnect or context.connection is None
    if is_session_useless(error) and not is_known_to_be_closed:
        context.is_disconnect = True
        context.invalidate_pool_on_disconnect = is_server_read_only(error)


def is_read_only(engine: sa.Engine) -> bool:
    """Tell whether the server only reads, as a standby does; close the connections to it then.

    Another server may have taken over from it, under the same name, to which only new connections lead.
    """
    if engine.dialect.name == "sqlite":
        return False
    with engine.connect() as connection:
        reads = connection.exec_driver_sql("SHOW transaction_read_only").scalar() == "on"
        if reads:
            connection.invalidate()
    if reads:
        engine.dispose()
    return reads


def is_in_transaction(connection: sa.Connection) -> bool:
    """Tell whether a transaction is open, which SQLAlchemy does not know of a connection in autocommit."""
    driver_connection: Any = connection.connection.driver_connection
    if isinstance(driver_connection, sqlite3.Connection):
        return driver_connection.in_transaction
    return bool(driver_connection.pgconn.transaction_status != TransactionStatus.IDLE)


def begin(connection: sa.Connection) -> None:
    """Begin a transaction, which :func:`commit` ends; nothing happens where one is open already.

    SQLite takes its only write lock at once, since upgrading a read lock later can fail.
    """
    if is_in_transaction(connection):
        return
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        execute(connection, "BEGIN")


def commit(connection: sa.Connection) -> None:
    """Commit the transaction that is open."""
    if connection.dialect.name == "sqlite":
        connection.commit()
    else:
        execute(connection, "COMMIT")


def locks_rows(sql: str) -> bool:
    """Tell whether a statement is a ``SELECT … FOR UPDATE``, ``FOR SHARE`` or the like, by its text."""
    return _LOCKING.search(sql) is not None


def begin_if_it_locks(connection: sa.Connection, cursor: Any, sql: str, *details: Any) -> None:
    """Listener of SQLAlchemy's ``before_cursor_execute``: begin a transaction for a SELECT that locks rows.

    In autocommit PostgreSQL would give the lock back as soon as the SELECT ends, and say nothing of it.
    """
    if locks_rows(sql):
        begin(connection)
