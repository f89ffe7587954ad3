"""The table of notifications."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from scheduling.plugin import BigId, Json, Timestamp, metadata, users, utcnow


class NotificationColumns(sa.TypedColumns):
    """Something that a user was told."""

    id: sa.Named[int] = sa.Column(BigId, primary_key=True)
    user_id: sa.Named[int] = sa.Column(BigId, sa.ForeignKey(users.c.id, ondelete="CASCADE"), nullable=False)
    type: sa.Named[str] = sa.Column(sa.String(100), nullable=False)
    title: sa.Named[str] = sa.Column(sa.String(255), nullable=False)
    message: sa.Named[str | None] = sa.Column(sa.Text)
    is_read: sa.Named[bool] = sa.Column(sa.Boolean, nullable=False, server_default=sa.false())
    metadata: sa.Named[Any] = sa.Column(Json, nullable=True)
    created_at: sa.Named[datetime] = sa.Column(
        Timestamp, nullable=False, default=utcnow, server_default=sa.func.now()
    )


notifications = sa.Table("notifications", metadata, NotificationColumns, sqlite_autoincrement=True)
sa.Index(
    "ix_notifications_user_id_is_read_created_at_id",
    notifications.c.user_id,
    notifications.c.is_read,
    notifications.c.created_at.desc(),
    notifications.c.id.desc(),
)
