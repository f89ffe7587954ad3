"""Cross-origin rules: which pages of other origins a browser lets read the answers."""

from __future__ import annotations

_ALLOWED = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-ID, traceparent"

PREFLIGHT_HEADERS = [
    ("Access-Control-Allow-Methods", "GET, HEAD, POST, PATCH, DELETE"),
    ("Access-Control-Allow-Headers", _ALLOWED),
    ("Access-Control-Max-Age", "7200"),
]

_EXPOSED = (
    "Access-Control-Expose-Headers",
    "ETag, Link, Location, RateLimit, RateLimit-Policy, Retry-After, X-Request-ID, Idempotent-Replayed",
)


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
