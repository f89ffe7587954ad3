"""The chore that keeps the table of rate limits small."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from scheduling.db.metadata import database_microseconds
from scheduling.db.session import session_scope
from scheduling.throttling.models import rate_limits

if TYPE_CHECKING:
    from pyramid.config import Configurator

    from scheduling.db.registry import DatabaseRegistry

PRUNE_SECONDS = 60.0
PRUNE_BATCH = 1000


def prune(registry: DatabaseRegistry) -> bool:
    """Delete a batch of rows that say nothing any more; tell whether there may be more."""
    is_over = rate_limits.c.expires_at < database_microseconds()
    with session_scope(registry) as db:
        some = sa.select(rate_limits.c.key).where(is_over).order_by(rate_limits.c.expires_at)
        keys = [row.key for row in db.rows(some.limit(PRUNE_BATCH))]
        if keys:
            # A call may have just been counted by one of them.
            db.write(sa.delete(rate_limits).where(rate_limits.c.key.in_(keys), is_over))
    return len(keys) == PRUNE_BATCH


def includeme(config: Configurator) -> None:
    """Register the chore."""
    config.add_housekeeping("rate limits", prune, PRUNE_SECONDS)
