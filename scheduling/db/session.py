"""The database: metadata, column types, the engine, and a session that is one unit of work."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from scheduling import waiting
from scheduling.db import statements
from scheduling.db.statements import Statement
from scheduling.web.problems import StartupError

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pyramid.registry import Registry
    from sqlalchemy.sql.base import Executable
    from sqlalchemy.sql.compiler import SQLCompiler

    from scheduling.config.settings import Settings

T = TypeVar("T")


class Row(Protocol):
    """A row of any columns: its values in order, and each by its column's name."""

    def __getattr__(self, name: str) -> Any: ...
    def __getitem__(self, index: int) -> Any: ...
    def __iter__(self) -> Iterator[Any]: ...
    def _asdict(self) -> dict[str, Any]: ...


Query = sa.Select[*tuple[Any, ...]]
"""A SELECT of any columns."""

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""Every table of core and of the plugins, so that a foreign key can name another room's table."""


class _SQLiteUTC(sa.TypeDecorator[datetime]):
    """SQLite has no time zones: store UTC without an offset, which sorts as text, and read it back aware."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


RESERVED_IDS = 50
"""How many ids a process reserves at once."""

Timestamp = sa.DateTime(timezone=True).with_variant(_SQLiteUTC(), "sqlite")
"""A moment: ``timestamptz`` on PostgreSQL, UTC on SQLite; aware in Python on both."""


class on_the_wire(FunctionElement[Any]):  # noqa: N801 - it reads like a function of SQL
    """A moment as answers show it: text that PostgreSQL writes, the moment itself on SQLite.

    A list of 20 rows has 80 moments, which cost Python 75 µs to write and PostgreSQL 14 µs.
    """

    type = Timestamp
    inherit_cache = True


@compiles(on_the_wire)
def _as_it_is(element: on_the_wire, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(on_the_wire, "postgresql")
def _as_text(element: on_the_wire, compiler: SQLCompiler, **options: Any) -> str:
    moment = compiler.process(element.clauses, **options)
    return f"""to_char({moment} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"""


BigId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""A 64-bit id. SQLite generates ids only for a column of type INTEGER, which has 64 bits there."""

Json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
"""A JSON value; JSONB on PostgreSQL."""


def create_engine(settings: Settings) -> sa.Engine:
    """Return an engine whose connections are in autocommit until a session begins a transaction.

    Reads then cost one round trip instead of three, since most requests are one SELECT. Times are in
    seconds. A connection that waits for the pool, for the server or for a lock gives up in time.
    """
    postgres = settings.database_url.get_backend_name() == "postgresql"
    engine = sa.create_engine(
        settings.database_url,
        isolation_level="AUTOCOMMIT",
        pool_size=settings.database_pool_size,
        max_overflow=0,
        pool_timeout=settings.database_timeout,
        connect_args=_postgres_arguments(settings) if postgres else _sqlite_arguments(settings),
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
        # A statement in a log line or an error message must not carry people's data.
        hide_parameters=True,
        # Statements are run together by appending their texts and their values.
        **({"paramstyle": "format"} if postgres else {}),
    )
    if postgres:
        sa.event.listen(engine, "do_connect", _connect)
    else:
        sa.event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _connect(dialect: object, record: object, arguments: Any, options: Any) -> waiting.Connection:
    # A server that does not answer takes seconds, in which others are to be served.
    with waiting.aside():
        return waiting.Connection.connect(*arguments, **options)


def _postgres_arguments(settings: Settings) -> dict[str, Any]:
    timeout = settings.database_timeout
    server = {
        "timezone": "UTC",
        "statement_timeout": timeout * 1000,
        # A process that hangs, or a machine that is frozen, holds no lock for longer.
        "idle_in_transaction_session_timeout": 2 * timeout * 1000,
        # Every statement has its plan in an index, whatever the values: planning the dashboard anew each time
        # would double its cost. Such a plan is made for the average user, whose few rows would be collected
        # by a bitmap and sorted; somebody has a million. See docs/decisions/generic-plans.md.
        "plan_cache_mode": "force_generic_plan",
        "enable_bitmapscan": "off",
        # No statement runs long enough to be worth it, and a generic plan that was made while many analytics
        # events waited to be folded was compiled at each execution ever after: 35 ms for 0.5.
        "jit": "off",
    }
    return {
        # libpq takes no less than two seconds.
        "connect_timeout": max(2, timeout),
        "options": " ".join(f"-c {name}={value}" for name, value in server.items()),
        # A server that vanished from the network answers nothing, not even that: give it up in time.
        "tcp_user_timeout": timeout * 1000,
        "keepalives_idle": timeout,
        "keepalives_interval": 5,
        "keepalives_count": 2,
        "application_name": "scheduling",
    }


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


def begin(connection: sa.Connection) -> None:
    """Begin a transaction on a connection of :func:`create_engine`; its ``commit`` or ``rollback`` ends it.

    SQLite takes its only write lock at once, since upgrading a read lock later can fail.
    """
    if connection.dialect.name == "sqlite":
        with waiting.aside():  # others may be writing
            connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        statements.execute(connection, "BEGIN")


# https://www.postgresql.org/docs/current/functions-sequence.html
_reserve_ids = Statement(
    sa.select(
        sa.func.nextval(sa.func.pg_get_serial_sequence(sa.bindparam("table_name", type_=sa.Text), "id"))
    ).select_from(sa.func.generate_series(1, RESERVED_IDS))
)

# https://www.sqlite.org/autoinc.html
_last_sqlite_id = sa.text("SELECT seq FROM sqlite_sequence WHERE name = :table_name")


class Session:
    """One unit of work: reads, then writes in one transaction, then what must follow a commit.

    Nothing is sent before the first statement, and the transaction begins with the first write, so a
    request that only reads holds no transaction and one that hashes a password first holds no lock.
    A read that a later write relies on must therefore be part of the write's own WHERE, as under READ
    COMMITTED it must be anyway.
    """

    def __init__(self, engine: sa.Engine, registry: Registry) -> None:
        self.registry = registry
        self._engine = engine
        self._connection: sa.Connection | None = None
        self._postgres = engine.dialect.name == "postgresql"
        self._writing = False
        self._later: list[tuple[Statement, Mapping[str, Any]]] = []
        self._after_commit: list[Callable[[], None]] = []
        self.committing = False
        """True from the moment a COMMIT is sent: after an error nobody knows whether it took effect."""

    @property
    def connection(self) -> sa.Connection:
        """The connection of this unit of work, taken from the pool when first asked for."""
        if self._connection is None:
            self._connection = self._engine.connect()
        return self._connection

    def rows(
        self, statement: Query | Statement, parameters: Mapping[str, Any] | None = None
    ) -> Sequence[Row]:
        """Return all rows of a query."""
        if isinstance(statement, Statement):
            return self._run(statement, parameters or {})
        return self.connection.execute(statement, parameters).all()

    def row(self, statement: Query | Statement, parameters: Mapping[str, Any] | None = None) -> Row | None:
        """Return the first row of a query, or None."""
        if isinstance(statement, Statement):
            rows = self._run(statement, parameters or {})
            return rows[0] if rows else None
        return self.connection.execute(statement, parameters).first()

    def scalar(
        self, statement: sa.Select[T] | Statement, parameters: Mapping[str, Any] | None = None
    ) -> T | None:
        """Return the first column of the first row, or None."""
        if isinstance(statement, Statement):
            rows = self._run(statement, parameters or {})
            return rows[0][0] if rows else None
        return self.connection.execute(statement, parameters).scalar()

    def write_row(self, statement: Statement, parameters: Mapping[str, Any]) -> Row | None:
        """Write as :meth:`write` does, and return the first row that the statement returns, or None."""
        self._begin()
        rows = self._run(statement, parameters)
        return rows[0] if rows else None

    def later(self, statement: Statement, parameters: Mapping[str, Any]) -> None:
        """Write with the commit: the INSERTs of one request that nobody reads back are one round trip."""
        self._later.append((statement, parameters))

    def reserve_id(self, table: sa.Table) -> int:
        """Return the id for a row of this table that is going to be inserted :meth:`later`.

        A process reserves ids in blocks, so that most requests need no round trip for one. What is left
        of a block when the process ends is never used.
        """
        if not self._postgres:
            return self._next_sqlite_id(table)
        block: deque[int] = self.registry.reserved_ids[table.name]
        while True:
            # Not "if block": another thread may take the last one in between.
            with suppress(IndexError):
                return block.popleft()
            block.extend(row[0] for row in self._run(_reserve_ids, {"table_name": table.name}))

    def write(
        self,
        statement: Executable,
        parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    ) -> sa.CursorResult[Any]:
        """Run an INSERT, UPDATE or DELETE, beginning the transaction if this is its first write."""
        self._begin()
        return self.connection.execute(statement, parameters)

    def insert(self, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
        """Return the dialect's own INSERT, which knows ON CONFLICT, for :meth:`write`."""
        dialect = self._engine.dialect.name
        return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)

    def after_commit(self, hook: Callable[[], None]) -> None:
        """Call ``hook`` once the transaction is committed; it must not fail and must not write."""
        self._after_commit.append(hook)

    def commit(self) -> None:
        """Commit what was written, if anything was, and then call the hooks."""
        if self._later:
            self._write_later()
        if self._writing:
            self.committing = True
            if self._postgres:
                with waiting.aside():  # the disk takes its time
                    statements.execute(self.connection, "COMMIT")
            else:
                self.connection.commit()
            self._writing = False
        hooks, self._after_commit = self._after_commit, []
        for hook in hooks:
            hook()

    def close(self) -> None:
        """Undo what was not committed and give the connection back."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            self._writing = False
            connection.close()

    def _begin(self) -> None:
        if not self._writing:
            begin(self.connection)
            self._writing = True

    def _run(self, statement: Statement, parameters: Mapping[str, Any]) -> Sequence[Row]:
        if self._postgres:
            return statements.run(self.connection, statement, parameters)
        result = self.connection.execute(statement.core, parameters)
        return result.all() if result.returns_rows else []

    def _next_sqlite_id(self, table: sa.Table) -> int:
        # Nobody else writes until this transaction ends.
        self._begin()
        last = self.connection.execute(_last_sqlite_id, {"table_name": table.name}).scalar() or 0
        inserts = (statement.core for statement, _ in self._later if isinstance(statement.core, sa.Insert))
        waiting = sum(insert.table is table for insert in inserts)
        return last + waiting + 1

    def _write_later(self) -> None:
        later, self._later = self._later, []
        if self._postgres:
            # Where nothing was written before, this one statement is the whole transaction.
            self.committing = not self._writing
            with waiting.aside():
                statements.run_together(self.connection, later)
            return
        self._begin()
        for statement, parameters in later:
            self._run(statement, parameters)


@contextmanager
def session_scope(registry: Registry) -> Iterator[Session]:
    """Give a session to code outside a request; commit at the end, or undo everything on an exception."""
    session = Session(registry.engine, registry)
    try:
        yield session
        session.commit()
    finally:
        session.close()
