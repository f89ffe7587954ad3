"""Keyset pagination: bare arrays, opaque cursors, and ``Link: <…>; rel="next"`` (RFC 8288)."""

from __future__ import annotations

import binascii
import uuid
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import orjson
import sqlalchemy as sa
from marshmallow import fields, validate

from scheduling.db.metadata import MAX_ID, Timestamp, rfc3339_text
from scheduling.db.statements import Statement
from scheduling.exceptions import Invalid
from scheduling.web.schemas import RequestSchema, WholeNumber, parse_uuid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from scheduling.db.metadata import Query
    from scheduling.web.request import Request

MAX_LIMIT = 200
"""The largest page that a client may ask for."""

DEFAULT_ROWS = 1000
"""How many rows a list gives to a client that asks for no page."""


Page = list[dict[str, Any]]
"""The rows of a page, as they are answered."""


class PageQuery(RequestSchema):
    """The query string of a list."""

    limit = WholeNumber(
        validate=validate.Range(1, MAX_LIMIT, error="must be from {min} to {max}"),
        metadata={
            "description": "How many rows are wanted at most; by default the first 1,000, of some lists the "
            "first 50."
        },
    )
    cursor = fields.String(
        metadata={"description": "Where the page begins: part of the address that `Link` names."}
    )


@dataclass(frozen=True, eq=False)
class Keyset:
    """The order of a list: columns, the last of them unique, each ascending or descending.

    ``descending[i]`` is True where ``columns[i]`` is sorted descending. The columns must be of tables that
    the query selects from. Of two orders of one list by the same columns, one has a ``name``, so that no
    cursor of the other is taken for its own.
    """

    columns: tuple[sa.Column[Any], ...]
    descending: tuple[bool, ...]
    name: str = ""

    def order_by(self, columns: Sequence[sa.ColumnElement[Any]] = ()) -> list[sa.ColumnElement[Any]]:
        """Return the ORDER BY of the list, or of other ``columns`` that stand for its own."""
        pairs = zip(columns or self.columns, self.descending, strict=True)
        return [column.desc() if down else column.asc() for column, down in pairs]

    def after(self) -> sa.ColumnElement[bool]:
        """Return the condition for the rows that come after the one whose values are given as parameters."""
        return sa.or_(*self.ranges())

    def ranges(self) -> list[sa.ColumnElement[bool]]:
        """Return :meth:`after` as a list of conditions to be OR-ed, each served by one index range.

        Each compares a row of columns that have one direction, where the columns before are equal.
        """
        binds = [sa.bindparam(f"after_{i}", type_=c.type) for i, c in enumerate(self.columns)]
        found, start = [], 0
        for down, group in groupby(self.descending):
            end = start + len(list(group))
            equal = (c == bind for c, bind in zip(self.columns[:start], binds[:start], strict=True))
            row, last = sa.tuple_(*self.columns[start:end]), sa.tuple_(*binds[start:end])
            found.append(sa.and_(*equal, row < last if down else row > last))
            start = end
        return found

    def cursor(self, values: Iterable[Any]) -> str:
        """Return the cursor that stands for the row with these values of the columns."""
        return urlsafe_b64encode(orjson.dumps([self._full_name, *map(_text, values)])).rstrip(b"=").decode()

    def parameters(self, cursor: str) -> dict[str, Any]:
        """Read a cursor back as the parameters of :meth:`after`.

        Raises :class:`Invalid` for one that this list did not make.
        """
        try:
            padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
            name, *texts = orjson.loads(urlsafe_b64decode(padded))
            if name == self._full_name:
                pairs = zip(self.columns, texts, strict=True)
                return {f"after_{i}": _value(column, text) for i, (column, text) in enumerate(pairs)}
        except (ValueError, TypeError, ArithmeticError, binascii.Error):
            pass
        raise Invalid({"cursor": ["is not one that this list gave"]})

    @property
    def _full_name(self) -> str:
        return ".".join([*map(str, self.columns), *filter(None, [self.name])])


def _text(value: Any) -> Any:
    """Return a value of a row as a cursor holds it."""
    if isinstance(value, datetime):
        # SQLite has no time zones: a column of the plain type gives UTC without saying so.
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    return str(value) if isinstance(value, Decimal) else value


def _value(column: sa.Column[Any], value: Any) -> Any:
    """Read a column's value out of a cursor; raise an error of whatever kind for one that no row can have."""
    kind = column.type.python_type
    if kind is datetime:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError("a moment without an offset")
        # SQLite stores UTC, and near the years 1 and 9999 not every moment has one.
        return moment.astimezone(UTC)
    if kind is uuid.UUID:
        value = parse_uuid(value)
    elif kind is date:
        value = date.fromisoformat(value)
    elif kind is Decimal and isinstance(value, str):
        value = Decimal(value)
    least = 1 if column.primary_key else -MAX_ID
    if type(value) is not kind or (kind is int and not least <= value <= MAX_ID):
        raise TypeError("a value of another type")
    if kind is str and "\0" in value:
        raise ValueError("a text that PostgreSQL cannot have")
    return value


def paginate(
    request: Request,
    query: Query,
    keyset: Keyset,
    default: int = DEFAULT_ROWS,
    parameters: Mapping[str, Any] | None = None,
) -> Page:
    """Return one page in one query, and put a link to the next one into the headers of the answer.

    The view returns the page as it is, and needs ``query=PageQuery`` or a subclass of it. A query that is
    made once and given its ``parameters`` each time is compiled once; one that is made
    for this request has none.
    """
    limit = request.validated.get("limit", default)
    cursor = request.validated.get("cursor")
    values = dict(parameters or {})
    if cursor is not None:
        values |= keyset.parameters(cursor)
    make = _page if parameters is None else _compiled_page
    statement, names = make(query, keyset, cursor is not None, limit + 1)
    rows = request.db.rows(statement, values)
    # The columns of the keyset come last, and zip leaves them out.
    if len(rows) > limit:
        following = _next(request, keyset.cursor(rows[limit - 1][len(names) :]))
        request.response.headers["Link"] = f'<{following}>; rel="next"'
    return [dict(zip(names, row, strict=False)) for row in rows[:limit]]


def _page(query: Query, keyset: Keyset, continued: bool, rows: int) -> tuple[Query, list[str]]:  # noqa: FBT001
    """Return the query for so many rows, and the names of the columns that are answered.

    It selects them as they are answered, and then the columns of the keyset as they are.
    """
    names = query.selected_columns.keys()
    wire = [rfc3339_text(c).label(c.key) if c.type is Timestamp else c for c in query.selected_columns]
    keys = [column.label(f"key_{i}") for i, column in enumerate(keyset.columns)]
    # Spelled out, not bound: a generic plan takes a parameter for a tenth of the table.
    limit: sa.ColumnElement[int] = sa.literal_column(str(rows))
    query = query.with_only_columns(*wire, *keys, maintain_column_froms=True)
    query = query.order_by(*keyset.order_by()).limit(limit)
    if not continued:
        return query, names
    first, *others = (query.where(condition) for condition in keyset.ranges())
    if not others:
        return first, names
    # Joined by OR, the conditions would be served by sorting all rows of either.
    either = sa.union_all(*(part.subquery().select() for part in (first, *others))).subquery()
    order = keyset.order_by([either.c[key.name] for key in keys])
    return sa.select(either).order_by(*order).limit(limit), names


@lru_cache(maxsize=512)
def _compiled_page(
    query: Query,
    keyset: Keyset,
    continued: bool,  # noqa: FBT001
    rows: int,
) -> tuple[Statement, list[str]]:
    page, names = _page(query, keyset, continued, rows)
    return Statement(page), names


def _next(request: Request, cursor: str) -> str:
    """Return the next page's address."""
    kept = [(name, value) for name, value in request.GET.items() if name != "cursor"]
    return f"{request.reference(request.path_text)}?{urlencode([*kept, ('cursor', cursor)])}"
