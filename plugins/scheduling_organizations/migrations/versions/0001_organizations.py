"""The tables of organizations and of their members."""

import sqlalchemy as sa
from alembic import op

from scheduling.plugin import BigId, Timestamp

revision = "organizations_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "organizations",
        sa.Column("id", BigId, nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("owner_id", BigId, nullable=False),
        sa.Column("created_at", Timestamp, server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", Timestamp, server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_organizations"),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.id"], name="fk_organizations_owner_id_users", ondelete="CASCADE"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_organizations_owner_id_created_at_id", "organizations", ["owner_id", "created_at", "id"]
    )
    op.create_table(
        "organization_members",
        sa.Column("id", BigId, nullable=False),
        sa.Column("organization_id", BigId, nullable=False),
        sa.Column("user_id", BigId, nullable=False),
        sa.Column("role", sa.String(50), server_default="member", nullable=False),
        sa.Column("joined_at", Timestamp, server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_organization_members"),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name="fk_organization_members_organization_id_organizations",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_organization_members_user_id_users", ondelete="CASCADE"
        ),
        sa.UniqueConstraint(
            "organization_id", "user_id", name="uq_organization_members_organization_id_user_id"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_organization_members_user_id", "organization_members", ["user_id"])
    op.create_index(
        "ix_organization_members_organization_id_joined_at_id",
        "organization_members",
        ["organization_id", "joined_at", "id"],
    )


def downgrade() -> None:
    op.drop_table("organization_members")
    op.drop_table("organizations")
