"""``GET /health``."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.view import view_config

from scheduling.resources import Root
from scheduling.times import utcnow

if TYPE_CHECKING:
    from pyramid.config import Configurator

    from scheduling.http import Request

_STARTED = monotonic()


@view_config(context=Root, name="health", request_method="GET", permission=NO_PERMISSION_REQUIRED)
def health(context: Root, request: Request) -> dict[str, Any]:
    """Tell that the process answers; ``uptime`` is in seconds."""
    return {
        "status": "OK",
        "uptime": round(monotonic() - _STARTED, 3),
        "timestamp": utcnow(),
        "environment": request.settings.app_env,
    }


def includeme(config: Configurator) -> None:
    """Register the view."""
    config.scan("scheduling.health")
