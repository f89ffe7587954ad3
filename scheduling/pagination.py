"""Keyset pagination: bare arrays, opaque cursors, and ``Link: <…>; rel="next"`` (RFC 8288)."""

from __future__ import annotations

import binascii
import uuid
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import orjson
import sqlalchemy as sa
from marshmallow import fields, validate

from scheduling.errors import Invalid
from scheduling.schemas import MAX_ID, RequestSchema, WholeNumber, parse_uuid
from scheduling.views import json_response

if TYPE_CHECKING:
    from pyramid.response import Response

    from scheduling.db import Query, Row
    from scheduling.http import Request

MAX_LIMIT = 200
"""The largest page that a client may ask for."""

DEFAULT_ROWS = 1000
"""How many rows a list gives to a client that asks for no page."""


class PageQuery(RequestSchema):
    """The query string of a list."""

    limit = WholeNumber(validate=validate.Range(1, MAX_LIMIT, error="must be from {min} to {max}"))
    cursor = fields.String()


@dataclass(frozen=True)
class Keyset:
    """The order of a list: columns, the last of them unique, each ascending unless it is in ``descending``.

    The columns must be among those that the statement selects.
    """

    columns: tuple[sa.Column[Any], ...]
    descending: tuple[bool, ...]

    def order_by(self) -> list[sa.ColumnElement[Any]]:
        """Return the ORDER BY of the list."""
        return [c.desc() if down else c.asc() for c, down in zip(self.columns, self.descending, strict=True)]

    def after(self, values: list[Any]) -> sa.ColumnElement[bool]:
        """Return the condition for the rows that come after the one with these values."""
        binds = [sa.literal(v, c.type) for c, v in zip(self.columns, values, strict=True)]
        if len(set(self.descending)) == 1:
            # A row comparison is what an index over the columns can serve in one range.
            row, last = sa.tuple_(*self.columns), sa.tuple_(*binds)
            return row < last if self.descending[0] else row > last
        alternatives = []
        for i, (column, down) in enumerate(zip(self.columns, self.descending, strict=True)):
            equal = [c == b for c, b in zip(self.columns[:i], binds[:i], strict=True)]
            alternatives.append(sa.and_(*equal, column < binds[i] if down else column > binds[i]))
        return sa.or_(*alternatives)

    def cursor(self, statement: Query, row: Row) -> str:
        """Return the cursor that stands for a row of the statement."""
        selected = list(statement.selected_columns)
        # A column may be selected under a label, which has the column among its proxies.
        places = [next(i for i, s in enumerate(selected) if c in s.proxy_set) for c in self.columns]
        texts = [v.isoformat() if isinstance(v, datetime) else v for v in (row[i] for i in places)]
        return urlsafe_b64encode(orjson.dumps([self._name, *texts])).rstrip(b"=").decode()

    def values(self, cursor: str) -> list[Any]:
        """Read a cursor back; raise :class:`Invalid` for one that this list did not make."""
        try:
            padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
            name, *texts = orjson.loads(urlsafe_b64decode(padded))
            if name == self._name:
                return [_value(c, t) for c, t in zip(self.columns, texts, strict=True)]
        except (ValueError, TypeError, OverflowError, binascii.Error):
            pass
        raise Invalid({"cursor": ["is not one that this list gave"]})

    @property
    def _name(self) -> str:
        return ".".join(str(column) for column in self.columns)


def _value(column: sa.Column[Any], value: Any) -> Any:
    kind = column.type.python_type
    if kind is datetime:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError("a moment without an offset")
        # SQLite stores UTC, and near the years 1 and 9999 not every moment has one.
        return moment.astimezone(UTC)
    if kind is uuid.UUID:
        value = parse_uuid(value)
    if type(value) is not kind or (kind is int and not 0 < value <= MAX_ID):
        raise TypeError("a value of another type")
    return value


def paginate(request: Request, statement: Query, keyset: Keyset, default: int = DEFAULT_ROWS) -> Response:
    """Answer with one page in one query; the view needs ``query=PageQuery`` or a subclass of it."""
    limit = request.validated.get("limit", default)
    cursor = request.validated.get("cursor")
    if cursor is not None:
        statement = statement.where(keyset.after(keyset.values(cursor)))
    rows = request.db.rows(statement.order_by(*keyset.order_by()).limit(limit + 1))
    if len(rows) <= limit:
        return json_response(rows)
    rows = rows[:limit]
    following = _next(request, keyset.cursor(statement, rows[-1]))
    return json_response(rows, headers=[("Link", f'<{following}>; rel="next"')])


def _next(request: Request, cursor: str) -> str:
    """Return the next page's address without scheme and host, which a proxy may have changed."""
    kept = [(name, value) for name, value in request.GET.items() if name != "cursor"]
    path = request.environ.get("SCRIPT_NAME", "") + request.path_text
    return f"{quote(path)}?{urlencode([*kept, ('cursor', cursor)])}"
