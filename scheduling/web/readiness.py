"""Readiness: whether requests should come to this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from scheduling.db import migrations
from scheduling.db.background import Background
from scheduling.db.driver import is_read_only
from scheduling.db.failures import says_too_many_connections

if TYPE_CHECKING:
    from scheduling.db.registry import DatabaseRegistry

CACHE_SECONDS = 1.0
"""How long the database's answer holds."""

PATIENCE_SECONDS = 1.0
"""How long a probe waits for the database; a slower one is answered with what was known before."""

SLOW_SECONDS = 3.0
"""A database that takes longer to answer counts as away; it is given up only at its time-out."""


class Readiness:
    """Whether requests should come to this process.

    Redis is not asked for: the web process never talks to it, and a worker without it is degraded only.
    """

    def __init__(self, registry: DatabaseRegistry) -> None:
        self._registry = registry
        self.starting = False
        """True while nothing is served yet."""
        self.draining = False
        """True after :meth:`drain`."""
        self._database = Background(self._ask)

    def drain(self) -> None:
        """Be ready no more."""
        self.draining = True

    def failure(self) -> str | None:
        """Return what keeps this process from being ready, as a sentence, or None.

        The answer comes within :data:`PATIENCE_SECONDS`, whatever the database does.
        """
        if self.draining:
            return "This process is ending."
        failure = self._database_failure()
        return failure or ("This process is starting." if self.starting else None)

    def _database_failure(self) -> str | None:
        """Ask the database, unless it was asked just now."""
        in_time = self._database.refresh(CACHE_SECONDS, PATIENCE_SECONDS)
        is_first = self._database.answered_at == float("-inf")
        if not in_time and (is_first or self._database.asking_seconds > SLOW_SECONDS):
            return "The database does not answer in time."
        return self._database.answer

    def _ask(self) -> str | None:
        try:
            if is_read_only(self._registry.engine):
                return "The database only reads."
            behind = migrations.behind(self._registry.engine, self._registry.plugins)
        except sa.exc.SQLAlchemyError as error:
            if says_too_many_connections(error):
                return "The database refuses more connections."
            return "The database does not answer."
        return f"The database lacks migrations of: {', '.join(behind)}." if behind else None
