"""The options of ``@view_config`` that Scheduling adds to Pyramid's own, each done by a view deriver.

``schema``
    a :class:`~scheduling.web.schemas.RequestSchema` class that reads the JSON body into
    ``request.validated``, and what other plugins added to it into ``request.members``
``query``
    the same for the query string
``status``
    the status of a good answer, 200 by default
``location``
    where the thing is that a 201 answers, as a format of what the view returns: with
    ``{"booking": {"id": 7}}`` and ``/api/v1/bookings/{booking[id]}`` the answer has
    ``Location: /api/v1/bookings/7``
``etag``
    True for a GET of one thing: the answer carries an ETag and If-None-Match is honoured; also for a POST
    that gives its answer the ETag of what it made, by :func:`~scheduling.web.responses.set_etag`
``if_match``
    True for a PATCH or DELETE of one thing whose row has a version: If-Match is read into
    ``request.expected_versions``, for :func:`~scheduling.web.preconditions.write_if_match`

``response``
    what a good answer is: an :class:`~scheduling.web.schemas.AnswerSchema` class, or an instance of one as
    ``Booking(many=True)``; None where it has no body
``errors``
    the codes that the view answers beyond those that follow from its other options: a tuple of
    :class:`~scheduling.web.codes.Code`
``operation_id``
    what generated clients call the view, where the name made of its path and method is not a good one
``optional_token``
    True for a public view that looks who sends a request: clients send the token that they have

These four describe the view (:mod:`scheduling.web.declarations`) and cost a request nothing.

``permission`` is mandatory; ``NO_PERMISSION_REQUIRED`` makes a view public. What a view returns is written by
the JSON renderer, unless it names another one or returns a response.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from marshmallow import Schema
from pyramid.exceptions import ConfigurationError
from pyramid.viewderivers import VIEW

from scheduling.web.codes import ALL, Code
from scheduling.web.members import extended, take_members
from scheduling.web.responses import empty_response, json_renderer, version_of, with_etag
from scheduling.web.validation import read_object, validate

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyramid.config import Configurator

    from scheduling.web.request import Request

    View = Callable[[Any, Request], Any]

_READING = ("GET", "HEAD")


def input_deriver(view: View, info: Any) -> View:
    """View deriver below the renderer: read the body or the query string by the view's schema.

    Raises ``ConfigurationError`` for a view without a permission.
    """
    if info.exception_only:
        return view
    options = info.options
    if options.get("permission") is None:
        raise ConfigurationError(
            f"The view {info.original_view!r} names no permission; give it one, or NO_PERMISSION_REQUIRED."
        )
    body_schema: Any = extended(info.registry, options["schema"])() if options.get("schema") else None
    query_schema = options["query"]() if options.get("query") else None

    def read_then_view(context: Any, request: Request) -> Any:
        if body_schema is not None:
            request.validated = validate(body_schema, read_object(request))
            request.members = take_members(request.registry, body_schema, request.validated)
        elif query_schema is not None:
            request.validated = validate(query_schema, request.GET)
        return view(context, request)

    return view if body_schema is query_schema is None else read_then_view


def location_deriver(view: View, info: Any) -> View:
    """View deriver below the renderer: tell where the thing is that a view has made."""
    template: str | None = info.options.get("location")
    if template is None:
        return view

    def view_with_location(context: Any, request: Request) -> Any:
        made = view(context, request)
        if isinstance(made, Mapping):
            request.response.headers["Location"] = request.reference(template.format_map(made))
        return made

    return view_with_location


def version_deriver(view: View, info: Any) -> View:
    """View deriver below the renderer: note the version of the thing that a view shows, for its ETag."""
    if not info.options.get("etag"):
        return view

    def view_with_version(context: Any, request: Request) -> Any:
        shown = view(context, request)
        request.answered_version = version_of(shown)
        return shown

    return view_with_version


def status_and_etag_deriver(view: View, info: Any) -> View:
    """View deriver above the renderer: give the answer its status, or its ETag."""
    status, etag = info.options.get("status", HTTPStatus.OK), info.options.get("etag", False)

    def view_with_status(context: Any, request: Request) -> Any:
        # What the renderer will fill. A view that returns a response of its own, or raises, is not concerned.
        request.response.status_int = status
        return view(context, request)

    def view_with_etag(context: Any, request: Request) -> Any:
        response = answering(context, request)
        shows = request.method in _READING and response.status_int == HTTPStatus.OK
        return with_etag(request, response) if shows else response

    answering = view if status == HTTPStatus.OK else view_with_status
    return view_with_etag if etag else answering


def declaration_deriver(view: View, info: Any) -> View:
    """View deriver that changes nothing: Pyramid keeps the options that describe a view for the introspector.

    Raises ``ConfigurationError`` for a declaration of another type, an operation id of another view, and one
    of core's codes with another status.
    """
    response, errors = info.options.get("response"), info.options.get("errors", ())
    is_schema = isinstance(response, Schema) or (isinstance(response, type) and issubclass(response, Schema))
    if response is not None and not is_schema:
        raise ConfigurationError(f"response= of {info.original_view!r} is no schema: {response!r}")
    if not isinstance(errors, tuple) or not all(isinstance(code, Code) for code in errors):
        raise ConfigurationError(f"errors= of {info.original_view!r} is no tuple of codes: {errors!r}")
    for code in errors:
        if any(code.word == ours.word and code.status != ours.status for ours in ALL):
            raise ConfigurationError(f"errors= of {info.original_view!r} has a code of ours: {code!r}")
    operation_id, this = info.options.get("operation_id"), (info.original_view, info.options.get("attr"))
    if operation_id is not None and not (isinstance(operation_id, str) and operation_id.isidentifier()):
        raise ConfigurationError(f"operation_id= of {info.original_view!r} is no name: {operation_id!r}")
    # A view that is registered for several contexts has one id; the document names the others by their paths.
    if operation_id and info.registry.operation_ids.setdefault(operation_id, this) != this:
        other = info.registry.operation_ids[operation_id][0]
        raise ConfigurationError(
            f"operation_id={operation_id!r} of {info.original_view!r} is that of {other!r}"
        )
    return view


declaration_deriver.options = ("response", "errors", "operation_id", "optional_token")  # type: ignore[attr-defined]
input_deriver.options = ("schema", "query")  # type: ignore[attr-defined]
location_deriver.options = ("location",)  # type: ignore[attr-defined]
version_deriver.options = ("etag",)  # type: ignore[attr-defined]
status_and_etag_deriver.options = ("status", "etag")  # type: ignore[attr-defined]


def includeme(config: Configurator) -> None:
    """Register the renderer, also for views that name none, and the derivers.

    All are below Pyramid's ``secured_view``: permissions are decided before a body is read.
    """
    config.registry.operation_ids = {}
    config.add_renderer("json", json_renderer)
    config.add_renderer(None, json_renderer)
    config.set_response_factory(empty_response)
    config.add_view_deriver(declaration_deriver, under="rendered_view", over=VIEW)
    config.add_view_deriver(input_deriver, under="rendered_view", over=VIEW)
    config.add_view_deriver(location_deriver, under="rendered_view", over=VIEW)
    config.add_view_deriver(version_deriver, under="rendered_view", over=VIEW)
    config.add_view_deriver(status_and_etag_deriver, over="rendered_view")
