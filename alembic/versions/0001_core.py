"""Users, token cut-offs and the outbox."""

import sqlalchemy as sa
from alembic import op

from scheduling.db.metadata import BigId, Json, Timestamp

revision = "core_0001"
down_revision = None
branch_labels = None
depends_on = None

OPEN = sa.text("state IN ('pending', 'queued', 'running', 'retry')")


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", BigId, nullable=False),
        sa.Column("email", sa.String(255), nullable=False),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("role", sa.String(50), server_default="member", nullable=False),
        sa.Column("created_at", Timestamp, server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", Timestamp, server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sqlite_autoincrement=True,
    )
    op.create_index("uq_users_email_lower", "users", [sa.text("lower(email)")], unique=True)
    op.create_index("ix_users_created_at_id", "users", ["created_at", "id"])
    op.create_table(
        "token_cutoffs",
        sa.Column("user_id", BigId, autoincrement=False, nullable=False),
        sa.Column("not_before", Timestamp, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_token_cutoffs"),
    )
    op.create_index("ix_token_cutoffs_not_before", "token_cutoffs", ["not_before"])
    op.create_table(
        "outbox",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(100), nullable=False),
        sa.Column("consumer", sa.String(100), nullable=False),
        sa.Column("dedupe_key", sa.String(255)),
        sa.Column("payload", Json, nullable=False),
        sa.Column("state", sa.String(20), server_default="pending", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_at", Timestamp, nullable=False),
        sa.Column("lease_until", Timestamp),
        sa.Column("owner", sa.String(255)),
        sa.Column("provider_id", sa.String(255)),
        sa.Column("last_error", sa.Text()),
        sa.Column("created_at", Timestamp, server_default=sa.func.now(), nullable=False),
        sa.Column("done_at", Timestamp),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sa.UniqueConstraint("dedupe_key", name="uq_outbox_dedupe_key"),
    )
    op.create_index("ix_outbox_due_at", "outbox", ["due_at"], postgresql_where=OPEN, sqlite_where=OPEN)


def downgrade() -> None:
    op.drop_table("outbox")
    op.drop_table("token_cutoffs")
    op.drop_table("users")
