"""Why a message that is tried later waits."""

import sqlalchemy as sa
from alembic import op

revision = "core_0005"
down_revision = "core_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("outbox", sa.Column("delay", sa.String(20)))


def downgrade() -> None:
    with op.batch_alter_table("outbox") as batch:
        batch.drop_column("delay")
