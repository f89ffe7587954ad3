"""What else a booking has, and an index for the order in which bookings changed. No row is rewritten."""

import sqlalchemy as sa
from alembic import op

revision = "bookings_0003"
down_revision = "bookings_0002"
branch_labels = None
depends_on = None

BUILT_BEFORE = {"ix_bookings_user_id_updated_at_id": "bookings (user_id, updated_at, id)"}
JSON = sa.JSON(none_as_null=True)


def upgrade() -> None:
    columns = ["user_id", "updated_at", "id"]
    op.create_index("ix_bookings_user_id_updated_at_id", "bookings", columns, if_not_exists=True)
    op.add_column("bookings", sa.Column("description", sa.Text))
    op.add_column("bookings", sa.Column("location", sa.String(500)))
    # The zone of its owner when it was made. There were no zones but UTC when the rows that are there were,
    # nor are there any for the release before, which may go on making some for a while.
    op.add_column("bookings", sa.Column("time_zone", sa.String(64), server_default="UTC", nullable=False))
    op.add_column("bookings", sa.Column("metadata", JSON))
    op.add_column("bookings", sa.Column("cancellation_reason", sa.String(500)))
    op.add_column("bookings", sa.Column("members", JSON))


def downgrade() -> None:
    for name in ("members", "cancellation_reason", "metadata", "time_zone", "location", "description"):
        op.drop_column("bookings", name)
    op.drop_index("ix_bookings_user_id_updated_at_id", "bookings")
