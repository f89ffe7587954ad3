"""The time zone of each user, which has a constant default: no row is rewritten."""

import sqlalchemy as sa
from alembic import op

revision = "core_0014"
down_revision = "core_0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("time_zone", sa.String(64), server_default="UTC", nullable=False))


def downgrade() -> None:
    op.drop_column("users", "time_zone")
