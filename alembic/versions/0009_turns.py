"""What delivery in batches needs: whose turn it is, what has expired, and what was handed over."""

import sqlalchemy as sa
from alembic import op

from scheduling.db.metadata import Json, Timestamp

revision = "core_0009"
down_revision = "core_0008"
branch_labels = None
depends_on = None

WAITS = "state = 'pending'"
COMES_AGAIN = "state IN ('queued', 'running', 'retry')"


def upgrade() -> None:
    # With constants as defaults, so that no row is rewritten.
    op.add_column("outbox", sa.Column("turn", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("outbox", sa.Column("postponed", sa.Integer, nullable=False, server_default="0"))
    op.add_column("outbox", sa.Column("expires_at", Timestamp))
    op.add_column("outbox", sa.Column("handed_at", Timestamp))
    op.add_column("outbox", sa.Column("handed", Json))
    index("ix_outbox_consumer_turn", ["consumer", "turn"], WAITS)
    index("ix_outbox_consumer_due_at", ["consumer", "due_at"], COMES_AGAIN)
    op.create_table(
        "email_rate",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("full_at", sa.BigInteger, nullable=False),
        sa.Column("taken", sa.Integer, nullable=False),
        sa.Column("paused_until", Timestamp),
        sa.PrimaryKeyConstraint("id", name="pk_email_rate"),
    )


def downgrade() -> None:
    op.drop_table("email_rate")
    op.drop_index("ix_outbox_consumer_due_at", "outbox")
    op.drop_index("ix_outbox_consumer_turn", "outbox")
    with op.batch_alter_table("outbox") as batch:
        for name in ("handed", "handed_at", "expires_at", "postponed", "turn"):
            batch.drop_column(name)


def index(name: str, columns: list[str], where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, "outbox", columns, postgresql_where=condition, sqlite_where=condition)
