"""Deletes rows that are no longer needed, a batch at a time, for the housekeeping tasks of whoever has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from scheduling.db.session import session_scope

if TYPE_CHECKING:
    from scheduling.db.registry import DatabaseRegistry

PRUNE_BATCH = 1000
"""How many rows a transaction deletes at most."""


def delete_batch(registry: DatabaseRegistry, by: sa.Column, is_old: sa.ColumnElement[bool]) -> bool:
    """Delete the first rows, in the order of a column, for which a condition holds; tell if there may be more.

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
