"""Readiness: whether requests should come to this process."""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING

import sqlalchemy as sa

from scheduling.db import migrations
from scheduling.db.driver import is_read_only

if TYPE_CHECKING:
    from scheduling.db.registry import DatabaseRegistry

CACHE_SECONDS = 1.0
"""How long the database's answer holds."""

SLOW_SECONDS = 3.0
"""A database that takes longer to answer counts as away; it is given up only at its time-out."""


class Readiness:
    """Whether requests should come to this process.

    Redis is not asked for: the web process never talks to it, and a worker without it is degraded only.
    """

    def __init__(self, registry: DatabaseRegistry) -> None:
        self._registry = registry
        self.draining = False
        """True after :meth:`drain`."""
        self._asking = threading.Lock()
        self._asked = float("-inf")
        self._database: str | None = None

    def drain(self) -> None:
        """Be ready no more."""
        self.draining = True

    def failure(self) -> str | None:
        """Return what keeps this process from being ready, as a sentence, or None."""
        if self.draining:
            return "This process is ending."
        return self._database_failure()

    def _database_failure(self) -> str | None:
        """Ask the database, unless it was asked just now or another thread is at it."""
        if self._asking.acquire(blocking=False):
            try:
                if monotonic() - self._asked >= CACHE_SECONDS:
                    self._asked = monotonic()
                    self._database = self._ask()
            finally:
                self._asking.release()
        elif monotonic() - self._asked > SLOW_SECONDS:
            return "The database does not answer in time."
        return self._database

    def _ask(self) -> str | None:
        try:
            if is_read_only(self._registry.engine):
                return "The database only reads."
            behind = migrations.behind(self._registry.engine, self._registry.plugins)
        except sa.exc.SQLAlchemyError:
            return "The database does not answer."
        return f"The database lacks migrations of: {', '.join(behind)}." if behind else None
