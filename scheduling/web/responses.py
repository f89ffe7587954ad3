"""Writes answers as JSON, with an ETag where one thing is shown."""

from __future__ import annotations

from datetime import datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import orjson
from pyramid.response import Response

from scheduling.times import format_timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scheduling.web.request import Request

    View = Callable[[Any, Request], Any]


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
