"""What surrounds every request: its id, security headers, CORS and one log line."""

from __future__ import annotations

import logging
import os
import re
import sys
from time import perf_counter
from typing import TYPE_CHECKING, Any

from pyramid.decorator import reify
from pyramid.request import Request as PyramidRequest
from pyramid.response import Response
from pyramid.tweens import EXCVIEW

from scheduling import tracing
from scheduling.web.problems import problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyramid.config import Configurator
    from pyramid.registry import Registry

    from scheduling.config.settings import Settings
    from scheduling.db.session import Session
    from scheduling.web.policy import Identity

access_log = logging.getLogger("scheduling.access")

# One host, perhaps with a port (RFC 9112, 3.2): two header lines would have been joined by a comma.
_HOST = re.compile(r"[\w.~!$&'()*+;=%:\[\]-]+", re.ASCII)
_SANE_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}", re.ASCII)

# What Helmet sets by default, and for an API of JSON a policy that lets a browser load nothing.
SECURITY_HEADERS = [
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
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

_PREFLIGHT_HEADERS = [
    ("Access-Control-Allow-Methods", "GET, HEAD, POST, PATCH, DELETE"),
    ("Access-Control-Allow-Headers", "Authorization, Content-Type, If-None-Match, X-Request-ID, traceparent"),
    ("Access-Control-Max-Age", "7200"),
]
_EXPOSED = ("Access-Control-Expose-Headers", "ETag, Link, Retry-After, X-Request-ID")


class Request(PyramidRequest):
    """A request as views see it."""

    registry: Registry
    context: Any
    method: str
    view_name: str
    environ: dict[str, Any]

    id: str
    """The request's id: the client's ``X-Request-ID`` where it is sane, else one made here."""

    db: Session
    """The request's unit of work; the transaction tween commits it."""

    # WebOb would put a body of over 10 KiB into a temporary file; larger ones than the limit are never read.
    request_body_tempfile_limit = sys.maxsize

    validated: dict[str, Any]
    """What the view's ``schema`` or ``query`` read from the body or the query string."""

    token_error = "Send a token: Authorization: Bearer <token>."  # noqa: S105
    """Why there is no identity, as a sentence for the client."""

    @reify
    def identity(self) -> Identity | None:
        """Who sends the request, asked of the security policy once."""
        identity: Identity | None = super().identity
        return identity

    @reify
    def trace(self) -> tracing.TraceParent:
        """The request's step of the client's trace, or of one that begins here."""
        return tracing.follow(self.environ.get("HTTP_TRACEPARENT"))

    @property
    def settings(self) -> Settings:
        """The application's typed settings."""
        settings: Settings = self.registry.scheduling
        return settings

    @property
    def path_text(self) -> str:
        """The path as text, whatever its bytes are."""
        raw: str = self.environ.get("PATH_INFO", "")
        return raw.encode("latin-1").decode("utf-8", "replace")


def request_id(sent: str | None) -> str:
    """Return the id that was sent if it is short and harmless in a log, else a new one."""
    return sent if sent and _SANE_ID.fullmatch(sent) else os.urandom(16).hex()


def http_tween_factory(
    handler: Callable[[Request], Response], registry: Registry
) -> Callable[[Request], Response]:
    """Give a request its id, and its answer the headers that every answer has; log one line."""
    cors = Cors(registry.scheduling.cors_origins, credentials=registry.scheduling.cors_credentials)

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
            response.headerlist.extend(_PREFLIGHT_HEADERS)
        else:
            response = handler(request)
        headers = response.headerlist
        headers.append(("X-Request-ID", request.id))
        headers.extend(SECURITY_HEADERS)
        if origin:
            headers.extend(cors.headers(origin))
        log_request(request, response, perf_counter() - started)
        return response

    return http_tween


class Cors:
    """Cross-origin rules (https://fetch.spec.whatwg.org/#http-cors-protocol).

    Tokens travel in a header that a page sets itself, so no answer needs to allow credentials, and ``*``
    in the settings gives away nothing that curl could not have. ``credentials`` is for what stands before
    the API, such as a proxy with cookies of its own.
    """

    def __init__(self, origins: list[str], *, credentials: bool) -> None:
        self._any = "*" in origins
        self._origins = frozenset(origins)
        self._credentials = [("Access-Control-Allow-Credentials", "true")] if credentials else []

    def headers(self, origin: str) -> list[tuple[str, str]]:
        """Return the headers that let, or do not let, a page of ``origin`` read the answer."""
        if self._any:
            return [("Access-Control-Allow-Origin", "*"), _EXPOSED]
        vary = ("Vary", "Origin")
        if origin in self._origins:
            return [("Access-Control-Allow-Origin", origin), *self._credentials, _EXPOSED, vary]
        return [vary]


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


def includeme(config: Configurator) -> None:
    """Register the request class and the outermost tween."""
    config.set_request_factory(Request)
    config.add_tween("scheduling.web.tweens.http_tween_factory", over=EXCVIEW)
