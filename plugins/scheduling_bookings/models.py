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
