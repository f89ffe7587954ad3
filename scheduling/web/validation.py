"""Reads the JSON object of a body, and checks it, or a query string, with a schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import marshmallow
import orjson
from pyramid.httpexceptions import HTTPUnsupportedMediaType

from scheduling.exceptions import Invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from scheduling.web.request import Request
    from scheduling.web.schemas import RequestSchema

    View = Callable[[Any, Request], Any]


BODY = "body"
"""The key in ``errors`` of what is wrong with a body as a whole."""

_JSON_TYPES = ("", "application/json")


def read_object(request: Request) -> dict[str, Any]:
    """Return the JSON object of the body; no body counts as an empty object.

    Raises 413 above the limit of the settings, 415 for another media type, :class:`Invalid` for JSON that
    is malformed or no object.
    """
    body = request.sent_body
    if not body:
        return {}
    encoded = request.environ.get("HTTP_CONTENT_ENCODING", "identity") != "identity"
    media_type, charset = request.content_type.lower(), request.charset.lower()
    if encoded or media_type not in _JSON_TYPES or charset not in ("utf-8", "utf8"):
        raise HTTPUnsupportedMediaType("The body must be application/json in UTF-8, not compressed.")
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Invalid({BODY: [f"is not JSON: {error}"]}, f"The body is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise Invalid({BODY: ["must be a JSON object"]}, "The body must be a JSON object.")
    return value


def validate(schema: RequestSchema, data: Mapping[str, Any]) -> dict[str, Any]:
    """Load ``data`` with ``schema``, or raise :class:`Invalid` with the message of each wrong field."""
    for name, value in data.items():
        if "\0" in name or holds_nul(value):
            raise Invalid({name: ["must not contain a NUL character"]})
    try:
        loaded: dict[str, Any] = schema.load(data)
    except marshmallow.ValidationError as error:
        messages = dict(_by_path(error.messages_dict))
        whole = messages.pop(marshmallow.exceptions.SCHEMA, None)
        raise Invalid(messages | ({BODY: whole} if whole else {}), whole[0] if whole else None) from error
    return loaded


def _by_path(messages: Mapping[Any, Any], above: str = "") -> Iterator[tuple[str, list[str]]]:
    """Yield what is wrong with each value; inside of arrays and objects its name is as ``guests.0.name``."""
    for name, found in messages.items():
        path = f"{above}.{name}" if above else str(name)
        if isinstance(found, dict):
            yield from _by_path(found, path)
        else:
            yield (
                path.removesuffix(f".{marshmallow.exceptions.SCHEMA}"),
                found if isinstance(found, list) else [found],
            )


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
