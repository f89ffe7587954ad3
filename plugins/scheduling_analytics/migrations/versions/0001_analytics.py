"""The table of analytics events."""

import sqlalchemy as sa
from alembic import op

from scheduling.plugin import BigId, Json, Timestamp

revision = "analytics_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "analytics_events",
        sa.Column("id", BigId, nullable=False),
        sa.Column("user_id", BigId),
        sa.Column("event_type", sa.String(100), nullable=False),
        sa.Column("metadata", Json),
        sa.Column("created_at", Timestamp, server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_analytics_events"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_analytics_events_user_id_users", ondelete="SET NULL"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_analytics_events_user_id", "analytics_events", ["user_id"])
    op.create_index("ix_analytics_events_created_at_id", "analytics_events", ["created_at", "id"])
    op.create_index(
        "ix_analytics_events_event_type_created_at_id", "analytics_events", ["event_type", "created_at", "id"]
    )


def downgrade() -> None:
    op.drop_table("analytics_events")
