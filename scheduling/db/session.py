"""The session: one unit of work on the database, which is a request's ``db``."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from scheduling.db import driver, statements
from scheduling.db.deadline import allow_long_statements
from scheduling.db.statements import Statement

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from scheduling.db.metadata import Row
    from scheduling.db.registry import DatabaseRegistry


T = TypeVar("T")


RESERVED_IDS = 50
"""How many ids a process reserves at once."""


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

    Nothing is sent before the first statement, and the transaction begins with the first write or with the
    first SELECT that locks rows (``with_for_update()``). So a request that only reads holds no transaction,
    and one that hashes a password first holds no lock. Each read before that sees what others have committed
    by then: a read that a later write relies on must lock its rows, or be part of the write's own WHERE.

    Statements are SQLAlchemy's: ``sa.select(table)``, ``sa.insert(table).values(…)``, also ``sa.text("…")``.
    SQL text that writes goes through :meth:`write`; the others would commit it at once.
    """

    def __init__(self, engine: sa.Engine, registry: DatabaseRegistry) -> None:
        self.registry = registry
        self._engine = engine
        self._connection: sa.Connection | None = None
        self._postgres = engine.dialect.name == "postgresql"
        self._inserts: list[tuple[Statement, Mapping[str, Any]]] = []
        self._after_commit: list[Callable[[], None]] = []
        self.kept: dict[str, Any] = {}
        """What has been read once in this unit of work, by the module that keeps it."""
        self.committing = False
        """True from the moment a COMMIT is sent: after an error nobody knows whether it took effect."""

    @property
    def connection(self) -> sa.Connection:
        """The connection of this unit of work, taken from the pool when first asked for."""
        if self._connection is None:
            self._connection = self._engine.connect()
        return self._connection

    def rows(
        self, statement: sa.Executable | Statement, parameters: Mapping[str, Any] | None = None
    ) -> Sequence[Row]:
        """Return all rows of a query."""
        if isinstance(statement, Statement):
            return self._run(statement, parameters or {})
        return self._execute(statement, parameters).all()

    def row(
        self, statement: sa.Executable | Statement, parameters: Mapping[str, Any] | None = None
    ) -> Row | None:
        """Return the first row of a query, or None."""
        if isinstance(statement, Statement):
            rows = self._run(statement, parameters or {})
            return rows[0] if rows else None
        return self._execute(statement, parameters).first()

    def scalar(
        self, statement: sa.Select[T] | Statement, parameters: Mapping[str, Any] | None = None
    ) -> T | None:
        """Return the first column of the first row, or None."""
        if isinstance(statement, Statement):
            rows = self._run(statement, parameters or {})
            return rows[0][0] if rows else None
        return self._execute(statement, parameters).scalar()

    def write(
        self,
        statement: sa.Executable,
        parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    ) -> sa.CursorResult[Any]:
        """Run an INSERT, UPDATE or DELETE, or whatever else needs the transaction, and begin that before."""
        driver.begin(self.connection)
        return self.connection.execute(statement, parameters)

    def lock(self, namespace: int, *numbers: int) -> None:
        """Wait until no other transaction has one of these locks, and hold them until this one ends.

        ``namespace`` is the caller's own, of 31 bits; of the numbers, such as ids, the lowest 31 bits count.
        Several are taken in one order, so that no two transactions wait for each other. What is read after
        this was committed by whoever had them before. SQLite has one writer: here that lock is the only one.
        """
        if not self._postgres:
            driver.begin(self.connection)
            return
        # Advisory locks of two numbers are not those of one (idempotency keys, migrations).
        keys = sorted({number & 0x7FFFFFFF for number in numbers})
        locks = [f"SELECT pg_advisory_xact_lock({namespace}, {key})" for key in keys]
        begin = [] if driver.is_in_transaction(self.connection) else ["BEGIN"]
        driver.execute_together(self.connection, "; ".join([*begin, *locks]))

    def allow_long_statements(self) -> None:
        """Begin a transaction, and let each statement in it take as long as it needs.

        Without this one ends after ``scheduling.database_timeout``.
        """
        driver.begin(self.connection)
        allow_long_statements(self.connection)

    def insert(self, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
        """Return the dialect's own INSERT, which knows ON CONFLICT, for :meth:`write`."""
        dialect = self._engine.dialect.name
        return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)

    def insert_at_commit(self, statement: Statement, parameters: Mapping[str, Any]) -> None:
        """Insert a row that nobody reads before the commit, together with all others of this kind.

        PostgreSQL is sent one statement for all of them. What it refuses, it refuses at the commit.
        """
        self._inserts.append((statement, parameters))

    def reserve_id(self, table: sa.Table) -> int:
        """Return the id for a row of this table that is going to be inserted at the commit.

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

    def after_commit(self, hook: Callable[[], None]) -> None:
        """Call ``hook`` once the transaction is committed; it must not fail and must not write."""
        self._after_commit.append(hook)

    def commit(self) -> None:
        """Commit what was written, if anything was, and then call the hooks."""
        if self._inserts:
            self._insert_rows()
        if self._connection is not None and driver.is_in_transaction(self._connection):
            self.committing = True
            driver.commit(self._connection)
        hooks, self._after_commit = self._after_commit, []
        for hook in hooks:
            hook()

    def close(self) -> None:
        """Undo what was not committed and give the connection back."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.close()

    def release(self) -> None:
        """Give the connection back meanwhile, unless a transaction is open on it, which would be undone."""
        if self._connection is not None and not driver.is_in_transaction(self._connection):
            self.close()

    # The names that these had before; they go with the next release.

    def later(self, statement: Statement, parameters: Mapping[str, Any]) -> None:
        """Do as :meth:`insert_at_commit`."""
        self.insert_at_commit(statement, parameters)

    def write_row(self, statement: Statement, parameters: Mapping[str, Any]) -> Row | None:
        """Do as :meth:`write`, and return the first row that the statement returns, or None."""
        return self.row(statement, parameters)

    def _execute(
        self, statement: sa.Executable, parameters: Mapping[str, Any] | None
    ) -> sa.CursorResult[Any]:
        # An UPDATE … RETURNING, say, which would be committed at once.
        if statement.is_dml:
            driver.begin(self.connection)
        return self.connection.execute(statement, parameters)

    def _run(self, statement: Statement, parameters: Mapping[str, Any]) -> Sequence[Row]:
        if statement.expression.is_dml:
            driver.begin(self.connection)
        if self._postgres:
            return statements.run(self.connection, statement, parameters)
        result = self.connection.execute(statement.expression, parameters)
        return result.all() if result.returns_rows else []

    def _next_sqlite_id(self, table: sa.Table) -> int:
        # Nobody else writes until this transaction ends.
        driver.begin(self.connection)
        last = self.connection.execute(_last_sqlite_id, {"table_name": table.name}).scalar() or 0
        inserts = (statement.expression for statement, _ in self._inserts)
        waiting = sum(isinstance(insert, sa.Insert) and insert.table is table for insert in inserts)
        return last + waiting + 1

    def _insert_rows(self) -> None:
        inserts, self._inserts = self._inserts, []
        if self._postgres:
            # Where nothing was written before, this one statement is the whole transaction.
            self.committing = not driver.is_in_transaction(self.connection)
            statements.run_together(self.connection, inserts)
            return
        driver.begin(self.connection)
        for statement, parameters in inserts:
            self._run(statement, parameters)


@contextmanager
def session_scope(registry: DatabaseRegistry) -> Iterator[Session]:
    """Give a session to code outside a request; commit at the end, or undo everything on an exception."""
    session = Session(registry.engine, registry)
    try:
        yield session
        session.commit()
    finally:
        session.close()
