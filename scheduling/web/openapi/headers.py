"""The headers of the document: which there are, and which answer has which."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from scheduling.web.openapi.names import has_pages

if TYPE_CHECKING:
    from scheduling.web.openapi.calls import Call

_TEXT = {"type": "string"}

HEADERS: dict[str, dict[str, Any]] = {
    "ETag": {
        "description": "Stands for this state of the thing; for `If-None-Match`.",
        "required": True,
        "schema": _TEXT,
    },
    "Link": {
        "description": 'Where the next page is, relative to the server, as in `<…>; rel="next"` (RFC 8288); '
        "absent on the last page.",
        "schema": _TEXT,
    },
    "Location": {
        "description": "Where the new thing is, relative to the server.",
        "required": True,
        "schema": _TEXT,
    },
    "RateLimit": {
        "description": "How many calls of a limit remain (`r`), and after how many seconds (`t`) there are "
        'more, as in `"login";r=3;t=840` (draft-ietf-httpapi-ratelimit-headers-10); absent where the limit '
        "is switched off or counts other calls.",
        "schema": _TEXT,
    },
    "RateLimit-Policy": {
        "description": "How many calls (`q`) a limit lets pass in so many seconds (`w`), as in "
        '`"login";q=5;w=900`.',
        "schema": _TEXT,
    },
    "Retry-After": {
        "description": "After how many seconds to try again.",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
    },
    "WWW-Authenticate": {
        "description": "How to say who one is: `Bearer`.",
        "required": True,
        "schema": _TEXT,
    },
    "X-Request-ID": {
        "description": "Identifies the request in the server's log: the one that was sent, or a new one.",
        "required": True,
        "schema": _TEXT,
    },
}
"""By name; an answer that is documented to have one has it, but for ``Link``."""

IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The `ETag` of what the client has; 304 if that is what there is.",
    "schema": _TEXT,
}
"""The parameter of a GET that has an ETag."""

_OF_LIMIT = ("RateLimit", "RateLimit-Policy")

_OF_STATUS = {
    HTTPStatus.UNAUTHORIZED: ("WWW-Authenticate",),
    HTTPStatus.TOO_MANY_REQUESTS: ("Retry-After", *_OF_LIMIT),
    HTTPStatus.SERVICE_UNAVAILABLE: ("Retry-After",),
}


def of_problem(status: int) -> dict[str, Any]:
    """Return the headers of a problem with this status."""
    return _references("X-Request-ID", *_OF_STATUS.get(HTTPStatus(status), ()))


def of_answer(call: Call, *, has_etag: bool) -> dict[str, Any]:
    """Return the headers of a call's good answer."""
    names = ["X-Request-ID"]
    if has_etag:
        names.append("ETag")
    if call.option("location"):
        names.append("Location")
    if has_pages(call):
        names.append("Link")
    if call.declared.has_limit:
        names += _OF_LIMIT
    return _references(*names)


def of_not_modified() -> dict[str, Any]:
    """Return the headers of a 304."""
    return _references("X-Request-ID", "ETag")


def _references(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
