"""The table of bookings."""

from datetime import datetime

import sqlalchemy as sa

from scheduling.plugin import BigId, Timestamp, metadata, users, utcnow, version_column


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


bookings = sa.Table("bookings", metadata, BookingColumns, sqlite_autoincrement=True)
sa.Index("ix_bookings_user_id_start_time_id", bookings.c.user_id, bookings.c.start_time, bookings.c.id)
