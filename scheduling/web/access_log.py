"""The access log: one line for each request."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyramid.response import Response

    from scheduling.web.request import Request


access_log = logging.getLogger("scheduling.access")


def log_request(request: Request, response: Response, seconds: float) -> None:
    """Write the access line: no query string, no header, no body, since those may hold secrets."""
    identity = request.__dict__.get("identity")
    fields = {
        "method": request.method,
        "path": request.path_text,
        "status": response.status_int,
        "duration_ms": round(seconds * 1000, 2),
        "request_id": request.id,
        "trace_id": request.trace.trace_id,
        "user_id": identity.id if identity else None,
    }
    access_log.info(
        "%(method)s %(path)r %(status)s %(duration_ms)sms user=%(user_id)s id=%(request_id)s",
        fields,
        extra=fields,
    )
