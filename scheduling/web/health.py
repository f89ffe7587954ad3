"""``GET /health``, and what Kubernetes asks: ``/health/live``, ``/health/ready`` and ``/health/startup``."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from marshmallow import fields
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.view import view_config

from scheduling.times import utcnow
from scheduling.web.problems import RETRY_AFTER_SECONDS, problem
from scheduling.web.readiness import Readiness
from scheduling.web.resources import Health
from scheduling.web.schemas import AnswerSchema, Moment

if TYPE_CHECKING:
    from pyramid.config import Configurator
    from pyramid.response import Response

    from scheduling.web.request import Request

_STARTED = monotonic()


class ProbeAnswer(AnswerSchema):
    """A process that is well."""

    status = fields.Constant("OK")


class HealthAnswer(ProbeAnswer):
    """A process that is well, and since when it runs."""

    uptime = fields.Float(metadata={"description": "In seconds."})
    timestamp = Moment()
    environment = fields.String(metadata={"examples": ["production"]})


@view_config(
    context=Health,
    request_method="GET",
    permission=NO_PERMISSION_REQUIRED,
    response=HealthAnswer,
    operation_id="get_health",
)
def health(context: Health, request: Request) -> dict[str, Any]:
    """Tell that the process answers; ``uptime`` is in seconds."""
    return {
        "status": "OK",
        "uptime": round(monotonic() - _STARTED, 3),
        "timestamp": utcnow(),
        "environment": request.settings.app_env,
    }


@view_config(
    context=Health,
    name="live",
    request_method="GET",
    permission=NO_PERMISSION_REQUIRED,
    response=ProbeAnswer,
    operation_id="get_liveness",
)
@view_config(
    context=Health,
    name="startup",
    request_method="GET",
    permission=NO_PERMISSION_REQUIRED,
    response=ProbeAnswer,
    operation_id="get_startup",
)
def live(context: Health, request: Request) -> dict[str, str]:
    """Tell that the process answers, which it does only after it has booted; nothing else is asked."""
    return {"status": "OK"}


@view_config(
    context=Health,
    name="ready",
    request_method="GET",
    permission=NO_PERMISSION_REQUIRED,
    response=ProbeAnswer,
    operation_id="get_readiness",
)
def ready(context: Health, request: Request) -> dict[str, str] | Response:
    """Tell whether requests should come here, else 503 that says why not."""
    reason = request.registry.readiness.failure()
    if reason is None:
        return {"status": "OK"}
    return problem(request, 503, reason, [("Retry-After", str(RETRY_AFTER_SECONDS))])


def includeme(config: Configurator) -> None:
    """Put the application's one :class:`Readiness` on the registry, and register the views."""
    config.registry.readiness = Readiness(config.registry)
    config.scan("scheduling.web.health")
