"""The request as views see it."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pyramid.decorator import reify
from pyramid.httpexceptions import HTTPRequestEntityTooLarge
from pyramid.request import Request as PyramidRequest

from scheduling import tracing
from scheduling.web.codes import UNAUTHENTICATED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scheduling.config.settings import Settings
    from scheduling.db.session import Session
    from scheduling.db.versions import Versions
    from scheduling.security.identity import Identity
    from scheduling.web.registry import WebRegistry


API_POLICY = "default-src 'none'; frame-ancestors 'none'"
"""The Content-Security-Policy of JSON: a browser that shows it loads nothing."""

_SANE_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}", re.ASCII)


class Request(PyramidRequest):
    """A request as views see it."""

    registry: WebRegistry
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

    members: Mapping[str, Any]
    """The values of members of other plugins in the body, by their keys (:mod:`scheduling.web.members`)."""

    expected_versions: Versions = None
    """The versions that ``If-Match`` names, of a view with ``if_match``; None where any will do."""

    answered_version: int | None = None
    """The version of the thing that a view with ``etag`` has returned, if it has one."""

    token_error = "Send a token: Authorization: Bearer <token>."  # noqa: S105
    """Why there is no identity, as a sentence for the client."""

    content_security_policy = API_POLICY
    """The answer's Content-Security-Policy, of which there is one; a page sets its own."""

    idempotency_outcome = ""
    """What came of the Idempotency-Key: ``done``, ``replayed``, ``running``, ``mismatch``; empty without."""

    token_code = UNAUTHENTICATED
    """The same as a code."""

    @reify
    def identity(self) -> Identity | None:
        """Who sends the request, asked of the security policy once."""
        identity: Identity | None = super().identity
        return identity

    @reify
    def trace(self) -> tracing.TraceParent:
        """The request's step of the client's trace, or of one that begins here."""
        return tracing.continue_trace(self.environ.get("HTTP_TRACEPARENT"))

    @reify
    def sent_body(self) -> bytes:
        """The body, read once. Raises 413 if it is above the limit of the settings."""
        limit = self.settings.max_body_bytes
        if self.content_length is None and self.environ.get("wsgi.input_terminated"):
            # A chunked body on granian, of which nobody knows the length; waitress has counted it.
            self.body = self.environ["wsgi.input"].read(limit + 1)
        if (self.content_length or 0) > limit:
            raise HTTPRequestEntityTooLarge(f"The body has more than {limit} bytes.")
        body: bytes = self.body
        return body

    @property
    def settings(self) -> Settings:
        """The application's typed settings."""
        settings: Settings = self.registry.core_settings
        return settings

    @property
    def path_text(self) -> str:
        """The path as text, whatever its bytes are."""
        raw: str = self.environ.get("PATH_INFO", "")
        return raw.encode("latin-1").decode("utf-8", "replace")

    def reference(self, path: str) -> str:
        """Return a path of this server as clients are told it: escaped, below the prefix of a proxy.

        It has no scheme and no host, which a proxy may have changed (RFC 3986, 4.2).
        """
        return quote(self.environ.get("SCRIPT_NAME", "") + path)


def request_id(sent: str | None) -> str:
    """Return the id that was sent if it is short and harmless in a log, else a new one."""
    return sent if sent and _SANE_ID.fullmatch(sent) else os.urandom(16).hex()
