"""The session: one unit of work on the database, of a request, a message or a command."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from scheduling.db import statements
from scheduling.db.engine import begin
from scheduling.db.statements import Statement, locks_rows

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pyramid.registry import Registry
    from sqlalchemy.sql.base import Executable

    from scheduling.db.metadata import Query, Row


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

    Nothing is sent before the first statement. The transaction begins with the first write, or with the
    first read that has a locking clause (``with_for_update``), whose lock holds until the commit. Reads
    before that are outside any transaction, so a request that only reads holds none, and one that hashes a
    password first holds no lock. What such a read found may have changed before a write that relies on it:
    repeat the condition in the WHERE of the write, or read with ``with_for_update``.
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
        self._begin_if_locking(statement)
        if isinstance(statement, Statement):
            return self._run(statement, parameters or {})
        return self.connection.execute(statement, parameters).all()

    def row(self, statement: Query | Statement, parameters: Mapping[str, Any] | None = None) -> Row | None:
        """Return the first row of a query, or None."""
        self._begin_if_locking(statement)
        if isinstance(statement, Statement):
            rows = self._run(statement, parameters or {})
            return rows[0] if rows else None
        return self.connection.execute(statement, parameters).first()

    def scalar(
        self, statement: sa.Select[T] | Statement, parameters: Mapping[str, Any] | None = None
    ) -> T | None:
        """Return the first column of the first row, or None."""
        self._begin_if_locking(statement)
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

    def _begin_if_locking(self, statement: Query | sa.Select[Any] | Statement) -> None:
        # In autocommit a lock ends with its own statement, and would protect nothing.
        if statement.locks_rows if isinstance(statement, Statement) else locks_rows(statement):
            self._begin()

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
