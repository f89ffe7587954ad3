"""Reserved moments, the slots of the e-mail rate limit, indexes for lists and pruning."""

import sqlalchemy as sa
from alembic import op

from scheduling.db.metadata import Timestamp

revision = "core_0002"
down_revision = "core_0001"
branch_labels = None
depends_on = None

UNFINISHED = sa.text("state NOT IN ('done', 'skipped')")
FINISHED = sa.text("state IN ('done', 'skipped')")


def upgrade() -> None:
    op.add_column("outbox", sa.Column("reserved_at", Timestamp))
    op.create_index("ix_outbox_created_at_id", "outbox", ["created_at", "id"])
    op.create_index("ix_outbox_state_created_at_id", "outbox", ["state", "created_at", "id"])
    op.create_index(
        "ix_outbox_unfinished",
        "outbox",
        ["state", "kind"],
        postgresql_where=UNFINISHED,
        sqlite_where=UNFINISHED,
    )
    op.create_index(
        "ix_outbox_done_at", "outbox", ["done_at"], postgresql_where=FINISHED, sqlite_where=FINISHED
    )
    op.create_table(
        "email_slots",
        sa.Column("slot", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("free_at", Timestamp, nullable=False),
        sa.PrimaryKeyConstraint("slot", name="pk_email_slots"),
    )
    op.create_index("ix_email_slots_free_at", "email_slots", ["free_at"])


def downgrade() -> None:
    op.drop_table("email_slots")
    for index in ("done_at", "unfinished", "state_created_at_id", "created_at_id"):
        op.drop_index(f"ix_outbox_{index}", "outbox")
    with op.batch_alter_table("outbox") as batch:
        batch.drop_column("reserved_at")
