"""The version of a row: a number from 1 that every UPDATE raises. See docs/decisions/row-versions.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

if TYPE_CHECKING:
    from sqlalchemy.sql.compiler import SQLCompiler

Versions = frozenset[int] | None
"""The versions with which a row may be changed; None where any will do."""

MAX_VERSION = 2**31 - 1
"""The largest version that the column can have."""


class next_version(FunctionElement[int]):  # noqa: N801 - it reads like a function of SQL
    """In an UPDATE: the version that the row has then, one more than before."""

    type = sa.Integer()
    inherit_cache = True


@compiles(next_version)
def _one_more(element: next_version, compiler: SQLCompiler, **options: Any) -> str:
    update: Any = compiler.current_executable
    return compiler.process(update.table.c.version + 1, **options)


def version_column() -> sa.Column[int]:
    """Return the column ``version`` of a table, which :func:`add_version` adds to the database."""
    return sa.Column("version", sa.Integer, nullable=False, server_default="1", onupdate=next_version())


# Every UPDATE that SQLAlchemy makes sets the version, so that its RETURNING has the new one on SQLite too,
# where a trigger cannot change a row before it is written. The trigger is for all others.
_POSTGRESQL_TRIGGER = """
CREATE FUNCTION {table}_raise_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version := OLD.version + 1;
    RETURN NEW;
END $$;
CREATE TRIGGER {table}_raise_version BEFORE UPDATE ON {table} FOR EACH ROW
WHEN (NEW.version = OLD.version) EXECUTE FUNCTION {table}_raise_version()
"""
_SQLITE_TRIGGER = """
CREATE TRIGGER {table}_raise_version AFTER UPDATE ON {table} FOR EACH ROW
WHEN NEW.version = OLD.version
BEGIN
    UPDATE {table} SET version = OLD.version + 1 WHERE rowid = NEW.rowid;
END
"""


def add_version(table: str) -> None:
    """In a migration: give a table its column ``version``, and the trigger that raises it.

    Rows that are there have version 1; no row is rewritten.
    """
    from alembic import op  # noqa: PLC0415 - only migrations need it

    op.add_column(table, sa.Column("version", sa.Integer, server_default="1", nullable=False))
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    trigger = _POSTGRESQL_TRIGGER if is_postgresql else _SQLITE_TRIGGER
    op.get_bind().exec_driver_sql(trigger.format(table=table))


def drop_version(table: str) -> None:
    """In a migration: undo :func:`add_version`."""
    from alembic import op  # noqa: PLC0415 - only migrations need it

    is_postgresql = op.get_bind().dialect.name == "postgresql"
    op.execute(f"DROP TRIGGER {table}_raise_version" + (f" ON {table}" if is_postgresql else ""))
    if is_postgresql:
        op.execute(f"DROP FUNCTION {table}_raise_version")
    op.drop_column(table, "version")
