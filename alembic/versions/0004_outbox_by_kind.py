"""An index for the messages of a kind."""

from alembic import op

revision = "core_0004"
down_revision = "core_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_outbox_kind_created_at_id", "outbox", ["kind", "created_at", "id"])


def downgrade() -> None:
    op.drop_index("ix_outbox_kind_created_at_id", "outbox")
