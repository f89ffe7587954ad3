"""Writes answers: the JSON renderer of all views, the response that it fills, and ETags."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import orjson
from pyramid.response import Response

from scheduling.times import format_timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from wsgiref.types import StartResponse, WSGIEnvironment

    from scheduling.web.request import Request


# The names of the columns of a plain sa.Table are of a class derived from str, which orjson refuses as keys
# unless it is told to take others than str.
_OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_NON_STR_KEYS

_HEADERS = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))


def to_json(value: Any) -> bytes:
    """Write a view's value as JSON, in UTF-8. Raises ``TypeError`` for a value that JSON has no form for.

    Rows and mappings of SQLAlchemy become objects, moments RFC 3339 in UTC with milliseconds, dates and
    times of day ISO 8601, UUIDs text, and decimal numbers numbers with all their digits.
    """
    return orjson.dumps(value, default=_to_plain, option=_OPTIONS)


def _to_plain(value: Any) -> Any:
    """Return something that orjson can write, for a value that it cannot write itself."""
    if isinstance(value, datetime):
        return format_timestamp(value)
    if hasattr(value, "_asdict"):
        return value._asdict()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(f"{value:f}")
    raise TypeError(f"{type(value).__name__} is not JSON")


def json_renderer(info: Any) -> Callable[[Any, Mapping[str, Any]], bytes]:
    """Renderer factory: return what writes a view's value, for Pyramid to put into ``request.response``."""
    return lambda value, system: to_json(value)


class Answer(Response):
    """A response whose ``Location`` stays relative.

    WebOb would put the scheme and the host of the request before it, of which a proxy may know others.
    """

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer, as a WSGI application."""
        if "Location" not in self.headers:
            answered: Iterable[bytes] = super().__call__(environ, start_response)
            return answered
        start_response(self.status, self.headerlist)
        body: Iterable[bytes] = self.app_iter
        return body


def empty_response(request: Request) -> Response:
    """Response factory: make ``request.response``, to be filled by the renderer. No cache keeps it."""
    return Answer(headerlist=[*_HEADERS])


def json_response(value: Any, status: int = 200, headers: Sequence[tuple[str, str]] = ()) -> Response:
    """Return a JSON response that no cache keeps, for a view that does not leave that to the renderer."""
    return Response(to_json(value), status=status, headerlist=[*_HEADERS, *headers])


def set_etag(request: Request, thing: Any) -> None:
    """Give the answer to a PATCH or POST the ETag that a GET of what was changed or made has now.

    ``thing`` is what the view of that GET returns.
    """
    request.response.headers["ETag"] = f'"{_etag(version_of(thing), to_json(thing))}"'


def version_of(thing: Any) -> int | None:
    """Return the member ``version`` of a row or a mapping, or None if it has none."""
    version = thing.get("version") if isinstance(thing, Mapping) else getattr(thing, "version", None)
    return version if isinstance(version, int) else None


def _etag(version: int | None, body: bytes) -> str:
    """Return the version of a thing and the hash of all that is shown; the hash alone without a version."""
    digest = blake2b(body, digest_size=12).hexdigest()
    return digest if version is None else f"{version}.{digest}"


def with_etag(request: Request, response: Response) -> Response:
    """Give a response its ETag (RFC 9110, 8.8.3), or return 304 if the client has the same already."""
    etag = _etag(request.answered_version, response.body)
    if etag in request.if_none_match:
        response = Response(status=304)
        response.headers.pop("Content-Type", None)
    response.headers.update({"ETag": f'"{etag}"', "Cache-Control": "private, no-cache"})
    return response
