"""The version of each user."""

from scheduling.db.versions import add_version, drop_version

revision = "core_0012"
down_revision = "core_0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    add_version("users")


def downgrade() -> None:
    drop_version("users")
