"""What surrounds every request: its id, security headers, CORS and one log line."""

from __future__ import annotations

import re
from time import perf_counter
from typing import TYPE_CHECKING

from pyramid.response import Response
from pyramid.tweens import EXCVIEW

from scheduling.web.access_log import log_request
from scheduling.web.cors import PREFLIGHT_HEADERS, Cors
from scheduling.web.problems import problem
from scheduling.web.request import API_POLICY, Request, request_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyramid.config import Configurator

    from scheduling.web.registry import WebRegistry


# One host, perhaps with a port (RFC 9112, 3.2): two header lines would have been joined by a comma.
_HOST = re.compile(r"[\w.~!$&'()*+;=%:\[\]-]+", re.ASCII)


# What Helmet sets by default, but for the policy.
_HEADERS = [
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Origin-Agent-Cluster", "?1"),
    ("Referrer-Policy", "no-referrer"),
    ("Strict-Transport-Security", "max-age=31536000; includeSubDomains"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-DNS-Prefetch-Control", "off"),
    ("X-Download-Options", "noopen"),
    ("X-Frame-Options", "DENY"),
    ("X-Permitted-Cross-Domain-Policies", "none"),
    ("X-XSS-Protection", "0"),
]

SECURITY_HEADERS = [("Content-Security-Policy", API_POLICY), *_HEADERS]
"""The security headers of every answer that is no page."""


def http_tween_factory(
    handler: Callable[[Request], Response], registry: WebRegistry
) -> Callable[[Request], Response]:
    """Give a request its id, and its answer the headers that every answer has; log one line."""
    cors = Cors(registry.core_settings.cors_origins, credentials=registry.core_settings.cors_credentials)

    def http_tween(request: Request) -> Response:
        started = perf_counter()
        request.id = request_id(request.environ.get("HTTP_X_REQUEST_ID"))
        origin = request.environ.get("HTTP_ORIGIN")
        if not _HOST.fullmatch(request.environ.get("HTTP_HOST", "")) and request.http_version == "HTTP/1.1":
            response = problem(request, 400, "The request does not say with one Host header whom it asks.")
        elif (
            origin and request.method == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in request.environ
        ):
            response = Response(status=204)
            response.headerlist.extend(PREFLIGHT_HEADERS)
        else:
            response = handler(request)
        headers = response.headerlist
        headers.append(("X-Request-ID", request.id))
        headers.append(("Content-Security-Policy", request.content_security_policy))
        headers.extend(_HEADERS)
        if origin:
            headers.extend(cors.headers(origin))
        log_request(request, response, perf_counter() - started)
        return response

    return http_tween


def includeme(config: Configurator) -> None:
    """Register the request class and the outermost tween."""
    config.set_request_factory(Request)
    config.add_tween("scheduling.web.tweens.http_tween_factory", over=EXCVIEW)
