"""What a worker does for analytics from time to time."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from scheduling.plugin import session_scope, utcnow
from scheduling_analytics import event_types, partitions, rollups
from scheduling_analytics.models import analytics_events as events

if TYPE_CHECKING:
    from scheduling.plugin import Configurator, Registry

logger = logging.getLogger(__name__)

FOLD_SECONDS = 2.0
RETENTION_SECONDS = 3600.0

DELETE_BATCH = 1000
"""How many events are deleted at once on SQLite, where others cannot write meanwhile."""

_LOCK_NOT_AVAILABLE = "55P03"


def fold(registry: Registry) -> bool:
    """Take notes into the rollups, or count everything anew where that is due; True if there is more."""
    with session_scope(registry) as db:
        # Looking first keeps an idle worker from beginning a transaction every time.
        waiting = rollups.count_pending(db)
        if waiting == 0:
            return False
        if rollups.is_rebuild_due(db):
            rollups.rebuild(db)
            return False
        return rollups.fold(db) and waiting == rollups.BATCH


def keep_partitions(registry: Registry) -> bool:
    """Make a month's partition, or drop one that the retention is over for; True if there may be more."""
    before = oldest_kept(registry)
    try:
        with session_scope(registry) as db:
            return partitions.make_one(db, utcnow(), before) or partitions.drop_one(db, before)
    except sa.exc.OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise
        # Trying again at once would make requests wait behind this again and again.
        logger.warning(
            "No partition of analytics_events was made or dropped, since a long transaction uses the table; "
            "it is tried again in an hour"
        )
        return False


def trim(registry: Registry) -> bool:
    """Delete what is too old from the rollups and the default partition; True if there may be more."""
    before = oldest_kept(registry)
    with session_scope(registry) as db:
        more = partitions.delete_strays(db, before)
        return rollups.trim(db, before) or more


def delete_old(registry: Registry) -> bool:
    """Delete a batch of the events that are too old, one by one; True if there may be more."""
    old = (
        sa.select(events.c.id)
        .where(events.c.created_at < oldest_kept(registry))
        .order_by(events.c.created_at)
        .limit(DELETE_BATCH)
    )
    with session_scope(registry) as db:
        return db.write(sa.delete(events).where(events.c.id.in_(old))).rowcount == DELETE_BATCH


def forget_types(registry: Registry) -> None:
    """Forget the types of clients' events that are out of use."""
    with session_scope(registry) as db:
        event_types.forget_old(db)


def oldest_kept(registry: Registry) -> datetime:
    """Return the moment since when events are kept."""
    return utcnow() - timedelta(days=registry.plugin_settings["analytics"]["retention_days"])


def includeme(config: Configurator) -> None:
    """Register the housekeeping tasks; SQLite has neither rollups nor partitions."""
    config.add_housekeeping("analytics_types", forget_types, RETENTION_SECONDS)
    if config.registry.engine.dialect.name == "postgresql":
        config.add_housekeeping("analytics", fold, FOLD_SECONDS)
        config.add_housekeeping("analytics_partitions", keep_partitions, RETENTION_SECONDS)
        config.add_housekeeping("analytics_retention", trim, RETENTION_SECONDS)
    else:
        config.add_housekeeping("analytics_retention", delete_old, RETENTION_SECONDS)
