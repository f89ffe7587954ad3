"""The table of users' preferences."""

from typing import Any

import sqlalchemy as sa

from scheduling.accounts.models import users
from scheduling.db.metadata import BigId, Json, metadata
from scheduling.db.versions import version_column


class UserPreferencesColumns(sa.TypedColumns):
    """What a user has chosen, by the member's key; a user who never chose anything has no row."""

    user_id: sa.Named[int] = sa.Column(
        BigId, sa.ForeignKey(users.c.id, ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    chosen: sa.Named[Any] = sa.Column(Json, nullable=False)
    version: sa.Named[int] = version_column()


user_preferences = sa.Table("user_preferences", metadata, UserPreferencesColumns)
