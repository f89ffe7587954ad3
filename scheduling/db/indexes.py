"""Builds indexes of tables that are in use before the migrations begin, so that nobody waits for them.

All migrations are one transaction, and each table that one of them changes is locked until its end: an index
that takes a minute to build would lock all of these for a minute. So a migration that adds an index to an old
table names it in ``BUILT_BEFORE``, and makes it itself with ``if_not_exists=True``, for a new database.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from collections.abc import Mapping

    import sqlalchemy as sa

logger = logging.getLogger(__name__)

_FIND = """SELECT to_regclass(%s) IS NOT NULL, to_regclass(%s) IS NOT NULL,
    (SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s))"""


def build(engine: sa.Engine, indexes: Mapping[str, str]) -> None:
    """Build indexes that are not there on PostgreSQL, while others read and write their tables.

    ``indexes`` has by the name of each what follows ON in its definition: the table, which is passed over if
    it is not there, the columns and perhaps a condition. Where that fails, the migration builds it.
    """
    if not indexes or engine.dialect.name != "postgresql":
        return
    arguments: Any = engine.dialect.create_connect_args(engine.url)[1]
    # A connection of its own: nothing may give up what takes long, and it is no transaction.
    with psycopg.connect(**arguments, autocommit=True, prepare_threshold=None) as connection:
        for name, on in indexes.items():
            try:
                _build(connection, name, on)
            except psycopg.Error as error:
                logger.warning("The index %s is built by the migration: %s", name, error)
                _drop(connection, name)


def _build(connection: psycopg.Connection[Any], name: str, on: str) -> None:
    table = on.partition(" ")[0]
    [(has_table, has_index, is_valid)] = connection.execute(_FIND, [table, name, name]).fetchall()
    if has_index and not is_valid:
        # What is left of one that was interrupted.
        _drop(connection, name)
    if has_table and not is_valid:
        logger.info("Building the index %s", name)
        # Bytes, since psycopg takes only literal text for SQL: this one is a migration's.
        connection.execute(f"CREATE INDEX CONCURRENTLY {name} ON {on}".encode())


def _drop(connection: psycopg.Connection[Any], name: str) -> None:
    connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}".encode())
