"""Statements of the hot paths: compiled once, and on PostgreSQL run by psycopg itself.

SQLAlchemy's execution of a SELECT of one row costs 65 µs of CPU, psycopg's 17 µs, where the whole request
costs 100 to 200 µs (docs/performance.md). Any other statement is run by SQLAlchemy as usual.
"""

from __future__ import annotations

import re
from collections import namedtuple
from typing import TYPE_CHECKING, Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.sql import visitors
from sqlalchemy.sql.selectable import ForUpdateArg

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy.sql.compiler import SQLCompiler

    Core = sa.Select[*tuple[Any, ...]] | sa.Insert | sa.Update | sa.Delete

# https://www.postgresql.org/docs/current/sql-select.html#SQL-FOR-UPDATE-SHARE
_LOCKING_CLAUSE = re.compile(r"\bFOR\s+((NO\s+KEY\s+)?UPDATE|(KEY\s+)?SHARE)\b", re.IGNORECASE)


def locks_rows(statement: sa.ClauseElement) -> bool:
    """Tell whether a query has a locking clause, by ``with_for_update`` or in the SQL of ``sa.text``."""
    return any(
        isinstance(part, ForUpdateArg)
        or (isinstance(part, sa.TextClause) and _LOCKING_CLAUSE.search(part.text) is not None)
        for part in visitors.iterate(statement)
    )


class Statement:
    """A Core statement with named parameters, made at import time and run many times.

    Every parameter must be given at each execution: an INSERT takes its columns from the first one, and
    the defaults that a model computes in Python are not applied.
    """

    def __init__(self, core: Core) -> None:
        # Else SQLAlchemy has an INSERT return its primary key, which nobody asked for.
        self.core = core.inline() if isinstance(core, sa.Insert) and not core.exported_columns else core
        names = [str(name) for name in core.exported_columns.keys()]  # noqa: SIM118 - it is no dict
        self.row: Any = namedtuple("Row", names, rename=True) if names else None  # noqa: PYI024
        """The class of the rows that the statement returns; None if it returns nothing."""
        self.locks_rows = locks_rows(core)
        self._text = ""
        self._slots: list[tuple[str, Callable[[Any], Any] | None]] = []
        self._constants: dict[str, Any] = {}

    def bind(self, dialect: sa.Dialect, parameters: Mapping[str, Any]) -> tuple[str, list[Any]]:
        """Return the SQL for PostgreSQL, with ``%s`` for each parameter, and the values in that order."""
        if not self._text:
            self._compile(dialect, parameters)
        values = {**self._constants, **parameters}
        return self._text, [adapt(values[name]) if adapt else values[name] for name, adapt in self._slots]

    def _compile(self, dialect: sa.Dialect, parameters: Mapping[str, Any]) -> None:
        compiled: SQLCompiler = self.core.compile(dialect=dialect, column_keys=list(parameters))
        self._constants = {key: value for key, value in compiled.params.items() if value is not None}
        self._slots = [
            (name, compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect))
            for name in compiled.positiontup or ()
        ]
        # Last: another thread takes a text for a sign that all of it is there.
        self._text = str(compiled)


def run(connection: sa.Connection, statement: Statement, parameters: Mapping[str, Any]) -> list[Any]:
    """Run a statement on PostgreSQL and return its rows, if it has any."""
    cursor = execute(connection, *statement.bind(connection.dialect, parameters))
    return list(map(statement.row._make, cursor.fetchall())) if statement.row else []


def execute(connection: sa.Connection, text: str, values: Sequence[Any] = ()) -> psycopg.Cursor[Any]:
    """Run SQL on PostgreSQL; raise the errors that SQLAlchemy raises."""
    driver: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]
    try:
        return driver.execute(text, values)
    except psycopg.Error as error:
        raise _translated(connection, driver, text, error) from error


def run_together(connection: sa.Connection, writes: Sequence[tuple[Statement, Mapping[str, Any]]]) -> None:
    """Run several INSERTs on PostgreSQL as one statement, all but the last in its WITH.

    https://www.postgresql.org/docs/current/queries-with.html#QUERIES-WITH-MODIFYING
    """
    bound = [statement.bind(connection.dialect, parameters) for statement, parameters in writes]
    *first, last = (text for text, _ in bound)
    clauses = ", ".join(f"w{i} AS ({text})" for i, text in enumerate(first))
    values = [value for _, values in bound for value in values]
    execute(connection, f"WITH {clauses} {last}" if first else last, values)


def _translated(
    connection: sa.Connection, driver: psycopg.Connection[Any], text: str, error: psycopg.Error
) -> BaseException:
    if driver.closed:
        # The other connections of the pool are most likely broken too, so that all are made anew.
        connection.invalidate(error)
        connection.engine.dispose(close=False)
    return sa.exc.DBAPIError.instance(
        text,
        None,
        error,
        psycopg.Error,
        hide_parameters=True,
        connection_invalidated=driver.closed,
        dialect=connection.dialect,
    )
