"""The engine: how SQLAlchemy connects to each kind of database."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler

from scheduling.db import postgres
from scheduling.db.driver import begin_if_it_locks, close_useless
from scheduling.db.pool import Pool, guard
from scheduling.exceptions import StartupError

if TYPE_CHECKING:
    from scheduling.config.settings import Settings


def create_engine(settings: Settings) -> sa.Engine:
    """Return an engine whose connections are in autocommit until a session begins a transaction.

    Reads then cost one round trip instead of three, since most requests are one SELECT; a SELECT that locks
    rows begins a transaction by itself. Times are in seconds. A connection that waits for the pool, for the
    server or for a lock gives up in time.
    """
    is_postgres = settings.database_url.get_backend_name() == "postgresql"
    engine = sa.create_engine(
        settings.database_url,
        isolation_level="AUTOCOMMIT",
        pool_size=settings.database_pool_size,
        max_overflow=0,
        pool_timeout=settings.database_timeout,
        connect_args=postgres.arguments(settings) if is_postgres else _sqlite_arguments(settings),
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
        # A statement in a log line or an error message must not carry people's data.
        hide_parameters=True,
        # Statements are run together by appending their texts and their values.
        **({"paramstyle": "format", "poolclass": Pool} if is_postgres else {}),
    )
    if is_postgres:
        # First, since SQLAlchemy's own questions to a new server fail where this one refuses it.
        sa.event.listen(engine, "connect", postgres.SessionSetup(settings), insert=True)
        sa.event.listen(engine, "handle_error", close_useless)
        guard(engine, settings.database_timeout)
    else:
        engine.dialect.statement_compiler = _SQLiteCompiler
        sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "before_cursor_execute", begin_if_it_locks)
    return engine


class _SQLiteCompiler(SQLiteCompiler):
    """SQLite locks the whole database and no rows; a comment says that a SELECT would lock its rows."""

    def for_update_clause(self, select: Any, **options: Any) -> str:
        """Return the comment for ``with_for_update()``, which SQLAlchemy leaves out otherwise."""
        return " /* FOR UPDATE */"


def _sqlite_arguments(settings: Settings) -> dict[str, Any]:
    """Return the driver's arguments, and make the folder of the file."""
    folder = Path(settings.database_url.database or "").parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartupError(
            f"The folder {folder} of the database cannot be made ({error.strerror}); "
            "set scheduling.database_url (DATABASE_URL) to a file in a folder that can be written."
        ) from error
    return {"timeout": settings.database_timeout}


def _prepare_sqlite(connection: Any, record: object) -> None:
    connection.execute("PRAGMA foreign_keys = ON")
    # The mode stays with the file. SQLite fails, without waiting, where another connection is setting it.
    with suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA journal_mode = WAL")
