"""The table of bookings."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from scheduling.plugin import BigId, Timestamp, metadata, users, utcnow, version_column

# Text on PostgreSQL too: JSONB would change the order of an object's members, and with it the ETag of what a
# client has sent. NULL where there are none, so that a list has nothing to decode.
_JSON = sa.JSON(none_as_null=True)


class BookingColumns(sa.TypedColumns):
    """A time that a user has; a cancelled booking keeps its row."""

    id: sa.Named[int] = sa.Column(BigId, primary_key=True)
    user_id: sa.Named[int] = sa.Column(BigId, sa.ForeignKey(users.c.id, ondelete="CASCADE"), nullable=False)
    title: sa.Named[str] = sa.Column(sa.String(255), nullable=False)
    start_time: sa.Named[datetime] = sa.Column(Timestamp, nullable=False)
    end_time: sa.Named[datetime] = sa.Column(Timestamp, nullable=False)
    status: sa.Named[str] = sa.Column(sa.String(50), nullable=False, server_default="confirmed")
    created_at: sa.Named[datetime] = sa.Column(
        Timestamp, nullable=False, default=utcnow, server_default=sa.func.now()
    )
    updated_at: sa.Named[datetime] = sa.Column(
        Timestamp, nullable=False, default=utcnow, server_default=sa.func.now(), onupdate=utcnow
    )
    version: sa.Named[int] = version_column()
    description: sa.Named[str | None] = sa.Column(sa.Text)
    location: sa.Named[str | None] = sa.Column(sa.String(500))
    time_zone: sa.Named[str] = sa.Column(sa.String(64), nullable=False, server_default="UTC")
    metadata: sa.Named[Any] = sa.Column(_JSON, nullable=True)
    cancellation_reason: sa.Named[str | None] = sa.Column(sa.String(500))
    members: sa.Named[Any] = sa.Column(_JSON, nullable=True)


bookings = sa.Table("bookings", metadata, BookingColumns, sqlite_autoincrement=True)
sa.Index("ix_bookings_user_id_start_time_id", bookings.c.user_id, bookings.c.start_time, bookings.c.id)
sa.Index("ix_bookings_user_id_updated_at_id", bookings.c.user_id, bookings.c.updated_at, bookings.c.id)


def _lasts_over(days: int) -> dict[str, str]:
    """Return, for each dialect, the condition that a booking lasts longer than so many days of 24 hours."""
    return {
        "postgresql": f"end_time - start_time > interval '{days} days'",
        "sqlite": f"julianday(end_time) - julianday(start_time) > {days}",
    }


def _condition(*terms: str) -> sa.ColumnElement[bool]:
    # Spelled out, not bound: a planner takes a partial index only for a condition that it can read.
    return sa.and_(*(sa.literal_column(term, sa.Boolean) for term in terms))


_A_DAY, _32_DAYS = _lasts_over(1), _lasts_over(32)

# For whoever looks for the bookings that overlap an interval, by dialect (overlaps.py).
IS_SHORT = {name: _condition(f"NOT ({longer})") for name, longer in _A_DAY.items()}
IS_LONG = {name: _condition(longer, f"NOT ({_32_DAYS[name]})") for name, longer in _A_DAY.items()}
IS_LONGEST = {name: _condition(longest) for name, longest in _32_DAYS.items()}

# Most bookings are in neither of these, and cost nothing to keep there.
for _name, _which in (("long", IS_LONG), ("longest", IS_LONGEST)):
    _where = {
        name: sa.and_(sa.literal_column("status = 'confirmed'"), lasts) for name, lasts in _which.items()
    }
    sa.Index(
        f"ix_bookings_{_name}",
        bookings.c.user_id,
        bookings.c.start_time,
        postgresql_where=_where["postgresql"],
        sqlite_where=_where["sqlite"],
    )
