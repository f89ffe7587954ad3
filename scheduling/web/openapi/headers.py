"""The headers of the document: which there are, and which answer has which."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from scheduling.web.codes import IDEMPOTENCY_RUNNING
from scheduling.web.idempotency.key import HEADER, MAX_LENGTH
from scheduling.web.openapi.names import has_pages

if TYPE_CHECKING:
    from scheduling.web.codes import Code
    from scheduling.web.openapi.calls import Call

_TEXT = {"type": "string"}
_SECONDS = {
    "description": "After how many seconds to try again.",
    "schema": {"type": "integer", "minimum": 0},
}
_TAG = '(W/)?"[!#-~]*"'

HEADERS: dict[str, dict[str, Any]] = {
    "ETag": {
        "description": "Stands for this state of the thing, for `If-None-Match`. Of a thing that can be "
        "changed it begins with the `version` and a dot, for `If-Match`.",
        "required": True,
        "schema": _TEXT,
    },
    "Idempotent-Replayed": {
        "description": "`true` where this is the answer to an earlier call with the same `Idempotency-Key`.",
        "schema": {"type": "string", "const": "true"},
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
    "Retry-After": {**_SECONDS, "required": True},
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
"""By name; an answer that is documented to have one has it where it is required."""

IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The `ETag` of what the client has; 304 if that is what there is.",
    "schema": _TEXT,
}
"""The parameter of a GET that has an ETag."""

IDEMPOTENCY_KEY = {
    "name": HEADER,
    "in": "header",
    "description": 'A word of the client\'s own for this call, such as a new UUID, as `k` or as `"k"`. '
    "One with a comma needs the quotes. The call is done once, however often it is sent with this key "
    "within 24 hours, and its first good answer is given again.",
    # In quotes there are two characters more, and each quote and backslash is escaped by one.
    "schema": {"type": "string", "minLength": 1, "maxLength": 2 * MAX_LENGTH + 2, "pattern": "^[ -~]+$"},
    "example": "8e03978e-40d5-43dd-bc93-6894a57f9324",
}
"""The parameter of a call that is done once with it."""
IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "description": "The `ETag` of what the client has seen, or several, of which the versions count, as in "
    '`"3"`; 412 if the thing has another one. `*` for any.',
    "schema": {"type": "string", "pattern": rf"^(\*|{_TAG}(, ?{_TAG})*)$", "examples": ['"1"', "*"]},
}
"""The parameter of a PATCH or DELETE of what has a version."""
_OF_LIMIT = ("RateLimit", "RateLimit-Policy")

_OF_STATUS = {
    HTTPStatus.UNAUTHORIZED: ("WWW-Authenticate",),
    HTTPStatus.TOO_MANY_REQUESTS: ("Retry-After", *_OF_LIMIT),
    HTTPStatus.SERVICE_UNAVAILABLE: ("Retry-After",),
}


def of_problem(status: int, codes: list[Code]) -> dict[str, Any]:
    """Return the headers of a problem with this status, which has one of some codes."""
    found = _references("X-Request-ID", *_OF_STATUS.get(HTTPStatus(status), ()))
    # The other codes of this status have none.
    return found | ({"Retry-After": _SECONDS} if IDEMPOTENCY_RUNNING in codes else {})


def of_answer(call: Call, *, has_etag: bool) -> dict[str, Any]:
    """Return the headers of a call's good answer."""
    names = ["X-Request-ID"]
    if has_etag:
        names.append("ETag")
    if call.option("location"):
        names.append("Location")
    if has_pages(call):
        names.append("Link")
    if call.declared.takes_idempotency_key:
        names.append("Idempotent-Replayed")
    if call.declared.has_limit:
        names += _OF_LIMIT
    return _references(*names)


def of_not_modified() -> dict[str, Any]:
    """Return the headers of a 304."""
    return _references("X-Request-ID", "ETag")


def _references(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
