"""What a worker does for analytics from time to time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scheduling.plugin import session_scope
from scheduling_analytics import rollups

if TYPE_CHECKING:
    from pyramid.config import Configurator
    from pyramid.registry import Registry

FOLD_SECONDS = 1.0


def fold(registry: Registry) -> bool:
    """Take notes into the rollups, or count everything anew where that is due; True if there is more."""
    with session_scope(registry) as db:
        if rollups.is_rebuild_due(db):
            rollups.rebuild(db)
            return False
        # Looking first keeps an idle worker from beginning a transaction every second.
        waiting = rollups.count_pending(db)
        return waiting > 0 and rollups.fold(db) and waiting == rollups.BATCH


def includeme(config: Configurator) -> None:
    """Register the chores; without rollups there are none."""
    if config.registry.engine.dialect.name == "postgresql":
        config.add_housekeeping("analytics", fold, FOLD_SECONDS)
