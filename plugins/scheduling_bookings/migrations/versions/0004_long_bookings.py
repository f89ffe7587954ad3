"""Indexes for the few bookings that last long, so that those which overlap an interval are found quickly."""

import sqlalchemy as sa
from alembic import op

revision = "bookings_0004"
down_revision = "bookings_0003"
branch_labels = None
depends_on = None

LENGTH = {"postgresql": "end_time - start_time", "sqlite": "julianday(end_time) - julianday(start_time)"}
DAYS = {"postgresql": "interval '{} days'", "sqlite": "{}"}


def conditions(dialect: str) -> dict[str, str]:
    """Return for each index which bookings are in it."""
    length, day, month = LENGTH[dialect], DAYS[dialect].format(1), DAYS[dialect].format(32)
    return {
        "ix_bookings_long": f"status = 'confirmed' AND {length} > {day} AND NOT ({length} > {month})",
        "ix_bookings_longest": f"status = 'confirmed' AND {length} > {month}",
    }


BUILT_BEFORE = {
    name: f"bookings (user_id, start_time) WHERE {condition}"
    for name, condition in conditions("postgresql").items()
}


def upgrade() -> None:
    for name, condition in conditions(op.get_bind().dialect.name).items():
        where = sa.text(condition)
        op.create_index(
            name,
            "bookings",
            ["user_id", "start_time"],
            if_not_exists=True,
            postgresql_where=where,
            sqlite_where=where,
        )


def downgrade() -> None:
    for name in conditions("sqlite"):
        op.drop_index(name, "bookings")
