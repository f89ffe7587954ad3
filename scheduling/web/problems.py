"""Every failure as RFC 9457 problem details, with the member ``error``, a sentence for people."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson
from pyramid.exceptions import URLDecodeError
from pyramid.httpexceptions import HTTPException, HTTPForbidden, HTTPNotFound
from pyramid.response import Response
from sqlalchemy import exc
from webob.request import DisconnectionError

from scheduling.db.failures import is_unavailable, one_line
from scheduling.exceptions import Invalid, Missing
from scheduling.web.codes import Refusal, default_word, title

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyramid.config import Configurator

    from scheduling.web.codes import Code
    from scheduling.web.request import Request

logger = logging.getLogger(__name__)


PROBLEM = "application/problem+json"


MAX_ECHO = 200
"""How many characters of a path a 404 repeats."""

RETRY_AFTER_SECONDS = 5
"""When a client should come back after a 503: about as long as a database needs to restart."""


def problem_document(status: int, sentence: str, code: Code | None = None, **members: Any) -> bytes:
    """Return the JSON of a problem (RFC 9457, 3); its code is by default the one of the status."""
    common = {
        "type": "about:blank",
        "title": title(status),
        "status": status,
        "code": code.word if code else default_word(status),
        "detail": sentence,
        "error": sentence,
    }
    return orjson.dumps(common | members)


def problem(
    request: Request,
    status: int,
    sentence: str,
    headers: Sequence[tuple[str, str]] = (),
    *,
    code: Code | None = None,
    **members: Any,
) -> Response:
    """Return a problem-details response; a view that returns it commits, one that raises rolls back.

    ``code`` tells programs why, by default in the word of the status.
    """
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        members["request_id"] = request.id
    document = problem_document(status, sentence, code, **members)
    response = Response(document, status=status, content_type=PROBLEM, charset=None)
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    response.headers["Cache-Control"] = "no-store"
    response.headers.extend(headers)
    return response


def invalid(error: Invalid, request: Request) -> Response:
    """Answer 400 for input that was refused, naming the fields."""
    return problem(request, 400, error.sentence, errors=error.errors)


def refused(error: Refusal, request: Request) -> Response:
    """Answer what the refusal says."""
    return problem(request, error.code.status, error.sentence, code=error.code, **error.members)


def forbidden(error: HTTPForbidden, request: Request) -> Response:
    """Answer 401 where nobody is known, 403 where somebody may not."""
    if request.identity is None:
        return problem(request, 401, request.token_error, code=request.token_code)
    return problem(request, 403, "You are not allowed to do this.")


def missing(error: Missing, request: Request) -> Response:
    """Answer 404 for a thing that is not there."""
    return problem(request, 404, error.detail)


def not_found_or_wrong_method(error: HTTPNotFound, request: Request) -> Response:
    """Answer 405 where another method would do, else 404 with the path and the method."""
    methods = allowed_methods(request)
    if methods:
        sentence = f"{request.method} is not possible here, only {', '.join(methods)}."
        return problem(request, 405, sentence, [("Allow", ", ".join(methods))])
    path = request.path_text[:MAX_ECHO]
    return problem(request, 404, f"There is nothing at {path}.", path=path, method=request.method)


def allowed_methods(request: Request) -> list[str]:
    """Return the methods of the views at the request's context and view name, HEAD included."""
    methods: set[str] = set()
    for entry in request.registry.introspector.get_category("views", ()):
        view = entry["introspectable"]
        here = isinstance(view["context"], type) and isinstance(request.context, view["context"])
        if here and view["name"] == request.view_name and view["request_methods"]:
            given = view["request_methods"]
            methods.update([given] if isinstance(given, str) else given)
    return sorted(methods | ({"HEAD"} if "GET" in methods else set()))


def http_error(error: HTTPException, request: Request) -> Response:
    """Answer any other error of pyramid.httpexceptions, keeping its ``Retry-After``."""
    if error.status_int < HTTPStatus.BAD_REQUEST:
        return error
    kept = [(name, value) for name, value in error.headers.items() if name in ("Retry-After", "Allow")]
    return problem(request, error.status_int, error.detail or error.explanation, kept)


def undecodable(error: UnicodeDecodeError, request: Request) -> Response:
    """Answer 400 for a path or a query string whose bytes are not UTF-8."""
    return problem(request, 400, "The address is not UTF-8.")


def truncated(error: DisconnectionError, request: Request) -> Response:
    """Answer 400 for a body that ended early; usually nobody is there any more to read it."""
    return problem(request, 400, "The body is shorter than its Content-Length.")


def refused_value(error: exc.DataError, request: Request) -> Response:
    """Answer 400 for a value that no column can hold; validation should have named the field before."""
    logger.warning("The database refused a value: %s", error.orig.__class__.__name__)
    return problem(request, 400, "A value is out of range.")


def conflict(error: exc.IntegrityError, request: Request) -> Response:
    """Answer 409 where another request changed what this one relied on, such as a deleted account."""
    logger.warning("The database refused a change: %s", error.orig.__class__.__name__)
    return problem(request, 409, "Somebody changed this at the same time; please look again.")


def database_error(error: exc.DBAPIError, request: Request) -> Response:
    """Answer 503 while the database is away or overloaded, 500 for anything else that it says."""
    if is_unavailable(error):
        logger.error("The database is unavailable: %s", one_line(error))
        sentence = "The database is unavailable; please try again in a moment."
        return problem(request, 503, sentence, [("Retry-After", str(RETRY_AFTER_SECONDS))])
    return unexpected(error, request)


def pool_exhausted(error: exc.TimeoutError, request: Request) -> Response:
    """Answer 503 when no database connection became free in time."""
    logger.error("No database connection became free in time")
    sentence = "The service is busy; please try again in a moment."
    return problem(request, 503, sentence, [("Retry-After", str(RETRY_AFTER_SECONDS))])


def unexpected(error: Exception, request: Request) -> Response:
    """Answer 500 without a word of the reason, which the log has under the same request id."""
    logger.error("Unexpected error", exc_info=error, extra={"request_id": request.id})
    return problem(request, 500, "Something went wrong on our side; the request id finds it in our log.")


def includeme(config: Configurator) -> None:
    """Register the codes and the exception views."""
    config.include("scheduling.web.codes")
    views = {
        Invalid: invalid,
        Refusal: refused,
        HTTPException: http_error,
        HTTPForbidden: forbidden,
        HTTPNotFound: not_found_or_wrong_method,
        Missing: missing,
        UnicodeDecodeError: undecodable,
        URLDecodeError: undecodable,
        DisconnectionError: truncated,
        exc.DataError: refused_value,
        exc.IntegrityError: conflict,
        exc.DBAPIError: database_error,
        exc.TimeoutError: pool_exhausted,
        Exception: unexpected,
    }
    for kind, view in views.items():
        config.add_exception_view(view, context=kind)
