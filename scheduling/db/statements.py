"""Precompiled statements: a SELECT or INSERT compiled once and run directly by psycopg on PostgreSQL.

An optimization for frequent calls; plain SQLAlchemy always works too. They halve the cost of making a
booking, and take a fifth off the cost of reading a row: see docs/decisions/hot-statements.md.
"""

from __future__ import annotations

from collections import namedtuple
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from scheduling.db.driver import begin, execute, locks_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy.sql.compiler import SQLCompiler

    Expression = sa.Select[*tuple[Any, ...]] | sa.Insert | sa.Update | sa.Delete


class Statement:
    """A statement of SQLAlchemy with named parameters, made at import time, compiled once, run many times.

    An optimization for frequent calls; plain SQLAlchemy always works too.

    Every parameter must be given at each execution: an INSERT takes its columns from the first one, and
    the defaults that a model computes in Python are not applied.
    """

    def __init__(self, expression: Expression) -> None:
        # Else SQLAlchemy has an INSERT return its primary key, which nobody asked for.
        if isinstance(expression, sa.Insert) and not expression.exported_columns:
            expression = expression.inline()
        self.expression = expression
        names = [str(name) for name in expression.exported_columns.keys()]  # noqa: SIM118 - it is no dict
        self.row: Any = namedtuple("Row", names, rename=True) if names else None  # noqa: PYI024
        """The class of the rows that the statement returns; None if it returns nothing."""
        self.locks_rows = False
        """True if it is a SELECT … FOR UPDATE or the like; known once it was bound for the first time."""
        self._text = ""
        self._parameters: list[tuple[str, Callable[[Any], Any] | None]] = []
        self._constants: dict[str, Any] = {}

    def bind(self, dialect: sa.Dialect, parameters: Mapping[str, Any]) -> tuple[str, list[Any]]:
        """Return the SQL for PostgreSQL, with ``%s`` for each parameter, and the values in that order."""
        if not self._text:
            self._compile(dialect, parameters)
        values = {**self._constants, **parameters}
        return self._text, [
            adapt(values[name]) if adapt else values[name] for name, adapt in self._parameters
        ]

    def _compile(self, dialect: sa.Dialect, parameters: Mapping[str, Any]) -> None:
        compiled: SQLCompiler = self.expression.compile(dialect=dialect, column_keys=list(parameters))
        self._constants = {key: value for key, value in compiled.params.items() if value is not None}
        self._parameters = [
            (name, compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect))
            for name in compiled.positiontup or ()
        ]
        self.locks_rows = locks_rows(str(compiled))
        # Last: another thread takes a text for a sign that all of it is there.
        self._text = str(compiled)


def run(connection: sa.Connection, statement: Statement, parameters: Mapping[str, Any]) -> list[Any]:
    """Run a statement on PostgreSQL and return its rows, if it has any."""
    text, values = statement.bind(connection.dialect, parameters)
    if statement.locks_rows:
        begin(connection)
    cursor = execute(connection, text, values)
    return list(map(statement.row._make, cursor.fetchall())) if statement.row else []


def run_together(connection: sa.Connection, inserts: Sequence[tuple[Statement, Mapping[str, Any]]]) -> None:
    """Run several INSERTs on PostgreSQL as one statement, all but the last in its WITH.

    https://www.postgresql.org/docs/current/queries-with.html#QUERIES-WITH-MODIFYING
    """
    bound = [statement.bind(connection.dialect, parameters) for statement, parameters in inserts]
    *first, last = (text for text, _ in bound)
    clauses = ", ".join(f"w{i} AS ({text})" for i, text in enumerate(first))
    values = [value for _, values in bound for value in values]
    execute(connection, f"WITH {clauses} {last}" if first else last, values)
