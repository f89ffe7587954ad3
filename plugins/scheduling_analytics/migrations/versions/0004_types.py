"""The types that clients use, of which a day has only so many, and an index for who has events of some."""

import sqlalchemy as sa
from alembic import op

revision = "analytics_0004"
down_revision = "analytics_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "analytics_types",
        sa.Column("event_type", sa.String(100), nullable=False),
        sa.Column("last_day", sa.Date, nullable=False),
        sa.PrimaryKeyConstraint("event_type", name="pk_analytics_types"),
    )
    op.create_index("ix_analytics_types_last_day", "analytics_types", ["last_day"])
    if op.get_bind().dialect.name == "postgresql":
        op.create_index("ix_analytics_seen_event_type", "analytics_seen", ["event_type"])


def downgrade() -> None:
    op.drop_table("analytics_types")
    if op.get_bind().dialect.name == "postgresql":
        op.drop_index("ix_analytics_seen_event_type", "analytics_seen")
