"""Deletes rows that are no longer needed, a batch at a time, for the housekeeping tasks of their owners."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from scheduling.db.session import session_scope

if TYPE_CHECKING:
    from scheduling.db.registry import DatabaseRegistry

PRUNE_BATCH = 1000
"""How many rows a transaction deletes at most."""


def delete_batch(registry: DatabaseRegistry, by: sa.Column[Any], is_old: sa.ColumnElement[bool]) -> bool:
    """Delete a batch of rows for which a condition holds, in the order of a column; tell if there are more.

    The rows are looked for by the index of the column, which a DELETE with an ORDER BY could not, and deleted
    by their key. One that another transaction has changed meanwhile, so that it is not old any more, stays.
    """
    key = tuple(by.table.primary_key.columns)
    first = sa.select(*key).where(is_old).order_by(by).limit(PRUNE_BATCH)
    with session_scope(registry) as db:
        found = [tuple(row) for row in db.rows(first)]
        if found:
            db.write(sa.delete(by.table).where(sa.tuple_(*key).in_(found), is_old))
    return len(found) == PRUNE_BATCH
