"""The addresses to which no e-mail is sent any more."""

import sqlalchemy as sa
from alembic import op

from scheduling.db.metadata import Timestamp

revision = "core_0008"
down_revision = "core_0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "email_suppressions",
        sa.Column("address", sa.Text(collation="C").with_variant(sa.Text(), "sqlite"), nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("created_at", Timestamp, server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("address", name="pk_email_suppressions"),
    )
    op.create_index(
        "ix_email_suppressions_created_at_address", "email_suppressions", ["created_at", "address"]
    )


def downgrade() -> None:
    op.drop_table("email_suppressions")
