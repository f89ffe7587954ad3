"""``GET /health``, and what Kubernetes asks: ``/health/live``, ``/health/ready`` and ``/health/startup``."""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.view import view_config

from scheduling.db import migrations
from scheduling.times import utcnow
from scheduling.web.problems import RETRY_AFTER_SECONDS, problem
from scheduling.web.resources import Health

if TYPE_CHECKING:
    from pyramid.config import Configurator
    from pyramid.registry import Registry
    from pyramid.response import Response

    from scheduling.web.request import Request

_STARTED = monotonic()

CACHE_SECONDS = 1.0
"""How long the database's answer holds."""

SLOW_SECONDS = 3.0
"""A database that takes longer to answer counts as away; it is given up only at its time-out."""


class Readiness:
    """Whether requests should come to this installation's processes.

    Redis is not asked for: the web process never talks to it, and a worker without it is degraded only.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.draining = False
        """True after :meth:`drain`."""
        self._asking = threading.Lock()
        self._asked = float("-inf")
        self._database: str | None = None

    def drain(self) -> None:
        """Be ready no more."""
        self.draining = True

    def trouble(self) -> str | None:
        """Return what keeps this process from being ready, as a sentence, or None."""
        if self.draining:
            return "This process is ending."
        return self._database_trouble()

    def _database_trouble(self) -> str | None:
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
            behind = migrations.behind(self._registry.engine, self._registry.plugins)
        except sa.exc.SQLAlchemyError:
            return "The database does not answer."
        return f"The database lacks migrations of: {', '.join(behind)}." if behind else None


@view_config(context=Health, request_method="GET", permission=NO_PERMISSION_REQUIRED)
def health(context: Health, request: Request) -> dict[str, Any]:
    """Tell that the process answers; ``uptime`` is in seconds."""
    return {
        "status": "OK",
        "uptime": round(monotonic() - _STARTED, 3),
        "timestamp": utcnow(),
        "environment": request.settings.app_env,
    }


@view_config(context=Health, name="live", request_method="GET", permission=NO_PERMISSION_REQUIRED)
@view_config(context=Health, name="startup", request_method="GET", permission=NO_PERMISSION_REQUIRED)
def live(context: Health, request: Request) -> dict[str, str]:
    """Tell that the process answers, which it does only after it has booted; nothing else is asked."""
    return {"status": "OK"}


@view_config(context=Health, name="ready", request_method="GET", permission=NO_PERMISSION_REQUIRED)
def ready(context: Health, request: Request) -> dict[str, str] | Response:
    """Tell whether requests should come here, else 503 that says why not."""
    trouble = request.registry.readiness.trouble()
    if trouble is None:
        return {"status": "OK"}
    return problem(request, 503, trouble, [("Retry-After", str(RETRY_AFTER_SECONDS))])


def includeme(config: Configurator) -> None:
    """Put the application's one :class:`Readiness` on the registry, and register the views."""
    config.registry.readiness = Readiness(config.registry)
    config.scan("scheduling.web.health")
