"""The key of an account that its tokens carry.

Accounts that are there already have none, so that their tokens hold until they expire.
"""

import sqlalchemy as sa
from alembic import op

revision = "core_0006"
down_revision = "core_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("token_key", sa.String(22)))


def downgrade() -> None:
    op.drop_column("users", "token_key")
