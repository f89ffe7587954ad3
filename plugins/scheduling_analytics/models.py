"""The table of analytics events."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from scheduling.plugin import BigId, Json, Timestamp, metadata, users, utcnow


class AnalyticsEventColumns(sa.TypedColumns):
    """Something that happened; ``user_id`` is NULL for nobody known and for an account that is gone."""

    id: sa.Named[int] = sa.Column(BigId, primary_key=True)
    user_id: sa.Named[int | None] = sa.Column(
        BigId, sa.ForeignKey(users.c.id, ondelete="SET NULL"), index=True
    )
    event_type: sa.Named[str] = sa.Column(sa.String(100), nullable=False)
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
