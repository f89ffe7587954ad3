"""An index of the messages that were written for a later moment. None has its state yet, so it is empty."""

import sqlalchemy as sa
from alembic import op

revision = "core_0016"
down_revision = "core_0015"
branch_labels = None
depends_on = None

IS_SCHEDULED = sa.text("state = 'scheduled'")


def upgrade() -> None:
    op.create_index(
        "ix_outbox_scheduled",
        "outbox",
        ["due_at"],
        postgresql_where=IS_SCHEDULED,
        sqlite_where=IS_SCHEDULED,
    )


def downgrade() -> None:
    # The release before knows the state only by its delay.
    op.execute("UPDATE outbox SET state = 'retry', delay = 'scheduled', turn = 0 WHERE state = 'scheduled'")
    op.drop_index("ix_outbox_scheduled", "outbox")
