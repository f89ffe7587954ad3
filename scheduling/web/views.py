"""How every view is wrapped: the body or the query is read by a schema, the answer becomes JSON.

Options of ``@view_config`` beside Pyramid's own:

``schema``
    a :class:`~scheduling.web.schemas.RequestSchema` class that reads the JSON body into ``request.validated``
``query``
    the same for the query string
``status``
    the status of a good answer, 200 by default
``etag``
    True for a GET of one thing: the answer carries an ETag and If-None-Match is honoured

``permission`` is mandatory; ``NO_PERMISSION_REQUIRED`` makes a view public.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyramid.exceptions import ConfigurationError
from pyramid.response import Response
from pyramid.viewderivers import VIEW

from scheduling.web.responses import cacheable_response, json_response
from scheduling.web.validation import read_object, validate

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyramid.config import Configurator

    from scheduling.web.request import Request

    View = Callable[[Any, Request], Any]


def api_view(view: View, info: Any) -> View:
    """View deriver: read the request by its schema, run the view, write its value as JSON."""
    if info.exception_only:
        return view
    options = info.options
    if options.get("permission") is None:
        raise ConfigurationError(
            f"The view {info.original_view!r} names no permission; give it one, or NO_PERMISSION_REQUIRED."
        )
    body_schema = options["schema"]() if options.get("schema") else None
    query_schema = options["query"]() if options.get("query") else None
    status, etag = options.get("status", 200), options.get("etag", False)

    def wrapped(context: Any, request: Request) -> Any:
        if body_schema is not None:
            request.validated = validate(body_schema, read_object(request))
        elif query_schema is not None:
            request.validated = validate(query_schema, request.GET)
        value = view(context, request)
        if isinstance(value, Response):
            return value
        return cacheable_response(request, value) if etag else json_response(value, status)

    return wrapped


api_view.options = ("schema", "query", "status", "etag")  # type: ignore[attr-defined]


def includeme(config: Configurator) -> None:
    """Register the deriver innermost, so that permissions are decided before a body is read."""
    config.add_view_deriver(api_view, under="rendered_view", over=VIEW)
