"""The bookings that overlap an interval, found without reading others, however many there are.

An index by the start does not know the end: to find what began before an interval and lasts into it, it has
to be read from the beginning. So bookings are told apart by how long they last (models.py). Of those of up to
a day only the starts of the day before can reach into the interval, of those of up to 32 days only the starts
of the 32 days before, and those that last longer are few.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from scheduling.plugin import BigId, Statement, Timestamp
from scheduling_bookings.busy import OWN
from scheduling_bookings.models import IS_LONG, IS_LONGEST, IS_SHORT, bookings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scheduling.plugin import Query, Row, Session

# A second more, since SQLite counts days with fractions that are not exact.
_SHORT, _LONG = timedelta(days=1, seconds=1), timedelta(days=32, seconds=1)
_EARLIEST = datetime.min.replace(tzinfo=UTC)


def _overlapping(dialect: str, belongs: sa.ColumnElement[bool]) -> list[Query]:
    """Return the queries for the confirmed bookings of some users between ``:start`` and ``:end``."""
    names = ("start", "end", "short", "long", "longest")
    start, end, short, long, longest = (sa.bindparam(name, type_=Timestamp) for name in names)
    columns = (bookings.c.user_id, bookings.c.start_time, bookings.c.end_time, bookings.c.id)
    query = sa.select(*columns).where(
        belongs,
        bookings.c.status == sa.literal_column("'confirmed'"),
        bookings.c.start_time < end,
        bookings.c.end_time > start,
    )
    return [
        query.where(IS_SHORT[dialect], bookings.c.start_time > short),
        query.where(IS_LONG[dialect], bookings.c.start_time > long),
        # The bound says nothing, but that there is one: of a range with both ends that it does not know, the
        # planner takes a small part of the rows for granted, of one without a beginning a third of them.
        query.where(IS_LONGEST[dialect], bookings.c.start_time > longest),
    ]


def _for_postgresql() -> Statement:
    # User by user: a planner that expects many rows would start processes to read them, which takes 10 ms.
    user_ids = sa.bindparam("user_ids", type_=postgresql.ARRAY(sa.BigInteger))
    users = sa.func.unnest(user_ids).table_valued("id", name="users").render_derived()
    parts = _overlapping("postgresql", bookings.c.user_id == users.c.id)
    found = sa.union_all(*(part.correlate(users) for part in parts)).lateral("found")
    return Statement(sa.select(*found.c).select_from(users.join(found, sa.true())))


def _for_sqlite() -> sa.CompoundSelect[Any]:
    user_ids = sa.bindparam("user_ids", type_=BigId, expanding=True)
    return sa.union_all(*_overlapping("sqlite", bookings.c.user_id.in_(user_ids)))


_find_statements: dict[str, Statement | sa.CompoundSelect[Any]] = {
    "postgresql": _for_postgresql(),
    "sqlite": _for_sqlite(),
}


def find_overlapping(db: Session, user_ids: Sequence[int], start: datetime, end: datetime) -> Sequence[Row]:
    """Return ``(user_id, start, end, booking_id)`` of the confirmed bookings of users that overlap a window.

    This is the busy source of the bookings themselves.
    """
    parameters = {
        "user_ids": list(user_ids),
        "start": start,
        "end": end,
        "short": _before(start, _SHORT),
        "long": _before(start, _LONG),
        "longest": _EARLIEST,
    }
    return db.rows(_find_statements[db.connection.dialect.name], parameters)


def _before(moment: datetime, duration: timedelta) -> datetime:
    return moment - min(duration, moment - _EARLIEST)


def includeme(config: Any) -> None:
    """Register the bookings as a busy source."""
    config.add_busy_source(OWN, find_overlapping)
