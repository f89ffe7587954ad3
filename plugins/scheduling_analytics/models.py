"""The tables of analytics: the events and, on PostgreSQL, what is counted of them."""

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from scheduling.plugin import BigId, Json, Timestamp, metadata, users, utcnow

MAX_TYPE = 100
"""How many characters a type has at most."""


class AnalyticsEventColumns(sa.TypedColumns):
    """Something that happened; ``user_id`` is NULL for nobody known and for an account that is gone."""

    id: sa.Named[int] = sa.Column(BigId, primary_key=True)
    user_id: sa.Named[int | None] = sa.Column(
        BigId, sa.ForeignKey(users.c.id, ondelete="SET NULL"), index=True
    )
    event_type: sa.Named[str] = sa.Column(sa.String(MAX_TYPE), nullable=False)
    metadata: sa.Named[Any] = sa.Column(Json, nullable=True)
    created_at: sa.Named[datetime] = sa.Column(
        Timestamp, nullable=False, default=utcnow, server_default=sa.func.now()
    )


analytics_events = sa.Table("analytics_events", metadata, AnalyticsEventColumns, sqlite_autoincrement=True)
sa.Index("ix_analytics_events_created_at_id", analytics_events.c.created_at, analytics_events.c.id)
sa.Index(
    "ix_analytics_events_event_type_created_at_id",
    analytics_events.c.event_type,
    analytics_events.c.created_at,
    analytics_events.c.id,
)


class TypeColumns(sa.TypedColumns):
    """A type of clients' events, and the last day (UTC) on which one came."""

    event_type: sa.Named[str] = sa.Column(sa.String(MAX_TYPE), primary_key=True)
    last_day: sa.Named[date] = sa.Column(sa.Date, nullable=False, index=True)


analytics_types = sa.Table("analytics_types", metadata, TypeColumns)


# What follows is on PostgreSQL alone: see docs/decisions/analytics-rollups.md.
_ON_POSTGRESQL = {"database": "postgresql"}

ALL_TYPES = "all types".ljust(MAX_TYPE + 1, ".")
"""The key of all types together: longer than any type, so that no event can have it."""


class PendingColumns(sa.TypedColumns):
    """What a trigger has noted of the events and the rollups lack.

    ``change`` is 1 for an event that came, -1 for one that went (an UPDATE is both), 0 for "count anew".
    """

    id: sa.Named[int] = sa.Column(sa.BigInteger, primary_key=True)
    change: sa.Named[int] = sa.Column(sa.SmallInteger, nullable=False)
    event_type: sa.Named[str] = sa.Column(sa.String(MAX_TYPE), nullable=False)
    user_id: sa.Named[int | None] = sa.Column(sa.BigInteger)
    created_at: sa.Named[datetime] = sa.Column(Timestamp, nullable=False)


analytics_pending = sa.Table("analytics_pending", metadata, PendingColumns, info=_ON_POSTGRESQL)
# What deletes the rows of all tables deletes the events first, which leaves notes.
analytics_events.add_is_dependent_on(analytics_pending)


class BucketColumns(sa.TypedColumns):
    """The events of a type in one minute, hour, day or 30 days.

    ``users`` are those whose last event of the type lies in the bucket: the sum over all buckets from a
    moment on is how many users there were since then, each counted once.
    """

    minutes: sa.Named[int] = sa.Column(sa.Integer, primary_key=True, autoincrement=False)
    start: sa.Named[datetime] = sa.Column(Timestamp, primary_key=True)
    event_type: sa.Named[str] = sa.Column(sa.String(MAX_TYPE + 1), primary_key=True)
    events: sa.Named[int] = sa.Column(sa.BigInteger, nullable=False)
    users: sa.Named[int] = sa.Column(sa.BigInteger, nullable=False)
    first_event: sa.Named[datetime | None] = sa.Column(Timestamp)
    last_event: sa.Named[datetime | None] = sa.Column(Timestamp)


analytics_buckets = sa.Table("analytics_buckets", metadata, BucketColumns, info=_ON_POSTGRESQL)


class SeenColumns(sa.TypedColumns):
    """When each user's last event of each type was, and of :data:`ALL_TYPES`."""

    user_id: sa.Named[int] = sa.Column(sa.BigInteger, primary_key=True, autoincrement=False)
    # Without last_seen, or PostgreSQL 18 would look for a minute's users in each type.
    event_type: sa.Named[str] = sa.Column(sa.String(MAX_TYPE + 1), primary_key=True, index=True)
    last_seen: sa.Named[datetime] = sa.Column(Timestamp, nullable=False, index=True)


analytics_seen = sa.Table("analytics_seen", metadata, SeenColumns, info=_ON_POSTGRESQL)
