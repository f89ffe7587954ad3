"""The table of users."""

from datetime import datetime

import sqlalchemy as sa

from scheduling.db.metadata import BigId, Timestamp, metadata
from scheduling.times import utcnow


class UserColumns(sa.TypedColumns):
    """An account. The address is kept as it was typed and is unique without regard to case."""

    id: sa.Named[int] = sa.Column(BigId, primary_key=True)
    email: sa.Named[str] = sa.Column(sa.String(255), nullable=False)
    password_hash: sa.Named[str] = sa.Column(sa.String(255), nullable=False)
    name: sa.Named[str] = sa.Column(sa.String(255), nullable=False)
    role: sa.Named[str] = sa.Column(sa.String(50), nullable=False, server_default="member")
    created_at: sa.Named[datetime] = sa.Column(
        Timestamp, nullable=False, default=utcnow, server_default=sa.func.now()
    )
    updated_at: sa.Named[datetime] = sa.Column(
        Timestamp, nullable=False, default=utcnow, server_default=sa.func.now(), onupdate=utcnow
    )


users = sa.Table("users", metadata, UserColumns, sqlite_autoincrement=True)
sa.Index("uq_users_email_lower", sa.func.lower(users.c.email), unique=True)
sa.Index("ix_users_created_at_id", users.c.created_at, users.c.id)
