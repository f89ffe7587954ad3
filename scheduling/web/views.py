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

from datetime import datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import marshmallow
import orjson
from pyramid.exceptions import ConfigurationError
from pyramid.httpexceptions import HTTPRequestEntityTooLarge, HTTPUnsupportedMediaType
from pyramid.response import Response
from pyramid.viewderivers import VIEW

from scheduling.times import format_timestamp
from scheduling.web.problems import Invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pyramid.config import Configurator

    from scheduling.web.schemas import RequestSchema
    from scheduling.web.tweens import Request

    View = Callable[[Any, Request], Any]

_JSON_TYPES = ("", "application/json")
_OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME


def to_json(value: Any) -> bytes:
    """Write a view's value as JSON: rows as objects, moments as RFC 3339 with milliseconds."""
    return orjson.dumps(value, default=_plain, option=_OPTIONS)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return format_timestamp(value)
    if hasattr(value, "_asdict"):
        return value._asdict()
    raise TypeError(f"{type(value).__name__} is not JSON")


def json_response(value: Any, status: int = 200, headers: Sequence[tuple[str, str]] = ()) -> Response:
    """Return a JSON response that no cache keeps."""
    response = Response(to_json(value), status=status, content_type="application/json", charset=None)
    response.headerlist.append(("Cache-Control", "no-store"))
    response.headerlist.extend(headers)
    return response


def cacheable_response(request: Request, value: Any) -> Response:
    """Return one thing with its ETag (RFC 9110, 8.8.3), or 304 if the client has it already."""
    body = to_json(value)
    etag = blake2b(body, digest_size=12).hexdigest()
    if etag in request.if_none_match:
        response = Response(status=304)
        response.headers.pop("Content-Type", None)
    else:
        response = Response(body, content_type="application/json", charset=None)
    response.headerlist.extend([("ETag", f'"{etag}"'), ("Cache-Control", "private, no-cache")])
    return response


def read_object(request: Request) -> dict[str, Any]:
    """Return the JSON object of the body; no body counts as an empty object.

    Raises 413 above the limit of the settings, 415 for another media type, :class:`Invalid` for JSON that
    is malformed or no object.
    """
    limit = request.settings.max_body_bytes
    if request.content_length is None and request.environ.get("wsgi.input_terminated"):
        # A chunked body on granian, of which nobody knows the length; waitress has counted it.
        request.body = request.environ["wsgi.input"].read(limit + 1)
    if (request.content_length or 0) > limit:
        raise HTTPRequestEntityTooLarge(f"The body has more than {limit} bytes.")
    body: bytes = request.body
    if not body:
        return {}
    encoded = request.environ.get("HTTP_CONTENT_ENCODING", "identity") != "identity"
    media_type, charset = request.content_type.lower(), request.charset.lower()
    if encoded or media_type not in _JSON_TYPES or charset not in ("utf-8", "utf8"):
        raise HTTPUnsupportedMediaType("The body must be application/json in UTF-8, not compressed.")
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Invalid({}, f"The body is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise Invalid({}, "The body must be a JSON object.")
    return value


def validate(schema: RequestSchema, data: Mapping[str, Any]) -> dict[str, Any]:
    """Load ``data`` with ``schema``, or raise :class:`Invalid` with the message of each wrong field."""
    for name, value in data.items():
        if "\0" in name or holds_nul(value):
            raise Invalid({name: ["must not contain a NUL character"]})
    try:
        loaded: dict[str, Any] = schema.load(data)
    except marshmallow.ValidationError as error:
        messages = error.messages_dict
        whole = messages.pop(marshmallow.exceptions.SCHEMA, None)
        raise Invalid(messages, whole[0] if whole else None) from error
    return loaded


def holds_nul(value: Any) -> bool:
    """Tell whether a NUL, which PostgreSQL cannot store, is in any string or key of a JSON value."""
    # A stack of our own: JSON may be nested more deeply than Python calls can be.
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str) and "\0" in item:
            return True
        if isinstance(item, dict):
            pending += [*item, *item.values()]
        elif isinstance(item, list):
            pending += item
    return False


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
