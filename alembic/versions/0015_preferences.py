"""What users have chosen."""

import sqlalchemy as sa
from alembic import op

from scheduling.db.metadata import BigId, Json
from scheduling.db.versions import add_version, drop_version

revision = "core_0015"
down_revision = "core_0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "user_preferences",
        sa.Column("user_id", BigId, autoincrement=False, nullable=False),
        sa.Column("chosen", Json, nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_user_preferences_user_id_users", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", name="pk_user_preferences"),
    )
    add_version("user_preferences")


def downgrade() -> None:
    drop_version("user_preferences")
    op.drop_table("user_preferences")
