"""The version of each booking."""

from scheduling.plugin import add_version, drop_version

revision = "bookings_0002"
down_revision = "bookings_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    add_version("bookings")


def downgrade() -> None:
    drop_version("bookings")
