"""The chore that keeps the table of rate limits small."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scheduling.db.metadata import database_microseconds
from scheduling.db.pruning import delete_batch
from scheduling.throttling.models import rate_limits

if TYPE_CHECKING:
    from pyramid.config import Configurator

    from scheduling.db.registry import DatabaseRegistry

PRUNE_SECONDS = 60.0


def prune(registry: DatabaseRegistry) -> bool:
    """Delete a batch of rows that say nothing any more; tell whether there may be more."""
    expires_at = rate_limits.c.expires_at
    return delete_batch(registry, expires_at, expires_at < database_microseconds())


def includeme(config: Configurator) -> None:
    """Register the chore."""
    config.add_housekeeping("rate limits", prune, PRUNE_SECONDS)
