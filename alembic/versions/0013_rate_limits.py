"""Rate limits: what is counted, and from where accounts have logged in."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from scheduling.db.metadata import BigId, Timestamp

revision = "core_0013"
down_revision = "core_0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moments = sa.JSON().with_variant(postgresql.ARRAY(sa.BigInteger), "postgresql")
    op.create_table(
        "rate_limits",
        sa.Column("key", sa.LargeBinary(16), nullable=False),
        sa.Column("hits", moments, nullable=False),
        sa.Column("waits", sa.SmallInteger, nullable=False),
        sa.Column("admitted", sa.Boolean, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_rate_limits"),
    )
    op.create_index("ix_rate_limits_expires_at", "rate_limits", ["expires_at"])
    op.create_table(
        "login_addresses",
        sa.Column("user_id", BigId, autoincrement=False, nullable=False),
        sa.Column("address", sa.LargeBinary(16), nullable=False),
        sa.Column("last_at", Timestamp, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "address", name="pk_login_addresses"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_login_addresses_user_id_users", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_login_addresses_last_at", "login_addresses", ["last_at"])


def downgrade() -> None:
    op.drop_table("login_addresses")
    op.drop_table("rate_limits")
